//! What every implementation of the algorithm can do, wherever it runs.

use crate::config::Config;
use crate::data::{Acted, Batch, Rollout, UpdateStats};
use crate::error::Result;
use crate::normalizer::NormalizerState;
use crate::policy::PolicySpec;
use ndarray::{Array1, ArrayView2};
use std::path::Path;

/// How an action is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActMode {
    /// Drawn from the distribution; advances the step counter of the random draws, and the running statistics take the
    /// observations in ([`ObsNorm`](crate::ObsNorm)).
    Sample,
    /// The mode of the distribution (most probable index, mean); draws nothing and leaves the statistics as they are.
    Greedy,
}

/// A policy that acts and improves. The device ([`crate::algo::GpuLearner`]) and the CPU
/// ([`crate::cpu::CpuLearner`]) are behind it, so that a trainer can swap one for the other.
///
/// A call that returns an error has changed nothing.
pub trait Learner {
    /// The policy's shape.
    fn spec(&self) -> &PolicySpec;

    /// The settings.
    fn config(&self) -> &Config;

    /// Actions, their log-probabilities and the values for `obs` `[rows, obs_dim]`, as the environment gave them: if observations
    /// are normalised, the learner does it. With a masked head, every choice is allowed.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Value`] if `obs` does not fit or is not finite.
    fn act(&mut self, obs: ArrayView2<'_, f32>, mode: ActMode) -> Result<Acted> {
        self.act_masked(obs, None, mode)
    }

    /// [`act`](Self::act) among the choices that `allowed` `[rows, head.raw_outputs()]` allows, for masked heads: the flags
    /// come back with the actions ([`Actions::Masked`](crate::data::Actions)), to be stored with them.
    ///
    /// # Errors
    /// As [`act`](Self::act); [`crate::Error::Config`] for a mask where the head is not masked.
    fn act_masked(
        &mut self,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<Acted>;

    /// V of `obs` `[rows, obs_dim]` that are not acted on: the real last observations of truncated episodes (right after their
    /// step) and those after the window. Statistics stay as they are.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    fn values(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        Ok(self.act(obs, ActMode::Greedy)?.values)
    }

    /// Advantages and one update on `rollout`, with the environment's own rewards: if rewards are scaled or value targets
    /// normalised, the learner does it.
    ///
    /// # Errors
    /// Whatever [`Rollout::validate`] finds, or a device error.
    fn update(&mut self, rollout: &Rollout) -> Result<UpdateStats> {
        self.update_in_order(rollout, None)
    }

    /// [`update`](Self::update) with the rows in a given order, as [`update_batch`](Self::update_batch) takes it; row t · N + n is step t of
    /// environment n. So an update of another library can be repeated minibatch by minibatch.
    ///
    /// # Errors
    /// As [`update`](Self::update); an order of the wrong length or with an index out of range.
    fn update_in_order(&mut self, rollout: &Rollout, order: Option<&[u32]>) -> Result<UpdateStats>;

    /// One update on rows with given advantages, so that reward scaling has no part in it. Returns and old values are in the units of the rewards. `order`, if given, holds
    /// [`Config::order_epochs`] `× rows` indices: the permutation of each epoch in turn; without it the keyed shuffle is used. With
    /// TRPO the epochs are the critic's, and with [`crate::TrustRegion::subsample`] the policy's permutation comes after them.
    ///
    /// # Errors
    /// Whatever [`Batch::validate`] finds, an order of the wrong length or with an index out of range, or a device error.
    fn update_batch(&mut self, batch: &Batch, order: Option<&[u32]>) -> Result<UpdateStats>;

    /// The flat parameter vector, in the order of [`PolicySpec::layout`].
    ///
    /// # Errors
    /// A device error.
    fn parameters(&self) -> Result<Vec<f32>>;

    /// Replaces the parameters; optimiser moments and counters stay.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Value`] if they do not fit or are not finite.
    fn set_parameters(&mut self, parameters: &[f32]) -> Result<()>;

    /// Everything that decides the future: parameters, moments, counters.
    ///
    /// # Errors
    /// A device error.
    fn state(&self) -> Result<LearnerState>;

    /// Continues from `state`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if it belongs to another policy.
    fn set_state(&mut self, state: &LearnerState) -> Result<()>;

    /// Writes spec, config and state as one safetensors file, whole or not at all.
    ///
    /// # Errors
    /// A device or file error.
    fn save(&self, path: &Path) -> Result<()> {
        crate::checkpoint::save_learner(path, self.spec(), self.config(), &self.state()?)
    }

    /// Restores what [`save`](Self::save) wrote. The file's config is not taken over: settings are the caller's.
    ///
    /// # Errors
    /// A file error, or [`crate::Error::Format`] if the file holds another policy.
    fn load(&mut self, path: &Path) -> Result<()> {
        let saved = crate::checkpoint::load_learner(path)?;
        saved.expect_spec(path, self.spec())?;
        self.set_state(&saved.state)
    }
}

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
    /// Updates done; position in the shuffle's keys.
    pub update: u64,
    /// Rows that they took in, masked rows included; position in all schedules
    /// ([`Config::progress`]).
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
}
