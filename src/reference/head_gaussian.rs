//! Independent normals; a row is `[mean (D), l (D)]`, log σ = l within its limit, or σ = l itself. Squashed by tanh or not; squashed,
//! an action is u, and log-probability and entropy are those of tanh u.

use super::distribution::{Action, Distribution, excess};
use super::head_bernoulli::{difference, rise, sigmoid, softplus};
use super::{normal::normal, squash};
use crate::policy::{Std, StdLimit, StdType};
use crate::rng::{Draw, block};
use ndarray::{ArrayView1, ArrayViewMut1};

pub(super) struct Gaussian {
    std: Std,
    squash: bool,
    /// Of each dimension, where all rows have the same l; else empty.
    shared: Vec<Width>,
}

/// What l says of one dimension.
#[derive(Clone, Copy)]
struct Width {
    log_std: f64,
    /// σ.
    deviation: f64,
    /// 1/σ.
    inverse: f64,
    /// d log σ / dl; a clamp's ends belong to the inside.
    slope: f64,
}

/// ½ log 2π.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

impl Gaussian {
    pub(super) fn new(std: Std, squash: bool) -> Self {
        Self { std, squash, shared: Vec::new() }
    }

    fn width(&self, row: ArrayView1<'_, f64>, d: usize) -> Width {
        self.shared.get(d).copied().unwrap_or_else(|| self.width_of(row[row.len() / 2 + d]))
    }

    fn width_of(&self, l: f64) -> Width {
        if self.std.std_type == StdType::Scalar {
            let deviation = self.clamp(l);
            let slope = if self.is_beyond(l) { 0.0 } else { 1.0 / deviation };
            return Width { log_std: deviation.ln(), deviation, inverse: 1.0 / deviation, slope };
        }
        let (log_std, slope) = match self.std.limit {
            // m + softplus(l − m), without the m that softplus would have to give back.
            StdLimit::SoftFloor { log_std: m } => {
                let above = l - f64::from(m);
                (if above > 0.0 { l + softplus(-above) } else { f64::from(m) + softplus(above) }, sigmoid(above))
            }
            StdLimit::Clamp { .. } => (self.clamp(l), if self.is_beyond(l) { 0.0 } else { 1.0 }),
            StdLimit::Tanh { low, high } => squash::between(l, low.into(), high.into()),
            StdLimit::Free => (l, 1.0),
        };
        Width { log_std, deviation: log_std.exp(), inverse: (-log_std).exp(), slope }
    }

    /// The interval of l that has no limit.
    fn range(&self) -> (f64, f64) {
        let (low, high) = match self.std.limit {
            StdLimit::SoftFloor { log_std } => (log_std.into(), f64::INFINITY),
            StdLimit::Clamp { low, high } => (low.into(), high.into()),
            StdLimit::Tanh { .. } | StdLimit::Free => (f64::NEG_INFINITY, f64::INFINITY),
        };
        // In f32, as the device has it, so that no l lies beyond on one side only.
        let single = |log_std: f64| f64::from(log_std.exp() as f32);
        if self.std.std_type == StdType::Scalar { (single(low), single(high)) } else { (low, high) }
    }

    fn is_beyond(&self, l: f64) -> bool {
        let (low, high) = self.range();
        l < low || l > high
    }

    /// l within [`range`](Self::range); NaN stays NaN.
    fn clamp(&self, l: f64) -> f64 {
        let (low, high) = self.range();
        l.clamp(low, high)
    }

    /// log σ(to) − log σ(from), with the digits of the difference.
    fn rise(&self, from: f64, to: f64) -> f64 {
        match (self.std.std_type, self.std.limit) {
            (StdType::Scalar, _) => ((self.clamp(to) - self.clamp(from)) / self.clamp(from)).ln_1p(),
            (_, StdLimit::SoftFloor { log_std }) => rise(from - f64::from(log_std), to - f64::from(log_std), to - from),
            (_, StdLimit::Clamp { .. }) => self.clamp(to) - self.clamp(from),
            // ½ (tanh x + 1) is sigmoid(2x).
            (_, StdLimit::Tanh { low, high }) => (f64::from(high) - f64::from(low)) * difference(2.0 * from, 2.0 * to),
            (_, StdLimit::Free) => to - from,
        }
    }

