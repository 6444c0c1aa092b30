//! What the analytic KL divergence of a minibatch controls: a penalty in the loss, or the learning rate.

use super::choices::KlDirection;
use super::range::{Range, check};
use crate::data::MinibatchStats;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// β · KL in the loss, and how β changes. The old policy is the one at the start of the update.
///
/// ```text
/// loss = surrogate + kl_coef · KL + hinge.coef · max(0, KL − hinge.factor · target_kl)² + …      KL: mean over the minibatch
/// ```
///
/// What a file's table leaves out is [`adaptive`](Self::adaptive)'s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KlPenalty {
    /// β at the start of the run; of an update, in [`crate::reference::ppo_update::ppo_update`].
    pub kl_coef: f64,
    /// Once per update, after all epochs, β moves by the rule [`adapt`](Self::adapt) and the KL that
    /// [`measure`](Self::measure) says, kept in [[`MIN_KL_COEF`](Self::MIN_KL_COEF), [`MAX_KL_COEF`](Self::MAX_KL_COEF)].
    pub adaptive: bool,
    /// When and how far β moves; the paper's rule if absent.
    pub adapt: KlAdaptation,
    /// Which KL that is; the paper's if absent.
    pub measure: KlMeasure,
    /// The KL that the adaptation aims at and the hinge counts from. Apart from
    /// [`Ppo::target_kl`](crate::config::Ppo::target_kl), which ends an update early.
    pub target_kl: f64,
    /// Which way the divergence is taken, in the loss and in the adaptation.
    pub direction: KlDirection,
    /// A further penalty beyond a limit; off if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hinge: Option<KlHinge>,
    /// Whether the ratio is clipped too. Without, the surrogate is −mean r A.
    pub clip: bool,
}

/// Which KL moves β.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlMeasure {
    /// The mean over all rows once the update is done (Schulman et al. 2017, section 4).
    #[default]
    AllRows,
    /// The mean over the last minibatch, from the forward pass before its step (RLlib 2.60). It is the last one with an unmasked row, or
    /// the one that stopped the update early. It takes no forward pass of its own.
    LastMinibatch,
}

/// β ← `raise` · β if KL > `raise_above` · `target_kl`, β ← `lower` · β if KL < `lower_below` · `target_kl`, else β stays.
///
/// What a file's table leaves out is the paper's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KlAdaptation {
    /// In units of `target_kl`; at least `lower_below`.
    pub raise_above: f64,
    /// In units of `target_kl`, from 0.
    pub lower_below: f64,
    /// At least 1.
    pub raise: f64,
    /// In (0, 1].
    pub lower: f64,
}

impl Default for KlAdaptation {
    fn default() -> Self {
        Self::PAPER
    }
}

impl KlAdaptation {
    /// Schulman et al. 2017, section 4.
    pub const PAPER: Self = Self { raise_above: 1.5, lower_below: 1.0 / 1.5, raise: 2.0, lower: 0.5 };
    /// RLlib's (2.60).
    pub const RLLIB: Self = Self { raise_above: 2.0, lower_below: 0.5, raise: 1.5, lower: 0.5 };
}

/// `coef · max(0, KL − factor · target_kl)²`. What a file's table leaves out is modular_rl's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KlHinge {
    /// Weight; 1000 in Schulman's modular_rl.
    pub coef: f64,
    /// Where it begins, in units of `target_kl`; 2 in modular_rl.
    pub factor: f64,
}

impl Default for KlHinge {
    /// Schulman's modular_rl.
    fn default() -> Self {
        Self { coef: 1000.0, factor: 2.0 }
    }
}

impl Default for KlPenalty {
    fn default() -> Self {
        Self::adaptive()
    }
}

impl KlPenalty {
    /// Smallest β that the adaptation leaves, 2⁻²⁶: exact in f32.
    pub const MIN_KL_COEF: f64 = 1.0 / 67_108_864.0;
    /// Largest β that the adaptation leaves, 2²⁶.
    pub const MAX_KL_COEF: f64 = 67_108_864.0;

    /// The paper's: β 1 at first, adapted to a target of 0.01, KL(old‖new), no clip.
    pub const fn adaptive() -> Self {
        Self {
            kl_coef: 1.0,
            adaptive: true,
            adapt: KlAdaptation::PAPER,
            measure: KlMeasure::AllRows,
            target_kl: 0.01,
            direction: KlDirection::OldNew,
            hinge: None,
            clip: false,
        }
    }

    /// A fixed β beside the clip.
    pub const fn fixed(kl_coef: f64, direction: KlDirection) -> Self {
        Self { kl_coef, adaptive: false, direction, clip: true, ..Self::adaptive() }
    }

