//! Copies of columns in which masked rows are blanked out.

use crate::error::Result;
use crate::gpu::{Buffer, Call, Element, Gpu};
use crate::kernels::batch_clean;
use crate::kernels::batch_clean::INVALID_LOGP;

/// A column of 0, with [`INVALID_LOGP`] in masked rows.
pub(super) fn marks(gpu: &Gpu, valid: &Buffer<u32>, rows: u32, calls: &mut Vec<Call>) -> Result<Buffer<f32>> {
    let zeros = gpu.buffer::<f32>("zeros", rows.into())?;
    Clear { gpu, valid, rows }.column(&zeros, 1, INVALID_LOGP.to_bits(), calls)
}

/// What all columns of a batch share.
pub(super) struct Clear<'a> {
    pub gpu: &'a Gpu,
    pub valid: &'a Buffer<u32>,
    pub rows: u32,
}

impl Clear<'_> {
    /// A copy of `source`, `[rows, width]`, with `fill` in masked rows.
    pub fn column<T: Element>(
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
