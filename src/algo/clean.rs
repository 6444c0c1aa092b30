//! Batches with masked rows.

use super::model::Model;
use super::update::BatchBuffers;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Element, Gpu};
use crate::kernels::batch_clean::INVALID_LOGP;
use crate::kernels::{batch_clean, batch_count, batch_pack};

/// `batch` with masked rows blanked out and marked by [`INVALID_LOGP`], and the calls that copy it so. Without masked rows
/// these are the caller's own buffers, and there is nothing to call.
pub(super) fn cleaned(gpu: &Gpu, model: &Model, batch: &BatchBuffers) -> Result<(BatchBuffers, Vec<Call>)> {
    let (mut clean, mut calls) = (batch.clone(), Vec::new());
    let Some(valid) = &batch.valid else { return Ok((clean, calls)) };
    let clear = Clear { gpu, valid, rows: batch.rows };
    let spec = &model.spec;
    clean.obs = clear.column(&batch.obs, spec.obs_dim, 0, &mut calls)?;
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

/// A column of 0, with [`INVALID_LOGP`] in masked rows.
pub(super) fn marks(gpu: &Gpu, valid: &Buffer<u32>, rows: u32, calls: &mut Vec<Call>) -> Result<Buffer<f32>> {
    let zeros = gpu.buffer::<f32>("zeros", rows.into())?;
    Clear { gpu, valid, rows }.column(&zeros, 1, INVALID_LOGP.to_bits(), calls)
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
    let params = batch_pack::Params { rows, use_order: 1, ..Default::default() };
    let mut calls = batch_pack::bind(gpu, &[params], &io, &model.ring)?;
    if batch.valid.is_some() {
        let params = batch_count::Params { rows, segment: rows, stride: 1, place: rows, ..Default::default() };
        calls.extend(batch_count::bind(gpu, &[params], &batch_count::Io { samples })?);
    }
    Ok(calls)
}

struct Clear<'a> {
    gpu: &'a Gpu,
    valid: &'a Buffer<u32>,
    rows: u32,
}

impl Clear<'_> {
    fn column<T: Element>(
        &self,
        source: &Buffer<T>,
        width: usize,
        fill: u32,
        calls: &mut Vec<Call>,
    ) -> Result<Buffer<T>> {
        let cleaned = self.gpu.buffer("cleaned rows", u64::from(self.rows) * width as u64)?;
        let io = batch_clean::Io { source: &source.cast(), valid: self.valid, cleaned: &cleaned.cast() };
        let params = batch_clean::Params { rows: self.rows, width: width as u32, fill, ..Default::default() };
        calls.extend(batch_clean::bind(self.gpu, &[params], &io)?);
        Ok(cleaned)
    }
}
