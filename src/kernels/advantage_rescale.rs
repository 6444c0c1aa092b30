//! Rewards, values or returns normalised in place with the coefficients of their segment, or denormalised.
//!
//! ```text
//! x ← clip((x − shift) / scale, ±clip)          x ← clip(x, ±clip) · scale + shift   (inverse)
//! ```
//!
//! Where the scale is 0 the normalised number is 0.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_rescale",
    parts: [MATH, TWOFLOAT, STATISTIC],
    schedule: false,
    head: false,
    params: {
        /// Numbers in all.
        pub rows: u32,
        /// Numbers per pair of coefficients.
        pub segment: u32,
        /// 1: back from normalised numbers.
        pub inverse: u32,
        /// Limit of a normalised number; 0 for none.
        pub clip: f32,
    },
    io: {
        /// `(shift, scale, rest of the shift, 0)` from [`super::reduce_running`], `[segments]`.
        coefficients: Read [f32; 4],
        /// Read and written in place, `[rows]`.
        numbers: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let segment = p.segment.clamp(1, p.rows.max(1));
        let segments = u64::from(p.rows.div_ceil(segment));
        elements(name, "coefficients", io.coefficients, segments, || format!("segments {segments}"))?;
        elements(name, "numbers", io.numbers, u64::from(p.rows), || format!("rows {}", p.rows))?;
        calls.push((Params { segment, ..*p }, Grid::Items(u64::from(p.rows))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
