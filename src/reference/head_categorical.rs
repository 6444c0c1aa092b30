//! One of K choices by logits l, p = softmax(l), in each of some dimensions; a row holds the logits of dimension 0, then of 1, ….
//!
//! A choice that is not allowed has the logit −∞: probability 0, and no gradient. A dimension whose logits are all −∞ is fully
//! masked: each of its choices has probability 1/K whatever the network says, so that nothing has a gradient.

use super::Real;
use super::head::{Action, Distribution};
use crate::rng::{Draw, block, uniform};
use ndarray::{Array1, ArrayView1, ArrayViewMut1, s};
use std::ops::Range;

/// Whether no choice is allowed.
fn fully_masked<F: Real>(logits: ArrayView1<'_, F>) -> bool {
    logits.iter().all(|l| *l == F::neg_infinity())
}

/// log p_j = l_j − max l − log Σ exp(l − max l); −∞ where not allowed, and −log K everywhere if nothing is.
pub fn log_softmax<F: Real>(logits: ArrayView1<'_, F>) -> Array1<F> {
    let max = logits.iter().copied().fold(F::neg_infinity(), F::max);
    if max == F::neg_infinity() && fully_masked(logits) {
        return Array1::from_elem(logits.len(), -F::count(logits.len()).ln());
    }
    let log_sum = logits.iter().map(|l| (*l - max).exp()).sum::<F>().ln();
    logits.mapv(|l| l - max - log_sum)
}

/// Σ p f over the choices that have a probability: 0 · log 0 is 0.
fn expectation<F: Real>(logp: &Array1<F>, f: impl Fn(usize) -> F) -> F {
    logp.iter().enumerate().filter(|(_, l)| **l > F::neg_infinity()).map(|(j, l)| l.exp() * f(j)).sum()
}

/// −Σ p log p.
fn entropy<F: Real>(logp: &Array1<F>) -> F {
    -expectation(logp, |j| logp[j])
}

/// Σ p (log p − log q).
fn kl<F: Real>(p: &Array1<F>, q: &Array1<F>) -> F {
    expectation(p, |j| p[j] - q[j])
}

/// Independent choices, so many per dimension.
pub(super) struct Categorical(pub Vec<usize>);

impl Categorical {
    /// The places of each dimension's logits.
    fn dimensions(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().scan(0, |first, choices| {
            let own = *first..*first + choices;
            *first = own.end;
            Some(own)
        })
    }

    fn sum<F: Real>(&self, of_dimension: impl Fn(Range<usize>) -> F) -> F {
        self.dimensions().map(of_dimension).sum()
    }

    /// Fills `out`, dimension by dimension: 0 where a choice is not allowed, or where none is.
    fn fill<F: Real>(
        &self,
        row: ArrayView1<'_, F>,
        mut out: ArrayViewMut1<'_, F>,
        of_dimension: impl Fn(usize, Range<usize>) -> Array1<F>,
    ) {
        for (d, own) in self.dimensions().enumerate() {
            let logits = row.slice(s![own.clone()]);
            let values = of_dimension(d, own.clone());
            // If nothing is allowed, no choice is.
            for ((place, value), logit) in out.slice_mut(s![own]).iter_mut().zip(values).zip(logits) {
                *place = if *logit == F::neg_infinity() { F::zero() } else { value };
            }
        }
    }
}

impl<F: Real> Distribution<F> for Categorical {
    fn log_prob(&self, row: ArrayView1<'_, F>, action: Action<'_>) -> F {
        let Action::Indices(indices) = action else { return F::nan() };
        let each = self.dimensions().zip(indices);
        each.map(|(own, index)| log_softmax(row.slice(s![own]))[*index as usize]).sum()
    }

