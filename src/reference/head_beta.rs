//! Independent Beta distributions on (0, 1); a row is `[a (D), b (D)]`, α = 1 + softplus(a), β = 1 + softplus(b) (Chou, Maturana
//! and Scherer 2017).

use super::Real;
use super::head::{Action, Distribution};
use super::head_bernoulli::{sigmoid, softplus};
use crate::rng::{Draw, block, normal_f64, uniform};
use ndarray::{ArrayView1, ArrayViewMut1};

pub(super) struct Beta;

/// Tries of a gamma draw.
const TRIES: u32 = 16;

/// Draws and greedy actions stay this far from 0 and 1: 2⁻²⁰.
const MARGIN: f64 = 1.0 / 1_048_576.0;

/// `(α, β)` of dimension `d`.
fn dimension<F: Real>(row: ArrayView1<'_, F>, d: usize) -> (F, F) {
    (F::one() + softplus(row[d]), F::one() + softplus(row[row.len() / 2 + d]))
}

/// log B(α, β).
fn log_beta<F: Real>(alpha: F, beta: F) -> F {
    alpha.ln_gamma() + beta.ln_gamma() - (alpha + beta).ln_gamma()
}

/// The matrix `[[ψ'(α) − ψ'(α + β), −ψ'(α + β)], [−ψ'(α + β), ψ'(β) − ψ'(α + β)]]` times `(v, w)`.
fn fisher<F: Real>((alpha, beta): (F, F), (v, w): (F, F)) -> (F, F) {
    let shared = trigamma(alpha + beta) * (v + w);
    (trigamma(alpha) * v - shared, trigamma(beta) * w - shared)
}

/// ψ'(x) for x > 0: ψ'(x) = 1/x² + ψ'(x + 1) up to x = 20, there its asymptotic series (Abramowitz and Stegun 6.4.12), whose first term
/// left out is below 1e-17.
fn trigamma<F: Real>(x: F) -> F {
    let (mut x, mut sum) = (x.as_f64(), 0.0);
    while x < 20.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let q = 1.0 / (x * x);
    let series =
        1.0 / 6.0 - q * (1.0 / 30.0 - q * (1.0 / 42.0 - q * (1.0 / 30.0 - q * (5.0 / 66.0 - q * 691.0 / 2730.0))));
    F::of(sum + 1.0 / x + 0.5 * q + series * q / x)
}

impl Beta {
    /// Stores by a and b what is known by α and β: times the slopes of softplus.
    fn store<F: Real>(row: ArrayView1<'_, F>, out: &mut ArrayViewMut1<'_, F>, d: usize, (by_alpha, by_beta): (F, F)) {
        let dims = row.len() / 2;
        out[d] = by_alpha * sigmoid(row[d]);
        out[dims + d] = by_beta * sigmoid(row[dims + d]);
    }
}

impl<F: Real> Distribution<F> for Beta {
    /// Σ (α − 1) log x + (β − 1) log(1 − x) − log B(α, β).
    fn log_prob(&self, row: ArrayView1<'_, F>, action: Action<'_>) -> F {
        let Action::Floats(floats) = action else { return F::nan() };
        let term = |(d, x): (usize, &f32)| {
            let ((alpha, beta), x) = (dimension(row, d), F::of(f64::from(*x)));
            (alpha - F::one()) * x.ln() + (beta - F::one()) * (-x).ln_1p() - log_beta(alpha, beta)
        };
        floats.iter().enumerate().map(term).sum()
    }

    /// log x − ψ(α) + ψ(α + β) by α, log(1 − x) − ψ(β) + ψ(α + β) by β.
    fn log_prob_grad(&self, row: ArrayView1<'_, F>, action: Action<'_>, mut out: ArrayViewMut1<'_, F>) {
        let Action::Floats(floats) = action else { return out.fill(F::nan()) };
        for (d, x) in floats.iter().enumerate() {
            let ((alpha, beta), x) = (dimension(row, d), F::of(f64::from(*x)));
            let shared = (alpha + beta).digamma();
            let by = (x.ln() - alpha.digamma() + shared, (-x).ln_1p() - beta.digamma() + shared);
            Self::store(row, &mut out, d, by);
        }
    }

    /// Σ log B(α, β) − (α − 1) ψ(α) − (β − 1) ψ(β) + (α + β − 2) ψ(α + β).
    fn entropy(&self, row: ArrayView1<'_, F>) -> F {
        let term = |d| {
            let (alpha, beta) = dimension(row, d);
            let of = |x: F, one: f64| (x - F::of(one)) * x.digamma();
            log_beta(alpha, beta) - of(alpha, 1.0) - of(beta, 1.0) + of(alpha + beta, 2.0)
        };
        (0..row.len() / 2).map(term).sum()
    }

    /// −(α − 1) ψ'(α) + (α + β − 2) ψ'(α + β) by α, the same with β by β.
    fn entropy_grad(&self, row: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..row.len() / 2 {
            let (alpha, beta) = dimension(row, d);
            let of = |x: F, one: f64| (x - F::of(one)) * trigamma(x);
            let shared = of(alpha + beta, 2.0);
            Self::store(row, &mut out, d, (shared - of(alpha, 1.0), shared - of(beta, 1.0)));
        }
    }

