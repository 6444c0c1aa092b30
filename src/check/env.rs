//! Environments: steps from random states, with ends, resets and time limits.

use super::Case;
use super::support::{EPS, Guarded, Random, Report, schedule, wide};
use crate::Result;
use crate::env::Env;
use crate::gpu::{Call, Gpu, Schedule, ScheduleRing};
use crate::kernels::{env_cartpole, env_pendulum};
use crate::reference::env::{EnvAction, Outcome, observe, start, step};

const SEED: u64 = 0xfeed_5eed_0bad_cafe;

/// The low word overflows within a window.
const FIRST_STEP: u64 = u32::MAX as u64;

struct World {
    env_state: Guarded<u32>,
    actions: Guarded<u32>,
    obs: Guarded<f32>,
    final_obs: Guarded<f32>,
    rewards: Guarded<f32>,
    terminated: Guarded<u32>,
    truncated: Guarded<u32>,
    episodes: Guarded<[f32; 2]>,
}

/// One call: mode, step of the window, row of its first environment.
#[derive(Clone, Copy)]
struct Place {
    mode: u32,
    step: u32,
    row: u32,
}

macro_rules! binder {
    ($module:ident, $env:expr) => {
        |gpu: &Gpu, envs: u32, world: &World, ring: &ScheduleRing, places: &[Place]| -> Result<Vec<Call>> {
            let params: Vec<_> = places
                .iter()
                .map(|place| {
                    let mut p = $module::Params::default();
                    (p.envs, p.mode, p.step_offset, p.row_offset) = (envs, place.mode, place.step, place.row);
                    p.obs_offset = place.row * $env.obs_dim() as u32;
                    (p.time_limit, p.action_offset) = ($env.time_limit(), place.row);
                    p
                })
                .collect();
            let io = $module::Io {
                env_state: world.env_state.io(),
                actions: world.actions.io(),
                obs: world.obs.io(),
                final_obs: world.final_obs.io(),
                rewards: world.rewards.io(),
                terminated: world.terminated.io(),
                truncated: world.truncated.io(),
                episodes: world.episodes.io(),
            };
            $module::bind(gpu, &params, &io, ring)
        }
    };
}

fn bind(gpu: &Gpu, env: Env, envs: u32, world: &World, ring: &ScheduleRing, places: &[Place]) -> Result<Vec<Call>> {
    match env {
        Env::CartPole => binder!(env_cartpole, env)(gpu, envs, world, ring, places),
        Env::Pendulum => binder!(env_pendulum, env)(gpu, envs, world, ring, places),
    }
}

/// State words of one environment, often near an end.
fn words(env: Env, random: &mut Random) -> Vec<u32> {
    let bounds: &[f32] = match env {
        Env::CartPole => &[2.42, 2.0, 0.21, 2.0],
        Env::Pendulum => &[12.0, 8.0],
    };
    let steps = if random.below(4) == 0 { env.time_limit() - 1 } else { random.below(env.time_limit() - 4) };
    let state = bounds.iter().map(|bound| random.range(-bound, *bound).to_bits()).collect::<Vec<_>>();
    state.into_iter().chain([random.range(-50.0, 50.0).to_bits(), steps]).collect()
}

fn action(env: Env, word: u32) -> EnvAction {
    if env == Env::CartPole { EnvAction::Index(word) } else { EnvAction::Float(f32::from_bits(word)) }
}

fn floats(words: &[u32]) -> Vec<f64> {
    words.iter().map(|word| f64::from(f32::from_bits(*word))).collect()
}

/// What the words of one environment hold.
struct Before {
    state: Vec<f64>,
    total: f64,
    steps: u32,
}

fn before(env: Env, words: &[u32]) -> Before {
    let dim = env.state_dim();
    Before { state: floats(&words[..dim]), total: floats(&words[dim..=dim])[0], steps: words[dim + 1] }
}

/// Everything that one step of all environments should have written.
#[derive(Default)]
struct Want {
    state: Vec<f64>,
    steps: Vec<u32>,
    obs: Vec<f64>,
    final_obs: Vec<f64>,
    rewards: Vec<f64>,
    flags: Vec<[u32; 2]>,
    episodes: Vec<f64>,
}

impl Want {
    fn push(&mut self, env: Env, index: usize, words: &[u32], action: EnvAction, at: u64) -> Result<()> {
        let Before { state, total, steps } = before(env, words);
        let Outcome { state: after, reward, terminated } = step(env, &state, action)?;
        let truncated = steps + 1 >= env.time_limit();
        self.rewards.push(reward);
        self.flags.push([terminated.into(), truncated.into()]);
        let observed = observe(env, &after);
        if terminated || truncated {
            self.episodes.extend([total + reward, f64::from(steps + 1)]);
            self.final_obs.extend(observed);
            self.fresh(env, index, at + 1);
        } else {
            self.episodes.extend([0.0, 0.0]);
            self.final_obs.extend(vec![0.0; env.obs_dim()]);
            self.state.extend(after.iter().chain([&(total + reward)]));
            self.steps.push(steps + 1);
            self.obs.extend(observed);
        }
        Ok(())
    }

    fn fresh(&mut self, env: Env, index: usize, at: u64) {
        let state = wide(&start(env, SEED, index as u32, at));
        self.obs.extend(observe(env, &state));
        self.state.extend(state.into_iter().chain([0.0]));
        self.steps.push(0);
    }
}

