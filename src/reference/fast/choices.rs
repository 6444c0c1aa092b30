//! Choices by logits, many rows side by side: what [`head_categorical`](crate::reference::head_categorical) has of a row, for the loss.
//!
//! As there, all is in f64 and rounded once, but e^x and log(1 + x) are sums and products without a branch, within some 10⁻¹⁵, of which the
//! compiler takes several at a time.

use crate::reference::real::ChoiceOutputs;
use pulp::{Arch, Simd, WithSimd};
use std::f64::consts::{LOG2_E, SQRT_2};

/// Rows side by side.
const ROWS: usize = 32;
/// Most choices of a dimension: what there is of a block of rows stays in the cache.
const MOST: usize = 32;

/// ln 2 = HIGH + LOW; n · HIGH is exact for the n that occur.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding and taking away 1.5 · 2⁵² rounds to an integer; in between, the lowest bits are that integer.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Below this e^x is held: nothing of it is left in f32.
const LEAST: f64 = -700.0;

type Column = [f64; ROWS];

/// e^x of x ≤ 0: 2ⁿ Σ rᵏ / k! with x = n ln 2 + r; the terms end where they are below 2⁻⁵³ of the sum.
#[inline(always)]
fn exp(x: f64) -> f64 {
    let x = if x < LEAST { LEAST } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let p = EXP.iter().fold(1.0 / 6_227_020_800.0, |sum, c| sum * r + c);
    // The bits of 2ⁿ.
    let power = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    power * p
}

/// 1 / k!, k from 12 to 0.
const EXP: [f64; 13] = [
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// log(1 + x) of 0 ≤ x: u = 1 + x = 2ⁿ m, s = (m − 1) / (m + 1), log m = 2 s Σ s²ᵏ / (2k + 1), and what u was rounded by.
#[inline(always)]
fn ln_1p(x: f64) -> f64 {
    let u = 1.0 + x;
    let lost = x - (u - 1.0);
    // m in [√½, √2).
    let bits = u.to_bits().wrapping_sub((SQRT_2 * 0.5).to_bits());
    let n = (bits >> 52) as i32;
    let m = f64::from_bits((bits & ((1 << 52) - 1)).wrapping_add((SQRT_2 * 0.5).to_bits()));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let tail = LN.iter().fold(1.0 / 23.0, |sum, c| sum * z + c);
    let n = f64::from(n);
    n * LN_2_HIGH + (2.0 * (s + s * z * tail) + (n * LN_2_LOW + lost / u))
}

/// 1 / (2k + 1), k from 10 to 1.
const LN: [f64; 10] = [
    1.0 / 21.0,
    1.0 / 19.0,
    1.0 / 17.0,
    1.0 / 15.0,
    1.0 / 13.0,
    1.0 / 11.0,
    1.0 / 9.0,
    1.0 / 7.0,
    1.0 / 5.0,
    1.0 / 3.0,
];

/// As [`Real::choices`](crate::reference::Real::choices).
pub(super) fn choices(counts: &[usize], logits: &[f32], taken: &[u32], out: ChoiceOutputs<'_, f32>) -> bool {
    // Those that are masked or beyond f32 go row by row.
    let fits = counts.iter().all(|count| (1..=MOST).contains(count)) && logits.iter().all(|logit| logit.is_finite());
    if fits {
        Arch::new().dispatch(Choices { counts, logits, taken, out });
    }
    fits
}

struct Choices<'a> {
    counts: &'a [usize],
    logits: &'a [f32],
    taken: &'a [u32],
    out: ChoiceOutputs<'a, f32>,
}

