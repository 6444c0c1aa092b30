//! What PPO alone reads, with the clip, with a KL penalty, or with both.

use super::choices::{KlDirection, KlStop};
use super::kl_penalty::{AdaptiveLr, KlAdaptation, KlEstimator, KlMeasure, KlPenalty};
use super::range::{Range, check};
use super::schedule::Anneal;
use super::surrogate::Surrogate;
use crate::error::{Error, Result};

/// The policy's loss of PPO, and how the KL divergence from the old policy steers an update (Schulman et al. 2017).
///
/// ```text
/// r      = exp(clamp(logp − logp_old, ±20))
/// policy = −mean min(r A, clamp(r, 1 − clip_coef, 1 + clip_coef) A)       (where A < 0 with dual_clip c: max(·, c A))
///          −mean r A                                                      (with kl_penalty, where its clip is false)
/// ```
///
/// In files these are keys beside those of [`Config`](super::Config).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ppo {
    /// ε of the clipped surrogate, above 0. Without the clip it only says what `clipfrac` counts.
    pub clip_coef: f64,
    /// How `clip_coef` moves over the run; the value's clip range moves with it unless it has its own.
    pub clip_coef_schedule: Anneal,
    /// c > 1 of the dual clip (Ye et al. 2020), off if absent.
    pub dual_clip: Option<f64>,
    /// Early stop: limit of `approx_kl` before `target_kl_factor`; off if absent.
    pub target_kl: Option<f64>,
    /// The limit is `target_kl_factor · target_kl`: 1 (CleanRL) or 1.5 (Stable-Baselines3).
    pub target_kl_factor: f64,
    /// When the limit is looked at.
    pub kl_stop: KlStop,
    /// KL penalty, of which `ppo_penalty` has to have one; off if absent.
    pub kl_penalty: Option<KlPenalty>,
    /// Learning rate by KL, off if absent.
    pub adaptive_lr: Option<AdaptiveLr>,
}

impl Ppo {
    /// CleanRL's.
    pub const fn cleanrl() -> Self {
        Self {
            clip_coef: 0.2,
            clip_coef_schedule: Anneal::None,
            dual_clip: None,
            target_kl: None,
            target_kl_factor: 1.0,
            kl_stop: KlStop::Epoch,
            kl_penalty: None,
            adaptive_lr: None,
        }
    }

    /// Stable-Baselines3's.
    pub const fn sb3() -> Self {
        Self { target_kl_factor: 1.5, kl_stop: KlStop::Minibatch, ..Self::cleanrl() }
    }

    /// rsl_rl's.
    pub fn rsl_rl() -> Self {
        Self { adaptive_lr: Some(AdaptiveLr::default()), ..Self::cleanrl() }
    }

    /// skrl's.
    pub const fn skrl() -> Self {
        Self { kl_stop: KlStop::RestOfEpoch, ..Self::cleanrl() }
    }

    /// OpenAI Spinning Up's.
    pub const fn spinningup() -> Self {
        Self { target_kl: Some(0.01), ..Self::sb3() }
    }

    /// RLlib's: clip and adaptive penalty together.
    pub const fn rllib() -> Self {
        let penalty = KlPenalty {
            kl_coef: 0.2,
            adapt: KlAdaptation::RLLIB,
            measure: KlMeasure::LastMinibatch,
            clip: true,
            ..KlPenalty::adaptive()
        };
        Self { clip_coef: 0.3, kl_penalty: Some(penalty), ..Self::cleanrl() }
    }

    /// The adaptive penalty in place of the clip (Schulman et al. 2017, section 4).
    pub const fn penalty() -> Self {
        Self { kl_penalty: Some(KlPenalty::adaptive()), ..Self::cleanrl() }
    }

    /// Limit of `approx_kl`, if there is one.
    pub fn kl_limit(&self) -> Option<f64> {
        self.target_kl.map(|target| target * self.target_kl_factor)
    }

    /// Whether the surrogate clips the ratio.
    pub fn clips(&self) -> bool {
        self.kl_penalty.is_none_or(|penalty| penalty.clip)
    }

    /// The policy's part of the loss.
    pub fn surrogate(&self) -> Surrogate {
        if self.clips() { Surrogate::Clip } else { Surrogate::Ratio }
    }

    /// Whether an update compares distributions, not only log-probabilities, and in which direction.
    pub fn kl_direction(&self) -> Option<KlDirection> {
        let of_rate = self.adaptive_lr.filter(|rate| rate.estimator == KlEstimator::Analytic);
        let by_rate = of_rate.map(|_| KlDirection::OldNew);
        self.kl_penalty.map(|penalty| penalty.direction).or(by_rate)
    }

    /// Ranges.
    pub(super) fn validate(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        check(&[
            Range::above("clip_coef", self.clip_coef, 0.0, max),
            Range::above("dual_clip", self.dual_clip.unwrap_or(2.0), 1.0, max),
            Range::above("target_kl", self.target_kl.unwrap_or(1.0), 0.0, max),
            Range::above("target_kl_factor", self.target_kl_factor, 0.0, max),
            Range::closed("clip_coef_schedule.to", self.clip_coef_schedule.end(), 0.0, max),
        ])?;
        self.kl_penalty.iter().try_for_each(KlPenalty::validate)?;
        self.adaptive_lr.iter().try_for_each(AdaptiveLr::validate)
    }

    /// What goes together, apart from the settings that all algorithms share.
    pub(super) fn validate_together(&self) -> Result<()> {
        if self.dual_clip.is_some() && !self.clips() {
            return Err(Error::config("dual_clip", "is set, but the ratio is not clipped"));
        }
        Ok(())
    }
}
