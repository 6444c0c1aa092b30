//! The rows of a trust region's step, where they are not all.

use super::batch::BatchBuffers;
use super::model::Model;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::batch_gather;
use crate::kernels::words::Order;
use crate::memory::small;

/// The rows that the policy's step is made on, and the calls that copy them: the batch itself, or with
/// [`crate::config::TrustRegion::subsample`] k the first ⌈rows / k⌉ of a permutation, that of epoch `update_epochs`. The marks of a cleaned
/// batch go along; `returns` and `values_old`, which the policy does not read, stay those of the batch.
pub(super) fn subsampled(
    gpu: &Gpu,
    model: &Model,
    config: &Config,
    batch: &BatchBuffers,
    order: Option<&Buffer<u32>>,
) -> Result<(BatchBuffers, Vec<Call>)> {
    let (rows, every) = (batch.rows, config.expect_trust_region()?.subsample);
    if every <= 1 {
        return Ok((batch.clone(), Vec::new()));
    }
    let taken = rows.div_ceil(small("trust_region.subsample", every)?);
    let epoch = small("update_epochs", config.update_epochs)?;
    let place = if order.is_some() { u64::from(epoch) * u64::from(rows) } else { 0 };
    let order_offset = u32::try_from(place).map_err(|_| Error::OwnLimit {
        what: format!("order of epoch {epoch} × rows {rows}"),
        limit: "u32 element index",
        needs: place,
        has: u64::from(u32::MAX),
    })?;
    let from = if order.is_some() { Order::Given } else { Order::Shuffled };
    let mut calls = Vec::new();
    let mut gather = |source: &Buffer<u32>, width: usize| -> Result<Buffer<u32>> {
        let gathered = gpu.buffer("the policy's rows", u64::from(taken) * width as u64)?;
        let width = width as u32;
        let params = batch_gather::Params {
            rows,
            width,
            use_order: from.code(),
            order_offset,
            epoch,
            stride: width,
            taken,
            ..Default::default()
        };
        // Without an order any buffer stands in for it: it is not read.
        let io = batch_gather::Io { order: order.unwrap_or(&batch.actions), source, gathered: &gathered };
        calls.extend(batch_gather::bind(gpu, &[params], &io, &model.ring)?);
        Ok(gathered)
    };
    let spec = &model.spec;
    let of_policy = BatchBuffers {
        rows: taken,
        obs: gather(&batch.obs.cast(), spec.obs_dim())?.cast(),
        actions: gather(&batch.actions, spec.head.action_words())?,
        logp_old: gather(&batch.logp_old.cast(), 1)?.cast(),
        advantages: gather(&batch.advantages.cast(), 1)?.cast(),
        ..batch.clone()
    };
    Ok((of_policy, calls))
}
