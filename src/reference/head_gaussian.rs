//! Independent normals; a row is `[mean (D), l (D)]`, log σ = l within its limit. Squashed by tanh or not; squashed, an action is u,
//! and log-probability and entropy are those of tanh u.

use super::head::{Action, Distribution};
use super::head_bernoulli::sigmoid;
use super::{Real, squash};
use crate::policy::StdLimit;
use crate::rng::{Draw, block, normal_f64};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, s};

pub(super) struct Gaussian<F> {
    limit: StdLimit,
    squash: bool,
    /// Of each dimension, where all rows have the same l; else empty.
    shared: Vec<Width<F>>,
}

/// What l says of one dimension.
#[derive(Clone, Copy)]
struct Width<F> {
    log_std: F,
    /// 1/σ.
    inverse: F,
    /// d log σ / dl.
    slope: F,
}

/// ½ log 2π.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

impl<F: Real> Gaussian<F> {
    pub(super) fn new(limit: StdLimit, squash: bool) -> Self {
        Self { limit, squash, shared: Vec::new() }
    }

    fn width(&self, row: ArrayView1<'_, F>, d: usize) -> Width<F> {
        self.shared.get(d).copied().unwrap_or_else(|| self.width_of(row[row.len() / 2 + d]))
    }

    fn width_of(&self, l: F) -> Width<F> {
        let log_std = self.log_std(l);
        Width { log_std, inverse: (-log_std).exp(), slope: self.slope(l) }
    }

    /// `(μ, log σ)` of dimension `d`.
    fn dimension(&self, row: ArrayView1<'_, F>, d: usize) -> (F, F) {
        (row[d], self.log_std(row[row.len() / 2 + d]))
    }

    fn log_std(&self, l: F) -> F {
        let of = |x: f32| F::of(f64::from(x));
        match self.limit {
            // m + softplus(l − m), without the m that softplus would have to give back.
            StdLimit::SoftFloor { log_std } => l.max(of(log_std)) + (-(l - of(log_std)).abs()).exp().ln_1p(),
            StdLimit::Clamp { low, high } => l.max(of(low)).min(of(high)),
            StdLimit::Free => l,
        }
    }

    /// d log σ / dl; a clamp's ends belong to the inside.
    fn slope(&self, l: F) -> F {
        let of = |x: f32| F::of(f64::from(x));
        match self.limit {
            StdLimit::SoftFloor { log_std } => sigmoid(l - of(log_std)),
            StdLimit::Clamp { low, high } if l < of(low) || l > of(high) => F::zero(),
            StdLimit::Clamp { .. } | StdLimit::Free => F::one(),
        }
    }

    /// Stores by μ and l what is known by μ and log σ.
    fn store(&self, row: ArrayView1<'_, F>, out: &mut ArrayViewMut1<'_, F>, d: usize, by: (F, F)) {
        out[d] = by.0;
        out[row.len() / 2 + d] = by.1 * self.slope(row[row.len() / 2 + d]);
    }
}

impl<F: Real> Distribution<F> for Gaussian<F> {
    fn prepare(&mut self, dist: ArrayView2<'_, F>) {
        self.shared.clear();
        let l = dist.slice(s![.., dist.ncols() / 2..]);
        if let Some(first) = l.outer_iter().next().filter(|first| l.outer_iter().all(|row| row == first)) {
            self.shared = first.iter().map(|l| self.width_of(*l)).collect();
        }
    }

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

    fn both(
        &self,
        row: ArrayView1<'_, F>,
        action: Action<'_>,
        mut by_logp: ArrayViewMut1<'_, F>,
        mut by_entropy: ArrayViewMut1<'_, F>,
    ) -> (F, F) {
        let Action::Floats(floats) = action else {
            by_logp.fill(F::nan());
            self.entropy_grad(row, by_entropy);
            return (F::nan(), self.entropy(row));
        };
        let (mut logp, mut entropy, dims) = (F::zero(), F::zero(), row.len() / 2);
        for (d, a) in floats.iter().enumerate() {
            let (mean, Width { log_std, inverse, slope }) = (row[d], self.width(row, d));
            let z = (F::of(f64::from(*a)) - mean) * inverse;
            logp += -F::of(0.5) * z * z - log_std - F::of(HALF_LOG_TAU);
            entropy += F::of(0.5 + HALF_LOG_TAU) + log_std;
            (by_logp[d], by_logp[dims + d]) = (z * inverse, (z * z - F::one()) * slope);
            (by_entropy[d], by_entropy[dims + d]) = (F::zero(), slope);
            if self.squash {
                let (mean, deviation) = (mean.as_f64(), log_std.as_f64().exp());
                logp -= F::of(squash::log_slope(f64::from(*a)));
                entropy += F::of(squash::entropy(mean, deviation));
                let (by_mean, by_log_std) = squash::entropy_grad(mean, deviation);
                (by_entropy[d], by_entropy[dims + d]) = (F::of(by_mean), F::of(1.0 + by_log_std) * slope);
            }
        }
        (logp, entropy)
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
    fn fisher_row(&self, row: ArrayView1<'_, F>, mut known: ArrayViewMut1<'_, F>) {
        let dims = row.len() / 2;
        for d in 0..dims {
            let Width { inverse, slope, .. } = self.width(row, d);
            known[d] = inverse * inverse;
            known[dims + d] = F::of(2.0) * slope * slope;
        }
    }

    fn fisher_vector(&self, known: ArrayView1<'_, F>, mut tangent: ArrayViewMut1<'_, F>) {
        tangent *= &known;
    }

    fn fisher_is_diagonal(&self) -> bool {
        true
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
