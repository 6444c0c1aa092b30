//! Normal draws of the oracle.

use crate::rng::uniform;
use statrs::distribution::{ContinuousCDF, Normal};

/// A word as a standard normal: Φ⁻¹ of [`uniform`]. What [`rng::normal_f64`](crate::rng::normal_f64) is, by other code.
pub(super) fn normal(word: u32) -> f64 {
    Normal::standard().inverse_cdf(f64::from(uniform(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng;

    /// Weights are drawn without the reference and without statrs; both must draw the same.
    #[test]
    fn every_draw_is_that_of_rng_in_f32() {
        for high in 0..1_u32 << 23 {
            let word = high << 9;
            let (own, other) = (normal(word), rng::normal_f64(word));
            assert_eq!((own as f32).to_bits(), rng::normal(word).to_bits(), "{word:#x}");
            // A quotient of two sums of eight terms on either side, each good to some four units of 2⁻⁵².
            assert!((own - other).abs() <= 9.0 * f64::EPSILON * own.abs(), "{word:#x}: {own:e} and {other:e}");
        }
    }
}
