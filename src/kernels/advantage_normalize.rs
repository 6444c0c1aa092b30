//! Normalised advantages, A ← (A − mean) / (max(std, floor) + ε), in place, per segment.
//!
//! std = √(Σ (A − mean)² / (count − ddof)): ddof 1 is PyTorch's, 0 is NumPy's and JAX's. A segment of one row is left as it is; where the
//! denominator is 0 the result is 0. The mean that is subtracted is the sum of two f32. With `center` nothing is divided, A ← A − mean, whatever
//! the rows.

use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_normalize",
    parts: [TWOFLOAT],
    schedule: false,
    head: false,
    params: {
        /// Rows in all.
        pub rows: u32,
        /// Rows of a segment; the last may be shorter.
        pub segment: u32,
        /// Elements from one row to the next.
        pub stride: u32,
        /// Element of row 0.
        pub offset: u32,
        /// 0 or 1.
        pub ddof: u32,
        /// Added to the standard deviation.
        pub eps: f32,
        /// 0, as part `twofloat` needs one that no compiler knows.
        pub zero: u32,
        /// Least standard deviation that is divided by, before ε.
        pub std_floor: f32,
        /// Element of `moments` for the first segment.
        pub place: u32,
        /// 1: only the mean is subtracted.
        pub center: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// From [`super::reduce_moments`], `[place + segments]`.
        moments: Read [f32; 4],
        /// Read and written in place.
        advantages: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], or [`Error::Config`] for a `ddof` above 1.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if p.ddof > 1 {
            return Err(Error::config("adv_ddof", format!("is {}, must be 0 or 1", p.ddof)));
        }
        let segment = p.segment.clamp(1, p.rows.max(1));
        let segments = u64::from(p.rows.div_ceil(segment));
        let shape = || format!("place {} + segments {segments}", p.place);
        elements(name, "moments", io.moments, u64::from(p.place) + segments, shape)?;
        elements(name, "advantages", io.advantages, span(p.offset, p.rows, p.stride, 1), || {
            format!("offset {} + rows {} × stride {}", p.offset, p.rows, p.stride)
        })?;
        calls.push((Params { segment, zero: 0, ..*p }, Grid::Items(u64::from(p.rows))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
