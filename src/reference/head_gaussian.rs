//! Independent normals; a row is `[mean (D), l (D)]`, log σ = l within its limit. Squashed by tanh or not; squashed, an action is u,
//! and log-probability and entropy are those of tanh u.

use super::head::{Action, Distribution};
use super::head_bernoulli::sigmoid;
use super::{Real, squash};
use crate::policy::StdLimit;
use crate::rng::{Draw, block, normal_f64};
use ndarray::{ArrayView1, ArrayViewMut1};

pub(super) struct Gaussian {
    pub(super) limit: StdLimit,
    pub(super) squash: bool,
}

/// ½ log 2π.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

impl Gaussian {
    /// `(μ, log σ)` of dimension `d`.
    fn dimension<F: Real>(&self, row: ArrayView1<'_, F>, d: usize) -> (F, F) {
        (row[d], self.log_std(row[row.len() / 2 + d]))
    }

    fn log_std<F: Real>(&self, l: F) -> F {
        let of = |x: f32| F::of(f64::from(x));
        match self.limit {
            // m + softplus(l − m), without the m that softplus would have to give back.
            StdLimit::SoftFloor { log_std } => l.max(of(log_std)) + (-(l - of(log_std)).abs()).exp().ln_1p(),
            StdLimit::Clamp { low, high } => l.max(of(low)).min(of(high)),
            StdLimit::Free => l,
        }
    }

    /// d log σ / dl of dimension `d`; a clamp's ends belong to the inside.
    fn slope<F: Real>(&self, row: ArrayView1<'_, F>, d: usize) -> F {
        let (l, of) = (row[row.len() / 2 + d], |x: f32| F::of(f64::from(x)));
        match self.limit {
            StdLimit::SoftFloor { log_std } => sigmoid(l - of(log_std)),
            StdLimit::Clamp { low, high } if l < of(low) || l > of(high) => F::zero(),
            StdLimit::Clamp { .. } | StdLimit::Free => F::one(),
        }
    }

    /// Stores by μ and l what is known by μ and log σ.
    fn store<F: Real>(&self, row: ArrayView1<'_, F>, out: &mut ArrayViewMut1<'_, F>, d: usize, by: (F, F)) {
        out[d] = by.0;
        out[row.len() / 2 + d] = by.1 * self.slope(row, d);
    }
}

impl<F: Real> Distribution<F> for Gaussian {
    /// Σ_d −½ ((a − μ)/σ)² − log σ − ½ log 2π, and squashed − log(1 − tanh² a).
    fn log_prob(&self, row: ArrayView1<'_, F>, action: Action<'_>) -> F {
        let Action::Floats(floats) = action else { return F::nan() };
        let term = |(d, a): (usize, &f32)| {
            let (mean, log_std) = self.dimension(row, d);
            let z = (F::of(f64::from(*a)) - mean) * (-log_std).exp();
            let slope = if self.squash { squash::log_slope(f64::from(*a)) } else { 0.0 };
            -F::of(0.5) * z * z - log_std - F::of(HALF_LOG_TAU) - F::of(slope)
        };
        floats.iter().enumerate().map(term).sum()
    }

    /// d/dμ = z/σ, d/dlog σ = z² − 1, with z = (a − μ)/σ.
    fn log_prob_grad(&self, row: ArrayView1<'_, F>, action: Action<'_>, mut out: ArrayViewMut1<'_, F>) {
        let Action::Floats(floats) = action else { return out.fill(F::nan()) };
        for (d, a) in floats.iter().enumerate() {
            let (mean, log_std) = self.dimension(row, d);
            let z = (F::of(f64::from(*a)) - mean) * (-log_std).exp();
            self.store(row, &mut out, d, (z * (-log_std).exp(), z * z - F::one()));
        }
    }

    /// Σ_d ½ + ½ log 2π + log σ, and squashed + E log(1 − tanh² u).
    fn entropy(&self, row: ArrayView1<'_, F>) -> F {
        let term = |d| {
            let (mean, log_std) = self.dimension(row, d);
            let slope = if self.squash { squash::entropy(mean.as_f64(), log_std.as_f64().exp()) } else { 0.0 };
            F::of(0.5 + HALF_LOG_TAU) + log_std + F::of(slope)
        };
        (0..row.len() / 2).map(term).sum()
    }

