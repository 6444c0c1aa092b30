//! Independent Beta distributions on (0, 1); a row is `[a (D), b (D)]`, α = 1 + softplus(a), β = 1 + softplus(b) (Chou, Maturana
//! and Scherer 2017).

use super::distribution::{Action, Distribution};
use super::head_bernoulli::{rise, sigmoid, softplus};
use super::normal::normal;
use super::real::Real;
use crate::rng::{Draw, block, uniform};
use ndarray::{ArrayView1, ArrayViewMut1};

pub(super) struct Beta;

/// Tries of a gamma draw.
const TRIES: u32 = 16;

/// Draws and greedy actions stay this far from 0 and 1: 2⁻²⁰.
const MARGIN: f64 = 1.0 / 1_048_576.0;

/// `(α, β)` of dimension `d`.
fn dimension(row: ArrayView1<'_, f64>, d: usize) -> (f64, f64) {
    let (a, b) = less(row, d);
    (1.0 + a, 1.0 + b)
}

/// `(α − 1, β − 1)`, with more digits where they are small.
fn less(row: ArrayView1<'_, f64>, d: usize) -> (f64, f64) {
    (softplus(row[d]), softplus(row[row.len() / 2 + d]))
}

/// `(α_q − α_p, β_q − β_p)`.
fn change(p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, d: usize) -> (f64, f64) {
    let of = |i: usize| rise(p[i], q[i], q[i] - p[i]);
    (of(d), of(p.len() / 2 + d))
}

/// log B(α, β).
fn log_beta(alpha: f64, beta: f64) -> f64 {
    let ln_gamma = Real::ln_gamma;
    ln_gamma(alpha) + ln_gamma(beta) - ln_gamma(alpha + beta)
}

/// The Fisher matrix `[[ψ'(α) − ψ'(α + β), −ψ'(α + β)], [−ψ'(α + β), ψ'(β) − ψ'(α + β)]]` times `(v, w)`. It is the matrix of second
/// derivatives of log B.
fn fisher((alpha, beta): (f64, f64), (v, w): (f64, f64)) -> (f64, f64) {
    let shared = trigamma(alpha + beta) * (v + w);
    (trigamma(alpha) * v - shared, trigamma(beta) * w - shared)
}

/// ψ'(x) for x > 0: ψ'(x) = 1/x² + ψ'(x + 1) up to x = 10, there its asymptotic series (Abramowitz and Stegun 6.4.12), whose first
/// term left out is below 6e-18.
fn trigamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let q = 1.0 / (x * x);
    let series = [7.0 / 6.0, 691.0 / 2730.0, 5.0 / 66.0, 1.0 / 30.0, 1.0 / 42.0, 1.0 / 30.0]
        .iter()
        .fold(3617.0 / 510.0, |series, term| term - q * series);
    sum + 1.0 / x + 0.5 * q + (1.0 / 6.0 - q * series) * q / x
}

