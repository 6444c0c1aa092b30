//! Environments on the host: the built-in ones behind the trait for your own, and a trainer on the CPU in your own.

use super::learner::CpuLearner;
use crate::config::Config;
use crate::env::Env;
use crate::error::Result;
use crate::host::{Collector, EnvResult, HostAction, HostEnv, HostStep, HostTrainer, Spaces, Start};
use crate::reference::env::{EnvAction, observe, start, step};

/// One copy of a built-in environment. In a [`Collector`] with a [`CpuTrainer`](super::CpuTrainer)'s
/// seed it shows what the trainer's shows, bit by bit.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltIn {
    env: Env,
    state: Vec<f32>,
}

impl BuiltIn {
    /// A copy, not yet in an episode.
    pub const fn new(env: Env) -> Self {
        Self { env, state: Vec::new() }
    }
}

impl HostEnv for BuiltIn {
    fn spaces(&self) -> Spaces {
        Spaces { obs_dim: self.env.obs_dim(), head: self.env.head() }
    }

    fn reset(&mut self, episode: &Start, obs: &mut [f32]) -> EnvResult<()> {
        self.state = start(self.env, episode.seed, episode.env, episode.step);
        obs.copy_from_slice(&observe(self.env, &self.state));
        Ok(())
    }

    fn step(&mut self, action: HostAction<'_>, obs: &mut [f32]) -> EnvResult<HostStep> {
        let action = match (action.indices, action.floats) {
            ([index, ..], _) => EnvAction::Index(*index),
            (_, [float, ..]) => EnvAction::Float(*float),
            _ => return Err("an action without a number".into()),
        };
        let outcome = step(self.env, &self.state, action)?;
        obs.copy_from_slice(&observe(self.env, &outcome.state));
        self.state = outcome.state;
        Ok(HostStep { reward: outcome.reward, terminated: outcome.terminated, truncated: false })
    }

    fn time_limit(&self) -> Option<u32> {
        Some(self.env.time_limit())
    }
}

impl HostTrainer<CpuLearner> {
    /// A learner on the CPU with separate networks of tanh layers as wide as `hidden` says, and `config.num_envs` environments, each as
    /// `make` makes it from its index; all draws are from `seed`. For another policy, the device, or threads, put the parts together
    /// yourself: [`new`](Self::new).
    ///
    /// # Errors
    /// As [`Collector::new`], [`CpuLearner::new`] and [`new`](Self::new).
    pub fn on_cpu<E: HostEnv + 'static>(
        hidden: &[usize],
        config: Config,
        seed: u64,
        make: impl FnMut(usize) -> E,
    ) -> Result<Self> {
        config.validate()?;
        let collector = Collector::of(config.num_envs, seed, make)?;
        Self::new(CpuLearner::new(collector.spaces().policy(hidden), config, seed)?, collector)
    }
}
