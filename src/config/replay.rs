//! What DQN, DDPG, TD3 and SAC share: a memory of transitions, and how often gradient steps are taken on it.

use super::range::{Range, check};
use crate::error::{Error, Result};

/// The replay memory of an off-policy algorithm, and the ratio of gradient steps to environment steps.
///
/// Environment steps are those of all environments together, as CleanRL's `global_step` counts them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replay {
    /// Most transitions that are kept, of all environments together, at least one of each. It is rounded down to whole steps of all environments.
    /// The oldest are written over.
    pub buffer_size: usize,
    /// Transitions of a gradient step (B), drawn uniformly and with replacement, at least 1.
    pub batch_size: usize,
    /// Environment steps before the first gradient step. Until then actions are uniform in the action space, but DQN's follow ε.
    pub learning_starts: u64,
    /// Environment steps between two times that the algorithm learns, at least 1.
    pub train_frequency: u64,
    /// Gradient steps each time, at least 1.
    pub gradient_steps: u64,
    /// n of the n-step returns that a drawn transition begins, from 1 to 32: Σ_{i<n} γ^i r_i, then γ^n times the target's value.
    pub n_steps: usize,
    /// Whether what followed a transition is the observation of the next place, and not stored a second time: about half of the memory at
    /// wide observations, with the same numbers where episodes are truncated at least 8 steps apart and each step begins where the last one ended. On the CPU it
    /// changes nothing.
    pub compact: bool,
    /// Policy steps for which a draw of exploration is kept, at least 1 (a new one each step): ε-greedy's choice and whether it is taken, the noise of
    /// DDPG's, TD3's and SAC's actions, what SAC's choices are drawn by, and the uniform actions before `learning_starts`. Where single steps cancel each other out, as on
    /// MountainCar, noise that lasts finds what noise of single steps never does (Dabney et al. 2020, "Temporally-Extended ε-Greedy
    /// Exploration", with a fixed duration; Stable-Baselines3's `sde_sample_freq` does so for its state-dependent noise). Steps are counted over
    /// all episodes; a hold goes on across a reset.
    pub exploration_hold: u64,
}

impl Replay {
    /// Most steps of a return.
    pub const MOST_STEPS: usize = 32;

    /// Gradient steps that are due once the count of environment steps has gone from `before` to `now`: for each multiple of
    /// `train_frequency` that was reached on the way, `gradient_steps`; none up to `learning_starts`.
    ///
    /// ```
    /// let replay = wgpo::config::Sac::cleanrl().replay;
    /// assert_eq!((replay.learning_starts, replay.due(4999, 5000), replay.due(5000, 5001), replay.due(5001, 5005)), (5000, 0, 1, 4));
    /// ```
    pub const fn due(&self, before: u64, now: u64) -> u64 {
        if now <= self.learning_starts || self.train_frequency == 0 {
            return 0;
        }
        let before = if before < self.learning_starts { self.learning_starts } else { before };
        (now / self.train_frequency - before / self.train_frequency).saturating_mul(self.gradient_steps)
    }

    /// The policy step whose draws policy step `step` explores by: the first of its `exploration_hold`.
    ///
    /// ```
    /// let replay = wgpo::config::Replay { exploration_hold: 4, ..wgpo::config::Sac::cleanrl().replay };
    /// assert_eq!([0, 3, 4, 11].map(|step| replay.held_step(step)), [0, 0, 4, 8]);
    /// ```
    pub const fn held_step(&self, step: u64) -> u64 {
        match step.checked_rem(self.exploration_hold) {
            Some(since) => step - since,
            None => step,
        }
    }

    /// Places of the ring for `envs` environments: each holds a step of all of them.
    pub const fn places(&self, envs: usize) -> usize {
        match self.buffer_size.checked_div(envs) {
            Some(places) => places,
            None => 0,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let at_least_one = [
            ("buffer_size", self.buffer_size as u64),
            ("batch_size", self.batch_size as u64),
            ("train_frequency", self.train_frequency),
            ("gradient_steps", self.gradient_steps),
            ("exploration_hold", self.exploration_hold),
        ];
        for (field, value) in at_least_one {
            if value == 0 {
                return Err(Error::config(field, "is 0, must be at least 1"));
            }
        }
        // Indices are 32 bits wide on a device.
        check(&[
            Range::closed("buffer_size", self.buffer_size as f64, 1.0, f64::from(u32::MAX)),
            Range::closed("batch_size", self.batch_size as f64, 1.0, f64::from(u32::MAX)),
            Range::closed("exploration_hold", self.exploration_hold as f64, 1.0, f64::from(i32::MAX)),
        ])?;
        if !(1..=Self::MOST_STEPS).contains(&self.n_steps) {
            let message = format!("is {}, must be from 1 to {}", self.n_steps, Self::MOST_STEPS);
            return Err(Error::config("n_steps", message));
        }
        Ok(())
    }
}