    /// β after an update that ended at `kl`; a KL that is not a number leaves it.
    pub fn next_kl_coef(&self, kl_coef: f64, kl: f64) -> f64 {
        let rule = &self.adapt;
        if !self.adaptive {
            kl_coef
        } else if kl > rule.raise_above * self.target_kl {
            (rule.raise * kl_coef).min(Self::MAX_KL_COEF)
        } else if kl < rule.lower_below * self.target_kl {
            (rule.lower * kl_coef).max(Self::MIN_KL_COEF)
        } else {
            kl_coef
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        let hinge = self.hinge.unwrap_or(KlHinge { coef: 1.0, factor: 1.0 });
        check(&[
            Range::closed("kl_penalty.kl_coef", self.kl_coef, 0.0, max),
            Range::above("kl_penalty.target_kl", self.target_kl, 0.0, max),
            Range::closed("kl_penalty.adapt.lower_below", self.adapt.lower_below, 0.0, max),
            Range::closed("kl_penalty.adapt.raise_above", self.adapt.raise_above, self.adapt.lower_below, max),
            Range::closed("kl_penalty.adapt.raise", self.adapt.raise, 1.0, max),
            Range::above("kl_penalty.adapt.lower", self.adapt.lower, 0.0, 1.0),
            Range::closed("kl_penalty.hinge.coef", hinge.coef, 0.0, max),
            Range::closed("kl_penalty.hinge.factor", hinge.factor, 0.0, max),
        ])?;
        if self.adaptive && !(Self::MIN_KL_COEF..=Self::MAX_KL_COEF).contains(&self.kl_coef) {
            let (low, high) = (Self::MIN_KL_COEF, Self::MAX_KL_COEF);
            let message = format!("is {}, must be in [{low}, {high}] where it is adapted", self.kl_coef);
            return Err(Error::config("kl_penalty.kl_coef", message));
        }
        Ok(())
    }
}

/// The learning rate follows the KL of each minibatch, before its step (rsl_rl), or that of each epoch, after it (skrl):
///
/// ```text
/// lr ← max(lr / factor, min)  if KL > kl_factor · target_kl
/// lr ← min(lr · factor, max)  if KL < target_kl / kl_factor       (by minibatches only where KL > 0: 0 at the first says nothing)
/// ```
///
/// KL is the mean over the minibatch; of an epoch, the plain mean over its minibatches that have an unmasked row, including the one that ended it by
/// [`KlStop`](super::KlStop). The rate carries over from update to update and is part of the saved state.
///
/// What a file's table leaves out is rsl_rl's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptiveLr {
    /// The target of the KL.
    pub target_kl: f64,
    /// How far from its target the KL may be, as a factor, at least 1.
    pub kl_factor: f64,
    /// Above 1.
    pub factor: f64,
    /// Smallest rate.
    pub min: f64,
    /// Largest rate.
    pub max: f64,
    /// When the rate moves.
    pub step: RateStep,
    /// Which KL it follows.
    pub estimator: KlEstimator,
}

/// When a learning rate that follows the KL moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RateStep {
    /// Before the step of each minibatch (rsl_rl).
    #[default]
    Minibatch,
    /// After each epoch, also after one that was cut short (skrl).
    Epoch,
}

/// How the KL of a minibatch is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KlEstimator {
    /// From the two distributions, in the penalty's direction if there is one, else KL(old‖new) (rsl_rl).
    #[default]
    Analytic,
    /// Schulman's k3 = r − 1 − log r from the log-probabilities of the actions taken: `approx_kl` (skrl). It never raises the rate at
    /// the first minibatch of an update, where rounding may leave some 1e-8 of 0.
    K3,
}

impl Default for AdaptiveLr {
    /// rsl_rl's.
    fn default() -> Self {
        Self {
            target_kl: 0.01,
            kl_factor: 2.0,
            factor: 1.5,
            min: 1e-5,
            max: 1e-2,
            step: RateStep::Minibatch,
            estimator: KlEstimator::Analytic,
        }
    }
}

impl AdaptiveLr {
    /// skrl's `KLAdaptiveLR` with its defaults.
    pub fn skrl() -> Self {
        Self { target_kl: 0.008, min: 1e-6, step: RateStep::Epoch, estimator: KlEstimator::K3, ..Self::default() }
    }

    /// The KL of a minibatch that the rate follows.
    pub const fn kl(&self, minibatch: &MinibatchStats) -> f64 {
        match self.estimator {
            KlEstimator::Analytic => minibatch.kl,
            KlEstimator::K3 => minibatch.approx_kl,
        }
    }

    /// The rate at `kl`, from the rate before.
    pub fn next(&self, learning_rate: f64, kl: f64) -> f64 {
        if kl > self.kl_factor * self.target_kl {
            (learning_rate / self.factor).max(self.min)
        } else if kl < self.target_kl / self.kl_factor && (kl > 0.0 || self.step == RateStep::Epoch) {
            (learning_rate * self.factor).min(self.max)
        } else {
            learning_rate
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let max = f64::from(f32::MAX);
        check(&[
            Range::above("adaptive_lr.target_kl", self.target_kl, 0.0, max),
            Range::closed("adaptive_lr.kl_factor", self.kl_factor, 1.0, max),
            Range::above("adaptive_lr.factor", self.factor, 1.0, max),
            Range::above("adaptive_lr.min", self.min, 0.0, max),
            Range::closed("adaptive_lr.max", self.max, self.min, max),
        ])
    }
}
