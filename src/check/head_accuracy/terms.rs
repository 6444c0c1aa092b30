//! Terms of what a head says of a row.

use crate::check::accuracy::Known;

/// ½ log 2π, ½ log 2πe and log 2.
pub(super) const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;
pub(super) const HALF_LOG_TAU_E: f64 = HALF_LOG_TAU + 0.5;
pub(super) const LN_2: f64 = std::f64::consts::LN_2;

/// Terms of the four values, and the gradients.
pub(super) struct Terms {
    pub terms: [Vec<Known>; 4],
    pub gradients: [Vec<Known>; 4],
}

impl Terms {
    pub fn new(width: usize) -> Self {
        Self { terms: Default::default(), gradients: [0; 4].map(|_: i32| vec![Known::zero(); width]) }
    }

    pub fn add(&mut self, which: usize, term: Known) {
        self.terms[which].push(term);
    }
}
