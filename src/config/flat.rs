//! Settings as files have them: every key beside every other one, whoever reads it.

use super::a2c::A2c;
use super::advantage::AdvantageKind;
use super::algorithm::{Algorithm, AlgorithmKind};
use super::choices::{AdamEps, AdvantageNorm, ClipFormula, GradClip, KlStop, Optimizer, ValueLoss};
use super::config::Config;
use super::kl_penalty::{AdaptiveLr, KlPenalty};
use super::minibatches::{MinibatchRest, Shuffle};
use super::norm_obs::ObsNorm;
use super::norm_reward::RewardNorm;
use super::norm_value::ValueNorm;
use super::ppo::Ppo;
use super::reinforce::{Baseline, Reinforce};
use super::schedule::Anneal;
use super::trust_region::TrustRegion;
use crate::policy::Init;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The keys of all algorithms. Of those that an algorithm alone reads, a file holds that one's; older files hold all.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flat {
    num_envs: usize,
    num_steps: usize,
    total_timesteps: u64,
    learning_rate: f64,
    anneal_lr: bool,
    gamma: f64,
    gae_lambda: f64,
    num_minibatches: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minibatch_size: Option<usize>,
    #[serde(default)]
    minibatch_rest: MinibatchRest,
    #[serde(default)]
    shuffle: Shuffle,
    update_epochs: usize,
    norm_adv: AdvantageNorm,
    adv_ddof: u32,
    adv_eps: f64,
    #[serde(default)]
    adv_std_floor: f64,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    clip_coef: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dual_clip: Option<f64>,
    value_loss: ValueLoss,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_coef_vf: Option<f64>,
    vf_loss_scale: f64,
    ent_coef: f64,
    vf_coef: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_grad_norm: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_kl: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    target_kl_factor: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    kl_stop: Option<KlStop>,
    optimizer: Optimizer,
    adam_eps: f64,
    adam_beta1: f64,
    adam_beta2: f64,
    weight_decay: f64,
    #[serde(default = "rmsprop_alpha")]
    rmsprop_alpha: f64,
    #[serde(default = "rmsprop_eps")]
    rmsprop_eps: f64,
    #[serde(default)]
    algorithm: AlgorithmKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kl_penalty: Option<KlPenalty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adaptive_lr: Option<AdaptiveLr>,
    #[serde(default, skip_serializing_if = "AdvantageKind::is_gae")]
    advantage: AdvantageKind,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    trust_region: Option<TrustRegion>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    baseline: Option<Baseline>,
    #[serde(default)]
    ent_coef_schedule: Anneal,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    clip_coef_schedule: Option<Anneal>,
    #[serde(default)]
    clip_coef_vf_schedule: Anneal,
    #[serde(default)]
    grad_clip: GradClip,
    #[serde(default)]
    grad_clip_formula: ClipFormula,
    #[serde(default)]
    adam_eps_placement: AdamEps,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_learning_rate: Option<f64>,
    #[serde(default)]
    init: Init,
    #[serde(default, alias = "obs_norm", skip_serializing_if = "Option::is_none")]
    norm_obs: Option<ObsNorm>,
    #[serde(default, alias = "reward_norm", skip_serializing_if = "Option::is_none")]
    norm_reward: Option<RewardNorm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    norm_value: Option<ValueNorm>,
}

/// A key that may be absent, but that cannot be off where it is there.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// PyTorch's.
const fn rmsprop_alpha() -> f64 {
    0.99
}

/// Stable-Baselines3's for A2C.
const fn rmsprop_eps() -> f64 {
    1e-5
}

/// One form of the settings from the other: what all algorithms share is copied, the rest is given.
macro_rules! copied {
    ($form:ident from $from:ident, $($own:ident: $value:expr),* $(,)?) => {
        $form {
            $($own: $value,)*
            num_envs: $from.num_envs, num_steps: $from.num_steps, total_timesteps: $from.total_timesteps,
            learning_rate: $from.learning_rate, anneal_lr: $from.anneal_lr, gamma: $from.gamma,
            gae_lambda: $from.gae_lambda, num_minibatches: $from.num_minibatches,
            minibatch_size: $from.minibatch_size, minibatch_rest: $from.minibatch_rest, shuffle: $from.shuffle,
            update_epochs: $from.update_epochs, norm_adv: $from.norm_adv, adv_ddof: $from.adv_ddof,
            adv_eps: $from.adv_eps, adv_std_floor: $from.adv_std_floor, value_loss: $from.value_loss,
            clip_coef_vf: $from.clip_coef_vf, vf_loss_scale: $from.vf_loss_scale, ent_coef: $from.ent_coef,
            vf_coef: $from.vf_coef, max_grad_norm: $from.max_grad_norm, optimizer: $from.optimizer,
            adam_eps: $from.adam_eps, adam_beta1: $from.adam_beta1, adam_beta2: $from.adam_beta2,
            weight_decay: $from.weight_decay, rmsprop_alpha: $from.rmsprop_alpha, rmsprop_eps: $from.rmsprop_eps,
            advantage: $from.advantage, ent_coef_schedule: $from.ent_coef_schedule,
            clip_coef_vf_schedule: $from.clip_coef_vf_schedule, grad_clip: $from.grad_clip,
            grad_clip_formula: $from.grad_clip_formula, adam_eps_placement: $from.adam_eps_placement,
            value_learning_rate: $from.value_learning_rate, init: $from.init, norm_obs: $from.norm_obs,
            norm_reward: $from.norm_reward, norm_value: $from.norm_value,
        }
    };
}

