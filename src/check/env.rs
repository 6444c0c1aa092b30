//! Environments: steps from random states, with ends, resets and time limits.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::size::Size;
use super::support::{EPS, Guarded, Random, Report, schedule, wide};
use super::work::Work;
use crate::env::{ActionSpace, Autoreset, Env};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Schedule, ScheduleRing};
use crate::kernels::env_step;
use crate::reference::env::{EnvAction, observe, start, step};

pub(super) const SEED: u64 = 0xfeed_5eed_0bad_cafe;

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

/// What the buffers hold.
pub(super) struct Seen {
    pub env_state: Vec<u32>,
    pub obs: Vec<f32>,
    pub final_obs: Vec<f32>,
    pub rewards: Vec<f32>,
    pub terminated: Vec<u32>,
    pub truncated: Vec<u32>,
    pub episodes: Vec<[f32; 2]>,
}

impl World {
    fn read(&self, gpu: &Gpu, report: &Report) -> Result<Seen> {
        Ok(Seen {
            env_state: self.env_state.read(gpu, report)?,
            obs: self.obs.read(gpu, report)?,
            final_obs: self.final_obs.read(gpu, report)?,
            rewards: self.rewards.read(gpu, report)?,
            terminated: self.terminated.read(gpu, report)?,
            truncated: self.truncated.read(gpu, report)?,
            episodes: self.episodes.read(gpu, report)?,
        })
    }
}

/// One call: mode, step of the window, row of its first environment.
#[derive(Clone, Copy)]
struct Place {
    mode: u32,
    step: u32,
    row: u32,
}

/// Set in the word of an episode's steps where it has ended and nothing was reset yet.
const ENDED: u32 = 1 << 31;

fn bind(
    gpu: &Gpu,
    (env, autoreset): (Env, Autoreset),
    envs: u32,
    world: &World,
    ring: &ScheduleRing,
    places: &[Place],
) -> Result<Vec<Call>> {
    let of = |place: &Place| env_step::Params {
        envs,
        mode: place.mode,
        step_offset: place.step,
        obs_offset: place.row * env.obs_dim() as u32,
        row_offset: place.row,
        time_limit: env.time_limit(),
        action_offset: place.row * env.actions().dims() as u32,
        autoreset: autoreset.code(),
    };
    let params: Vec<_> = places.iter().map(of).collect();
    let io = env_step::Io {
        env_state: world.env_state.io(),
        actions: world.actions.io(),
        obs: world.obs.io(),
        final_obs: world.final_obs.io(),
        rewards: world.rewards.io(),
        terminated: world.terminated.io(),
        truncated: world.truncated.io(),
        episodes: world.episodes.io(),
    };
    env_step::bind(gpu, env, &params, &io, ring)
}

/// State words of one environment, often near an end, now and then past it.
pub(super) fn words(env: Env, random: &mut Random) -> Vec<u32> {
    let limit = env.time_limit();
    let steps = match random.below(8) {
        0 | 1 => limit - 1,
        2 => (limit - 1) | ENDED,
        _ => random.below(limit.saturating_sub(4).max(1)),
    };
    let state: Vec<u32> =
        env.info().state_range.iter().map(|[low, high]| random.range(*low, *high).to_bits()).collect();
    state.into_iter().chain([random.range(-50.0, 50.0).to_bits(), steps]).collect()
}

/// An action's word, past the limits now and then.
fn draw(env: Env, random: &mut Random) -> u32 {
    match env.actions() {
        ActionSpace::Discrete(n) => random.below(n as u32),
        ActionSpace::Box { low, high } => random.range(1.5 * low[0], 1.5 * high[0]).to_bits(),
    }
}

pub(super) fn action(env: Env, word: u32) -> EnvAction {
    if env.actions().is_discrete() { EnvAction::Index(word) } else { EnvAction::Float(f32::from_bits(word)) }
}

fn floats(words: &[u32]) -> Vec<f64> {
    words.iter().map(|word| f64::from(f32::from_bits(*word))).collect()
}

/// What the words of one environment hold.
struct Before {
    state: Vec<f64>,
    total: f64,
    steps: u32,
    ended: bool,
}

fn before(env: Env, words: &[u32]) -> Before {
    let dim = env.state_dim();
    Before {
        state: floats(&words[..dim]),
        total: floats(&words[dim..=dim])[0],
        steps: words[dim + 1] & !ENDED,
        ended: words[dim + 1] >= ENDED,
    }
}

/// Everything that one step of all environments should have written.
#[derive(Default)]
pub(super) struct Want {
    state: Vec<f64>,
    steps: Vec<u32>,
    obs: Vec<f64>,
    final_obs: Vec<f64>,
    rewards: Vec<f64>,
    flags: Vec<[u32; 2]>,
    episodes: Vec<f64>,
}

impl Want {
    pub fn step(
        &mut self,
        (env, autoreset): (Env, Autoreset),
        index: usize,
        words: &[u32],
        action: EnvAction,
        at: u64,
    ) -> Result<()> {
        let mut now = before(env, words);
        let was_over = now.ended;
        let (mut reward, mut flags, mut episode, mut last) = (0.0, [0, 0], [0.0, 0.0], vec![0.0; env.obs_dim()]);
        if !was_over {
            let outcome = step(env, &now.state, action)?;
            let truncated = now.steps + 1 >= env.time_limit();
            (reward, flags) = (outcome.reward, [outcome.terminated.into(), truncated.into()]);
            let ended = outcome.terminated || truncated;
            now = Before { state: outcome.state, total: now.total + reward, steps: now.steps + 1, ended };
            if ended {
                episode = [now.total, f64::from(now.steps)];
                last = observe(env, &now.state);
            }
        }
        self.rewards.push(reward);
        self.flags.push(flags);
        self.episodes.extend(episode);
        self.final_obs.extend(last);
        let resets = match autoreset {
            Autoreset::SameStep => now.ended,
            Autoreset::NextStep => was_over,
            Autoreset::Disabled => false,
        };
        if resets {
            self.fresh(env, index, at + 1)
        } else {
            self.stays(env, now)
        }
        Ok(())
    }

