//! One of K choices by logits l, p = softmax(l), in each of some dimensions; a row holds the logits of dimension 0, then of 1, ….
//!
//! A choice that is not allowed has the logit −∞: probability 0, and no gradient. A dimension whose logits are all −∞ is fully
//! masked: each of its choices has probability 1/K whatever the network says, so that nothing has a gradient.

use super::distribution::{Action, Distribution, divergence};
use crate::rng::{Draw, block, uniform};
use ndarray::{Array1, ArrayView1, ArrayViewMut1, s};
use std::ops::Range;

/// Whether no choice is allowed.
fn fully_masked(logits: ArrayView1<'_, f64>) -> bool {
    logits.iter().all(|l| *l == f64::NEG_INFINITY)
}

/// log p_j = l_j − max l − log Σ exp(l − max l); −∞ where not allowed, and −log K everywhere if nothing is.
pub fn log_softmax(logits: ArrayView1<'_, f64>) -> Array1<f64> {
    let mut logp = logits.to_owned();
    to_log_softmax(&mut logp.view_mut());
    logp
}

/// The first place of the largest number; NaN is never larger.
fn first_of_largest(logits: ArrayView1<'_, f64>) -> usize {
    let better = |best: usize, (j, l): (usize, &f64)| if *l > logits[best] { j } else { best };
    logits.iter().enumerate().fold(0, better)
}

/// [`log_softmax`] in place of the logits. The largest logit's 1 stays out of the sum, for an almost certain choice to keep its
/// digits.
fn to_log_softmax(logits: &mut ArrayViewMut1<'_, f64>) {
    let best = first_of_largest(logits.view());
    let max = logits[best];
    if max == f64::NEG_INFINITY && fully_masked(logits.view()) {
        let even = -(logits.len() as f64).ln();
        return logits.fill(even);
    }
    let rest: f64 = logits.iter().enumerate().filter(|(j, _)| *j != best).map(|(_, l)| (*l - max).exp()).sum();
    let log_sum = rest.ln_1p();
    logits.mapv_inplace(|l| l - max - log_sum);
}

/// −Σ p log p, over the choices that have a probability: 0 · log 0 is 0.
fn entropy(logp: ArrayView1<'_, f64>) -> f64 {
    -logp.iter().filter(|l| **l > f64::NEG_INFINITY).map(|l| l.exp() * l).sum::<f64>()
}

/// Σ p (log p − log q), with what differs in the same places of both logits. Terms have q − p in them, which sums to 0 over all choices
/// only: so those that p does not allow count with what q gives them.
fn kl(p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>) -> f64 {
    let term = |(p, q): (&f64, &f64)| {
        if *p == f64::NEG_INFINITY { q.exp() } else { divergence(p.exp(), q.exp(), q - p) }
    };
    p.iter().zip(q).map(term).sum()
}

/// The places `own` of a row; quicker than a slice where the row lies in one piece, and it does.
fn of<'a>(row: ArrayView1<'a, f64>, own: &Range<usize>) -> ArrayView1<'a, f64> {
    match row.to_slice() {
        Some(all) => ArrayView1::from(&all[own.clone()]),
        None => row.slice_move(s![own.clone()]),
    }
}

