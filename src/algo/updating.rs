//! An update of the last shape that the host asked for: its plan, and where the host's arrays go.

use super::advantage::RolloutBuffers;
use super::batch::BatchBuffers;
use super::model::Model;
use super::plan::UpdatePlan;
use super::prepare::{RolloutRows, prepare};
use crate::config::Config;
use crate::data::{Autoreset, Batch, Rollout};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ReadBack};
use crate::memory::small;
use crate::policy::PolicySpec;
use ndarray::Array2;

/// What decides a plan's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpdateKey {
    Rollout { steps: u32, envs: u32, autoreset: Autoreset, with_valid: bool, with_ended: bool, with_order: bool },
    Batch { rows: u32, with_order: bool, with_old_dist: bool, with_valid: bool },
}

impl UpdateKey {
    /// Of a rollout that was validated.
    pub fn of_rollout(rollout: &Rollout, with_order: bool) -> Result<Self> {
        let autoreset = rollout.autoreset;
        // With same-step resets no window begins after an end.
        let with_ended = rollout.ended_before.is_some() && autoreset != Autoreset::SameStep;
        let (steps, envs) = (small("steps", rollout.steps)?, small("envs", rollout.envs)?);
        small("rollout rows", rollout.rows())?;
        Ok(Self::Rollout { steps, envs, autoreset, with_valid: rollout.valid.is_some(), with_ended, with_order })
    }

    /// Of a batch that was validated.
    pub fn of_batch(batch: &Batch, config: &Config, with_order: bool) -> Result<Self> {
        // Where no divergence is asked for, nobody reads them.
        let with_old_dist = batch.old_dist.is_some() && config.kl_direction().is_some();
        let rows = small("batch rows", batch.rows())?;
        Ok(Self::Batch { rows, with_order, with_old_dist, with_valid: batch.valid.is_some() })
    }

    fn rows(self) -> u64 {
        match self {
            Self::Rollout { steps, envs, .. } => u64::from(steps) * u64::from(envs),
            Self::Batch { rows, .. } => u64::from(rows),
        }
    }

    fn with_order(self) -> bool {
        let (Self::Rollout { with_order, .. } | Self::Batch { with_order, .. }) = self;
        with_order
    }
}

/// A plan, and the buffers that the host writes before it runs.
#[derive(Debug)]
pub(super) struct Updating {
    pub key: UpdateKey,
    rollout: Option<HostRollout>,
    pub batch: BatchBuffers,
    order: Option<Buffer<u32>>,
    /// Mask, rewards, ratios, advantages, value targets: what comes before the update itself.
    pub prepare: Vec<Call>,
    pub plan: UpdatePlan,
    pub staging: ReadBack<u32>,
}

/// Where a rollout from the host goes on the device.
#[derive(Debug)]
struct HostRollout {
    buffers: RolloutBuffers,
    ended_before: Option<Buffer<u32>>,
}

impl Updating {
    pub fn new(gpu: &Gpu, model: &Model, config: &Config, key: UpdateKey) -> Result<Self> {
        let (prepare, batch, rollout) = match key {
            UpdateKey::Batch { .. } => {
                let batch = batch_buffers(gpu, &model.spec, key)?;
                let (returns, values_old, valid) = (&batch.returns, &batch.values_old, batch.valid.as_ref());
                (model.normalizer.targets(gpu, batch.rows, returns, values_old, valid)?, batch, None)
            }
            UpdateKey::Rollout { autoreset, .. } => {
                let (acted, rollout) = rollout_buffers(gpu, &model.spec, key)?;
                let HostRollout { buffers, ended_before } = &rollout;
                let ended = ended_before.as_ref();
                let (calls, batch) = prepare(gpu, model, config, buffers, &acted, autoreset, ended)?;
                (calls, batch, Some(rollout))
            }
        };
        let orders = key.rows().saturating_mul(config.order_epochs() as u64);
        let order = key.with_order().then(|| gpu.buffer("order", orders)).transpose()?;
        let plan = UpdatePlan::new(gpu, model, config, &batch, order.as_ref())?;
        let staging = ReadBack::new(gpu, "statistics", plan.statistics_len())?;
        Ok(Self { key, rollout, batch, order, prepare, plan, staging })
    }

    /// Writes the order of the rows, if the plan has one.
    pub fn write_order(&self, gpu: &Gpu, order: Option<&[u32]>) -> Result<()> {
        match (&self.order, order) {
            (Some(place), Some(order)) => gpu.write(place, 0, order),
            _ => Ok(()),
        }
    }

