//! Some neighbouring environments of many, which are stepped by themselves.

use super::env::{EnvAction, Moved, moved, observed, started};
use super::few::Few;
use crate::data::Autoreset;
use crate::env::Env;
use crate::error::Result;

/// Set in the word of an episode's steps where the episode has ended and nothing was reset yet.
pub(super) const ENDED: u32 = 1 << 31;

/// Some neighbouring environments of a [`VecEnv`](super::vec_env::VecEnv).
pub(crate) struct EnvPart<'a> {
    pub(super) env: Env,
    pub(super) seed: u64,
    /// Index of the first.
    pub(super) first: usize,
    /// State words of each.
    pub(super) words: &'a mut [u32],
    /// Steps taken.
    pub(super) step: u64,
    pub(super) autoreset: Autoreset,
}

/// What one step of one environment did, as in [`VecStep`](super::vec_env::VecStep).
#[derive(Debug, Clone, Copy)]
pub(crate) struct OneStep {
    pub reward: f32,
    pub terminated: bool,
    pub truncated: bool,
    pub valid: bool,
    pub final_obs: Few<f32>,
    pub ended: Option<(f32, u32)>,
}

impl EnvPart<'_> {
    /// Index of its first environment among all.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Environments.
    pub fn count(&self) -> usize {
        self.words.len() / self.env.state_words()
    }

    /// Current observations into `obs` `[count, obs_dim]`.
    pub fn observe(&self, obs: &mut [f32]) {
        let rows = obs.chunks_mut(self.env.obs_dim());
        for (row, words) in rows.zip(self.words.chunks(self.env.state_words())) {
            row.copy_from_slice(&observation(self.env, words));
        }
    }

    /// A step of environment `index` of these, after `before` steps of this part.
    ///
    /// # Errors
    /// [`crate::Error::Value`] if the action or the state does not suit the environment.
    pub fn step(&mut self, index: usize, before: u64, action: EnvAction) -> Result<OneStep> {
        let (dim, width) = (self.env.state_dim(), self.env.state_words());
        let (env, seed, at) = (self.env, self.seed, self.step.wrapping_add(before).wrapping_add(1));
        let which = self.first + index;
        let words = &mut self.words[index * width..(index + 1) * width];
        if words[dim + 1] & ENDED != 0 {
            if self.autoreset != Autoreset::Disabled {
                begin(env, seed, which, at, words);
            }
            let final_obs = observation(env, words);
            let (reward, terminated, truncated, valid, ended) = (0.0, false, false, false, None);
            return Ok(OneStep { reward, terminated, truncated, valid, final_obs, ended });
        }
        let Moved { state, reward, terminated } = moved(env, &state(env, words), action)?;
        let (total, length) = (f32::from_bits(words[dim]) + reward, words[dim + 1] + 1);
        let truncated = length >= env.time_limit();
        let ends = terminated || truncated;
        if ends && self.autoreset == Autoreset::SameStep {
            begin(env, seed, which, at, words);
        } else {
            for (word, value) in words.iter_mut().zip(state.iter().chain([&total])) {
                *word = value.to_bits();
            }
            words[dim + 1] = if ends { length | ENDED } else { length };
        }
        let (final_obs, ended) = (observed(env, &state), ends.then_some((total, length)));
        Ok(OneStep { reward, terminated, truncated, valid: true, final_obs, ended })
    }
}

/// The physical state in an environment's words.
fn state(env: Env, words: &[u32]) -> Few<f32> {
    let mut numbers = [0.0; 6];
    let dim = env.state_dim().min(numbers.len());
    numbers.iter_mut().zip(&words[..dim]).for_each(|(number, word)| *number = f32::from_bits(*word));
    Few::from(&numbers[..dim])
}

pub(super) fn observation(env: Env, words: &[u32]) -> Few<f32> {
    observed(env, &state(env, words))
}

/// A new episode's words.
pub(super) fn begin(env: Env, seed: u64, index: usize, at: u64, words: &mut [u32]) {
    let start = started(env, seed, index as u32, at);
    let all = start.iter().map(|number| number.to_bits()).chain([0_f32.to_bits(), 0]);
    words.iter_mut().zip(all).for_each(|(word, value)| *word = value);
}
