//! Batches with masked rows.

use super::batch::BatchBuffers;
use super::clear::Clear;
use super::model::Model;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::batch_clean::INVALID_LOGP;
use crate::kernels::words::Order;
use crate::kernels::{batch_count, batch_pack};

/// `batch` with masked rows blanked out and marked by [`INVALID_LOGP`], and the calls that copy it so. Without masked rows
/// these are the caller's own buffers, and there is nothing to call.
pub(super) fn cleaned(gpu: &Gpu, model: &Model, batch: &BatchBuffers) -> Result<(BatchBuffers, Vec<Call>)> {
    let (mut clean, mut calls) = (batch.clone(), Vec::new());
    let Some(valid) = &batch.valid else { return Ok((clean, calls)) };
    let clear = Clear { gpu, valid, rows: batch.rows };
    let spec = &model.spec;
    clean.obs = clear.column(&batch.obs, spec.obs_dim(), 0, &mut calls)?;
    clean.actions = clear.column(&batch.actions, spec.head.action_words(), 0, &mut calls)?;
    clean.logp_old = clear.column(&batch.logp_old, 1, INVALID_LOGP.to_bits(), &mut calls)?;
    for column in [&mut clean.advantages, &mut clean.returns, &mut clean.values_old] {
        *column = clear.column(column, 1, 0, &mut calls)?;
    }
    if let Some(old_dist) = &mut clean.old_dist {
        *old_dist = clear.column(old_dist, spec.head.width(), 0, &mut calls)?;
    }
    Ok((clean, calls))
}

/// The samples of a cleaned batch in its own order, and after them, at element `rows`, what a row weighs if some are masked.
pub(super) fn pack_in_order(
    gpu: &Gpu,
    model: &Model,
    batch: &BatchBuffers,
    samples: &Buffer<[f32; 4]>,
) -> Result<Vec<Call>> {
    let rows = batch.rows;
    let order = gpu.upload("order", &(0..rows).collect::<Vec<u32>>())?;
    let io = batch_pack::Io {
        order: &order,
        logp_old: &batch.logp_old,
        advantages: &batch.advantages,
        returns: &batch.returns,
        values_old: &batch.values_old,
        samples,
    };
    let params = batch_pack::Params { rows, use_order: Order::Given.code(), ..Default::default() };
    let mut calls = batch_pack::bind(gpu, &[params], &io, &model.ring)?;
    if batch.valid.is_some() {
        let params = batch_count::Params { rows, segment: rows, stride: 1, place: rows, ..Default::default() };
        calls.extend(batch_count::bind(gpu, &[params], &batch_count::Io { samples })?);
    }
    Ok(calls)
}