    /// 0 by μ, 1 by log σ, and squashed the gradient of E log(1 − tanh² u).
    fn entropy_grad(&self, row: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..row.len() / 2 {
            let (mean, log_std) = self.dimension(row, d);
            let (mean, deviation) = (mean.as_f64(), log_std.as_f64().exp());
            let (by_mean, by_log_std) = if self.squash { squash::entropy_grad(mean, deviation) } else { (0.0, 0.0) };
            self.store(row, &mut out, d, (F::of(by_mean), F::of(1.0 + by_log_std)));
        }
    }

    /// Σ_d log σ_q − log σ_p + (σ_p² + (μ_p − μ_q)²) / (2 σ_q²) − ½. The same squashed: tanh is one to one.
    fn kl(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F {
        let term = |d| {
            let ((mean_p, log_std_p), (mean_q, log_std_q)) = (self.dimension(p, d), self.dimension(q, d));
            let ratio = (log_std_p - log_std_q).exp();
            let shift = (mean_p - mean_q) * (-log_std_q).exp();
            log_std_q - log_std_p + F::of(0.5) * (ratio * ratio + shift * shift) - F::of(0.5)
        };
        (0..p.len() / 2).map(term).sum()
    }

    /// d/dμ_p = (μ_p − μ_q)/σ_q², d/dlog σ_p = σ_p²/σ_q² − 1.
    fn kl_grad_first(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..p.len() / 2 {
            let ((mean_p, log_std_p), (mean_q, log_std_q)) = (self.dimension(p, d), self.dimension(q, d));
            let ratio = (log_std_p - log_std_q).exp();
            let by_mean = (mean_p - mean_q) * (-log_std_q).exp() * (-log_std_q).exp();
            self.store(p, &mut out, d, (by_mean, ratio * ratio - F::one()));
        }
    }

    /// d/dμ_q = (μ_q − μ_p)/σ_q², d/dlog σ_q = 1 − (σ_p² + (μ_p − μ_q)²)/σ_q².
    fn kl_grad_second(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..p.len() / 2 {
            let ((mean_p, log_std_p), (mean_q, log_std_q)) = (self.dimension(p, d), self.dimension(q, d));
            let ratio = (log_std_p - log_std_q).exp();
            let shift = (mean_q - mean_p) * (-log_std_q).exp();
            let by_log_std = F::one() - ratio * ratio - shift * shift;
            self.store(q, &mut out, d, (shift * (-log_std_q).exp(), by_log_std));
        }
    }

    /// diag(1/σ², 2) by μ and log σ, hence 2 (d log σ / dl)² by l.
    fn fisher_vector(&self, row: ArrayView1<'_, F>, tangent: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..row.len() / 2 {
            let (_, log_std) = self.dimension(row, d);
            let of_log_std = F::of(2.0) * self.slope(row, d) * tangent[row.len() / 2 + d];
            self.store(row, &mut out, d, (tangent[d] * (-log_std).exp() * (-log_std).exp(), of_log_std));
        }
    }

    /// The mean.
    fn greedy(&self, row: ArrayView1<'_, F>) -> Vec<u32> {
        row.iter().take(row.len() / 2).map(|mean| mean.as_f32().to_bits()).collect()
    }

    /// μ_d + σ_d · normal(word 0 of the draw (action, row, dimension d, step)).
    fn sample(&self, r: usize, row: ArrayView1<'_, F>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |d: usize| {
            let (mean, log_std) = self.dimension(row, d);
            let z = F::of(normal_f64(block(seed, Draw::Action, r as u32, d as u32, step)[0]));
            (mean + log_std.exp() * z).as_f32().to_bits()
        };
        (0..row.len() / 2).map(draw).collect()
    }

    /// Dimensions whose l is below the soft floor or outside the clamp.
    fn hits(&self, row: ArrayView1<'_, F>) -> u32 {
        let of = |x: f32| F::of(f64::from(x));
        let beyond = |l: &&F| match self.limit {
            StdLimit::SoftFloor { log_std } => **l < of(log_std),
            StdLimit::Clamp { low, high } => **l < of(low) || **l > of(high),
            StdLimit::Free => false,
        };
        row.iter().skip(row.len() / 2).filter(beyond).count() as u32
    }
}
