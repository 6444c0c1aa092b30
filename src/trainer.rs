//! Rollouts and updates in a loop, with the built-in environments or with your own, on the device or on the CPU.

use crate::agent::Agent;
use crate::data::UpdateStats;
use crate::env::Env;
use crate::error::Result;
use crate::state::{EpisodeStats, TrainerState};
use std::ops::ControlFlow;

/// What one iteration (a rollout and the update on it) did.
#[derive(Debug, Clone, PartialEq)]
pub struct IterationStats {
    /// The update.
    pub update: UpdateStats,
    /// Episodes that ended in the rollout.
    pub episodes: EpisodeStats,
    /// Environment steps since the start, all environments together.
    pub env_steps: u64,
    /// Updates since the start.
    pub updates: u64,
}

/// An agent that learns, the learner, with `num_envs` environments. It can be sent to another thread. Files and bytes are in
/// [`SaveTrainer`](crate::checkpoint::SaveTrainer).
///
/// Draws: the policy's step p (from 0) uses counter step p; start states use step 0 at the beginning, and s + 1 for a reset
/// inside environment step s. See [`crate::rng`].
pub trait Trainer: Send {
    /// The built-in environment; `None` if they are your own ([`HostTrainer`](crate::host::HostTrainer)).
    fn env(&self) -> Option<Env>;

    /// The learner inside.
    fn learner(&self) -> &dyn Agent;

    /// The learner inside, to evaluate it or to change its parameters.
    fn learner_mut(&mut self) -> &mut dyn Agent;

    /// One rollout of `num_steps × num_envs` and one update on it; with an off-policy algorithm as many steps, each with the gradient steps
    /// that are then due.
    ///
    /// # Errors
    /// A device error.
    fn iterate(&mut self) -> Result<IterationStats>;

    /// Iterates until at least `env_steps` environment steps were taken since the start, at least once; the last iteration's statistics.
    /// [`train`] does the same and lets you look in between.
    ///
    /// # Errors
    /// Those of [`iterate`](Self::iterate).
    fn iterate_to(&mut self, env_steps: u64) -> Result<IterationStats> {
        train(self, env_steps, |_, _| Ok(ControlFlow::Continue(())))
    }

    /// Everything that decides the future, except what your own environments keep to themselves.
    ///
    /// # Errors
    /// A device error.
    fn state(&self) -> Result<TrainerState>;

    /// Continues from `state`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if it belongs to another policy or number of environments, [`Error::Config`](crate::Error::Config) if to another environment.
    fn set_state(&mut self, state: &TrainerState) -> Result<()>;
}

/// Iterates until at least `env_steps` environment steps were taken since the start, at least once. After each iteration `each` gets the
/// trainer, to evaluate or to save, and what was done; it goes on by [`ControlFlow::Continue`]. Returns the last iteration's statistics.
///
/// # Errors
/// Those of [`Trainer::iterate`] and of `each`.
pub fn train<T: Trainer + ?Sized>(
    trainer: &mut T,
    env_steps: u64,
    mut each: impl FnMut(&mut T, &IterationStats) -> Result<ControlFlow<()>>,
) -> Result<IterationStats> {
    loop {
        let stats = trainer.iterate()?;
        if each(trainer, &stats)?.is_break() || stats.env_steps >= env_steps {
            return Ok(stats);
        }
    }
}
