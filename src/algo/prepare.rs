//! From a rollout on the device to an update on it, with everything that the settings ask for in between.

use super::advantage::{AdvantagePlan, Estimator, RolloutBuffers};
use super::batch::BatchBuffers;
use super::log_rho::LogRhoPlan;
use super::model::Model;
use super::plan::UpdatePlan;
use super::returns::ReturnPlan;
use super::valid::ValidPlan;
use crate::config::Config;
use crate::data::{Autoreset, UpdateStats};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ReadBack, Slot};

/// The other half of a rollout `[T, N]` on the device, beside [`RolloutBuffers`]: what was seen and done.
#[derive(Debug, Clone)]
pub struct RolloutRows {
    /// As the networks saw them ([`ActPlan::obs`](super::ActPlan)), `[steps, envs, obs_dim]`.
    pub obs: Buffer<f32>,
    /// Words, `[steps, envs, action_words]`, see [`Actions::words`](crate::data::Actions::words). Indices must be below the number of
    /// choices, in masked rows, too.
    pub actions: Buffer<u32>,
    /// `[steps, envs]`.
    pub logp: Buffer<f32>,
}

/// One update of any algorithm on a rollout of a fixed shape, recorded once: which rows count, rewards scaled with running statistics,
/// log ρ, advantages, value targets normalised, then a [`PpoUpdate`](super::PpoUpdate) or a
/// [`TrustRegionUpdate`](super::TrustRegionUpdate). The caller need not do anything else that the settings ask for.
///
/// The rollout's `rewards` and `values` are in the environment's units before and may be in the networks' afterwards: fill them anew for
/// every window.
#[derive(Debug)]
pub struct RolloutUpdate {
    calls: Vec<Call>,
    batch: BatchBuffers,
    plan: UpdatePlan,
}

impl RolloutUpdate {
    /// Allocates and binds. `autoreset` says how the environments are reset, and `ended_before` `[envs]` where the transition before the
    /// window ended its episode (none did without), as in [`ValidPlan::new`].
    ///
    /// # Errors
    /// A bad config, one that normalises otherwise than the model's, a buffer too short, a limit, or out of memory; before anything ran.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        rollout: &RolloutBuffers,
        acted: &RolloutRows,
        autoreset: Autoreset,
        ended_before: Option<&Buffer<u32>>,
    ) -> Result<Self> {
        config.validate()?;
        let (mut calls, batch) = prepare(gpu, model, config, rollout, acted, autoreset, ended_before)?;
        let plan = UpdatePlan::new(gpu, model, config, &batch, None)?;
        calls.extend(plan.calls().iter().cloned());
        Ok(Self { calls, batch, plan })
    }

    /// The rows that it learns from. Their advantages and returns are there once the update has run.
    pub fn batch(&self) -> &BatchBuffers {
        &self.batch
    }

    /// The dispatches, in order; [`record`](Self::record) first clears two small buffers.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Records all of it into the caller's encoder. `slot` comes from [`Model::push_schedule`]; count it afterwards,
    /// [`Model::count_update`].
    pub fn record(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, slot: Slot) {
        self.plan.record_start(encoder);
        gpu.record(encoder, "rollout_update", &self.calls, slot);
    }

    /// Words of the statistics, for a [`ReadBack`] of the caller's.
    pub fn statistics_len(&self) -> u64 {
        self.plan.statistics_len()
    }

    /// Records a copy of the statistics into `staging`, from its word `at` on.
    ///
    /// # Errors
    /// [`Error::BufferLength`] if it does not fit.
    pub fn record_statistics(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        staging: &ReadBack<u32>,
        at: u64,
    ) -> Result<()> {
        self.plan.record_statistics(encoder, staging, at)
    }

    /// The statistics from the words that [`record_statistics`](Self::record_statistics) copied; see
    /// [`PpoUpdate::finish`](super::PpoUpdate::finish).
    ///
    /// # Errors
    /// [`Error::BufferLength`] for another number of words.
    pub fn finish(&self, words: &[u32], learning_rate: f64) -> Result<UpdateStats> {
        self.plan.finish(words, learning_rate)
    }
}

/// What comes before the update itself, and the rows that it makes.
pub(super) fn prepare(
    gpu: &Gpu,
    model: &Model,
    config: &Config,
    rollout: &RolloutBuffers,
    acted: &RolloutRows,
    autoreset: Autoreset,
    ended_before: Option<&Buffer<u32>>,
) -> Result<(Vec<Call>, BatchBuffers)> {
    model.normalizer.check_config(config)?;
    let rows = rollout.steps.checked_mul(rollout.envs).ok_or_else(|| Error::OwnLimit {
        what: "rollout rows".into(),
        limit: "u32 element index",
        needs: u64::from(rollout.steps) * u64::from(rollout.envs),
        has: u64::from(u32::MAX),
    })?;
    let (mut calls, mut rollout) = (Vec::new(), rollout.clone());
    let mut valid = rollout.valid.clone();
    if autoreset != Autoreset::SameStep {
        let plan = ValidPlan::new(gpu, &rollout, autoreset, ended_before)?;
        calls.extend(plan.calls().iter().cloned());
        valid = Some(plan.valid);
    }
    calls.extend(model.normalizer.rewards(gpu, &rollout, valid.as_ref())?);
    if config.advantage.corrects() {
        let RolloutRows { obs, actions, logp } = acted;
        let plan = LogRhoPlan::new(gpu, model, rows, obs, actions, logp, valid.as_ref())?;
        calls.extend(plan.calls().iter().cloned());
        rollout.log_rhos = Some(plan.log_rhos);
    }
    let gamma = config.gamma as f32;
    let (advantages, returns) = if config.reinforce().is_some() {
        let plan = ReturnPlan::new(gpu, &rollout, gamma, valid.as_ref())?;
        calls.extend(plan.calls().iter().cloned());
        valid = Some(plan.valid);
        (plan.returns.clone(), plan.returns)
    } else {
        let plan = AdvantagePlan::new(gpu, &rollout, gamma, Estimator::from(config))?;
        calls.extend(plan.calls().iter().cloned());
        (plan.advantages, plan.returns)
    };
    let RolloutRows { obs, actions, logp } = acted.clone();
    let batch = BatchBuffers {
        rows,
        obs,
        actions,
        logp_old: logp,
        advantages,
        returns,
        values_old: rollout.values.clone(),
        old_dist: None,
        valid,
    };
    let (returns, values_old, valid) = (&batch.returns, &batch.values_old, batch.valid.as_ref());
    calls.extend(model.normalizer.targets(gpu, rows, returns, values_old, valid)?);
    Ok((calls, batch))
}
