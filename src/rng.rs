//! The counter of every random draw, the same on host and device.
//!
//! Philox4x32-10 (Salmon et al. 2011) turns a key and a counter into four words. The key is the seed; the
//! counter is `(index, kind << 24 | dimension, step low, step high)`. A draw therefore depends on the seed, the step, the
//! environment (or row) and the dimension only: not on the batch size, the tiling, the device or on what was drawn before.
//!
//! Integers and uniforms are the same bits everywhere. Normals go through the inverse distribution function and agree to
//! rounding.

/// What a draw is for; keeps streams of one seed apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Draw {
    /// Actions: index = environment or row, dimension = action dimension, step = policy steps taken.
    Action = 0,
    /// Start states: index = environment, dimension = block of four numbers, step = environment steps taken.
    Reset = 1,
    /// Keys of the minibatch shuffle: index = epoch, step = update.
    Shuffle = 2,
    /// Weights: index = matrix, step = element.
    Initialisation = 3,
    /// Transitions of a replayed batch ([`below`]): index = row of the batch, dimension = 0, step = gradient steps taken.
    Replay = 4,
    /// Noise of a gradient step: index = row, dimension = action dimension, step = gradient steps taken.
    Noise = 5,
    /// Noise of exploration: index = environment, dimension = action dimension, step = policy steps taken.
    Exploration = 6,
}

/// Number of bits that a dimension may use in the counter's second word.
pub const DIMENSION_BITS: u32 = 24;

/// The four words of one draw. `dimension` must be below 2²⁴.
pub fn block(seed: u64, kind: Draw, index: u32, dimension: u32, step: u64) -> [u32; 4] {
    let key = [seed as u32, (seed >> 32) as u32];
    let counter = [index, (kind as u32) << DIMENSION_BITS | dimension, step as u32, (step >> 32) as u32];
    rand_philox::philox4x32_10(counter, key)
}

/// One of 0 .. `n`, by the first two words of a block: ⌊w n / 2⁶⁴⌋ of the 64-bit number w whose low word is the first. Every result has
/// ⌊2⁶⁴ / n⌋ of the 2⁶⁴ numbers or one more, so no probability is off by more than n / 2⁶⁴ < 2⁻³² of itself: no number of draws that
/// can be made shows that. `n` is at least 1.
pub fn below(words: [u32; 4], n: u32) -> u32 {
    let w = u64::from(words[1]) << 32 | u64::from(words[0]);
    ((u128::from(w) * u128::from(n)) >> 64) as u32
}

/// A word as a number in the open interval (0, 1): ((w >> 9) + ½) · 2⁻²³, exact in f32.
pub fn uniform(word: u32) -> f32 {
    rand_philox::u32_to_unit_f32(word)
}

/// A word as a standard normal, by the inverse distribution function of [`uniform`].
pub fn normal(word: u32) -> f32 {
    normal_f64(word) as f32
}

/// [`normal`] before its rounding to f32, to a relative 2·10⁻¹⁵.
pub fn normal_f64(word: u32) -> f64 {
    quantile(f64::from(uniform(word)))
}

/// The quantile of the standard normal at `p` in [2⁻²⁴, 1 − 2⁻²⁴], where every [`uniform`] is: the rational functions of Wichura 1988
/// (algorithm AS 241, PPND16). The third of them, for p below e⁻²⁵, is not needed. The reference asks statrs, and a test of it compares
/// the two in f32 at every number that there is.
fn quantile(p: f64) -> f64 {
    let polynomial = |x: f64, coefficients: &[f64]| coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c);
    let from_middle = p - 0.5;
    if from_middle.abs() <= 0.425 {
        let x = 0.180625 - from_middle * from_middle;
        return from_middle * polynomial(x, &MIDDLE[0]) / polynomial(x, &MIDDLE[1]);
    }
    let x = (-p.min(1.0 - p).ln()).sqrt() - 1.6;
    (polynomial(x, &TAIL[0]) / polynomial(x, &TAIL[1])).copysign(from_middle)
}

/// Numerator and denominator where |p − ½| ≤ 0.425.
const MIDDLE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
];

/// The same beyond, by √(−ln p) − 1.6.
const TAIL: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        0.000_774_545_014_278_341_4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        0.000_547_593_808_499_534_5,
        1.050_750_071_644_416_9e-9,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_cuts_the_words_into_equal_ranges() {
        let of = |w: u64, n| below([w as u32, (w >> 32) as u32, 9, 9], n);
        for n in [1, 2, 3, 10, 1_000_003, u32::MAX] {
            assert_eq!((of(0, n), of(u64::MAX, n)), (0, n - 1), "{n}");
            // The first number of each range: ⌈i 2⁶⁴ / n⌉.
            for i in [1, n / 2, n - 1].into_iter().filter(|i| (1..n).contains(i)) {
                let first = (u128::from(i) << 64).div_ceil(u128::from(n)) as u64;
                assert_eq!((of(first, n), of(first - 1, n)), (i, i - 1), "{i} of {n}");
            }
        }
    }
}
