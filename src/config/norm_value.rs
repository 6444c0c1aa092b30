//! Normalised value targets.

use super::normalize::EpsPlacement;
use super::range::{Range, check};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Normalised value targets: the critic predicts (return − mean) / √(variance + ε).
///
/// ```text
/// acting       V = clip(critic, ±clip) · √(variance + ε) + mean                   (Acted::values, final values, bootstraps)
/// advantages   GAE on these V, in the units of the rewards
/// then         the statistic merges all returns of the batch
/// losses       returns and old values ← clip((x − mean) / √(variance + ε), ±clip), with the new statistic
/// ```
///
/// So the clip range of the value is in normalised units. The order is Sample Factory's; like rl_games, and unlike Sample
/// Factory, old values are normalised anew rather than kept as the critic gave them. rl_games also merges the
/// old values. The last layer is not adjusted when the statistic moves (that would be PopArt).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueNorm {
    /// Limit of a normalised value, above 0; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// ε, at least 0; 1e-5 if a file leaves it out.
    #[serde(default = "value_eps")]
    pub eps: f64,
    /// Where ε stands.
    #[serde(default)]
    pub eps_placement: EpsPlacement,
    /// What the count begins with, at least 0: the weight of mean 0 and variance 1; 1 if a file leaves it out.
    #[serde(default = "value_initial_count")]
    pub initial_count: f64,
}

impl ValueNorm {
    /// rl_games' and Sample Factory's numbers.
    pub const fn rl_games() -> Self {
        Self { clip: Some(5.0), eps: 1e-5, eps_placement: EpsPlacement::InsideRoot, initial_count: 1.0 }
    }

    /// Ranges.
    pub(super) fn validate(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        check(&[
            Range::above("norm_value.clip", self.clip.unwrap_or(1.0), 0.0, max),
            Range::closed("norm_value.eps", self.eps, 0.0, max),
            Range::closed("norm_value.initial_count", self.initial_count, 0.0, max),
        ])
    }
}

/// rl_games'.
const fn value_eps() -> f64 {
    1e-5
}

/// rl_games'.
const fn value_initial_count() -> f64 {
    1.0
}
