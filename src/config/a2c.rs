//! What A2C alone reads.

use super::range::{Range, check};
use super::schedule::Anneal;
use crate::error::Result;

/// The plain policy gradient has no ratio to clip: `policy = −mean logp A`. What it has in common with PPO's settings is
/// the range in which its value may move, and what is counted as clipped.
///
/// In files these are keys beside those of [`Config`](super::Config).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct A2c {
    /// Clip range of the value where `value_loss` clips and `clip_coef_vf` is absent, above 0; and how far from 1 a ratio is that
    /// `clipfrac` counts.
    pub clip_coef: f64,
    /// How `clip_coef` moves over the run.
    pub clip_coef_schedule: Anneal,
}

impl A2c {
    /// Stable-Baselines3's, whose value loss clips nothing.
    pub const fn sb3() -> Self {
        Self { clip_coef: 0.2, clip_coef_schedule: Anneal::None }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        check(&[
            Range::above("clip_coef", self.clip_coef, 0.0, max),
            Range::closed("clip_coef_schedule.to", self.clip_coef_schedule.end(), 0.0, max),
        ])
    }
}
