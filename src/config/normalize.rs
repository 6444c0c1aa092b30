//! Running normalisation of observations, rewards and value targets.
//!
//! A running statistic has a mean, a variance and a count. It begins with mean 0, variance 1 and `initial_count`, and merges each
//! batch of n numbers with mean m and variance v (by n, not n − 1):
//!
//! ```text
//! d = m − mean;  total = count + n
//! variance ← (variance · count + v · n + d² · count · n / total) / total;   mean ← mean + d · n / total;   count ← total
//! ```
//!
//! If one of them would not be finite after a batch, or beyond f32, the batch is counted, but mean and variance stay.
//! Its rewards and value targets are then NaN, so the update's gradient is refused and the statistics say so.
//!
//! Both are what f64 gives, to 1e-6 of the deviation and of the variance, whatever the count and however far the mean is from 0: f64 on the
//! CPU, two f32 on the device; x − mean has all their digits. What is merged are f32. A discounted return G is one, too, rounded at every
//! step: of its variance that is a share of (3e-8 · mean / deviation)² / (1 − γ²), 5e-8 at a thousand deviations from 0 and 5e-4 at 10⁵.

use super::Config;
use super::validate::{Range, check};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Where ε stands in the divisor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpsPlacement {
    /// √(variance + ε): Stable-Baselines3, Gymnasium, PureJaxRL, rl_games, Sample Factory.
    #[default]
    InsideRoot,
    /// √variance + ε: rsl_rl, Lizhi's PPO tricks.
    OutsideRoot,
}

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
}

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
    /// vector wrapper in NEXT_STEP mode, where the step that only resets is a row that does not count.
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
    /// γ of G, in [0, 1]; [`Config::gamma`] if absent.
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

    /// Gymnasium's vector `NormalizeReward` round environments that are reset in the same step. In NEXT_STEP mode, and round single
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
}

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
}

/// Stable-Baselines3's.
const fn eps() -> f64 {
    1e-8
}

/// Stable-Baselines3's and Gymnasium's.
const fn initial_count() -> f64 {
    1e-4
}

/// rl_games'.
const fn value_eps() -> f64 {
    1e-5
}

/// rl_games'.
const fn value_initial_count() -> f64 {
    1.0
}

impl Config {
    /// Ranges of the three settings.
    pub(super) fn validate_normalization(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        if let Some(norm) = &self.norm_obs {
            check(&[
                Range::above("norm_obs.clip", norm.clip.unwrap_or(1.0), 0.0, max),
                Range::closed("norm_obs.eps", norm.eps, 0.0, max),
                Range::closed("norm_obs.initial_count", norm.initial_count, 0.0, max),
            ])?;
        }
        if let Some(norm) = &self.norm_reward {
            check(&[
                Range::closed("norm_reward.gamma", norm.gamma.unwrap_or(1.0), 0.0, 1.0),
                Range::above("norm_reward.clip", norm.clip.unwrap_or(1.0), 0.0, max),
                Range::closed("norm_reward.eps", norm.eps, 0.0, max),
                Range::closed("norm_reward.initial_count", norm.initial_count, 0.0, max),
            ])?;
        }
        if let Some(norm) = &self.norm_value {
            check(&[
                Range::above("norm_value.clip", norm.clip.unwrap_or(1.0), 0.0, max),
                Range::closed("norm_value.eps", norm.eps, 0.0, max),
                Range::closed("norm_value.initial_count", norm.initial_count, 0.0, max),
            ])?;
        }
        Ok(())
    }
}
