//! Independent bits by logits l: bit d is 1 with p = sigmoid(l), log p = −softplus(−l), log(1 − p) = −softplus(l).

use super::distribution::{Action, Distribution, divergence};
use crate::rng::{Draw, block, uniform};
use ndarray::{ArrayView1, ArrayViewMut1};

/// log(1 + e^x).
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// 1 / (1 + e^−x).
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// softplus(to) − softplus(from), where to − from is `change`. Near each other it is log(1 + sigmoid(from) (e^change − 1)),
/// which has the digits that two numbers of some size have not.
pub(super) fn rise(from: f64, to: f64, change: f64) -> f64 {
    if change.abs() < 0.5 { (sigmoid(from) * change.exp_m1()).ln_1p() } else { softplus(to) - softplus(from) }
}

/// p (log p − log q) + (1 − p) (log(1 − p) − log(1 − q)) from the logits of p and q.
fn kl(p: f64, q: f64) -> f64 {
    divergence(sigmoid(p), sigmoid(q), -rise(-p, -q, p - q)) + divergence(sigmoid(-p), sigmoid(-q), -rise(p, q, q - p))
}

/// q − p = q (1 − p) (1 − e^(l_p − l_q)) from the logits of p and q; the power is taken of what is below 0.
pub(super) fn difference(p: f64, q: f64) -> f64 {
    if p < q { -sigmoid(q) * sigmoid(-p) * (p - q).exp_m1() } else { sigmoid(p) * sigmoid(-q) * (q - p).exp_m1() }
}

pub(super) struct Bernoulli;

impl Distribution for Bernoulli {
    /// Σ log p or log(1 − p).
    fn log_prob(&self, row: ArrayView1<'_, f64>, action: Action<'_>) -> f64 {
        let Action::Indices(bits) = action else { return f64::NAN };
        row.iter().zip(bits).map(|(l, bit)| -softplus(if *bit == 1 { -*l } else { *l })).sum()
    }

    /// bit − p.
    fn log_prob_grad(&self, row: ArrayView1<'_, f64>, action: Action<'_>, mut out: ArrayViewMut1<'_, f64>) {
        let Action::Indices(bits) = action else { return out.fill(f64::NAN) };
        for ((out, l), bit) in out.iter_mut().zip(row).zip(bits) {
            *out = if *bit == 1 { sigmoid(-*l) } else { -sigmoid(*l) };
        }
    }

    /// Σ p softplus(−l) + (1 − p) softplus(l).
    fn entropy(&self, row: ArrayView1<'_, f64>) -> f64 {
        row.iter().map(|l| sigmoid(*l) * softplus(-*l) + sigmoid(-*l) * softplus(*l)).sum()
    }

    /// −l p (1 − p).
    fn entropy_grad(&self, row: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        out.assign(&row.mapv(|l| -l * sigmoid(l) * sigmoid(-l)));
    }

    fn kl(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>) -> f64 {
        p.iter().zip(q).map(|(p, q)| kl(*p, *q)).sum()
    }

    /// p (1 − p) (l_p − l_q).
    fn kl_grad_first(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        for ((out, p), q) in out.iter_mut().zip(p).zip(q) {
            *out = sigmoid(*p) * sigmoid(-*p) * (*p - *q);
        }
    }

    /// q − p.
    fn kl_grad_second(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        for ((out, p), q) in out.iter_mut().zip(p).zip(q) {
            *out = difference(*p, *q);
        }
    }

    /// p (1 − p).
    fn fisher_row(&self, row: ArrayView1<'_, f64>, mut known: ArrayViewMut1<'_, f64>) {
        known.zip_mut_with(&row, |known, l| *known = sigmoid(*l) * sigmoid(-*l));
    }

    fn fisher_vector(&self, known: ArrayView1<'_, f64>, mut tangent: ArrayViewMut1<'_, f64>) {
        tangent *= &known;
    }

    fn fisher_is_diagonal(&self) -> bool {
        true
    }

    /// 1 where its probability is above ½.
    fn greedy(&self, row: ArrayView1<'_, f64>) -> Vec<u32> {
        row.iter().map(|l| u32::from(*l > 0.0)).collect()
    }

    /// 1 where u < p; u is word 0 of the draw (action, row, dimension, step).
    fn sample(&self, r: usize, row: ArrayView1<'_, f64>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |(d, l): (usize, &f64)| {
            let u = f64::from(uniform(block(seed, Draw::Action, r as u32, d as u32, step)[0]));
            u32::from(u < sigmoid(*l))
        };
        row.iter().enumerate().map(draw).collect()
    }
}