/// Places and weights of Gauss and Legendre's rule with ten nodes on (−1, 1), those above 0.
const NODES: [(f64, f64); 5] = [
    (0.148_874_338_981_631_2, 0.295_524_224_714_752_9),
    (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
    (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
    (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
    (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
];

/// What q is from p if it is `change` away, in second order and beyond:
///
/// ```text
/// KL(p‖q) = ∫ (1 − t) c' F(p + t c) c dt,     its gradient by q = ∫ F(p + t c) c dt,     over t from 0 to 1
/// ```
///
/// with c the change and F the Fisher matrix, as KL(p‖q) = log B(q) − log B(p) − c' ∇ log B(p) is what Taylor's theorem leaves of log B
/// (Banerjee et al. 2005). Nothing of first order is there to cancel. With changes below half of α and β the poles of F are three
/// times as far from the middle of the way as its ends are, and the rule's error is below 1e-15 of the whole.
fn along(p: (f64, f64), change: (f64, f64)) -> (f64, (f64, f64)) {
    let (mut kl, mut by) = (0.0, (0.0, 0.0));
    for (place, weight) in NODES {
        for place in [-place, place] {
            let t = 0.5 + 0.5 * place;
            let slope = fisher((p.0 + t * change.0, p.1 + t * change.1), change);
            kl += 0.5 * weight * (1.0 - t) * (change.0 * slope.0 + change.1 * slope.1);
            by = (by.0 + 0.5 * weight * slope.0, by.1 + 0.5 * weight * slope.1);
        }
    }
    (kl, by)
}

/// Whether [`along`] is exact.
fn is_near(p: (f64, f64), change: (f64, f64)) -> bool {
    change.0.abs() < 0.5 * p.0 && change.1.abs() < 0.5 * p.1
}

impl Beta {
    /// Stores by a and b what is known by α and β: times the slopes of softplus.
    fn store(row: ArrayView1<'_, f64>, out: &mut ArrayViewMut1<'_, f64>, d: usize, (by_alpha, by_beta): (f64, f64)) {
        let dims = row.len() / 2;
        out[d] = by_alpha * sigmoid(row[d]);
        out[dims + d] = by_beta * sigmoid(row[dims + d]);
    }
}

impl Distribution for Beta {
    /// Σ (α − 1) log x + (β − 1) log(1 − x) − log B(α, β).
    fn log_prob(&self, row: ArrayView1<'_, f64>, action: Action<'_>) -> f64 {
        let Action::Floats(floats) = action else { return f64::NAN };
        let term = |(d, x): (usize, &f32)| {
            let ((a, b), x) = (less(row, d), f64::from(*x));
            a * x.ln() + b * (-x).ln_1p() - log_beta(1.0 + a, 1.0 + b)
        };
        floats.iter().enumerate().map(term).sum()
    }

    /// log x − ψ(α) + ψ(α + β) by α, log(1 − x) − ψ(β) + ψ(α + β) by β.
    fn log_prob_grad(&self, row: ArrayView1<'_, f64>, action: Action<'_>, mut out: ArrayViewMut1<'_, f64>) {
        let Action::Floats(floats) = action else { return out.fill(f64::NAN) };
        for (d, x) in floats.iter().enumerate() {
            let ((alpha, beta), x) = (dimension(row, d), f64::from(*x));
            let shared = (alpha + beta).digamma();
            let by = (x.ln() - alpha.digamma() + shared, (-x).ln_1p() - beta.digamma() + shared);
            Self::store(row, &mut out, d, by);
        }
    }

    /// Σ log B(α, β) − (α − 1) ψ(α) − (β − 1) ψ(β) + (α + β − 2) ψ(α + β).
    fn entropy(&self, row: ArrayView1<'_, f64>) -> f64 {
        let term = |d| {
            let ((alpha, beta), (a, b)) = (dimension(row, d), less(row, d));
            log_beta(alpha, beta) - a * alpha.digamma() - b * beta.digamma() + (a + b) * (alpha + beta).digamma()
        };
        (0..row.len() / 2).map(term).sum()
    }

    /// −(α − 1) ψ'(α) + (α + β − 2) ψ'(α + β) by α, the same with β by β.
    fn entropy_grad(&self, row: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        for d in 0..row.len() / 2 {
            let ((alpha, beta), (a, b)) = (dimension(row, d), less(row, d));
            let shared = (a + b) * trigamma(alpha + beta);
            Self::store(row, &mut out, d, (shared - a * trigamma(alpha), shared - b * trigamma(beta)));
        }
    }

    /// Σ log B(q) − log B(p) − (α_q − α_p) ψ(α_p) − (β_q − β_p) ψ(β_p) + (α_q + β_q − α_p − β_p) ψ(α_p + β_p); near each other by
    /// [`along`].
    fn kl(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>) -> f64 {
        let term = |d| {
            let ((a, b), change) = (dimension(p, d), change(p, q, d));
            if is_near((a, b), change) {
                return along((a, b), change).0;
            }
            let (c, e) = dimension(q, d);
            log_beta(c, e) - log_beta(a, b) - change.0 * a.digamma() - change.1 * b.digamma()
                + (change.0 + change.1) * (a + b).digamma()
        };
        (0..p.len() / 2).map(term).sum()
    }

    /// The Fisher matrix of p times (α_p − α_q, β_p − β_q).
    fn kl_grad_first(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        for d in 0..p.len() / 2 {
            let change = change(p, q, d);
            Self::store(p, &mut out, d, fisher(dimension(p, d), (-change.0, -change.1)));
        }
    }

    /// ψ(α_q) − ψ(α_q + β_q) − ψ(α_p) + ψ(α_p + β_p) by α_q, the same with β by β_q; near each other by [`along`].
    fn kl_grad_second(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        for d in 0..p.len() / 2 {
            let ((a, b), (c, e), change) = (dimension(p, d), dimension(q, d), change(p, q, d));
            let shared = (a + b).digamma() - (c + e).digamma();
            let far = || (c.digamma() - a.digamma() + shared, e.digamma() - b.digamma() + shared);
            Self::store(q, &mut out, d, if is_near((a, b), change) { along((a, b), change).1 } else { far() });
        }
    }

    fn fisher_vector(&self, row: ArrayView1<'_, f64>, mut tangent: ArrayViewMut1<'_, f64>) {
        let dims = row.len() / 2;
        for d in 0..dims {
            let of_pair = (tangent[d] * sigmoid(row[d]), tangent[dims + d] * sigmoid(row[dims + d]));
            Self::store(row, &mut tangent, d, fisher(dimension(row, d), of_pair));
        }
    }

    /// The mean α / (α + β).
    fn greedy(&self, row: ArrayView1<'_, f64>) -> Vec<u32> {
        let mean = |d| {
            let (alpha, beta) = dimension(row, d);
            inside(alpha / (alpha + beta))
        };
        (0..row.len() / 2).map(mean).collect()
    }

    /// g / (g + h) with g and h gamma draws of shapes α and β.
    fn sample(&self, r: usize, row: ArrayView1<'_, f64>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |d: usize| {
            let (alpha, beta) = dimension(row, d);
            let [g, h] = [(alpha, 0), (beta, 1)].map(|(shape, which)| gamma(shape, tries(seed, r, d, which, step)).0);
            inside(g / (g + h))
        };
        (0..row.len() / 2).map(draw).collect()
    }

    /// The least distance between the two sides of a comparison that the gamma draws made.
    fn draw_margin(&self, r: usize, row: ArrayView1<'_, f64>, seed: u64, step: u64) -> f64 {
        let of = |d: usize| {
            let (alpha, beta) = dimension(row, d);
            let [g, h] = [(alpha, 0), (beta, 1)].map(|(shape, which)| gamma(shape, tries(seed, r, d, which, step)).1);
            g.min(h)
        };
        (0..row.len() / 2).map(of).fold(f64::INFINITY, f64::min)
    }
}

/// The bits of x, at least [`MARGIN`] from 0 and 1.
fn inside(x: f64) -> u32 {
    (x.clamp(MARGIN, 1.0 - MARGIN) as f32).to_bits()
}

/// A normal and a uniform per try, words 0 and 1 of the draw (action, row, 32 d + 2 try + `which`, step).
fn tries(seed: u64, r: usize, d: usize, which: u32, step: u64) -> impl Iterator<Item = (f64, f64)> {
    (0..TRIES).map(move |try_| {
        let words = block(seed, Draw::Action, r as u32, 2 * TRIES * d as u32 + 2 * try_ + which, step);
        (normal(words[0]), f64::from(uniform(words[1])))
    })
}

/// A gamma draw of shape at least 1 (Marsaglia and Tsang 2000), and the least distance between the two sides of a comparison on
/// the way. If all tries fail, which happens once in 1e20 draws, it is d, about the median.
fn gamma(shape: f64, tries: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let d = shape - 1.0 / 3.0;
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
