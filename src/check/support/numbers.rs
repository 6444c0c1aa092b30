//! Seeded numbers.

use crate::rng::{Draw, block, normal, uniform};

/// Half a unit in the last place of 1, the error of one f32 rounding.
pub(crate) const EPS: f64 = 1.0 / 16_777_216.0;

/// Seeded inputs: the same on every machine.
pub(in crate::check) struct Random {
    seed: u64,
    next: u64,
}

impl Random {
    pub(in crate::check) fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    pub(in crate::check) fn word(&mut self) -> u32 {
        self.next += 1;
        // A stream of its own: initialisation never has so many matrices.
        block(self.seed, Draw::Initialisation, u32::MAX, 0, self.next)[0]
    }

    pub(in crate::check) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * uniform(self.word())
    }

    pub(in crate::check) fn below(&mut self, n: u32) -> u32 {
        self.word() % n
    }

    pub(in crate::check) fn normals(&mut self, len: usize, deviation: f32) -> Vec<f32> {
        (0..len).map(|_| deviation * normal(self.word())).collect()
    }

    pub(in crate::check) fn ranges(&mut self, len: usize, low: f32, high: f32) -> Vec<f32> {
        (0..len).map(|_| self.range(low, high)).collect()
    }

    pub(in crate::check) fn words(&mut self, len: usize) -> Vec<u32> {
        (0..len).map(|_| self.word()).collect()
    }

    /// 1 once in `one_in`, else 0.
    pub(in crate::check) fn flags(&mut self, len: usize, one_in: u32) -> Vec<u32> {
        (0..len).map(|_| u32::from(self.below(one_in) == 0)).collect()
    }
}

/// f32 words as f64.
pub(in crate::check) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}
