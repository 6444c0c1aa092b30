//! A running mean and variance over segments that follow each other, and the shift and scale that each segment is to be
//! normalised with.
//!
//! Each of the `segments` moments (of [`super::reduce_moments`]) is merged in turn, as [`super::policy_normalize`] does it; after
//! each merge the pair (mean or 0 in two floats, √(variance + ε) or √variance + ε) is left for that segment. With 0 segments the statistic stays and gives one pair.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;

/// Words of a running statistic: mean and variance as the sums of two f32 each (bits), rows counted (low word, high word), what the count
/// began with (f32 bits), and a 0 that pairs of f32 need.
pub const STATISTIC_WORDS: u64 = 8;

/// The pair of f32 whose sum a f64 is, to 2⁻⁴⁸ of it: the nearest one and what is left.
pub fn pair(value: f64) -> [f32; 2] {
    let first = value as f32;
    [first, (value - f64::from(first)) as f32]
}

/// One column's words from its mean and variance; see [`STATISTIC_WORDS`].
pub fn words(mean: f64, variance: f64, count: u64, initial_count: f32) -> [u32; STATISTIC_WORDS as usize] {
    let ([mean, mean_low], [variance, variance_low]) = (pair(mean), pair(variance));
    let [a, b, c, d] = [mean, mean_low, variance, variance_low].map(f32::to_bits);
    [a, b, c, d, count as u32, (count >> 32) as u32, initial_count.to_bits(), 0]
}

/// Mean and variance of one column's words, exact.
pub fn moments(words: &[u32]) -> (f64, f64) {
    let number = |place: usize| words.get(place).map_or(0.0, |word| f64::from(f32::from_bits(*word)));
    (number(0) + number(1), number(2) + number(3))
}

kernel! {
    stem: "reduce_running",
    parts: [MATH, TWOFLOAT, STATISTIC],
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
        /// `(count, mean, deviation, rest of the mean)` per segment, `[segments]`.
        moments: Read [f32; 4],
        /// `[STATISTIC_WORDS]`.
        statistic: ReadWrite u32,
        /// `(shift, scale, rest of the shift, 0)` per segment, `[max(segments, 1)]`.
        coefficients: ReadWrite [f32; 4],
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
