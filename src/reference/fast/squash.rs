//! Squashed actions of f32, in f64 as the plain form has them, several at a time: e^x and the logarithm are sums of products without a
//! branch, good to 10⁻¹⁵, where the plain form calls the C library five times for each number.

use crate::reference::real::{SquashInputs, SquashOutputs};
use pulp::{Arch, Simd, WithSimd};
use std::f64::consts::{LN_2, LOG2_E, TAU};

/// Beyond these e^x is held: nearly the least and the greatest normal number.
const REACH: f64 = 708.0;
/// ln 2 = HIGH + LOW; n · HIGH is exact for the n that occur.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Adding and taking away 1.5 · 2⁵² rounds to an integer; in between, the lowest bits are that integer.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Bits of √½.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;

/// 2ⁿ and p of e^x = 2ⁿ + 2ⁿ p: n = round(x / ln 2), r = x − n ln 2, p = Σ_{k=1..13} rᵏ / k!  (|r| ≤ ½ ln 2: the rest is below 10⁻¹⁷).
#[inline(always)]
fn exp_parts(x: f64) -> (f64, f64) {
    // Not `clamp`'s order of arguments: NaN stays NaN.
    let x = if x < -REACH { -REACH } else { x };
    let x = if x > REACH { REACH } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let terms = [
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
    ];
    let p = r + r * r * terms.iter().fold(1.0 / 6_227_020_800.0, |sum, c| sum * r + c);
    (f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52)), p)
}

/// log y of a normal number above 0, NaN of NaN: y = 2ᵏ m with m in [√½, √2), s = (m − 1) / (m + 1), log m = 2 Σ_{k=0..10} s²ᵏ⁺¹ / (2k + 1)
/// (|s| ≤ 0.172: the rest is below 10⁻¹⁸).
#[inline(always)]
fn ln(y: f64) -> f64 {
    let bits = y.to_bits();
    let exponent = (bits.wrapping_sub(ROOT_HALF) as i64) >> 52;
    let m = f64::from_bits(bits.wrapping_sub((exponent << 52) as u64));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let terms = [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0];
    let sum = terms.iter().fold(1.0 / 21.0, |sum, k| sum * z + 1.0 / k);
    // 0 · y is 0, or NaN.
    exponent as f64 * LN_2 + 2.0 * s * sum + 0.0 * y
}

/// As [`plain::squash`](crate::reference::plain::squash), within a unit of the last place of f32.
pub(super) fn squash(epsilon: f64, inputs: &SquashInputs<'_, f32>, out: SquashOutputs<'_, f32>) {
    if epsilon == 0.0 {
        Arch::new().dispatch(Squash::<true> { epsilon, inputs, out });
    } else {
        Arch::new().dispatch(Squash::<false> { epsilon, inputs, out });
    }
}

struct Squash<'a, const EXACT: bool> {
    epsilon: f64,
    inputs: &'a SquashInputs<'a, f32>,
    out: SquashOutputs<'a, f32>,
}

impl<const EXACT: bool> WithSimd for Squash<'_, EXACT> {
    type Output = ();

    /// Inlined into a function that may use the instructions of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { epsilon, inputs, out } = self;
        let half_log_tau = 0.5 * TAU.ln();
        let SquashInputs { mean, log_sigma, noise } = *inputs;
        let inputs = mean.iter().zip(log_sigma).zip(noise);
        let SquashOutputs { pre_squash, action, by_pre, slope, moved, log_prob } = out;
        let first = pre_squash.iter_mut().zip(action).zip(by_pre);
        let second = slope.iter_mut().zip(moved).zip(log_prob);
        for (((mean, log_sigma), noise), ((pre_squash, action), by_pre), ((slope, moved), log_prob)) in
            inputs.zip(first).zip(second).map(|((i, a), b)| (i, a, b))
        {
            let (mean, noise) = (f64::from(*mean), f64::from(*noise));
            let (power, p) = exp_parts(*log_sigma);
            let moved_by = (power + power * p) * noise;
            let u = mean + moved_by;
            let size = u.abs();
            let (power, p) = exp_parts(-2.0 * size);
            let e = power + power * p;
            let sum = 1.0 + e;
            // 1 − e, which would cancel where |u| is small.
            let a = (-((power - 1.0) + power * p) / sum).copysign(u);
            let of_tanh = 4.0 * e / (sum * sum);
            let jacobian = if EXACT { 2.0 * (LN_2 - size - ln(sum)) } else { ln(of_tanh + epsilon) };
            let by = if EXACT { 2.0 * a } else { 2.0 * a * of_tanh / (of_tanh + epsilon) };
            *log_prob = -0.5 * noise * noise - log_sigma - half_log_tau - jacobian;
            *pre_squash = u as f32;
            *action = a as f32;
            *by_pre = by as f32;
            *slope = of_tanh as f32;
            *moved = moved_by as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_ln_are_those_of_the_standard_library() {
        for i in -70_000..70_000 {
            let x = f64::from(i) * 0.01;
            let (power, p) = exp_parts(x);
            let e = x.exp();
            assert!((power + power * p - e).abs() <= 4.0 * f64::EPSILON * e, "e^{x}");
            let y = x.exp();
            // A unit of the greater of the two terms that are added.
            assert!((ln(y) - y.ln()).abs() <= 2.0 * f64::EPSILON * y.ln().abs().max(1.0), "log {y}");
        }
        for x in [1e-300, 1e-20, 1e-9, 1e-3] {
            let (power, p) = exp_parts(-x);
            let less = (power - 1.0) + power * p;
            assert!((less - (-x).exp_m1()).abs() <= 4.0 * f64::EPSILON * x, "{x}");
        }
        let (power, p) = exp_parts(f64::NAN);
        assert!((power + power * p).is_nan() && ln(f64::NAN).is_nan());
        for x in [1e9, f64::INFINITY] {
            let (power, p) = exp_parts(x);
            let (least, q) = exp_parts(-x);
            assert!((power + power * p) as f32 == f32::INFINITY && (least + least * q) as f32 == 0.0);
        }
    }
}
