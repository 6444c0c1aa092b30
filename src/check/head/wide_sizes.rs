//! How well what a workgroup finds of a long row of choices is known: each element is held against its own size.
//!
//! With so many choices a probability is small, and so is its gradient.

use crate::check::support::EPS;
use crate::policy::Head;
use crate::reference::head_categorical::log_softmax;
use ndarray::{Array2, s};

/// Of a distribution function: 112 roundings of sums, and weights by a device's exp of numbers down to −15.
pub(super) const MARGIN: f64 = 112.0 * EPS + (3.0 + 2.0 * 15.0) * 2.0 * EPS;

pub(in crate::check) const TOLERANCE: f64 = 5e-6;
pub(in crate::check) const REASON: &str = "sums of 72 roundings (4.3e-6), a device's exp (3 + 2|x| ulp); scale: each element's own probability, with the logarithm \
                      and the logits that it comes from";

/// Choices that are left of each row's rounding, in units of the tolerance.
pub(in crate::check) struct Sizes {
    /// Per choice its probability.
    pub p: Array2<f64>,
    /// Per choice what its log-probability is the result of: |log p|, the largest logit and 1.
    pub own: Array2<f64>,
    /// Per choice p times that, 0 where it is not allowed.
    pub p_size: Array2<f64>,
    /// Per row the terms of its entropy.
    pub entropy: Vec<f64>,
    /// Per row the mean of `own`, of the dimension where it is largest.
    pub mean: Vec<f64>,
}

pub(in crate::check) fn ranges(head: &Head) -> Vec<std::ops::Range<usize>> {
    let mut first = 0;
    let range = |count: usize| {
        first += count;
        first - count..first
    };
    head.choices().into_iter().map(range).collect()
}

impl Sizes {
    pub fn new(head: &Head, dist: &Array2<f64>) -> Self {
        let (mut p, mut own) = (dist.clone(), dist.clone());
        let (mut entropies, mut means) = (Vec::new(), Vec::new());
        for row in 0..dist.nrows() {
            let (mut entropy, mut mean) = (0.0, 0.0_f64);
            for range in ranges(head) {
                let logits = dist.slice(s![row, range.clone()]);
                let most = logits.iter().filter(|l| l.is_finite()).fold(0.0, |most: f64, l| most.max(l.abs()));
                let mut of_dimension = 0.0;
                for (i, logp) in range.zip(log_softmax(logits)) {
                    let possible = logp.is_finite();
                    p[[row, i]] = if possible { logp.exp() } else { 0.0 };
                    own[[row, i]] = if possible { 1.0 + logp.abs() + most } else { 0.0 };
                    let size = p[[row, i]] * own[[row, i]];
                    entropy += size * (1.0 + if possible { logp.abs() } else { 0.0 });
                    of_dimension += size;
                }
                mean = mean.max(of_dimension);
            }
            entropies.push(entropy);
            means.push(mean);
        }
        let p_size = &p * &own;
        Self { p, own, p_size, entropy: entropies, mean: means }
    }

    /// Of a row's log-probability of the action taken.
    pub fn logp(&self, head: &Head, row: usize, taken: &[u32]) -> f64 {
        let places = ranges(head).into_iter().zip(taken);
        places.map(|(range, taken)| self.own[[row, range.start + *taken as usize]].max(1.0)).sum()
    }

    /// Of the derivative of w.0 logp + w.1 entropy + w.2 KL(old‖new) + w.3 KL(new‖old), rows that differ by up to `change`.
    pub fn slope(&self, row: usize, i: usize, hit: bool, w: [f64; 4], change: f64) -> f64 {
        let by_entropy = w[1].abs() * (self.own[[row, i]] + self.mean[row]);
        let by_kl = (w[2].abs() + w[3].abs()) * (2.0 * change).exp();
        // Where it is taken the derivative is 1 − p, which is rounded once.
        let one = if hit { 0.1 * w[0].abs() } else { 0.0 };
        self.p_size[[row, i]] * (w[0].abs() + by_entropy + by_kl) + one
    }
}

/// The action words of each row, without masks.
pub(in crate::check) fn taken(head: &Head, words: &[u32]) -> Vec<Vec<u32>> {
    words.chunks(head.action_words()).map(|words| words[..head.action_dims()].to_vec()).collect()
}

/// Whether choice `i` of some row is the one that dimension's action took.
pub(in crate::check) fn is_hit(head: &Head, taken: &[u32], i: usize) -> bool {
    ranges(head).into_iter().zip(taken).any(|(range, taken)| range.start + *taken as usize == i)
}
