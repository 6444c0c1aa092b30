//! Settings of one run, in CleanRL's words, for the GPU and the CPU alike.

mod advantage;
mod choices;
mod kl_penalty;
mod minibatches;
mod named;
mod normalize;
mod presets;
mod schedule;
mod trust_region;
mod validate;

pub use advantage::AdvantageKind;
pub use choices::{
    AdamEps, AdvantageNorm, Algorithm, ClipFormula, GradClip, KlDirection, KlStop, Optimizer, ValueLoss,
};
pub use kl_penalty::{AdaptiveLr, KlAdaptation, KlEstimator, KlHinge, KlMeasure, KlPenalty, RateStep};
pub use minibatches::{MinibatchRest, Minibatches, Shuffle};
pub use named::Preset;
pub use normalize::{EpsPlacement, NormOrder, ObsNorm, ReturnReset, RewardNorm, RewardNormKind, ValueNorm};
pub use schedule::Anneal;
pub use trust_region::{Acceptance, FisherForm, TrustRegion};

use crate::policy::Init;
use serde::{Deserialize, Serialize};

/// All settings, one type for all algorithms and both implementations.
///
/// What each [`Algorithm`] reads:
///
/// - All: rollout, discount, learning rate, minibatches, advantage normalisation, value loss, optimiser.
/// - `ppo`, `ppo_penalty`: the loss below, `target_kl`, [`kl_penalty`](Self::kl_penalty),
///   [`adaptive_lr`](Self::adaptive_lr).
/// - `trpo`, `npg`: [`trust_region`](Self::trust_region) for the policy. The rest is the critic's: `update_epochs` passes
///   in minibatches over `vf_loss_scale · mean (v − R)²`, whatever `value_loss` and `vf_coef` say, on the parameters of
///   the value network alone.
/// - `a2c`: the loss below with `policy = −mean logp A`.
///
/// Loss of a minibatch, to be minimised (Schulman et al. 2017, equations 7 and 9):
///
/// ```text
/// r      = exp(clamp(logp − logp_old, ±20))
/// policy = −mean min(r A, clamp(r, 1 − clip_coef, 1 + clip_coef) A)       (where A < 0 with dual_clip c: max(·, c A))
///          −mean r A                                                      (with kl_penalty, where its clip is false)
/// loss   = policy − ent_coef · mean entropy + vf_coef · vf_loss_scale · value_loss (+ kl_penalty)
/// ```
///
/// Start from a preset and change fields; [`validate`](Self::validate) is called wherever a configuration is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Environments that step side by side (N).
    pub num_envs: usize,
    /// Steps of each environment per update (T); a batch has T × N rows.
    pub num_steps: usize,
    /// Environment steps of the whole run; sets the number of updates, and where schedules end ([`progress`](Self::progress)).
    pub total_timesteps: u64,
    /// The optimiser's step size at the start.
    pub learning_rate: f64,
    /// Learning rate falls linearly: `learning_rate · (1 − progress)`, see [`progress`](Self::progress).
    pub anneal_lr: bool,
    /// Discount γ, in [0, 1].
    pub gamma: f64,
    /// λ of generalised advantage estimation, in [0, 1].
    pub gae_lambda: f64,
    /// Minibatches per epoch; [`minibatch_rest`](Self::minibatch_rest) says what happens to rows that are left. Ignored if `minibatch_size` is set.
    pub num_minibatches: usize,
    /// Rows of a minibatch, in place of `num_minibatches`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minibatch_size: Option<usize>,
    /// Sizes of the minibatches if the rows do not divide evenly.
    #[serde(default)]
    pub minibatch_rest: MinibatchRest,
    /// Order of the rows in each epoch.
    #[serde(default)]
    pub shuffle: Shuffle,
    /// Passes over the batch (K).
    pub update_epochs: usize,
    /// Scope of advantage normalisation.
    pub norm_adv: AdvantageNorm,
    /// 1: divide by n − 1 (PyTorch); 0: divide by n (NumPy, JAX). A scope of one row is left as it is.
    pub adv_ddof: u32,
    /// Added to the standard deviation.
    pub adv_eps: f64,
    /// Least standard deviation that advantages are divided by, before `adv_eps`.
    #[serde(default)]
    pub adv_std_floor: f64,
    /// ε of the clipped surrogate, above 0.
    pub clip_coef: f64,
    /// c > 1 of the dual clip (Ye et al. 2020), off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dual_clip: Option<f64>,
    /// Form of the value loss (CleanRL's `clip_vloss`, as three choices).
    pub value_loss: ValueLoss,
    /// Clip range of the value; `clip_coef` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_coef_vf: Option<f64>,
    /// Factor of the mean squared error before `vf_coef`: ½ (CleanRL) or 1 (Stable-Baselines3). The reported
    /// `value_loss` includes it.
    pub vf_loss_scale: f64,
    /// Weight of the entropy bonus.
    pub ent_coef: f64,
    /// Weight of the value loss.
    pub vf_coef: f64,
    /// Limit of the gradient's norm, see [`GradClip`] and [`ClipFormula`]; off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_grad_norm: Option<f64>,
    /// Early stop: limit of `approx_kl` before `target_kl_factor`; off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_kl: Option<f64>,
    /// The limit is `target_kl_factor · target_kl`: 1 (CleanRL) or 1.5 (Stable-Baselines3).
    pub target_kl_factor: f64,
    /// When the limit is looked at.
    pub kl_stop: KlStop,
    /// Adam, AdamW or RMSProp.
    pub optimizer: Optimizer,
    /// ε of Adam, outside the root; [`adam_eps_placement`](Self::adam_eps_placement) says before or after the correction.
    pub adam_eps: f64,
    /// Decay of the first moment, in [0, 1).
    pub adam_beta1: f64,
    /// Decay of the second moment, in [0, 1).
    pub adam_beta2: f64,
    /// Weight decay, see [`Optimizer`].
    pub weight_decay: f64,
    /// α of RMSProp's mean square, in [0, 1).
    #[serde(default = "rmsprop_alpha")]
    pub rmsprop_alpha: f64,
    /// ε of RMSProp, added outside the root.
    #[serde(default = "rmsprop_eps")]
    pub rmsprop_eps: f64,
    /// Which algorithm.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// KL penalty of `ppo_penalty`, and of `ppo` as a regulariser; off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_penalty: Option<KlPenalty>,
    /// Learning rate by KL, off if absent; for `ppo` and `ppo_penalty`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_lr: Option<AdaptiveLr>,
    /// Which advantages an update from a rollout takes.
    #[serde(default, skip_serializing_if = "AdvantageKind::is_gae")]
    pub advantage: AdvantageKind,
    /// The policy's step of `trpo` and `npg`.
    #[serde(default)]
    pub trust_region: TrustRegion,
    /// How `ent_coef` moves over the run.
    #[serde(default)]
    pub ent_coef_schedule: Anneal,
    /// How `clip_coef` moves over the run; the value's clip range moves with it unless it has its own.
    #[serde(default)]
    pub clip_coef_schedule: Anneal,
    /// How `clip_coef_vf` moves over the run, if it is set.
    #[serde(default)]
    pub clip_coef_vf_schedule: Anneal,
    /// Whether actor and critic are clipped together or apart. The reported norm is the joint one either way.
    #[serde(default)]
    pub grad_clip: GradClip,
    /// Factor of a clipped gradient.
    #[serde(default)]
    pub grad_clip_formula: ClipFormula,
    /// Where Adam's ε stands.
    #[serde(default)]
    pub adam_eps_placement: AdamEps,
    /// Step size of the value network's own layers at the start, if it differs; it falls with `learning_rate` if that
    /// does. A shared trunk keeps `learning_rate`. Not for `trpo` and `npg`, whose `learning_rate` is the critic's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_learning_rate: Option<f64>,
    /// Initial parameters.
    #[serde(default)]
    pub init: Init,
    /// Observations normalised by running statistics; off if absent.
    #[serde(default, alias = "obs_norm", skip_serializing_if = "Option::is_none")]
    pub norm_obs: Option<ObsNorm>,
    /// Rewards scaled or normalised by running statistics; off if absent.
    #[serde(default, alias = "reward_norm", skip_serializing_if = "Option::is_none")]
    pub norm_reward: Option<RewardNorm>,
    /// Value targets normalised by running statistics; off if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_value: Option<ValueNorm>,
}

