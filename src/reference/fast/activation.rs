//! Activations of many f32 at once, for the CPU's working precision; f64 keeps the standard library's.
//!
//! The standard library calls the C library element by element. tanh here is a handful of products and sums without a branch, which the
//! compiler does for several elements at a time: as many as the CPU's widest instructions take (0.49 ns an element with AVX-512, where
//! the four at a time that every x86-64 has took 1.41). The others go by the same e^x − 1, except for GELU by erf, which goes element by
//! element. No fused product is used, so every machine gets the same bits.

use crate::policy::Activation;
use crate::reference::activation::{GELU_CUBIC, GELU_SCALE, activate, derivative};
use pulp::{Arch, Simd, WithSimd};

/// Beyond this the nearest f32 to tanh is ±1.
const LIMIT: f32 = 10.0;
/// ln 2 = HIGH + LOW; n · HIGH is exact for the n that occur.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Adding and taking away 1.5 · 2²³ rounds to an integer; in between, the lowest bits are that integer.
const ROUND: f32 = 12_582_912.0;

/// Beyond this e^x is held: at 89 it is beyond f32.
const LARGEST: f32 = 88.0;

/// e^x − 1 for 0 ≤ x ≤ [`LARGEST`]:
///
/// ```text
/// n = round(x / ln 2);   r = x − n ln 2;   p = Σ_{k=1..7} rᵏ / k!  (|r| ≤ ½ ln 2: the rest is below 2e-8 r)
/// e^x − 1 = 2ⁿ p + (2ⁿ − 1)
/// ```
#[inline(always)]
fn exp_m1(x: f32) -> f32 {
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let tail = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];
    let p = r + r * r * tail.iter().fold(1.0 / 5040.0, |sum, c| sum * r + c);
    // The bits of 2ⁿ.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    power * p + (power - 1.0)
}

/// tanh |x| = q / (q + 2) with q = e^{2|x|} − 1, and the sign of x. Within 3 units in the last place; odd; NaN stays NaN.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let size = x.abs();
    // Not `min`, which would turn NaN into a number.
    let size = if size > LIMIT { LIMIT } else { size };
    let q = exp_m1(2.0 * size);
    (q / (q + 2.0)).copysign(x)
}

/// y ← tanh (y + `bias`), of rows as long as `bias`.
pub(super) fn tanh_of_sums(rows: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(Tanh(rows, bias));
}

struct Tanh<'a>(&'a mut [f32], &'a [f32]);

impl WithSimd for Tanh<'_> {
    type Output = ();

    /// Inlined into a function that may use the instructions of `S`; the compiler does the rest.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.0.chunks_exact_mut(self.1.len().max(1)) {
            row.iter_mut().zip(self.1).for_each(|(y, bias)| *y = tanh(*y + *bias));
        }
    }
}

/// y ← max(y + `bias`, 0), of rows as long as `bias`.
pub(super) fn relu_of_sums(rows: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(Relu(rows, bias));
}

struct Relu<'a>(&'a mut [f32], &'a [f32]);

impl WithSimd for Relu<'_> {
    type Output = ();

    /// As in [`Tanh`].
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.0.chunks_exact_mut(self.1.len().max(1)) {
            row.iter_mut().zip(self.1).for_each(|(y, bias)| *y = relu(*y + *bias));
        }
    }
}

/// Not `max`, which would turn NaN into 0.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

/// e^|x| − 1; NaN stays NaN.
#[inline(always)]
fn exp_m1_of_size(x: f32) -> f32 {
    let size = x.abs();
    exp_m1(if size > LARGEST { LARGEST } else { size })
}

/// 1 / (1 + e^−x), by e = e^|x| − 1: (e + 1) / (e + 2) or 1 / (e + 2).
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let e = exp_m1_of_size(x);
    (if x < 0.0 { 1.0 } else { e + 1.0 }) / (e + 2.0)
}

/// The argument of GELU's tanh, and its derivative.
#[inline(always)]
fn gelu_inner(x: f32) -> (f32, f32) {
    let (scale, cubic) = (GELU_SCALE as f32, GELU_CUBIC as f32);
    (scale * (x + cubic * x * x * x), scale * (1.0 + 3.0 * cubic * x * x))
}

/// x where it is not below 0, else e^x − 1 = −e / (e + 1), e = e^|x| − 1.
#[inline(always)]
fn elu(x: f32) -> f32 {
    let e = exp_m1_of_size(x);
    if x < 0.0 { -e / (e + 1.0) } else { x }
}

/// f of every element.
pub(super) fn activate_all(f: Activation, values: &mut [f32]) {
    match f {
        Activation::Relu => Arch::new().dispatch(Each(relu, values)),
        Activation::Elu => Arch::new().dispatch(Each(elu, values)),
        Activation::Silu => Arch::new().dispatch(Each(|x: f32| x * sigmoid(x), values)),
        Activation::GeluTanh => Arch::new().dispatch(Each(|x: f32| 0.5 * x * (1.0 + tanh(gelu_inner(x).0)), values)),
        _ => values.iter_mut().for_each(|value| *value = activate(f, *value)),
    }
}

