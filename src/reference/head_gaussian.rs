//! Independent normals; a row is `[mean (D), log_std (D)]`, σ = exp(log_std).

use super::Real;
use super::head::{Action, Distribution};
use crate::rng::{Draw, block, normal_f64};
use ndarray::{ArrayView1, ArrayViewMut1};

pub(super) struct Gaussian;

/// ½ log 2π.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// `(mean, log_std)` of dimension `d`.
fn dimension<F: Real>(row: ArrayView1<'_, F>, d: usize) -> (F, F) {
    (row[d], row[row.len() / 2 + d])
}

impl<F: Real> Distribution<F> for Gaussian {
    /// Σ_d −½ ((a − μ)/σ)² − log σ − ½ log 2π.
    fn log_prob(&self, row: ArrayView1<'_, F>, action: Action<'_>) -> F {
        let Action::Floats(floats) = action else { return F::nan() };
        let term = |(d, a): (usize, &f32)| {
            let (mean, log_std) = dimension(row, d);
            let z = (F::of(f64::from(*a)) - mean) * (-log_std).exp();
            -F::of(0.5) * z * z - log_std - F::of(HALF_LOG_TAU)
        };
        floats.iter().enumerate().map(term).sum()
    }

    /// d/dμ = z/σ, d/dlog σ = z² − 1, with z = (a − μ)/σ.
    fn log_prob_grad(&self, row: ArrayView1<'_, F>, action: Action<'_>, mut out: ArrayViewMut1<'_, F>) {
        let Action::Floats(floats) = action else { return out.fill(F::nan()) };
        for (d, a) in floats.iter().enumerate() {
            let (mean, log_std) = dimension(row, d);
            let z = (F::of(f64::from(*a)) - mean) * (-log_std).exp();
            out[d] = z * (-log_std).exp();
            out[floats.len() + d] = z * z - F::one();
        }
    }

    /// Σ_d ½ + ½ log 2π + log σ.
    fn entropy(&self, row: ArrayView1<'_, F>) -> F {
        (0..row.len() / 2).map(|d| F::of(0.5 + HALF_LOG_TAU) + dimension(row, d).1).sum()
    }

    /// 0 by μ, 1 by log σ.
    fn entropy_grad(&self, row: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..row.len() / 2 {
            out[d] = F::zero();
            out[row.len() / 2 + d] = F::one();
        }
    }

    /// Σ_d log σ_q − log σ_p + (σ_p² + (μ_p − μ_q)²) / (2 σ_q²) − ½.
    fn kl(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F {
        let term = |d| {
            let ((mean_p, log_std_p), (mean_q, log_std_q)) = (dimension(p, d), dimension(q, d));
            let ratio = (log_std_p - log_std_q).exp();
            let shift = (mean_p - mean_q) * (-log_std_q).exp();
            log_std_q - log_std_p + F::of(0.5) * (ratio * ratio + shift * shift) - F::of(0.5)
        };
        (0..p.len() / 2).map(term).sum()
    }

    /// d/dμ_p = (μ_p − μ_q)/σ_q², d/dlog σ_p = σ_p²/σ_q² − 1.
    fn kl_grad_first(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..p.len() / 2 {
            let ((mean_p, log_std_p), (mean_q, log_std_q)) = (dimension(p, d), dimension(q, d));
            let ratio = (log_std_p - log_std_q).exp();
            out[d] = (mean_p - mean_q) * (-log_std_q).exp() * (-log_std_q).exp();
            out[p.len() / 2 + d] = ratio * ratio - F::one();
        }
    }

    /// d/dμ_q = (μ_q − μ_p)/σ_q², d/dlog σ_q = 1 − (σ_p² + (μ_p − μ_q)²)/σ_q².
    fn kl_grad_second(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..p.len() / 2 {
            let ((mean_p, log_std_p), (mean_q, log_std_q)) = (dimension(p, d), dimension(q, d));
            let ratio = (log_std_p - log_std_q).exp();
            let shift = (mean_q - mean_p) * (-log_std_q).exp();
            out[d] = shift * (-log_std_q).exp();
            out[p.len() / 2 + d] = F::one() - ratio * ratio - shift * shift;
        }
    }

    /// diag(1/σ², 2).
    fn fisher_vector(&self, row: ArrayView1<'_, F>, tangent: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..row.len() / 2 {
            let (_, log_std) = dimension(row, d);
            out[d] = tangent[d] * (-log_std).exp() * (-log_std).exp();
            out[row.len() / 2 + d] = F::of(2.0) * tangent[row.len() / 2 + d];
        }
    }

    /// The mean.
    fn greedy(&self, row: ArrayView1<'_, F>) -> Vec<u32> {
        row.iter().take(row.len() / 2).map(|mean| mean.as_f32().to_bits()).collect()
    }

    /// μ_d + σ_d · normal(word 0 of the draw (action, row, dimension d, step)).
    fn sample(&self, r: usize, row: ArrayView1<'_, F>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |d: usize| {
            let (mean, log_std) = dimension(row, d);
            let z = F::of(normal_f64(block(seed, Draw::Action, r as u32, d as u32, step)[0]));
            (mean + log_std.exp() * z).as_f32().to_bits()
        };
        (0..row.len() / 2).map(draw).collect()
    }
}