/// PyTorch's.
const fn rmsprop_alpha() -> f64 {
    0.99
}

/// Stable-Baselines3's for A2C.
const fn rmsprop_eps() -> f64 {
    1e-5
}

impl Config {
    /// Rows of one batch: `num_steps × num_envs`.
    pub fn batch_size(&self) -> usize {
        self.num_steps.saturating_mul(self.num_envs)
    }

    /// Permutations of the rows that an update takes: one per epoch, and with [`TrustRegion::subsample`] one more, the last, whose first
    /// ⌈rows / `subsample`⌉ rows are the policy's.
    pub fn order_epochs(&self) -> usize {
        let of_policy = self.algorithm.is_trust_region() && self.trust_region.subsample > 1;
        self.update_epochs.saturating_add(usize::from(of_policy))
    }

    /// Updates of the whole run: `total_timesteps / batch_size`, rounded down as CleanRL does, at least 1.
    pub fn num_updates(&self) -> u64 {
        (self.total_timesteps / (self.batch_size().max(1) as u64)).max(1)
    }

    /// Step size of the value network's own layers in units of the others'.
    pub fn value_rate_factor(&self) -> f64 {
        self.value_learning_rate.map_or(1.0, |rate| rate / self.learning_rate)
    }

    /// Limit of `approx_kl`, if there is one.
    pub fn kl_limit(&self) -> Option<f64> {
        self.target_kl.map(|target| target * self.target_kl_factor)
    }

    /// Whether the surrogate clips the ratio.
    pub fn clips(&self) -> bool {
        self.kl_penalty.is_none_or(|penalty| penalty.clip)
    }

    /// Whether the learning rate moves before each step, by that minibatch's KL.
    pub(crate) fn rate_by_minibatch(&self) -> bool {
        self.adaptive_lr.is_some_and(|rate| rate.step == RateStep::Minibatch)
    }

    /// Whether an update compares distributions, not only log-probabilities, and in which direction.
    pub fn kl_direction(&self) -> Option<KlDirection> {
        let of_rate = self.adaptive_lr.filter(|rate| rate.estimator == KlEstimator::Analytic);
        let by_rate = of_rate.map(|_| KlDirection::OldNew);
        self.kl_penalty.map(|penalty| penalty.direction).or(by_rate)
    }
}

#[cfg(test)]
mod tests;
