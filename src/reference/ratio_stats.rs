//! How far the probabilities of the actions that were taken have moved.

use super::Real;
use super::distribution::excess;
use super::reduce_moments::{reduce_moments, sum};
use super::surrogate::log_ratio;
use crate::error::Result;
use ndarray::ArrayView1;

/// What the probability ratios of a minibatch look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatioStats<F> {
    /// mean −log r.
    pub k1: F,
    /// mean ½ (log r)².
    pub k2: F,
    /// mean (r − 1 − log r), never negative.
    pub k3: F,
    /// Share of rows with r outside [1 − clip_low, 1 + clip_high], whatever the advantage's sign.
    pub clip_fraction: F,
    /// Mean of r.
    pub mean: F,
    /// Standard deviation of r, ddof 0.
    pub std: F,
    /// Smallest r.
    pub min: F,
    /// Largest r.
    pub max: F,
}

/// Three estimates of KL(old‖new) from samples (Schulman 2020, "Approximating KL divergence") and the ratio's spread.
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn ratio_stats<F: Real>(
    logp: ArrayView1<'_, F>,
    logp_old: ArrayView1<'_, F>,
    clip_low: F,
    clip_high: F,
) -> Result<RatioStats<F>> {
    let (d, _) = log_ratio(logp, logp_old)?;
    let rows = F::count(d.len().max(1));
    let over = |terms: &dyn Fn(F) -> F| sum(d.iter().map(|d| terms(*d))) / rows;
    let ratio = d.mapv(F::exp);
    let (ratio_mean, variance) = reduce_moments(ratio.view(), 0);
    let outside = |r: F| r < F::one() - clip_low || r > F::one() + clip_high;
    Ok(RatioStats {
        k1: over(&|d| -d),
        k2: over(&|d| F::of(0.5) * d * d),
        // r − 1 − d, which in f32 would lose its digits near 0.
        k3: over(&|d| F::of(excess(d.as_f64()))),
        clip_fraction: F::count(ratio.iter().filter(|r| outside(**r)).count()) / rows,
        mean: ratio_mean,
        std: variance.sqrt(),
        min: ratio.iter().copied().fold(F::infinity(), F::min),
        max: ratio.iter().copied().fold(F::neg_infinity(), F::max),
    })
}