    /// δ_aj − p_j.
    fn log_prob_grad(&self, row: ArrayView1<'_, F>, action: Action<'_>, mut out: ArrayViewMut1<'_, F>) {
        let Action::Indices(indices) = action else { return out.fill(F::nan()) };
        self.fill(row, out, |d, own| {
            let mut gradient = log_softmax(row.slice(s![own])).mapv(|logp| -logp.exp());
            gradient[indices[d] as usize] += F::one();
            gradient
        });
    }

    /// H = −Σ p log p.
    fn entropy(&self, row: ArrayView1<'_, F>) -> F {
        self.sum(|own| entropy(&log_softmax(row.slice(s![own]))))
    }

    /// −p_j (log p_j + H).
    fn entropy_grad(&self, row: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>) {
        self.fill(row, out, |_, own| {
            let logp = log_softmax(row.slice(s![own]));
            let entropy = entropy(&logp);
            logp.mapv(|logp| -logp.exp() * (logp + entropy))
        });
    }

    /// Σ p (log p − log q).
    fn kl(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F {
        self.sum(|own| kl(&log_softmax(p.slice(s![own.clone()])), &log_softmax(q.slice(s![own]))))
    }

    /// p_j (log p_j − log q_j − KL).
    fn kl_grad_first(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>) {
        self.fill(p, out, |_, own| {
            let (p, q) = (log_softmax(p.slice(s![own.clone()])), log_softmax(q.slice(s![own])));
            let kl = kl(&p, &q);
            p.iter().zip(&q).map(|(p, q)| p.exp() * (*p - *q - kl)).collect()
        });
    }

    /// q_j − p_j.
    fn kl_grad_second(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>) {
        self.fill(q, out, |_, own| {
            log_softmax(q.slice(s![own.clone()])).mapv(F::exp) - log_softmax(p.slice(s![own])).mapv(F::exp)
        });
    }

    /// p_j (v_j − Σ p v).
    fn fisher_vector(&self, row: ArrayView1<'_, F>, tangent: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>) {
        self.fill(row, out, |_, own| {
            let p = log_softmax(row.slice(s![own.clone()])).mapv(F::exp);
            let tangent = tangent.slice(s![own]);
            let mean = p.dot(&tangent);
            &p * &tangent.mapv(|v| v - mean)
        });
    }

    /// Dimensions in which nothing is allowed.
    fn hits(&self, row: ArrayView1<'_, F>) -> u32 {
        self.dimensions().filter(|own| fully_masked(row.slice(s![own.clone()]))).count() as u32
    }

    /// The first index of the largest logit.
    fn greedy(&self, row: ArrayView1<'_, F>) -> Vec<u32> {
        let first_of_largest = |own: Range<usize>| {
            let logits = row.slice(s![own]);
            let better = |best: usize, (j, l): (usize, &F)| if *l > logits[best] { j } else { best };
            logits.iter().enumerate().fold(0, better) as u32
        };
        self.dimensions().map(first_of_largest).collect()
    }

    /// Inverse distribution function: the first index whose running sum of exp(l − max l) exceeds u times the total, else the
    /// last that has a probability; u is word 0 of the draw (action, row, dimension, step).
    fn sample(&self, r: usize, row: ArrayView1<'_, F>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |(d, own): (usize, Range<usize>)| {
            let u = F::of(f64::from(uniform(block(seed, Draw::Action, r as u32, d as u32, step)[0])));
            let logits = row.slice(s![own]);
            // With nothing allowed all weigh the same.
            let max = logits.iter().copied().fold(F::neg_infinity(), F::max);
            let weights: Vec<F> = logits.iter().map(|l| if *l == max { F::one() } else { (*l - max).exp() }).collect();
            let total = weights.iter().copied().sum::<F>();
            let mut sum = F::zero();
            let hit = weights.iter().position(|weight| {
                sum += *weight;
                sum > u * total
            });
            let last = weights.iter().rposition(|weight| *weight > F::zero());
            hit.or(last).unwrap_or(0) as u32
        };
        self.dimensions().enumerate().map(draw).collect()
    }
}
