//! One of K choices by logits l: p = softmax(l).

use super::Real;
use super::head::{Action, Distribution};
use crate::rng::{Draw, block, uniform};
use ndarray::{Array1, ArrayView1, ArrayViewMut1};

/// log p_j = l_j − max l − log Σ exp(l − max l).
pub fn log_softmax<F: Real>(logits: ArrayView1<'_, F>) -> Array1<F> {
    let max = logits.iter().copied().fold(F::neg_infinity(), F::max);
    let log_sum = logits.iter().map(|l| (*l - max).exp()).sum::<F>().ln();
    logits.mapv(|l| l - max - log_sum)
}

pub(super) struct Categorical;

impl<F: Real> Distribution<F> for Categorical {
    fn log_prob(&self, row: ArrayView1<'_, F>, action: Action<'_>) -> F {
        let Action::Index(index) = action else { return F::nan() };
        log_softmax(row)[index as usize]
    }

    /// δ_aj − p_j.
    fn log_prob_grad(&self, row: ArrayView1<'_, F>, action: Action<'_>, mut out: ArrayViewMut1<'_, F>) {
        let Action::Index(index) = action else { return out.fill(F::nan()) };
        out.assign(&log_softmax(row).mapv(|logp| -logp.exp()));
        out[index as usize] += F::one();
    }

    /// H = −Σ p log p.
    fn entropy(&self, row: ArrayView1<'_, F>) -> F {
        -log_softmax(row).iter().map(|logp| logp.exp() * *logp).sum::<F>()
    }

    /// −p_j (log p_j + H).
    fn entropy_grad(&self, row: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        let entropy = self.entropy(row);
        out.assign(&log_softmax(row).mapv(|logp| -logp.exp() * (logp + entropy)));
    }

    /// Σ p (log p − log q).
    fn kl(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F {
        log_softmax(p).iter().zip(&log_softmax(q)).map(|(p, q)| p.exp() * (*p - *q)).sum()
    }

    /// p_j (log p_j − log q_j − KL).
    fn kl_grad_first(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        let kl = self.kl(p, q);
        let (p, q) = (log_softmax(p), log_softmax(q));
        out.assign(&p.iter().zip(&q).map(|(p, q)| p.exp() * (*p - *q - kl)).collect::<Array1<F>>());
    }

    /// q_j − p_j.
    fn kl_grad_second(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        out.assign(&(log_softmax(q).mapv(F::exp) - log_softmax(p).mapv(F::exp)));
    }

    /// p_j (v_j − Σ p v).
    fn fisher_vector(&self, row: ArrayView1<'_, F>, tangent: ArrayView1<'_, F>, mut out: ArrayViewMut1<'_, F>) {
        let p = log_softmax(row).mapv(F::exp);
        let mean = p.dot(&tangent);
        out.assign(&(&p * &tangent.mapv(|v| v - mean)));
    }
}

/// The first index of the largest logit.
pub(super) fn greedy<F: Real>(_: usize, row: ArrayView1<'_, F>) -> u32 {
    let better = |best: usize, (j, l): (usize, &F)| if *l > row[best] { j } else { best };
    row.iter().enumerate().fold(0, better) as u32
}

/// Inverse distribution function: the first index whose running sum of exp(l − max l) exceeds u times the total, else
/// the last; u is word 0 of the draw (action, row, dimension 0, step).
pub(super) fn sample<F: Real>(r: usize, row: ArrayView1<'_, F>, seed: u64, step: u64) -> u32 {
    let u = F::of(f64::from(uniform(block(seed, Draw::Action, r as u32, 0, step)[0])));
    let max = row.iter().copied().fold(F::neg_infinity(), F::max);
    let total = row.iter().map(|l| (*l - max).exp()).sum::<F>();
    let mut sum = F::zero();
    let hit = row.iter().position(|l| {
        sum += (*l - max).exp();
        sum > u * total
    });
    hit.unwrap_or(row.len().saturating_sub(1)) as u32
}
