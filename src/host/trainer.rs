//! [`Trainer`] over environments of your own.

use super::Collector;
use super::window::check_window;
use crate::agent::{ActMode, Agent, OnPolicy};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::state::{EpisodeStats, TrainerState};
use crate::trainer::{IterationStats, Trainer};

/// A learner, on the device or on the CPU, with a [`Collector`]: a window of
/// [`num_steps`](crate::Config::num_steps) and an update on it, again and again.
///
/// With a [`CpuLearner`](crate::cpu::CpuLearner) and [`BuiltIn`](crate::cpu::BuiltIn) environments it does what a
/// [`CpuTrainer`](crate::cpu::CpuTrainer) of the same seeds does.
///
/// [`save`](crate::checkpoint::SaveTrainer::save) keeps the learner and how far the environments are, not their states, which only they know: resumed, all
/// begin new episodes. Unlike with the built-in environments, that is not the same as not having stopped.
#[derive(Debug)]
pub struct HostTrainer<L> {
    learner: L,
    collector: Collector,
    env_steps: u64,
    updates: u64,
}

impl<L: OnPolicy> HostTrainer<L> {
    /// Puts the two together. Steps and updates are counted on from those of the learner.
    ///
    /// # Errors
    /// [`Error::Config`] if the policy does not suit the environments, or
    /// [`num_envs`](crate::Config::num_envs) is not how many there are: schedules and minibatches go by it; [`Error::Memory`] if there
    /// is no room for a window; whatever [`Agent::state`](crate::Agent::state) returns.
    pub fn new(learner: L, collector: Collector) -> Result<Self> {
        collector.spaces().check(learner.spec())?;
        let (wanted, envs) = (learner.config().num_envs, collector.envs());
        if wanted != envs {
            return Err(Error::config("num_envs", format!("is {wanted}, the collector has {envs} environments")));
        }
        let spec = learner.spec();
        check_window(spec.obs_dim(), &spec.head, learner.config().num_steps, envs)?;
        let state = learner.state()?;
        let (env_steps, updates) = (state.env_steps, state.update);
        Ok(Self { learner, collector, env_steps, updates })
    }

    /// [`Collector::evaluate`] in the trainer's own environments: the same start states at every call, none of them training's. The next
    /// [`iterate`](Trainer::iterate) begins new episodes.
    ///
    /// # Errors
    /// As [`Collector::evaluate`].
    pub fn evaluate(&mut self, episodes: usize, mode: ActMode) -> Result<EpisodeStats> {
        self.collector.evaluate(&mut self.learner, episodes, mode)
    }

    /// The environments.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// The two apart again.
    pub fn into_parts(self) -> (L, Collector) {
        (self.learner, self.collector)
    }
}

impl<L: OnPolicy> Trainer for HostTrainer<L> {
    fn env(&self) -> Option<Env> {
        None
    }

    fn learner(&self) -> &dyn Agent {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut dyn Agent {
        &mut self.learner
    }

    /// As [`Collector::collect`] and [`OnPolicy::update`], also for the errors. An environment's fault costs a window, and no more: the
    /// next call goes on.
    fn iterate(&mut self) -> Result<IterationStats> {
        let steps = self.learner.config().num_steps;
        let (rollout, episodes) = self.collector.collect(&mut self.learner, steps)?;
        let update = self.learner.update(&rollout)?;
        self.env_steps = self.env_steps.saturating_add(rollout.rows() as u64);
        self.updates = self.updates.saturating_add(1);
        Ok(IterationStats { update, episodes, env_steps: self.env_steps, updates: self.updates })
    }

    fn state(&self) -> Result<TrainerState> {
        let (learner, env_step) = (self.learner.state()?, self.collector.steps_taken());
        Ok(TrainerState { learner, env: None, env_words: Vec::new(), env_step })
    }

    fn set_state(&mut self, state: &TrainerState) -> Result<()> {
        state.expect_env(None)?;
        self.learner.set_state(&state.learner)?;
        self.collector.restart(state.env_step);
        (self.env_steps, self.updates) = (state.learner.env_steps, state.learner.update);
        Ok(())
    }
}