/// d ← d f'(z), y = f(z).
pub(super) fn times_slope(f: Activation, d: &mut [f32], z: &[f32], y: &[f32]) {
    match f {
        Activation::Relu => Arch::new().dispatch(Slopes(|y: f32| if y > 0.0 { 1.0 } else { 0.0 }, d, y)),
        Activation::Elu => {
            // The comparison that leaves NaN what it is.
            let slope = |x: f32| if x > 0.0 { 1.0 } else { 1.0 / (exp_m1_of_size(x) + 1.0) };
            Arch::new().dispatch(Slopes(slope, d, z));
        }
        Activation::Silu => {
            let slope = |x: f32| {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            };
            Arch::new().dispatch(Slopes(slope, d, z));
        }
        Activation::GeluTanh => {
            let slope = |x: f32| {
                let (inner, by_x) = gelu_inner(x);
                let t = tanh(inner);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * by_x
            };
            Arch::new().dispatch(Slopes(slope, d, z));
        }
        _ => d.iter_mut().zip(z).zip(y).for_each(|((d, z), y)| *d *= derivative(f, *z, *y)),
    }
}

struct Each<'a, G>(G, &'a mut [f32]);

impl<G: Fn(f32) -> f32> WithSimd for Each<'_, G> {
    type Output = ();

    /// As in [`Tanh`].
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(f, values) = self;
        values.iter_mut().for_each(|value| *value = f(*value));
    }
}

struct Slopes<'a, G>(G, &'a mut [f32], &'a [f32]);

impl<G: Fn(f32) -> f32> WithSimd for Slopes<'_, G> {
    type Output = ();

    /// As in [`Tanh`].
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(slope, d, z) = self;
        d.iter_mut().zip(z).for_each(|(d, z)| *d *= slope(*z));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against f64, over numbers of every size of both signs: within some units of the last place of the terms that are added.
    #[test]
    fn the_others_are_those_of_the_oracle() {
        for f in [Activation::Relu, Activation::Elu, Activation::Silu, Activation::GeluTanh] {
            for start in (0..100.0_f32.to_bits()).step_by(9973) {
                let x = f32::from_bits(start);
                for x in [x, -x] {
                    let (mut y, mut d) = ([x; 3], [1.0_f32; 3]);
                    activate_all(f, &mut y);
                    times_slope(f, &mut d, &[x; 3], &y);
                    let z = f64::from(x);
                    let want = activate(f, z);
                    let (y, d) = (f64::from(y[0]), f64::from(d[0]));
                    // Where 1 + tanh cancels, the term is half of x, and it is ±1 that is rounded.
                    let term = if f == Activation::GeluTanh { z.abs() } else { want.abs() };
                    // Below e^−88 all is one number.
                    let unit = f64::from(f32::EPSILON) * term + 1e-36;
                    assert!((y - want).abs() <= 4.0 * unit, "{f:?} of {x}: {y}, {want}");
                    let want = derivative(f, z, want);
                    let unit = f64::from(f32::EPSILON) * (1.0 + z.abs());
                    assert!((d - want).abs() <= 6.0 * unit, "slope of {f:?} at {x}: {d}, {want}");
                }
            }
            let mut wild = [f32::NAN, f32::INFINITY];
            activate_all(f, &mut wild);
            assert!(wild[0].is_nan() && wild[1] == f32::INFINITY, "{f:?}: {wild:?}");
            let mut slope = [1.0];
            times_slope(f, &mut slope, &[f32::NAN], &[f32::NAN]);
            // As the oracle's.
            assert_eq!(slope[0].is_nan(), derivative(f, f64::NAN, f64::NAN).is_nan(), "{f:?}: {slope:?}");
        }
    }

    /// Against f64, over every 97th f32.
    #[test]
    fn within_three_units_of_the_last_place() {
        let mut worst = 0.0_f64;
        for start in (0..f32::INFINITY.to_bits()).step_by(97 * 8) {
            let mut values: [f32; 16] =
                std::array::from_fn(|i| f32::from_bits((start + 97 * (i as u32 / 2)).min(f32::MAX.to_bits())));
            values.iter_mut().skip(1).step_by(2).for_each(|value| *value = -*value);
            let inputs = values;
            tanh_of_sums(&mut values, &[0.0; 16]);
            for (x, y) in inputs.iter().zip(&values) {
                let want = f64::from(*x).tanh();
                let nearest = (want as f32).abs();
                let unit = f64::from(f32::from_bits(nearest.to_bits() + 1)) - f64::from(nearest);
                worst = worst.max((f64::from(*y) - want).abs() / unit);
            }
            assert!(values.chunks(2).all(|pair| pair[0] == -pair[1]), "odd: {values:?}");
        }
        assert!(worst <= 3.0, "{worst} units");
    }

    #[test]
    fn special_numbers() {
        let mut values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-40, 9.1, -30.0];
        tanh_of_sums(&mut values, &[-0.0; 8]);
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [1.0, -1.0, 0.0, -0.0, 1e-40, 1.0, -1.0]);
        assert!(values[4].is_sign_negative());
    }

    #[test]
    fn biases_go_with_their_columns() {
        let mut rows = [0.0, 0.5, -1.0, 1.0, 0.25, 3.0];
        tanh_of_sums(&mut rows, &[0.5, -0.5, 1.0]);
        for (y, x) in rows.iter().zip([0.5_f32, 0.0, 0.0, 1.5, -0.25, 4.0]) {
            assert!((y - x.tanh()).abs() <= 1e-6, "{y} of {x}");
        }
    }
}
