//! Rollouts and updates in a loop, with the built-in environments or with your own, on the device or on the CPU.

use crate::data::UpdateStats;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::learner::{Learner, LearnerState};
use std::ops::ControlFlow;
use std::path::Path;

/// Episodes that ended during some steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EpisodeStats {
    /// Episodes that ended.
    pub count: u64,
    /// Sum of their undiscounted returns.
    pub return_sum: f64,
    /// Sum of their lengths in steps.
    pub length_sum: f64,
    /// Smallest return; +∞ if none ended.
    pub return_min: f64,
    /// Largest return; −∞ if none ended.
    pub return_max: f64,
}

impl EpisodeStats {
    /// No episode.
    pub const NONE: Self =
        Self { count: 0, return_sum: 0.0, length_sum: 0.0, return_min: f64::INFINITY, return_max: f64::NEG_INFINITY };

    /// One episode of that undiscounted return and length in steps.
    pub fn of(total: f64, length: u64) -> Self {
        Self { count: 1, return_sum: total, length_sum: length as f64, return_min: total, return_max: total }
    }

    /// Mean return, if any episode ended.
    pub fn mean_return(&self) -> Option<f64> {
        (self.count > 0).then(|| self.return_sum / self.count as f64)
    }

    /// Mean length in steps, if any episode ended.
    pub fn mean_length(&self) -> Option<f64> {
        (self.count > 0).then(|| self.length_sum / self.count as f64)
    }

    /// Both together.
    pub fn merge(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            return_sum: self.return_sum + other.return_sum,
            length_sum: self.length_sum + other.length_sum,
            return_min: self.return_min.min(other.return_min),
            return_max: self.return_max.max(other.return_max),
        }
    }
}

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

/// A learner with `num_envs` environments.
///
/// Draws: the policy's step p (from 0) uses counter step p; start states use step 0 at the beginning, and s + 1 for a reset
/// inside environment step s. See [`crate::rng`].
pub trait Trainer {
    /// The built-in environment; `None` if they are your own ([`HostTrainer`](crate::host::HostTrainer)).
    fn env(&self) -> Option<Env>;

    /// The learner inside.
    fn learner(&self) -> &dyn Learner;

    /// The learner inside, to evaluate it or to change its parameters.
    fn learner_mut(&mut self) -> &mut dyn Learner;

    /// One rollout of `num_steps × num_envs` and one update on it.
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
    /// [`Error::Shape`] if it belongs to another policy or number of environments, [`Error::Config`] if to another environment.
    fn set_state(&mut self, state: &TrainerState) -> Result<()>;

    /// Writes spec, config and state as one safetensors file, whole or not at all. Resuming from it gives the same bits as
    /// not having stopped, on the same device, with the built-in environments.
    ///
    /// # Errors
    /// A device or file error.
    fn save(&self, path: &Path) -> Result<()> {
        crate::checkpoint::save_trainer(path, self.learner().spec(), self.learner().config(), &self.state()?)
    }

    /// Restores what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// A file error; [`Error::Format`] if the file holds another policy or environment; [`Error::Shape`] if it holds another number of
    /// environments.
    fn load(&mut self, path: &Path) -> Result<()> {
        let saved = crate::checkpoint::load_trainer(path)?;
        saved.expect_spec(path, self.learner().spec())?;
        if saved.state.env != self.env() {
            let (then, now) = (env_name(saved.state.env), env_name(self.env()));
            return Err(Error::Format { path: path.into(), message: format!("was trained on {then}, not on {now}") });
        }
        self.set_state(&saved.state)
    }
}

/// Everything of a trainer that an iteration changes.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerState {
    /// The learner's part.
    pub learner: LearnerState,
    /// The built-in environment, if it is one.
    pub env: Option<Env>,
    /// `[num_envs, env.state_words()]`, row-major, see [`Env::state_words`]; empty without a built-in environment.
    pub env_words: Vec<u32>,
    /// Steps that each environment has taken (all have taken as many).
    pub env_step: u64,
}

impl TrainerState {
    /// The environment's name, in words where it is the host's own.
    pub fn env_name(&self) -> &'static str {
        env_name(self.env)
    }

    /// The built-in environment.
    ///
    /// # Errors
    /// [`Error::Config`] if they are the host's own.
    pub fn built_in(&self) -> Result<Env> {
        self.env.ok_or_else(|| Error::config("env", format!("must be built in, the state is of {}", env_name(None))))
    }

    /// Refuses a state of another environment.
    ///
    /// # Errors
    /// [`Error::Config`] with both names.
    pub fn expect_env(&self, env: Option<Env>) -> Result<()> {
        if self.env == env {
            return Ok(());
        }
        Err(Error::config("env", format!("is {}, the state is of {}", env_name(env), env_name(self.env))))
    }
}

fn env_name(env: Option<Env>) -> &'static str {
    env.map_or("environments of the host's own", Env::name)
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
