//! A running mean and variance over segments that follow each other, and the shift and scale that each segment is to be
//! normalised with.
//!
//! Each of the `segments` moments (of [`super::reduce_moments`]) is merged in turn, as [`super::policy_normalize`] does it; after
//! each merge the pair (mean or 0, √(variance + ε) or √variance + ε) is left for that segment. With 0 segments the statistic stays and gives one pair.

use crate::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations, kernel};

/// Words of a running statistic: mean and variance (f32 bits), rows counted (low word, high word), what the count began with
/// (f32 bits).
pub const STATISTIC_WORDS: u64 = 5;

kernel! {
    stem: "reduce_running",
    parts: [MATH, STATISTIC],
    schedule: false,
    head: false,
    params: {
        /// Moments to merge, at most 50,000; 0 to look only.
        pub segments: u32,
        /// 1: shift by the mean; 0: by nothing.
        pub center: u32,
        /// 1: ε is added to the deviation; 0: to the variance.
        pub outside_root: u32,
        /// ε.
        pub eps: f32,
    },
    io: {
        /// `(count, mean, Σ (x − mean)², 0)` per segment, `[segments]`.
        moments: Read [f32; 4],
        /// `[STATISTIC_WORDS]`.
        statistic: ReadWrite u32,
        /// `(shift, scale)` per segment, `[max(segments, 1)]`.
        coefficients: ReadWrite [f32; 2],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`] (too many segments among them).
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let segments = u64::from(p.segments);
        iterations(name, segments + segments.div_ceil(64), || format!("segments {segments}"))?;
        elements(name, "moments", io.moments, segments, || format!("segments {segments}"))?;
        elements(name, "statistic", io.statistic, STATISTIC_WORDS, || format!("words {STATISTIC_WORDS}"))?;
        elements(name, "coefficients", io.coefficients, segments.max(1), || format!("segments {segments}"))?;
        calls.push((*p, Grid::Groups(1)));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
