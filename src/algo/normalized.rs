//! Advantages among the samples of a batch, normalised in place, or less their mean.

use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{advantage_normalize, reduce_moments};

/// Rows `first` .. `first + rows` of an epoch, minibatches of `segment` rows (the last may have fewer), from minibatch `index` on.
pub(super) struct Stretch {
    pub first: u32,
    pub rows: u32,
    pub segment: u32,
    pub index: u32,
}

impl Stretch {
    /// All of `rows` as one minibatch.
    pub const fn whole(rows: u32) -> Self {
        Self { first: 0, rows, segment: rows, index: 0 }
    }
}

/// Numbers of a sample, and which of them is the advantage.
const STRIDE: u32 = 4;
const ADVANTAGE: u32 = 1;

/// Samples whose advantages are normalised, and the moments by which they are, one per minibatch.
pub(super) struct Normalized<'a> {
    pub gpu: &'a Gpu,
    pub config: &'a Config,
    pub samples: &'a Buffer<[f32; 4]>,
    pub moments: &'a Buffer<[f32; 4]>,
}

impl Normalized<'_> {
    /// The moments of each minibatch; with `masked` of its rows that count.
    pub fn measure(&self, partials: &Buffer<[f32; 4]>, masked: bool, stretches: &[Stretch]) -> Result<Vec<Call>> {
        let samples = self.samples.cast();
        let io = reduce_moments::Io {
            minuend: &samples,
            // Nothing is subtracted.
            subtrahend: &samples,
            marks: &samples,
            partials,
            moments: self.moments,
        };
        let of_stretch = |&Stretch { first, rows, segment, index }: &Stretch| reduce_moments::Params {
            rows,
            segment,
            stride: STRIDE,
            offset: first * STRIDE + ADVANTAGE,
            mark_stride: if masked { STRIDE } else { 0 },
            mark_offset: first * STRIDE,
            place: index,
            ..Default::default()
        };
        reduce_moments::bind(self.gpu, &stretches.iter().map(of_stretch).collect::<Vec<_>>(), &io)
    }

    /// The advantages by moments that are there.
    pub fn apply(&self, stretches: &[Stretch]) -> Result<Vec<Call>> {
        let io = advantage_normalize::Io { moments: self.moments, advantages: &self.samples.cast() };
        let of_stretch = |&Stretch { first, rows, segment, index }: &Stretch| advantage_normalize::Params {
            rows,
            segment,
            stride: STRIDE,
            offset: first * STRIDE + ADVANTAGE,
            ddof: self.config.adv_ddof,
            eps: self.config.adv_eps as f32,
            std_floor: self.config.adv_std_floor as f32,
            place: index,
            center: self.config.centers().into(),
            ..Default::default()
        };
        advantage_normalize::bind(self.gpu, &stretches.iter().map(of_stretch).collect::<Vec<_>>(), &io)
    }
}