    /// Writes a rollout that has this plan's key.
    pub fn write_rollout(&self, gpu: &Gpu, spec: &PolicySpec, rollout: &Rollout) -> Result<()> {
        let Some(HostRollout { buffers, ended_before }) = &self.rollout else {
            return Err(Error::Internal("the plan of a rollout's update has no rollout"));
        };
        let last_values = rollout.last_values()?;
        let host = |array: &Array2<f32>| array.iter().copied().collect::<Vec<f32>>();
        let words = |array: &Array2<u32>| array.iter().copied().collect::<Vec<u32>>();
        gpu.write(&self.batch.obs, 0, &host(&rollout.obs))?;
        let mut actions = rollout.actions.words();
        if let Some(counted) = rollout.counted() {
            // No kernel may meet an index without a choice.
            let words = spec.head.action_words();
            for (row, _) in actions.chunks_mut(words).zip(&counted).filter(|(_, valid)| **valid == 0) {
                row.fill(0);
            }
        }
        gpu.write(&self.batch.actions, 0, &actions)?;
        gpu.write(&self.batch.logp_old, 0, &rollout.logp.to_vec())?;
        gpu.write(&buffers.rewards, 0, &host(&rollout.rewards))?;
        gpu.write(&buffers.values, 0, &host(&rollout.values))?;
        gpu.write(&buffers.final_values, 0, &host(&last_values))?;
        gpu.write(&buffers.terminated, 0, &words(&rollout.terminated))?;
        gpu.write(&buffers.truncated, 0, &words(&rollout.truncated))?;
        if let (Some(place), Some(valid)) = (&buffers.valid, &rollout.valid) {
            gpu.write(place, 0, &words(valid))?;
        }
        if let (Some(place), Some(ended)) = (ended_before, &rollout.ended_before) {
            gpu.write(place, 0, &ended.to_vec())?;
        }
        Ok(())
    }

    /// Writes a batch that has this plan's key.
    pub fn write_batch(&self, gpu: &Gpu, batch: &Batch) -> Result<()> {
        let buffers = &self.batch;
        gpu.write(&buffers.obs, 0, &batch.obs.iter().copied().collect::<Vec<f32>>())?;
        gpu.write(&buffers.actions, 0, &batch.actions.words())?;
        gpu.write(&buffers.logp_old, 0, &batch.logp_old.to_vec())?;
        gpu.write(&buffers.advantages, 0, &batch.advantages.to_vec())?;
        gpu.write(&buffers.returns, 0, &batch.returns.to_vec())?;
        gpu.write(&buffers.values_old, 0, &batch.values_old.to_vec())?;
        if let (Some(place), Some(rows)) = (&buffers.old_dist, &batch.old_dist) {
            gpu.write(place, 0, &rows.iter().copied().collect::<Vec<f32>>())?;
        }
        if let (Some(place), Some(valid)) = (&buffers.valid, &batch.valid) {
            gpu.write(place, 0, &valid.to_vec())?;
        }
        Ok(())
    }
}

/// What was seen and done, `[rows]`: observations, actions, log-probabilities.
fn row_buffers(gpu: &Gpu, spec: &PolicySpec, rows: u64) -> Result<RolloutRows> {
    Ok(RolloutRows {
        obs: gpu.buffer("obs", rows * spec.obs_dim() as u64)?,
        actions: gpu.buffer("actions", rows * spec.head.action_words() as u64)?,
        logp: gpu.buffer("logp_old", rows)?,
    })
}

fn batch_buffers(gpu: &Gpu, spec: &PolicySpec, key: UpdateKey) -> Result<BatchBuffers> {
    let UpdateKey::Batch { with_old_dist, with_valid, rows: count, .. } = key else {
        return Err(Error::Internal("the plan of a batch's update has no batch"));
    };
    let rows = key.rows();
    let RolloutRows { obs, actions, logp } = row_buffers(gpu, spec, rows)?;
    Ok(BatchBuffers {
        rows: count,
        obs,
        actions,
        logp_old: logp,
        advantages: gpu.buffer("advantages", rows)?,
        returns: gpu.buffer("returns", rows)?,
        values_old: gpu.buffer("values_old", rows)?,
        old_dist: with_old_dist.then(|| gpu.buffer("old_dist", rows * spec.head.width() as u64)).transpose()?,
        valid: with_valid.then(|| gpu.buffer("valid", rows)).transpose()?,
    })
}

fn rollout_buffers(gpu: &Gpu, spec: &PolicySpec, key: UpdateKey) -> Result<(RolloutRows, HostRollout)> {
    let UpdateKey::Rollout { steps, envs, with_valid, with_ended, .. } = key else {
        return Err(Error::Internal("the plan of a rollout's update has no rollout"));
    };
    let rows = key.rows();
    let acted = row_buffers(gpu, spec, rows)?;
    let buffers = RolloutBuffers {
        steps,
        envs,
        rewards: gpu.buffer("rewards", rows)?,
        values: gpu.buffer("values", rows + u64::from(envs))?,
        final_values: gpu.buffer("final_values", rows)?,
        terminated: gpu.buffer("terminated", rows)?,
        truncated: gpu.buffer("truncated", rows)?,
        log_rhos: None,
        valid: with_valid.then(|| gpu.buffer("valid", rows)).transpose()?,
    };
    let ended_before = with_ended.then(|| gpu.buffer("ended_before", envs.into())).transpose()?;
    Ok((acted, HostRollout { buffers, ended_before }))
}