    fn stays(&mut self, env: Env, now: Before) {
        self.obs.extend(observe(env, &now.state));
        self.state.extend(now.state.into_iter().chain([now.total]));
        self.steps.push(if now.ended { now.steps | ENDED } else { now.steps });
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

/// What was seen from row `row` on, and of the observations from row `obs_row` on.
pub(super) fn compare(report: &Report, env: Env, seen: &Seen, want: &Want, (row, obs_row): (usize, usize)) {
    let n = want.steps.len();
    let dim = env.obs_dim();
    // Sizes of what is added: state numbers, rewards, and returns, which begin below 50.
    let largest = |most: f32, [low, high]: &[f32; 2]| most.max(low.abs()).max(high.abs());
    let size = f64::from(env.info().state_range.iter().fold(1.0_f32, largest));
    let reward_size = f64::from(env.info().reward_size);
    let total_size = 50.0 + reward_size;
    let (states, steps) = split(env, &seen.env_state);
    report.floats("env_state", &states, &want.state, |i| {
        if i % (env.state_dim() + 1) == env.state_dim() { total_size } else { size }
    });
    report.exact("env_state (steps)", &steps, &want.steps);
    report.floats("obs", &seen.obs[obs_row * dim..(obs_row + n) * dim], &want.obs, |_| size);
    if want.rewards.is_empty() {
        return;
    }
    let rows = row..row + n;
    report.floats("final_obs", &seen.final_obs[row * dim..(row + n) * dim], &want.final_obs, |_| size);
    report.floats("rewards", &seen.rewards[rows.clone()], &want.rewards, |_| reward_size);
    let terminated: Vec<u32> = want.flags.iter().map(|flags| flags[0]).collect();
    let truncated: Vec<u32> = want.flags.iter().map(|flags| flags[1]).collect();
    report.exact("terminated", &seen.terminated[rows.clone()], &terminated);
    report.exact("truncated", &seen.truncated[rows.clone()], &truncated);
    report.floats("episodes", bytemuck::cast_slice(&seen.episodes[rows]), &want.episodes, |_| total_size);
}

fn run(gpu: &Gpu, report: &Report, (env, autoreset): (Env, Autoreset), envs: usize, steps: usize) -> Result<()> {
    let mut random = Random::new(envs as u64);
    let initial: Vec<u32> = (0..envs).flat_map(|_| words(env, &mut random)).collect();
    let rows = envs * steps;
    let actions: Vec<u32> = (0..rows).map(|_| draw(env, &mut random)).collect();
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
    places.push(Place { mode: 3, step: 4, row: 0 });
    places.push(Place { mode: 1, step: 5, row: 0 });
    let calls = bind(gpu, (env, autoreset), envs as u32, &world, &ring, &places)?;
    let width = env.state_words();
    let mut now = initial;
    for (call, place) in calls.chunks(1).zip(&places) {
        report.run(gpu, call, slot)?;
        let mut want = Want::default();
        for (index, own) in now.chunks(width).enumerate() {
            let at = FIRST_STEP + u64::from(place.step);
            let own_state = before(env, own);
            match place.mode {
                0 => {
                    let action = action(env, actions[place.row as usize + index]);
                    want.step((env, autoreset), index, own, action, at)?;
                }
                1 => want.fresh(env, index, at),
                3 if own_state.ended => want.fresh(env, index, at),
                _ => want.stays(env, own_state),
            }
        }
        let seen = world.read(gpu, report)?;
        compare(report, env, &seen, &want, (place.row as usize, place.row as usize));
        // The next step is judged from what the device has.
        now = seen.env_state;
    }
    Ok(())
}

fn case(env: Env, autoreset: Autoreset, envs: usize, steps: usize) -> Case {
    let reason = "one step: about ten roundings, sine and cosine to 1e-7 absolute; angles wrap with the rounding of the angle, \
                  which the square in a reward doubles";
    let shape = format!("{}, {envs} environments, {steps} steps, observe, reset, {autoreset:?}", env.name());
    let run = move |gpu: &Gpu, report: &Report| run(gpu, report, (env, autoreset), envs, steps);
    Case::new(env_step::DEF.name, shape, (16.0 * EPS, reason), run)
}

/// One step of CartPole: state and counters read and written, action, both observations, reward, flags, episode.
fn step_work(s: &Size) -> Work {
    let (e, d) = (s.envs as f64, s.obs_dim as f64);
    Work::steps(s.envs, 40.0 * e, 4.0 * e * (12.0 + 1.0 + 2.0 * d + 1.0 + 2.0 + 2.0))
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &env_step::DEF,
        about: "one step per environment, of any built-in one",
        oracle: oracle!(env::step),
        at_size: |s| Some(case(s.env, Autoreset::SameStep, s.envs, 1)),
        sweep: Sweep::Rollout,
        // Other modes follow the step.
        timed: Timed::First(1),
        work: step_work,
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for env in Env::ALL {
        for (envs, steps) in [(1, 3), (63, 2), (64, 2), (65, 3), (1021, 1)] {
            for autoreset in Autoreset::ALL {
                let quick = envs == 65 && autoreset == Autoreset::SameStep;
                cases.push(case(env, autoreset, envs, steps).quick(quick));
            }
        }
    }
    cases
}
