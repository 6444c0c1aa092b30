//! Rows that count as they are, and one word throughout in rows that do not: what lies there is not read any further.
//!
//! Masked rows are marked for good by [`INVALID_LOGP`] in their `logp_old`, which [`super::batch_pack`] carries into the samples.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "batch_clean",
    parts: [],
    schedule: false,
    head: false,
    params: {
        /// Rows.
        pub rows: u32,
        /// Words of a row.
        pub width: u32,
        /// The word of masked rows.
        pub fill: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// Words, `[rows, width]`.
        source: Read u32,
        /// `[rows]`, 0 or 1.
        valid: Read u32,
        /// Words, `[rows, width]`.
        cleaned: ReadWrite u32,
    },
}

/// The `logp_old` of a masked row: no log-probability comes near it.
pub const INVALID_LOGP: f32 = 3e38;

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, words) = (u64::from(p.rows), u64::from(p.rows) * u64::from(p.width));
        let shape = || format!("rows {rows} × width {}", p.width);
        elements(DEF.name, "source", io.source, words, shape)?;
        elements(DEF.name, "valid", io.valid, rows, || format!("rows {rows}"))?;
        elements(DEF.name, "cleaned", io.cleaned, words, shape)?;
        calls.push((*p, Grid::Items(words)));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}

#[cfg(test)]
mod tests {
    #[test]
    fn shaders_know_the_mark() {
        let bits = format!("= {:#010x}u;", super::INVALID_LOGP.to_bits());
        assert!(crate::kernels::parts::SAMPLE.source.contains(&bits), "{bits}");
    }
}