    /// Σ log B(q) − log B(p) + (α_p − α_q) ψ(α_p) + (β_p − β_q) ψ(β_p) − (α_p + β_p − α_q − β_q) ψ(α_p + β_p).
    fn kl(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F {
        let term = |d| {
            let ((a, b), (c, e)) = (dimension(p, d), dimension(q, d));
            log_beta(c, e) - log_beta(a, b) + (a - c) * a.digamma() + (b - e) * b.digamma()
                - (a + b - c - e) * (a + b).digamma()
        };
        (0..p.len() / 2).map(term).sum()
    }

    /// The Fisher matrix of p times (α_p − α_q, β_p − β_q).
    fn kl_grad_first(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..p.len() / 2 {
            let ((a, b), (c, e)) = (dimension(p, d), dimension(q, d));
            Self::store(p, &mut out, d, fisher((a, b), (a - c, b - e)));
        }
    }

    /// ψ(α_q) − ψ(α_q + β_q) − ψ(α_p) + ψ(α_p + β_p) by α_q, the same with β by β_q.
    fn kl_grad_second(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for d in 0..p.len() / 2 {
            let ((a, b), (c, e)) = (dimension(p, d), dimension(q, d));
            let shared = (a + b).digamma() - (c + e).digamma();
            Self::store(q, &mut out, d, (c.digamma() - a.digamma() + shared, e.digamma() - b.digamma() + shared));
        }
    }

    fn fisher_vector(&self, row: ArrayView1<'_, F>, mut tangent: ArrayViewMut1<'_, F>) {
        let dims = row.len() / 2;
        for d in 0..dims {
            let of_pair = (tangent[d] * sigmoid(row[d]), tangent[dims + d] * sigmoid(row[dims + d]));
            Self::store(row, &mut tangent, d, fisher(dimension(row, d), of_pair));
        }
    }

    /// The mean α / (α + β).
    fn greedy(&self, row: ArrayView1<'_, F>) -> Vec<u32> {
        let mean = |d| {
            let (alpha, beta) = dimension(row, d);
            inside(alpha / (alpha + beta))
        };
        (0..row.len() / 2).map(mean).collect()
    }

    /// g / (g + h) with g and h gamma draws of shapes α and β.
    fn sample(&self, r: usize, row: ArrayView1<'_, F>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |d: usize| {
            let (alpha, beta) = dimension(row, d);
            let [g, h] = [(alpha, 0), (beta, 1)].map(|(shape, which)| gamma(shape, tries(seed, r, d, which, step)).0);
            inside(F::of(g / (g + h)))
        };
        (0..row.len() / 2).map(draw).collect()
    }

    /// The least distance between the two sides of a comparison that the gamma draws made.
    fn draw_margin(&self, r: usize, row: ArrayView1<'_, F>, seed: u64, step: u64) -> f64 {
        let of = |d: usize| {
            let (alpha, beta) = dimension(row, d);
            let [g, h] = [(alpha, 0), (beta, 1)].map(|(shape, which)| gamma(shape, tries(seed, r, d, which, step)).1);
            g.min(h)
        };
        (0..row.len() / 2).map(of).fold(f64::INFINITY, f64::min)
    }
}

/// The bits of x, at least [`MARGIN`] from 0 and 1.
fn inside<F: Real>(x: F) -> u32 {
    (x.as_f64().clamp(MARGIN, 1.0 - MARGIN) as f32).to_bits()
}

/// A normal and a uniform per try, words 0 and 1 of the draw (action, row, 32 d + 2 try + `which`, step).
fn tries(seed: u64, r: usize, d: usize, which: u32, step: u64) -> impl Iterator<Item = (f64, f64)> {
    (0..TRIES).map(move |try_| {
        let words = block(seed, Draw::Action, r as u32, 2 * TRIES * d as u32 + 2 * try_ + which, step);
        (normal_f64(words[0]), f64::from(uniform(words[1])))
    })
}

/// A gamma draw of shape at least 1 (Marsaglia and Tsang 2000), and the least distance between the two sides of a comparison on
/// the way. If all tries fail, which happens once in 1e20 draws, it is d, about the median.
fn gamma<F: Real>(shape: F, tries: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let d = shape.as_f64() - 1.0 / 3.0;
    let mut margin = f64::INFINITY;
    for (z, u) in tries {
        let v = (1.0 + z / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 {
            let above = 0.5 * z * z + d - d * v + d * v.ln() - u.ln();
            margin = margin.min(above.abs());
            if above > 0.0 {
                return (d * v, margin);
            }
        }
    }
    (d, margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigamma_has_its_known_values() {
        let pi = std::f64::consts::PI;
        // Catalan's constant.
        let catalan = 0.915_965_594_177_219;
        for (x, want) in [
            (1.0, pi * pi / 6.0),
            (0.5, pi * pi / 2.0),
            (0.25, pi * pi + 8.0 * catalan),
            (25.0, pi * pi / 6.0 - (1..25).map(|k| 1.0 / f64::from(k * k)).sum::<f64>()),
            (1e6, 1e-6 + 0.5e-12 + 1e-18 / 6.0),
        ] {
            assert!((trigamma(x) / want - 1.0).abs() < 1e-14, "ψ'({x}) is {}, not {want}", trigamma(x));
        }
    }

    #[test]
    fn a_gamma_draw_without_luck_is_still_defined() {
        // Uniforms of 1 reject all normals that are not 0, and so does a normal below −1/c.
        let d = 1.0 - 1.0 / 3.0;
        assert_eq!(gamma(1.0, std::iter::repeat_n((3.0, 1.0), 16)).0, d);
        assert_eq!(gamma(1.0, std::iter::repeat_n((-3.0, 1e-30), 16)), (d, f64::INFINITY));
        // A uniform near 0 accepts any other: d (1 + c z)³.
        let want = 2.0 / 3.0 * (1.0 + 1.0 / 6.0_f64.sqrt()).powi(3);
        assert!((gamma(1.0, [(1.0, 1e-9)].into_iter()).0 - want).abs() < 1e-15);
    }
}
