//! What decides a learner's future.

use super::normalizer::NormalizerState;
use super::off_policy::OffPolicyState;
use crate::data::{check_shape, finite};
use crate::error::Result;

/// Everything of a learner that an update changes.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnerState {
    /// Flat parameters.
    pub parameters: Vec<f32>,
    /// Adam's first moments, same layout.
    pub exp_avg: Vec<f32>,
    /// Adam's second moments, same layout.
    pub exp_avg_sq: Vec<f32>,
    /// Optimiser steps taken since the start.
    pub optimizer_step: u32,
    /// Updates done; position in the shuffle's keys. Of an off-policy learner a trainer's iterations, or calls of
    /// [`learn`](crate::agent::OffPolicy::learn).
    pub update: u64,
    /// Rows that they took in, masked rows included; position in all schedules
    /// ([`Config::progress`](crate::Config::progress)). Of an off-policy learner the transitions that were stored since the start.
    pub env_steps: u64,
    /// Policy steps taken; position in the action draws.
    pub policy_step: u64,
    /// Seed of all draws.
    pub seed: u64,
    /// β of the next update, if the KL penalty is adapted. 0: nothing has adapted it yet, and the configuration's is used.
    pub kl_coef: f32,
    /// Learning rate of the next update, if it follows the KL. 0: the configuration's.
    pub learning_rate: f32,
    /// The last solution of the conjugate gradients, in the parameters' layout, if they start warm; else empty.
    pub search_direction: Vec<f32>,
    /// Running statistics of observations, rewards and value targets, if they are normalised.
    pub normalizer: NormalizerState,
    /// Targets, temperature and memory of an off-policy learner; `None` of others.
    pub off_policy: Option<OffPolicyState>,
}

/// A count of observations beside which those of an evaluation are nothing.
const FROZEN: u64 = 1 << 60;

impl LearnerState {
    /// The same policy to be played: running statistics of observations stay as they are to the last digit, and there is no replay memory, which has no
    /// part in acting.
    #[must_use]
    pub fn frozen(mut self) -> Self {
        if let Some(own) = &mut self.off_policy {
            own.replay = None;
        }
        if let Some(obs) = &mut self.normalizer.obs {
            obs.count = obs.count.max(FROZEN);
        }
        self
    }

    /// Refuses vectors of another length than `parameters`, and numbers that are not finite. Running statistics are checked by
    /// [`NormalizerState::complete`].
    ///
    /// # Errors
    /// [`crate::Error::Shape`], [`crate::Error::Value`].
    pub(crate) fn check(&self, parameters: usize) -> Result<()> {
        let direction = Some(&self.search_direction).filter(|direction| !direction.is_empty());
        let vectors = [("parameters", &self.parameters), ("exp_avg", &self.exp_avg), ("exp_avg_sq", &self.exp_avg_sq)];
        let vectors = || vectors.into_iter().chain(direction.map(|direction| ("search_direction", direction)));
        vectors().try_for_each(|(name, vector)| check_shape(name, &[vector.len()], &[parameters]))?;
        vectors().try_for_each(|(name, vector)| finite(name, vector.iter()))?;
        finite("kl_coef", [self.kl_coef].iter())?;
        finite("learning_rate", [self.learning_rate].iter())?;
        self.off_policy.iter().try_for_each(|own| own.check(parameters))
    }
}
