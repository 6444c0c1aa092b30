//! What a step of an environment should leave, by the reference.

use crate::check::support::{Random, Report, wide};
use crate::env::{Autoreset, Env};
use crate::error::Result;
use crate::reference::env::{EnvAction, observe, start, step};

pub(in crate::check) const SEED: u64 = 0xfeed_5eed_0bad_cafe;

/// What the buffers hold.
pub(in crate::check) struct Seen {
    pub env_state: Vec<u32>,
    pub obs: Vec<f32>,
    pub final_obs: Vec<f32>,
    pub rewards: Vec<f32>,
    pub terminated: Vec<u32>,
    pub truncated: Vec<u32>,
    pub episodes: Vec<[f32; 2]>,
}

/// Set in the word of an episode's steps where it has ended and nothing was reset yet.
const ENDED: u32 = 1 << 31;

/// State words of one environment, often near an end, now and then past it.
pub(in crate::check) fn words(env: Env, random: &mut Random) -> Vec<u32> {
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

pub(in crate::check) fn action(env: Env, word: u32) -> EnvAction {
    if env.actions().is_discrete() { EnvAction::Index(word) } else { EnvAction::Float(f32::from_bits(word)) }
}

fn floats(words: &[u32]) -> Vec<f64> {
    words.iter().map(|word| f64::from(f32::from_bits(*word))).collect()
}

/// What the words of one environment hold.
pub(super) struct Before {
    pub state: Vec<f64>,
    pub total: f64,
    pub steps: u32,
    pub ended: bool,
}

pub(super) fn before(env: Env, words: &[u32]) -> Before {
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
pub(in crate::check) struct Want {
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

    pub(super) fn stays(&mut self, env: Env, now: Before) {
        self.obs.extend(observe(env, &now.state));
        self.state.extend(now.state.into_iter().chain([now.total]));
        self.steps.push(if now.ended { now.steps | ENDED } else { now.steps });
    }

    pub(super) fn fresh(&mut self, env: Env, index: usize, at: u64) {
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
pub(in crate::check) fn compare(report: &Report, env: Env, seen: &Seen, want: &Want, (row, obs_row): (usize, usize)) {
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
