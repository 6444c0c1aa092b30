//! From observations to values alone, for any number of rows.

use super::forward::ForwardOnly;
use super::model::Model;
use super::network::{Block, Networks};
use super::normalize::ObsStep;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ReadBack, Slot};
use crate::policy::Branch;

/// The critic on up to so many rows. The row count of one call is seldom that of the next (episodes end when they like), so rows go
/// through in the next power of two, over buffers that are kept: at most twice the work, and no more than 32 lists of dispatches, each
/// made once. Which rows are beside it does not change a row's value by a bit; how many may, since it decides the kernel
/// (`FEW_ROWS`).
#[derive(Debug)]
pub(super) struct ValuePlan {
    capacity: u32,
    obs: Buffer<f32>,
    /// As the networks see them.
    seen: Buffer<f32>,
    values: Buffer<f32>,
    to: ForwardOnly,
    sizes: Vec<SizePlan>,
}

#[derive(Debug)]
struct SizePlan {
    rows: u32,
    calls: Vec<Call>,
    staging: ReadBack<f32>,
}

impl ValuePlan {
    /// Room for `rows` rows, and more where the next power of two fits.
    pub fn new(gpu: &Gpu, model: &Model, rows: u32) -> Result<Self> {
        let less_may_fit =
            |error: &Error| matches!(error, Error::Limit { .. } | Error::OwnLimit { .. }) || error.is_out_of_memory();
        match rows.checked_next_power_of_two().map(|most| Self::exact(gpu, model, most)) {
            None => Self::exact(gpu, model, rows),
            Some(Err(error)) if less_may_fit(&error) => Self::exact(gpu, model, rows),
            Some(other) => other,
        }
    }

    fn exact(gpu: &Gpu, model: &Model, capacity: u32) -> Result<Self> {
        let width = u64::from(capacity) * model.spec.obs_dim() as u64;
        let obs = gpu.buffer("obs", width)?;
        let normalizes = model.normalizer.has_obs();
        let mut plan = Self {
            capacity,
            seen: if normalizes { gpu.buffer("normalised obs", width)? } else { obs.clone() },
            obs,
            values: gpu.buffer("values", capacity.into())?,
            to: ForwardOnly::new(gpu, &model.spec, capacity, &[Branch::VALUE])?,
            sizes: Vec::new(),
        };
        // Whether it can be bound shows here, too.
        let whole = plan.size(gpu, model, capacity)?;
        plan.sizes.push(whole);
        Ok(plan)
    }

    /// Whether so many rows fit.
    pub const fn fits(&self, rows: u32) -> bool {
        rows <= self.capacity
    }

    fn size(&self, gpu: &Gpu, model: &Model, rows: u32) -> Result<SizePlan> {
        let networks = Networks { gpu, spec: &model.spec, layout: &model.layout, parameters: &model.parameters };
        let mut calls = Vec::new();
        if model.normalizer.has_obs() {
            let unused = gpu.buffer("no final_obs", 1)?;
            let step = ObsStep { rows, obs_offset: 0, final_offset: 0, final_rows: 0, update: false };
            calls.extend(model.normalizer.observations(gpu, &self.obs, &self.seen, &unused, &[step])?);
        }
        let block = Block { rows, obs_offset: 0, obs_stride: model.spec.obs_dim() as u32, value_offset: 0 };
        calls.extend(networks.forward_only(&self.seen, &self.to, Some(&self.values), &[block])?.into_iter().flatten());
        calls.extend(model.normalizer.values(gpu, &[(&self.values, rows)])?);
        let staging = ReadBack::new(gpu, "values", rows.into())?;
        Ok(SizePlan { rows, calls, staging })
    }

    /// V of `obs`, `rows` of them, in the units of the rewards.
    pub async fn run(&mut self, gpu: &Gpu, model: &Model, slot: Slot, obs: &[f32], rows: u32) -> Result<Vec<f32>> {
        let padded = rows.checked_next_power_of_two().unwrap_or(self.capacity).min(self.capacity);
        let size = match self.sizes.iter().position(|size| size.rows == padded) {
            Some(index) => self.sizes.swap_remove(index),
            None => self.size(gpu, model, padded)?,
        };
        gpu.write(&self.obs, 0, obs)?;
        let mut encoder = gpu.encoder("values");
        gpu.record(&mut encoder, "values", &size.calls, slot);
        size.staging.copy(&mut encoder, &self.values, 0, 0, padded.into())?;
        gpu.submit(encoder)?;
        let mut values = size.staging.fetch_async(gpu).await?;
        values.truncate(rows as usize);
        self.sizes.push(size);
        Ok(values)
    }
}
