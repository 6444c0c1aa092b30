//! Steps from random states, with ends, resets and time limits.

use super::expected::{SEED, Seen, Want, action, before, compare, words};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::support::{EPS, Guarded, Random, Report, schedule};
use crate::check::work::Work;
use crate::env::{ActionSpace, Autoreset, Env};
use crate::error::Result;
use crate::gpu::{Call, Gpu, UniformRing};
use crate::kernels::env_step::{self, Mode};
use crate::kernels::per_update::PerUpdate;

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

impl World {
    async fn read(&self, gpu: &Gpu, report: &Report) -> Result<Seen> {
        Ok(Seen {
            env_state: self.env_state.read(gpu, report).await?,
            obs: self.obs.read(gpu, report).await?,
            final_obs: self.final_obs.read(gpu, report).await?,
            rewards: self.rewards.read(gpu, report).await?,
            terminated: self.terminated.read(gpu, report).await?,
            truncated: self.truncated.read(gpu, report).await?,
            episodes: self.episodes.read(gpu, report).await?,
        })
    }
}

/// One call: mode, step of the window, row of its first environment.
#[derive(Clone, Copy)]
struct Place {
    mode: Mode,
    step: u32,
    row: u32,
}

fn bind(
    gpu: &Gpu,
    (env, autoreset): (Env, Autoreset),
    envs: u32,
    world: &World,
    ring: &UniformRing,
    places: &[Place],
) -> Result<Vec<Call>> {
    let of = |place: &Place| env_step::Params {
        envs,
        mode: place.mode.code(),
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

/// An action's word, past the limits now and then.
fn draw(env: Env, random: &mut Random) -> u32 {
    match env.actions() {
        ActionSpace::Discrete(n) => random.below(n as u32),
        ActionSpace::Box { low, high } => random.range(1.5 * low[0], 1.5 * high[0]).to_bits(),
    }
}

async fn run(gpu: &Gpu, report: &Report, (env, autoreset): (Env, Autoreset), envs: usize, steps: usize) -> Result<()> {
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
    let values = PerUpdate {
        seed_low: SEED as u32,
        seed_high: (SEED >> 32) as u32,
        env_step_low: FIRST_STEP as u32,
        env_step_high: (FIRST_STEP >> 32) as u32,
        ..PerUpdate::default()
    };
    let (ring, slot) = schedule(gpu, &values)?;
    let mut places: Vec<Place> =
        (0..steps).map(|t| Place { mode: Mode::Step, step: t as u32, row: (t * envs) as u32 }).collect();
    places.push(Place { mode: Mode::Observe, step: 0, row: 0 });
    places.push(Place { mode: Mode::ResetEnded, step: 4, row: 0 });
    places.push(Place { mode: Mode::Reset, step: 5, row: 0 });
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
                Mode::Step => {
                    let action = action(env, actions[place.row as usize + index]);
                    want.step((env, autoreset), index, own, action, at)?;
                }
                Mode::Reset => want.fresh(env, index, at),
                Mode::ResetEnded if own_state.ended => want.fresh(env, index, at),
                Mode::Observe | Mode::ResetEnded => want.stays(env, own_state),
            }
        }
        let seen = world.read(gpu, report).await?;
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
    let run = async move |gpu: &Gpu, report: &Report| run(gpu, report, (env, autoreset), envs, steps).await;
    Case::new(env_step::DEF.name, shape, (16.0 * EPS, reason), run)
}

/// One step of CartPole: state and counters read and written, action, both observations, reward, flags, episode.
fn step_work(s: &Size) -> Work {
    let (e, d) = (s.envs as f64, s.obs_dim as f64);
    Work::steps(s.envs, 40.0 * e, 4.0 * e * (12.0 + 1.0 + 2.0 * d + 1.0 + 2.0 + 2.0))
}

pub(in crate::check) const FAMILY: Family = Family {
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

fn cases() -> Vec<Case> {
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