impl WithSimd for Choices<'_> {
    type Output = ();

    /// Inlined into a function that may use the instructions of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { counts, logits, taken, out } = self;
        let (width, dims) = (counts.iter().sum::<usize>(), counts.len());
        let blocks = logits.chunks(ROWS * width).zip(taken.chunks(ROWS * dims));
        let gradients = out.by_logp.chunks_mut(ROWS * width).zip(out.by_entropy.chunks_mut(ROWS * width));
        let results = out.logp.chunks_mut(ROWS).zip(out.entropy.chunks_mut(ROWS));
        let (mut logs, mut shares) = ([[0.0; ROWS]; MOST], [[0.0; ROWS]; MOST]);
        for (((logits, taken), (by_logp, by_entropy)), (logp, entropy)) in blocks.zip(gradients).zip(results) {
            let (mut sums, mut entropies, mut first) = ([0.0; ROWS], [0.0; ROWS], 0);
            for (d, count) in counts.iter().enumerate() {
                let (logs, shares) = (&mut logs[..*count], &mut shares[..*count]);
                for (j, column) in logs.iter_mut().enumerate() {
                    let own = logits[first + j..].iter().step_by(width);
                    column.iter_mut().zip(own).for_each(|(place, logit)| *place = f64::from(*logit));
                }
                let own = log_softmax(logs, shares);
                for r in 0..ROWS {
                    entropies[r] += own[r];
                }
                for (r, taken) in taken.iter().skip(d).step_by(dims).enumerate() {
                    let taken = *taken as usize;
                    sums[r] += logs[taken][r];
                    let at = r * width + first;
                    let mut others = 0.0;
                    for j in 0..*count {
                        let p = shares[j][r];
                        by_logp[at + j] = -p as f32;
                        by_entropy[at + j] = (-p * (logs[j][r] + own[r])) as f32;
                        others += if j == taken { 0.0 } else { p };
                    }
                    by_logp[at + taken] = others as f32;
                }
                first += count;
            }
            logp.iter_mut().zip(sums).for_each(|(place, sum)| *place = sum as f32);
            entropy.iter_mut().zip(entropies).for_each(|(place, sum)| *place = sum as f32);
        }
    }
}

/// log p in place of the logits, p, and −Σ p log p. The largest logit's 1 stays out of the sum, as in the plain form.
#[inline(always)]
fn log_softmax(logs: &mut [Column], shares: &mut [Column]) -> Column {
    let (mut max, mut best) = (logs[0], [0.0; ROWS]);
    for (j, column) in logs.iter().enumerate().skip(1) {
        for r in 0..ROWS {
            let better = column[r] > max[r];
            best[r] = if better { j as f64 } else { best[r] };
            max[r] = if better { column[r] } else { max[r] };
        }
    }
    let mut rest = [0.0; ROWS];
    for (j, (column, shares)) in logs.iter().zip(shares.iter_mut()).enumerate() {
        for r in 0..ROWS {
            let e = exp(column[r] - max[r]);
            shares[r] = e;
            rest[r] += if best[r] == j as f64 { 0.0 } else { e };
        }
    }
    let (mut log_sum, mut entropy) = ([0.0; ROWS], [0.0; ROWS]);
    for r in 0..ROWS {
        log_sum[r] = ln_1p(rest[r]);
        rest[r] = 1.0 / (1.0 + rest[r]);
    }
    for (column, shares) in logs.iter_mut().zip(shares) {
        for r in 0..ROWS {
            column[r] = (column[r] - max[r]) - log_sum[r];
            shares[r] *= rest[r];
            entropy[r] -= shares[r] * column[r];
        }
    }
    entropy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_and_logarithms_are_the_libraries() {
        for i in 0..200_000 {
            let x = -(f64::from(i) * 3.7e-4).powi(3);
            let want = x.exp();
            assert!((exp(x) - want).abs() <= 4.0 * f64::EPSILON * want + 1e-300, "e^{x}: {}, {want}", exp(x));
            let x = -x * 1e-3;
            let want = x.ln_1p();
            assert!((ln_1p(x) - want).abs() <= 4.0 * f64::EPSILON * want, "log(1 + {x}): {}, {want}", ln_1p(x));
        }
        assert_eq!((exp(0.0), exp(-0.0), ln_1p(0.0)), (1.0, 1.0, 0.0));
        assert!(exp(f64::MIN) < 1e-300);
    }
}
