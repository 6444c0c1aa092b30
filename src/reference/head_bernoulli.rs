//! Independent bits by logits l: bit d is 1 with p = sigmoid(l), log p = −softplus(−l), log(1 − p) = −softplus(l).

use super::Real;
use super::head::{Action, Distribution};
use crate::rng::{Draw, block, uniform};
use ndarray::{ArrayView1, ArrayViewMut1};

/// log(1 + e^x).
pub(super) fn softplus<F: Real>(x: F) -> F {
    x.max(F::zero()) + (-x.abs()).exp().ln_1p()
}

/// 1 / (1 + e^−x).
pub(super) fn sigmoid<F: Real>(x: F) -> F {
    F::one() / (F::one() + (-x).exp())
}

/// p (log p − log q) + (1 − p) (log(1 − p) − log(1 − q)) from the logits of p and q.
fn kl<F: Real>(p: F, q: F) -> F {
    sigmoid(p) * (softplus(-q) - softplus(-p)) + sigmoid(-p) * (softplus(q) - softplus(p))
}

pub(super) struct Bernoulli;

impl<F: Real> Distribution<F> for Bernoulli {
    /// Σ log p or log(1 − p).
    fn log_prob(&self, row: ArrayView1<'_, F>, action: Action<'_>) -> F {
        let Action::Indices(bits) = action else { return F::nan() };
        row.iter().zip(bits).map(|(l, bit)| -softplus(if *bit == 1 { -*l } else { *l })).sum()
    }

    /// bit − p.
    fn log_prob_grad(&self, row: ArrayView1<'_, F>, action: Action<'_>, mut out: ArrayViewMut1<'_, F>) {
        let Action::Indices(bits) = action else { return out.fill(F::nan()) };
        for ((out, l), bit) in out.iter_mut().zip(row).zip(bits) {
            *out = if *bit == 1 { sigmoid(-*l) } else { -sigmoid(*l) };
        }
    }

    /// Σ p softplus(−l) + (1 − p) softplus(l).
    fn entropy(&self, row: ArrayView1<'_, F>) -> F {
        row.iter().map(|l| sigmoid(*l) * softplus(-*l) + sigmoid(-*l) * softplus(*l)).sum()
    }

    /// −l p (1 − p).
    fn entropy_grad(&self, row: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        out.assign(&row.mapv(|l| -l * sigmoid(l) * sigmoid(-l)));
    }

    fn kl(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F {
        p.iter().zip(q).map(|(p, q)| kl(*p, *q)).sum()
    }

    /// p (1 − p) (l_p − l_q).
    fn kl_grad_first(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for ((out, p), q) in out.iter_mut().zip(p).zip(q) {
            *out = sigmoid(*p) * sigmoid(-*p) * (*p - *q);
        }
    }

    /// q − p.
    fn kl_grad_second(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        for ((out, p), q) in out.iter_mut().zip(p).zip(q) {
            *out = sigmoid(*q) - sigmoid(*p);
        }
    }

    /// p (1 − p).
    fn fisher_row(&self, row: ArrayView1<'_, F>, mut known: ArrayViewMut1<'_, F>) {
        known.zip_mut_with(&row, |known, l| *known = sigmoid(*l) * sigmoid(-*l));
    }

    fn fisher_vector(&self, known: ArrayView1<'_, F>, mut tangent: ArrayViewMut1<'_, F>) {
        tangent *= &known;
    }

    fn fisher_is_diagonal(&self) -> bool {
        true
    }

    /// 1 where its probability is above ½.
    fn greedy(&self, row: ArrayView1<'_, F>) -> Vec<u32> {
        row.iter().map(|l| u32::from(*l > F::zero())).collect()
    }

    /// 1 where u < p; u is word 0 of the draw (action, row, dimension, step).
    fn sample(&self, r: usize, row: ArrayView1<'_, F>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |(d, l): (usize, &F)| {
            let u = F::of(f64::from(uniform(block(seed, Draw::Action, r as u32, d as u32, step)[0])));
            u32::from(u < sigmoid(*l))
        };
        row.iter().enumerate().map(draw).collect()
    }
}