/// Float words and step counts of all environments.
fn split(env: Env, words: &[u32]) -> (Vec<f32>, Vec<u32>) {
    let (width, dim) = (env.state_words(), env.state_dim());
    let states = words.chunks(width).flat_map(|own| own[..=dim].iter().map(|word| f32::from_bits(*word))).collect();
    (states, words.chunks(width).map(|own| own[dim + 1]).collect())
}

fn compare(gpu: &Gpu, report: &Report, env: Env, world: &World, want: &Want, row: usize) -> Result<()> {
    let n = want.steps.len();
    let dim = env.obs_dim();
    // Sizes of what is added: angles of Pendulum reach 13 radians and its rewards 17; returns reach 70.
    let size = if env == Env::CartPole { 2.4 } else { 13.0 };
    let (states, steps) = split(env, &world.env_state.read(gpu, report)?);
    report.floats("env_state", &states, &want.state, |i| {
        if i % (env.state_dim() + 1) == env.state_dim() { 70.0 } else { size }
    });
    report.exact("env_state (steps)", &steps, &want.steps);
    report.floats("obs", &world.obs.read(gpu, report)?[row * dim..(row + n) * dim], &want.obs, |_| size);
    if want.rewards.is_empty() {
        return Ok(());
    }
    let rows = row..row + n;
    let last = world.final_obs.read(gpu, report)?;
    report.floats("final_obs", &last[row * dim..(row + n) * dim], &want.final_obs, |_| size);
    report.floats("rewards", &world.rewards.read(gpu, report)?[rows.clone()], &want.rewards, |_| 17.0);
    let terminated: Vec<u32> = want.flags.iter().map(|flags| flags[0]).collect();
    let truncated: Vec<u32> = want.flags.iter().map(|flags| flags[1]).collect();
    report.exact("terminated", &world.terminated.read(gpu, report)?[rows.clone()], &terminated);
    report.exact("truncated", &world.truncated.read(gpu, report)?[rows.clone()], &truncated);
    let episodes = world.episodes.read(gpu, report)?;
    report.floats("episodes", bytemuck::cast_slice(&episodes[rows]), &want.episodes, |_| 70.0);
    Ok(())
}

fn run(gpu: &Gpu, report: &Report, env: Env, envs: usize, steps: usize) -> Result<()> {
    let mut random = Random::new(envs as u64);
    let initial: Vec<u32> = (0..envs).flat_map(|_| words(env, &mut random)).collect();
    let rows = envs * steps;
    let actions: Vec<u32> = (0..rows)
        .map(|_| if env == Env::CartPole { random.below(2) } else { random.range(-3.0, 3.0).to_bits() })
        .collect();
    // One row of observations more than steps; the first rows of a window belong to the step before.
    let world = World {
        env_state: Guarded::updated(gpu, "env_state", &initial)?,
        actions: Guarded::holding(gpu, "actions", &actions)?,
        obs: Guarded::output(gpu, "obs", rows * env.obs_dim())?,
        final_obs: Guarded::output(gpu, "final_obs", rows * env.obs_dim())?,
        rewards: Guarded::output(gpu, "rewards", rows)?,
        terminated: Guarded::output(gpu, "terminated", rows)?,
        truncated: Guarded::output(gpu, "truncated", rows)?,
        episodes: Guarded::output(gpu, "episodes", rows)?,
    };
    let values = Schedule {
        seed_low: SEED as u32,
        seed_high: (SEED >> 32) as u32,
        env_step_low: FIRST_STEP as u32,
        env_step_high: (FIRST_STEP >> 32) as u32,
        ..Schedule::default()
    };
    let (ring, slot) = schedule(gpu, &values)?;
    let mut places: Vec<Place> =
        (0..steps).map(|t| Place { mode: 0, step: t as u32, row: (t * envs) as u32 }).collect();
    places.push(Place { mode: 2, step: 0, row: 0 });
    places.push(Place { mode: 1, step: 5, row: 0 });
    let calls = bind(gpu, env, envs as u32, &world, &ring, &places)?;
    let width = env.state_words();
    let mut now = initial;
    for (call, place) in calls.chunks(1).zip(&places) {
        gpu.run("check", call, slot)?;
        let mut want = Want::default();
        for (index, own) in now.chunks(width).enumerate() {
            let at = FIRST_STEP + u64::from(place.step);
            match place.mode {
                0 => want.push(env, index, own, action(env, actions[place.row as usize + index]), at)?,
                1 => want.fresh(env, index, at),
                _ => {
                    let Before { state, total, steps } = before(env, own);
                    want.obs.extend(observe(env, &state));
                    want.state.extend(state.into_iter().chain([total]));
                    want.steps.push(steps);
                }
            }
        }
        compare(gpu, report, env, &world, &want, place.row as usize)?;
        // The next step is judged from what the device has.
        now = world.env_state.read(gpu, report)?;
    }
    Ok(())
}

pub(super) fn cases() -> Vec<Case> {
    let reason = "one step: about ten roundings, sine and cosine to 1e-7 absolute; angles wrap with the rounding of the angle, \
                  which the square in a reward doubles";
    let mut cases = Vec::new();
    for env in Env::ALL {
        let kernel = if env == Env::CartPole { "env_cartpole" } else { "env_pendulum" };
        for (envs, steps) in [(1, 3), (63, 2), (64, 2), (65, 3), (1021, 1)] {
            let shape = format!("{envs} environments, {steps} steps, observe, reset");
            let case =
                Case::new(kernel, shape, (16.0 * EPS, reason), move |gpu, report| run(gpu, report, env, envs, steps));
            cases.push(case.quick(envs == 65));
        }
    }
    cases
}
