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
    let mut logp = logits.to_owned();
    to_log_softmax(&mut logp.view_mut());
    logp
}

/// [`log_softmax`] in place of the logits.
fn to_log_softmax<F: Real>(logits: &mut ArrayViewMut1<'_, F>) {
    let max = logits.iter().copied().fold(F::neg_infinity(), F::max);
    if max == F::neg_infinity() && fully_masked(logits.view()) {
        let even = -F::count(logits.len()).ln();
        return logits.fill(even);
    }
    let log_sum = logits.iter().map(|l| (*l - max).exp()).sum::<F>().ln();
    logits.mapv_inplace(|l| l - max - log_sum);
}

/// Σ p f over the choices that have a probability: 0 · log 0 is 0.
fn expectation<F: Real>(logp: ArrayView1<'_, F>, f: impl Fn(usize) -> F) -> F {
    logp.iter().enumerate().filter(|(_, l)| **l > F::neg_infinity()).map(|(j, l)| l.exp() * f(j)).sum()
}

/// −Σ p log p.
fn entropy<F: Real>(logp: ArrayView1<'_, F>) -> F {
    -expectation(logp, |j| logp[j])
}

/// Σ p (log p − log q).
fn kl<F: Real>(p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F {
    expectation(p, |j| p[j] - q[j])
}

/// The places `own` of a row; quicker than a slice where the row lies in one piece, and it does.
fn of<'a, F: Real>(row: ArrayView1<'a, F>, own: &Range<usize>) -> ArrayView1<'a, F> {
    match row.to_slice() {
        Some(all) => ArrayView1::from(&all[own.clone()]),
        None => row.slice_move(s![own.clone()]),
    }
}

/// As [`of`], to be written.
fn of_mut<'a, F: Real>(row: &'a mut ArrayViewMut1<'_, F>, own: &Range<usize>) -> ArrayViewMut1<'a, F> {
    if row.as_slice().is_none() {
        return row.slice_mut(s![own.clone()]);
    }
    ArrayViewMut1::from(&mut row.as_slice_mut().unwrap_or_default()[own.clone()])
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

    /// Fills `out`, dimension by dimension: `of_dimension` gets log p and puts what is asked for in its place; 0 where a choice is
    /// not allowed, or where none is.
    fn fill<F: Real>(
        &self,
        row: ArrayView1<'_, F>,
        mut out: ArrayViewMut1<'_, F>,
        mut of_dimension: impl FnMut(usize, Range<usize>, &mut ArrayViewMut1<'_, F>),
    ) {
        for (d, own) in self.dimensions().enumerate() {
            let (logits, mut places) = (of(row, &own), of_mut(&mut out, &own));
            places.assign(&logits);
            to_log_softmax(&mut places);
            of_dimension(d, own, &mut places);
            // If nothing is allowed, no choice is.
            places.zip_mut_with(&logits, |place, logit| {
                if *logit == F::neg_infinity() {
                    *place = F::zero();
                }
            });
        }
    }
}

impl<F: Real> Distribution<F> for Categorical {
    fn log_prob(&self, row: ArrayView1<'_, F>, action: Action<'_>) -> F {
        let Action::Indices(indices) = action else { return F::nan() };
        let each = self.dimensions().zip(indices);
        each.map(|(own, index)| log_softmax(of(row, &own))[*index as usize]).sum()
    }

    /// δ_aj − p_j.
    fn log_prob_grad(&self, row: ArrayView1<'_, F>, action: Action<'_>, mut out: ArrayViewMut1<'_, F>) {
        let Action::Indices(indices) = action else { return out.fill(F::nan()) };
        self.fill(row, out, |d, _, places| {
            places.mapv_inplace(|logp| -logp.exp());
            places[indices[d] as usize] += F::one();
        });
    }

    /// H = −Σ p log p.
    fn entropy(&self, row: ArrayView1<'_, F>) -> F {
        self.sum(|own| entropy(log_softmax(of(row, &own)).view()))
    }

    /// −p_j (log p_j + H).
    fn entropy_grad(&self, row: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>) {
        self.fill(row, out, |_, _, places| {
            let entropy = entropy(places.view());
            places.mapv_inplace(|logp| -logp.exp() * (logp + entropy));
        });
    }

    fn both(
        &self,
        row: ArrayView1<'_, F>,
        action: Action<'_>,
        mut by_logp: ArrayViewMut1<'_, F>,
        mut by_entropy: ArrayViewMut1<'_, F>,
    ) -> (F, F) {
        let (mut logp, mut entropy) = (F::zero(), F::zero());
        let Action::Indices(indices) = action else {
            by_logp.fill(F::nan());
            return (F::nan(), Distribution::entropy(self, row));
        };
        self.fill(row, by_entropy.view_mut(), |d, own, places| {
            let taken = indices[d] as usize;
            logp += places[taken];
            let mut by_logp = of_mut(&mut by_logp, &own);
            by_logp.zip_mut_with(places, |p, logp| *p = logp.exp());
            let terms = by_logp.iter().zip(places.iter()).filter(|(_, logp)| **logp > F::neg_infinity());
            let own_entropy = -terms.map(|(p, logp)| *p * *logp).sum::<F>();
            entropy += own_entropy;
            places.zip_mut_with(&by_logp, |place, p| *place = -*p * (*place + own_entropy));
            // −p, and 1 more where taken; nothing has a gradient where it is not allowed.
            for (j, (p, logit)) in by_logp.iter_mut().zip(of(row, &own)).enumerate() {
                let one = if j == taken { F::one() } else { F::zero() };
                *p = if *logit == F::neg_infinity() { F::zero() } else { one - *p };
            }
        });
        (logp, entropy)
    }

    /// Σ p (log p − log q).
    fn kl(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F {
        let logp = |row: ArrayView1<'_, F>, own: &Range<usize>| log_softmax(of(row, own));
        self.sum(|own| kl(logp(p, &own).view(), logp(q, &own).view()))
    }

    /// p_j (log p_j − log q_j − KL).
    fn kl_grad_first(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>) {
        self.fill(p, out, |_, own, places| {
            let q = log_softmax(of(q, &own));
            let kl = kl(places.view(), q.view());
            places.zip_mut_with(&q, |p, q| *p = p.exp() * (*p - *q - kl));
        });
    }

    /// q_j − p_j.
    fn kl_grad_second(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>) {
        self.fill(q, out, |_, own, places| {
            places.zip_mut_with(&log_softmax(of(p, &own)), |q, p| *q = q.exp() - p.exp());
        });
    }

    /// p, 0 where nothing is allowed.
    fn fisher_row(&self, row: ArrayView1<'_, F>, known: ArrayViewMut1<'_, F>) {
        self.fill(row, known, |_, _, places| places.mapv_inplace(F::exp));
    }

    /// p_j (v_j − Σ p v).
    fn fisher_vector(&self, known: ArrayView1<'_, F>, mut tangent: ArrayViewMut1<'_, F>) {
        for own in self.dimensions() {
            let (p, mut v) = (of(known, &own), of_mut(&mut tangent, &own));
            let mean = p.dot(&v);
            v.zip_mut_with(&p, |v, p| *v = *p * (*v - mean));
        }
    }

    /// Dimensions in which nothing is allowed.
    fn hits(&self, row: ArrayView1<'_, F>) -> u32 {
        self.dimensions().filter(|own| fully_masked(of(row, own))).count() as u32
    }

    /// The first index of the largest logit.
    fn greedy(&self, row: ArrayView1<'_, F>) -> Vec<u32> {
        let first_of_largest = |own: Range<usize>| {
            let logits = of(row, &own);
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
            let logits = of(row, &own);
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