impl From<&Config> for Flat {
    fn from(config: &Config) -> Self {
        let clip = config.algorithm.clip();
        let ppo = config.ppo();
        let config = config.clone();
        copied!(Self from config,
            algorithm: config.algorithm.kind(),
            clip_coef: clip.map(|(range, _)| range),
            clip_coef_schedule: clip.map(|(_, schedule)| schedule),
            dual_clip: ppo.and_then(|ppo| ppo.dual_clip),
            target_kl: ppo.and_then(|ppo| ppo.target_kl),
            target_kl_factor: ppo.map(|ppo| ppo.target_kl_factor),
            kl_stop: ppo.map(|ppo| ppo.kl_stop),
            kl_penalty: ppo.and_then(|ppo| ppo.kl_penalty),
            adaptive_lr: ppo.and_then(|ppo| ppo.adaptive_lr),
            trust_region: config.trust_region().copied(),
            baseline: config.reinforce().map(|own| own.baseline),
        )
    }
}

/// What is wrong with a file for its algorithm.
enum Wrong {
    /// It lacks a key.
    Missing(&'static str),
    /// It asks for what the algorithm does not do.
    Asks(String),
}

impl Flat {
    /// The algorithm with its own settings. Those of others are left aside if they ask for nothing.
    fn algorithm(&self) -> Result<Algorithm, Wrong> {
        let clip_coef = || self.clip_coef.ok_or(Wrong::Missing("clip_coef"));
        let clip_coef_schedule = self.clip_coef_schedule.unwrap_or_default();
        let ppo = || {
            Ok(Ppo {
                clip_coef: clip_coef()?,
                clip_coef_schedule,
                dual_clip: self.dual_clip,
                target_kl: self.target_kl,
                target_kl_factor: self.target_kl_factor.ok_or(Wrong::Missing("target_kl_factor"))?,
                kl_stop: self.kl_stop.ok_or(Wrong::Missing("kl_stop"))?,
                kl_penalty: self.kl_penalty,
                adaptive_lr: self.adaptive_lr,
            })
        };
        let no_clip = || {
            self.nothing_of_ppo()?;
            if clip_coef_schedule != Anneal::None {
                return Err(Wrong::Asks("clip_coef_schedule: is set, but nothing is clipped by clip_coef".into()));
            }
            Ok(())
        };
        let region = || no_clip().map(|()| self.trust_region.unwrap_or_default());
        let baseline = self.baseline.unwrap_or_default();
        if self.algorithm != AlgorithmKind::Reinforce && baseline != Baseline::None {
            let name = self.algorithm.name();
            return Err(Wrong::Asks(format!("baseline: is set, {name} compares with its critic")));
        }
        Ok(match self.algorithm {
            AlgorithmKind::Ppo => Algorithm::Ppo(ppo()?),
            AlgorithmKind::PpoPenalty => Algorithm::PpoPenalty(ppo()?),
            AlgorithmKind::Trpo => Algorithm::Trpo(region()?),
            AlgorithmKind::Npg => Algorithm::Npg(region()?),
            AlgorithmKind::A2c => {
                self.nothing_of_ppo()?;
                Algorithm::A2c(A2c { clip_coef: clip_coef()?, clip_coef_schedule })
            }
            AlgorithmKind::Reinforce => no_clip().map(|()| Algorithm::Reinforce(Reinforce { baseline }))?,
        })
    }

    /// Refuses what only PPO does.
    fn nothing_of_ppo(&self) -> Result<(), Wrong> {
        let name = self.algorithm.name();
        for (set, field, has_not) in [
            (self.kl_penalty.is_some(), "kl_penalty", "has no such penalty"),
            (self.adaptive_lr.is_some(), "adaptive_lr", "does not adapt its learning rate"),
            (self.dual_clip.is_some(), "dual_clip", "does not clip the ratio"),
            (self.target_kl.is_some(), "target_kl", "does not stop early"),
        ] {
            if set {
                return Err(Wrong::Asks(format!("{field}: is set, {name} {has_not}")));
            }
        }
        Ok(())
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Flat::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = Flat::deserialize(deserializer)?;
        let algorithm = flat.algorithm().map_err(|wrong| match wrong {
            Wrong::Missing(field) => D::Error::missing_field(field),
            Wrong::Asks(message) => D::Error::custom(message),
        })?;
        Ok(copied!(Self from flat, algorithm: algorithm))
    }
}
