//! Normalised observations.

use super::normalize::{EpsPlacement, eps, initial_count};
use super::range::{Range, check};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// What comes first: merging a batch of observations, or normalising it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormOrder {
    /// The statistics take the batch in, then it is normalised with them: Stable-Baselines3, Gymnasium, rsl_rl.
    #[default]
    UpdateFirst,
    /// The batch is normalised with what was known before it.
    NormalizeFirst,
}

/// Normalised observations: clip((obs − mean) / √(variance + ε), ±clip), column by column.
///
/// - [`act`](crate::Agent::act) with [`Sample`](crate::ActMode::Sample), and every policy step of a trainer, first merges its N observations into the
///   statistics (see [`order`](Self::order)). [`Greedy`](crate::ActMode::Greedy), [`values`](crate::Agent::values) and updates use the statistics as they are.
/// - A rollout holds the observations as the networks saw them ([`Acted::obs`](crate::data::Acted::obs)): an update never normalises again, and the
///   ratio is 1 at its first minibatch.
/// - Final observations of truncated episodes are normalised with the statistics of their own step: those that were in force
///   once the observation that was acted on had been merged. They are not merged themselves. So is the observation
///   after the window, for its value; it is merged when it is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObsNorm {
    /// Limit of a normalised number, above 0; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// ε, at least 0; 1e-8 if a file leaves it out.
    #[serde(default = "eps")]
    pub eps: f64,
    /// Where ε stands.
    #[serde(default)]
    pub eps_placement: EpsPlacement,
    /// What the count begins with, at least 0: the weight of mean 0 and variance 1; 1e-4 if a file leaves it out.
    #[serde(default = "initial_count")]
    pub initial_count: f64,
    /// Update first, or normalise first.
    #[serde(default)]
    pub order: NormOrder,
    /// The statistics stay as they are, in training too.
    #[serde(default)]
    pub frozen: bool,
}

impl ObsNorm {
    /// Stable-Baselines3's `VecNormalize`, and CleanRL's continuous PPO (Gymnasium's wrapper and a clip of 10).
    pub const fn sb3() -> Self {
        Self {
            clip: Some(10.0),
            eps: 1e-8,
            eps_placement: EpsPlacement::InsideRoot,
            initial_count: 1e-4,
            order: NormOrder::UpdateFirst,
            frozen: false,
        }
    }

    /// Gymnasium's `NormalizeObservation`: no clip. Its vector form takes every row in that `step` and `reset` return, no final
    /// observation, keeps its statistics in f32, and refuses environments that are reset in the same step; so this is it in NEXT_STEP
    /// mode, where all rows are acted on, and what it would be in SAME_STEP mode.
    pub const fn gymnasium() -> Self {
        Self { clip: None, ..Self::sb3() }
    }

    /// Lizhi's state normalisation. Its very first observation becomes 0, there as here.
    pub const fn lizhi() -> Self {
        Self { clip: None, eps_placement: EpsPlacement::OutsideRoot, initial_count: 0.0, ..Self::sb3() }
    }

    /// rsl_rl's `EmpiricalNormalization`.
    pub const fn rsl_rl() -> Self {
        Self { clip: None, eps: 1e-2, eps_placement: EpsPlacement::OutsideRoot, initial_count: 0.0, ..Self::sb3() }
    }

    /// Ranges.
    pub(super) fn validate(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        check(&[
            Range::above("norm_obs.clip", self.clip.unwrap_or(1.0), 0.0, max),
            Range::closed("norm_obs.eps", self.eps, 0.0, max),
            Range::closed("norm_obs.initial_count", self.initial_count, 0.0, max),
        ])
    }
}