    /// Stores by μ and l what is known by μ and log σ.
    fn store(&self, row: ArrayView1<'_, f64>, out: &mut ArrayViewMut1<'_, f64>, d: usize, by: (f64, f64)) {
        out[d] = by.0;
        out[row.len() / 2 + d] = by.1 * self.width(row, d).slope;
    }

    /// What two rows differ by in dimension `d`: μ_q − μ_p, and 2 log(σ_q/σ_p).
    fn change(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, d: usize) -> (f64, f64) {
        let l = p.len() / 2 + d;
        (q[d] - p[d], 2.0 * self.rise(p[l], q[l]))
    }
}

impl Distribution for Gaussian {
    fn prepare(&mut self, shared: ArrayView1<'_, f64>) {
        self.shared = shared.iter().map(|l| self.width_of(*l)).collect();
    }

    /// Σ_d −½ ((a − μ)/σ)² − log σ − ½ log 2π, and squashed − log(1 − tanh² a).
    fn log_prob(&self, row: ArrayView1<'_, f64>, action: Action<'_>) -> f64 {
        let Action::Floats(floats) = action else { return f64::NAN };
        let term = |(d, a): (usize, &f32)| {
            let Width { log_std, inverse, .. } = self.width(row, d);
            let z = (f64::from(*a) - row[d]) * inverse;
            let slope = if self.squash { squash::log_slope(f64::from(*a)) } else { 0.0 };
            -0.5 * z * z - log_std - HALF_LOG_TAU - slope
        };
        floats.iter().enumerate().map(term).sum()
    }

    /// d/dμ = z/σ, d/dlog σ = z² − 1, with z = (a − μ)/σ.
    fn log_prob_grad(&self, row: ArrayView1<'_, f64>, action: Action<'_>, mut out: ArrayViewMut1<'_, f64>) {
        let Action::Floats(floats) = action else { return out.fill(f64::NAN) };
        for (d, a) in floats.iter().enumerate() {
            let Width { inverse, .. } = self.width(row, d);
            let z = (f64::from(*a) - row[d]) * inverse;
            self.store(row, &mut out, d, (z * inverse, z * z - 1.0));
        }
    }

    /// Σ_d ½ + ½ log 2π + log σ, and squashed + E log(1 − tanh² u).
    fn entropy(&self, row: ArrayView1<'_, f64>) -> f64 {
        let term = |d| {
            let Width { log_std, deviation, .. } = self.width(row, d);
            let slope = if self.squash { squash::entropy(row[d], deviation) } else { 0.0 };
            0.5 + HALF_LOG_TAU + log_std + slope
        };
        (0..row.len() / 2).map(term).sum()
    }

    /// 0 by μ, 1 by log σ, and squashed the gradient of E log(1 − tanh² u).
    fn entropy_grad(&self, row: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        for d in 0..row.len() / 2 {
            let (by_mean, by_log_std) =
                if self.squash { squash::entropy_grad(row[d], self.width(row, d).deviation) } else { (0.0, 0.0) };
            self.store(row, &mut out, d, (by_mean, 1.0 + by_log_std));
        }
    }