/// As [`of`], to be written.
fn of_mut<'a>(row: &'a mut ArrayViewMut1<'_, f64>, own: &Range<usize>) -> ArrayViewMut1<'a, f64> {
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

    fn sum(&self, of_dimension: impl Fn(Range<usize>) -> f64) -> f64 {
        self.dimensions().map(of_dimension).sum()
    }

    /// Fills `out`, dimension by dimension: `of_dimension` gets log p and puts what is asked for in its place; 0 where a choice is
    /// not allowed, or where none is.
    fn fill(
        &self,
        row: ArrayView1<'_, f64>,
        mut out: ArrayViewMut1<'_, f64>,
        mut of_dimension: impl FnMut(usize, Range<usize>, &mut ArrayViewMut1<'_, f64>),
    ) {
        for (d, own) in self.dimensions().enumerate() {
            let (logits, mut places) = (of(row, &own), of_mut(&mut out, &own));
            places.assign(&logits);
            to_log_softmax(&mut places);
            of_dimension(d, own, &mut places);
            // If nothing is allowed, no choice is.
            places.zip_mut_with(&logits, |place, logit| {
                if *logit == f64::NEG_INFINITY {
                    *place = 0.0;
                }
            });
        }
    }
}

impl Distribution for Categorical {
    fn log_prob(&self, row: ArrayView1<'_, f64>, action: Action<'_>) -> f64 {
        let Action::Indices(indices) = action else { return f64::NAN };
        let each = self.dimensions().zip(indices);
        each.map(|(own, index)| log_softmax(of(row, &own))[*index as usize]).sum()
    }

    /// δ_aj − p_j.
    fn log_prob_grad(&self, row: ArrayView1<'_, f64>, action: Action<'_>, mut out: ArrayViewMut1<'_, f64>) {
        let Action::Indices(indices) = action else { return out.fill(f64::NAN) };
        self.fill(row, out, |d, _, places| {
            let taken = indices[d] as usize;
            let of_taken = -places[taken].exp_m1();
            places.mapv_inplace(|logp| -logp.exp());
            places[taken] = of_taken;
        });
    }

    /// H = −Σ p log p.
    fn entropy(&self, row: ArrayView1<'_, f64>) -> f64 {
        self.sum(|own| entropy(log_softmax(of(row, &own)).view()))
    }

    /// −p_j (log p_j + H).
    fn entropy_grad(&self, row: ArrayView1<'_, f64>, out: ArrayViewMut1<'_, f64>) {
        self.fill(row, out, |_, _, places| {
            let entropy = entropy(places.view());
            places.mapv_inplace(|logp| -logp.exp() * (logp + entropy));
        });
    }

    fn both(
        &self,
        row: ArrayView1<'_, f64>,
        action: Action<'_>,
        mut by_logp: ArrayViewMut1<'_, f64>,
        mut by_entropy: ArrayViewMut1<'_, f64>,
    ) -> (f64, f64) {
        let (mut logp, mut entropy) = (0.0, 0.0);
        let Action::Indices(indices) = action else {
            by_logp.fill(f64::NAN);
            return (f64::NAN, Distribution::entropy(self, row));
        };
        self.fill(row, by_entropy.view_mut(), |d, own, places| {
            let taken = indices[d] as usize;
            let of_taken = -places[taken].exp_m1();
            logp += places[taken];
            let mut by_logp = of_mut(&mut by_logp, &own);
            by_logp.zip_mut_with(places, |p, logp| *p = logp.exp());
            let terms = by_logp.iter().zip(places.iter()).filter(|(_, logp)| **logp > f64::NEG_INFINITY);
            let own_entropy = -terms.map(|(p, logp)| *p * *logp).sum::<f64>();
            entropy += own_entropy;
            places.zip_mut_with(&by_logp, |place, p| *place = -*p * (*place + own_entropy));
            // −p, and 1 more where taken; nothing has a gradient where it is not allowed.
            for (j, (p, logit)) in by_logp.iter_mut().zip(of(row, &own)).enumerate() {
                let gradient = if j == taken { of_taken } else { -*p };
                *p = if *logit == f64::NEG_INFINITY { 0.0 } else { gradient };
            }
        });
        (logp, entropy)
    }

    /// Σ p (log p − log q).
    fn kl(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>) -> f64 {
        let logp = |row: ArrayView1<'_, f64>, own: &Range<usize>| log_softmax(of(row, own));
        self.sum(|own| kl(logp(p, &own).view(), logp(q, &own).view()))
    }

    /// p_j (log p_j − log q_j − KL).
    fn kl_grad_first(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, out: ArrayViewMut1<'_, f64>) {
        self.fill(p, out, |_, own, places| {
            let q = log_softmax(of(q, &own));
            let kl = kl(places.view(), q.view());
            places.zip_mut_with(&q, |p, q| *p = p.exp() * (*p - *q - kl));
        });
    }

    /// q_j − p_j.
    fn kl_grad_second(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, out: ArrayViewMut1<'_, f64>) {
        self.fill(q, out, |_, own, places| {
            places.zip_mut_with(&log_softmax(of(p, &own)), |q, p| {
                let change = *q - p;
                *q = if change.abs() < 0.5 { p.exp() * change.exp_m1() } else { q.exp() - p.exp() };
            });
        });
    }

    /// p, 0 where nothing is allowed.
    fn fisher_row(&self, row: ArrayView1<'_, f64>, known: ArrayViewMut1<'_, f64>) {
        self.fill(row, known, |_, _, places| places.mapv_inplace(f64::exp));
    }

    /// p_j (v_j − Σ p v), with v taken relative to that of the most probable choice: an almost certain one keeps its digits,
    /// and so it does not count that rounded probabilities do not sum to 1.
    fn fisher_vector(&self, known: ArrayView1<'_, f64>, mut tangent: ArrayViewMut1<'_, f64>) {
        for own in self.dimensions() {
            let (p, mut v) = (of(known, &own), of_mut(&mut tangent, &own));
            let reference = v[first_of_largest(p)];
            v.mapv_inplace(|v| v - reference);
            let mean = p.dot(&v);
            v.zip_mut_with(&p, |v, p| *v = *p * (*v - mean));
        }
    }

    /// Dimensions in which nothing is allowed.
    fn hits(&self, row: ArrayView1<'_, f64>) -> u32 {
        self.dimensions().filter(|own| fully_masked(of(row, own))).count() as u32
    }

    /// The first index of the largest logit.
    fn greedy(&self, row: ArrayView1<'_, f64>) -> Vec<u32> {
        self.dimensions().map(|own| first_of_largest(of(row, &own)) as u32).collect()
    }

    /// Inverse distribution function: the first index whose running sum of exp(l − max l) exceeds u times the total, else the
    /// last that has a probability; u is word 0 of the draw (action, row, dimension, step).
    fn sample(&self, r: usize, row: ArrayView1<'_, f64>, seed: u64, step: u64) -> Vec<u32> {
        let draw = |(d, own): (usize, Range<usize>)| {
            let u = f64::from(uniform(block(seed, Draw::Action, r as u32, d as u32, step)[0]));
            let logits = of(row, &own);
            // With nothing allowed all weigh the same.
            let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = logits.iter().map(|l| if *l == max { 1.0 } else { (*l - max).exp() }).collect();
            let total = weights.iter().copied().sum::<f64>();
            let mut sum = 0.0;
            let hit = weights.iter().position(|weight| {
                sum += *weight;
                sum > u * total
            });
            let last = weights.iter().rposition(|weight| *weight > 0.0);
            hit.or(last).unwrap_or(0) as u32
        };
        self.dimensions().enumerate().map(draw).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_divergence_counts_what_only_one_of_both_allows() {
        let never = f64::NEG_INFINITY;
        let head = Categorical(vec![2]);
        let (one, even) = (array![0.0, never], array![0.0, 0.0]);
        assert!((head.kl(one.view(), even.view()) - std::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(head.kl(even.view(), one.view()), f64::INFINITY);
        // 1 · (log 2 − KL), and nothing where it is not allowed.
        let mut gradient = array![f64::NAN, f64::NAN];
        head.kl_grad_first(one.view(), even.view(), gradient.view_mut());
        assert!(gradient[0].abs() < 1e-15 && gradient[1] == 0.0, "{gradient}");
        // The same masks add nothing.
        let head = Categorical(vec![3]);
        let (p, q) = (array![0.0, never, 1.0], array![0.5, never, 0.2]);
        let both = |row: &Array1<f64>| array![row[0], row[2]];
        let want = Categorical(vec![2]).kl(both(&p).view(), both(&q).view());
        assert!((head.kl(p.view(), q.view()) - want).abs() < 1e-15);
    }
}
