//! The counter of every random draw, the same on host and device.
//!
//! Philox4x32-10 (Salmon et al. 2011) turns a key and a counter into four words. The key is the seed; the
//! counter is `(index, kind << 24 | dimension, step low, step high)`. A draw therefore depends on the seed, the step, the
//! environment (or row) and the dimension only: not on the batch size, the tiling, the device or on what was drawn before.
//!
//! Integers and uniforms are the same bits everywhere. Normals go through the inverse distribution function and agree to
//! rounding.

use statrs::distribution::{ContinuousCDF, Normal};

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
}

/// Number of bits that a dimension may use in the counter's second word.
pub const DIMENSION_BITS: u32 = 24;

/// The four words of one draw. `dimension` must be below 2²⁴.
pub fn block(seed: u64, kind: Draw, index: u32, dimension: u32, step: u64) -> [u32; 4] {
    let key = [seed as u32, (seed >> 32) as u32];
    let counter = [index, (kind as u32) << DIMENSION_BITS | dimension, step as u32, (step >> 32) as u32];
    rand_philox::philox4x32_10(counter, key)
}

/// A word as a number in the open interval (0, 1): ((w >> 9) + ½) · 2⁻²³, exact in f32.
pub fn uniform(word: u32) -> f32 {
    rand_philox::u32_to_unit_f32(word)
}

/// A word as a standard normal, by the inverse distribution function of [`uniform`].
pub fn normal(word: u32) -> f32 {
    normal_f64(word) as f32
}

/// [`normal`] before its rounding to f32.
pub fn normal_f64(word: u32) -> f64 {
    Normal::standard().inverse_cdf(f64::from(uniform(word)))
}
