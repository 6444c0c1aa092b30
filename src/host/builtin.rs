//! The built-in environments, behind the trait for your own.

use super::{EnvResult, HostAction, HostEnv, HostStep, Spaces, Start};
use crate::env::Env;
use crate::reference::env::{EnvAction, observe, start, step};

/// One copy of a built-in environment. In a [`Collector`](super::Collector) with a [`CpuTrainer`](crate::reference::CpuTrainer)'s
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
