//! Scaled or normalised rewards.

use super::normalize::{EpsPlacement, eps, initial_count};
use super::range::{Range, check};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// What a reward is divided by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewardNormKind {
    /// Reward scaling: the deviation of the rolling discounted returns G. No mean is subtracted.
    #[default]
    Returns,
    /// Reward normalisation: the deviation of the rewards, after their mean was subtracted (the other one of Lizhi's tricks).
    Rewards,
}

/// When the rolling discounted return of an environment begins anew. `done` is terminated or truncated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnReset {
    /// G ← γ G + r, and 0 after a step that is done (Stable-Baselines3, OpenAI baselines; Lizhi, at `env.reset()`).
    #[default]
    AfterDone,
    /// G ← γ G (1 − terminated) + r, with the flag of the same step: the last reward of an episode begins the sum of the
    /// next one, and truncation resets nothing. Gymnasium's `NormalizeReward` since 0.26 for one environment, whatever resets it, and its
    /// vector wrapper in NEXT_STEP mode, where the step that only resets is a masked row.
    AtTermination,
    /// G ← γ G (1 − done) + r, with the flag of the same step (PureJaxRL).
    AtDone,
    /// G ← γ G (1 − terminated) + r, with the flag of the same step, and 0 after a step that is done: the last reward of an episode
    /// that terminates stands alone (Gymnasium's vector `NormalizeReward` in SAME_STEP mode, 1.4).
    AtTerminationAfterDone,
}

impl ReturnReset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AfterDone, Self::AtTermination, Self::AtDone, Self::AtTerminationAfterDone];

    /// The number by which the shaders know it (`reset` of `advantage_discount`).
    pub const fn code(self) -> u32 {
        match self {
            Self::AfterDone => 0,
            Self::AtTermination => 1,
            Self::AtDone => 2,
            Self::AtTerminationAfterDone => 3,
        }
    }

    /// Whether a step with these flags leaves the sum before it out.
    pub const fn begins(self, terminated: bool, truncated: bool) -> bool {
        match self {
            Self::AfterDone => false,
            Self::AtTermination | Self::AtTerminationAfterDone => terminated,
            Self::AtDone => terminated || truncated,
        }
    }

    /// Whether the sum is 0 after a step with these flags.
    pub const fn ends(self, terminated: bool, truncated: bool) -> bool {
        matches!(self, Self::AfterDone | Self::AtTerminationAfterDone) && (terminated || truncated)
    }
}

/// Scaled or normalised rewards, once per update on its whole window, between rollout and advantages: but step by step, so that
/// rewards of step t are divided by a deviation that includes steps up to t and no later one.
///
/// G and the statistic go on from window to window. The bootstrap of truncated episodes is added later, in the scaled units that
/// the critic then predicts. Episode returns that are reported stay in the environment's units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardNorm {
    /// Scaling by returns, or normalisation.
    #[serde(default)]
    pub kind: RewardNormKind,
    /// When G begins anew; [`RewardNormKind::Rewards`] has no G.
    #[serde(default)]
    pub reset: ReturnReset,
    /// γ of G, in [0, 1]; [`Config::gamma`](super::Config::gamma) if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// Limit of a scaled reward, above 0; none if absent.
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
}

impl RewardNorm {
    /// Stable-Baselines3's `VecNormalize`.
    pub const fn sb3() -> Self {
        Self {
            kind: RewardNormKind::Returns,
            reset: ReturnReset::AfterDone,
            gamma: None,
            clip: Some(10.0),
            eps: 1e-8,
            eps_placement: EpsPlacement::InsideRoot,
            initial_count: 1e-4,
        }
    }

    /// Gymnasium's `NormalizeReward` with a clip of 10, as in CleanRL's continuous PPO.
    pub const fn cleanrl() -> Self {
        Self { reset: ReturnReset::AtTermination, ..Self::sb3() }
    }

    /// Gymnasium's vector `NormalizeReward` around environments that are reset in the same step. In NEXT_STEP mode, and around single
    /// environments, it is [`cleanrl`](Self::cleanrl) without the clip.
    pub const fn gymnasium_same_step() -> Self {
        Self { reset: ReturnReset::AtTerminationAfterDone, clip: None, ..Self::sb3() }
    }

    /// PureJaxRL's `NormalizeVecReward`.
    pub const fn purejaxrl() -> Self {
        Self { reset: ReturnReset::AtDone, clip: None, ..Self::sb3() }
    }

    /// Lizhi's reward scaling, except for the first reward. There it is divided by itself; one return alone has no deviation, and
    /// nothing is clipped. Here the statistic begins with the weight of one return, so that the first reward is divided by
    /// √(½ + r²/4).
    pub const fn lizhi_scaling() -> Self {
        Self { clip: None, eps_placement: EpsPlacement::OutsideRoot, initial_count: 1.0, ..Self::sb3() }
    }

    /// Lizhi's reward normalisation. Its very first reward becomes 0, there as here.
    pub const fn lizhi_normalization() -> Self {
        Self { kind: RewardNormKind::Rewards, initial_count: 0.0, ..Self::lizhi_scaling() }
    }

    /// Ranges.
    pub(super) fn validate(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        check(&[
            Range::closed("norm_reward.gamma", self.gamma.unwrap_or(1.0), 0.0, 1.0),
            Range::above("norm_reward.clip", self.clip.unwrap_or(1.0), 0.0, max),
            Range::closed("norm_reward.eps", self.eps, 0.0, max),
            Range::closed("norm_reward.initial_count", self.initial_count, 0.0, max),
        ])
    }
}