    fn both(
        &self,
        row: ArrayView1<'_, f64>,
        action: Action<'_>,
        mut by_logp: ArrayViewMut1<'_, f64>,
        mut by_entropy: ArrayViewMut1<'_, f64>,
    ) -> (f64, f64) {
        let Action::Floats(floats) = action else {
            by_logp.fill(f64::NAN);
            self.entropy_grad(row, by_entropy);
            return (f64::NAN, self.entropy(row));
        };
        let (mut logp, mut entropy, dims) = (0.0, 0.0, row.len() / 2);
        for (d, a) in floats.iter().enumerate() {
            let (mean, Width { log_std, deviation, inverse, slope }) = (row[d], self.width(row, d));
            let z = (f64::from(*a) - mean) * inverse;
            logp += -0.5 * z * z - log_std - HALF_LOG_TAU;
            entropy += 0.5 + HALF_LOG_TAU + log_std;
            (by_logp[d], by_logp[dims + d]) = (z * inverse, (z * z - 1.0) * slope);
            (by_entropy[d], by_entropy[dims + d]) = (0.0, slope);
            if self.squash {
                logp -= squash::log_slope(f64::from(*a));
                entropy += squash::entropy(mean, deviation);
                let (by_mean, by_log_std) = squash::entropy_grad(mean, deviation);
                (by_entropy[d], by_entropy[dims + d]) = (by_mean, (1.0 + by_log_std) * slope);
            }
        }
        (logp, entropy)
    }

    /// Σ_d log σ_q − log σ_p + (σ_p² + (μ_p − μ_q)²) / (2 σ_q²) − ½, in which σ_p²/σ_q² is e^−c, c = 2 log(σ_q/σ_p): so it is
    /// ½ (e^−c − 1 + c) and half the square of the shift. The same squashed: tanh is one to one.
    fn kl(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>) -> f64 {
        let term = |d| {
            let (shift, change) = self.change(p, q, d);
            let shift = shift * self.width(q, d).inverse;
            0.5 * (excess(-change) + shift * shift)
        };
        (0..p.len() / 2).map(term).sum()
    }

    /// d/dμ_p = (μ_p − μ_q)/σ_q², d/dlog σ_p = σ_p²/σ_q² − 1.
    fn kl_grad_first(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        for d in 0..p.len() / 2 {
            let (shift, change) = self.change(p, q, d);
            let Width { inverse, .. } = self.width(q, d);
            self.store(p, &mut out, d, (-shift * inverse * inverse, (-change).exp_m1()));
        }
    }

    /// d/dμ_q = (μ_q − μ_p)/σ_q², d/dlog σ_q = 1 − (σ_p² + (μ_p − μ_q)²)/σ_q².
    fn kl_grad_second(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        for d in 0..p.len() / 2 {
            let (shift, change) = self.change(p, q, d);
            let Width { inverse, .. } = self.width(q, d);
            let shift = shift * inverse;
            self.store(q, &mut out, d, (shift * inverse, -(-change).exp_m1() - shift * shift));
        }
    }

    /// diag(1/σ², 2) by μ and log σ, hence 2 (d log σ / dl)² by l.
    fn fisher_row(&self, row: ArrayView1<'_, f64>, mut known: ArrayViewMut1<'_, f64>) {
        let dims = row.len() / 2;
        for d in 0..dims {
            let Width { inverse, slope, .. } = self.width(row, d);
            known[d] = inverse * inverse;
            known[dims + d] = 2.0 * slope * slope;
        }
    }

    fn fisher_vector(&self, known: ArrayView1<'_, f64>, mut tangent: ArrayViewMut1<'_, f64>) {
        tangent *= &known;
    }

    fn fisher_is_diagonal(&self) -> bool {
        true
    }

    /// The mean.
    fn greedy(&self, row: ArrayView1<'_, f64>) -> Vec<u32> {
        row.iter().take(row.len() / 2).map(|mean| (*mean as f32).to_bits()).collect()
    }

    /// μ_d + σ_d · normal(word 0 of the draw (action, row, dimension d, step)).
    fn sample(&self, r: usize, row: ArrayView1<'_, f64>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |d: usize| {
            let z = normal(block(seed, Draw::Action, r as u32, d as u32, step)[0]);
            ((row[d] + self.width(row, d).deviation * z) as f32).to_bits()
        };
        (0..row.len() / 2).map(draw).collect()
    }

    /// Dimensions whose l is below the soft floor or outside the clamp.
    fn hits(&self, row: ArrayView1<'_, f64>) -> u32 {
        row.iter().skip(row.len() / 2).filter(|l| self.is_beyond(**l)).count() as u32
    }
}
