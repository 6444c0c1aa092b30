//! Settings as files have them: every key beside every other one, whoever reads it.

use super::advantage::AdvantageKind;
use super::choices::{AdamEps, AdvantageNorm, ClipFormula, GradClip, KlStop, Optimizer, ValueLoss};
use super::dqn::TdLoss;
use super::kind::AlgorithmKind;
use super::kl_penalty::{AdaptiveLr, KlPenalty};
use super::minibatches::{MinibatchRest, Shuffle};
use super::norm_obs::ObsNorm;
use super::norm_reward::RewardNorm;
use super::norm_value::ValueNorm;
use super::reinforce::Baseline;
use super::schedule::Anneal;
use super::trust_region::TrustRegion;
use crate::policy::Init;
use serde::{Deserialize, Deserializer, Serialize};

/// The keys of all algorithms. Of those that an algorithm alone reads, a file holds that one's; older files hold all.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flat {
    pub num_envs: usize,
    pub num_steps: usize,
    pub total_timesteps: u64,
    pub learning_rate: f64,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub anneal_lr: Option<bool>,
    pub gamma: f64,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub gae_lambda: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub num_minibatches: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minibatch_size: Option<usize>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub minibatch_rest: Option<MinibatchRest>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub shuffle: Option<Shuffle>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub update_epochs: Option<usize>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub norm_adv: Option<AdvantageNorm>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub adv_ddof: Option<u32>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub adv_eps: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub adv_std_floor: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub clip_coef: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dual_clip: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub value_loss: Option<ValueLoss>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_coef_vf: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub vf_loss_scale: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub ent_coef: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub vf_coef: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_grad_norm: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_kl: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub target_kl_factor: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub kl_stop: Option<KlStop>,
    pub optimizer: Optimizer,
    pub adam_eps: f64,
    pub adam_beta1: f64,
    pub adam_beta2: f64,
    pub weight_decay: f64,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub rmsprop_alpha: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub rmsprop_eps: Option<f64>,
    #[serde(default)]
    pub algorithm: AlgorithmKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_penalty: Option<KlPenalty>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_lr: Option<AdaptiveLr>,
    #[serde(default, skip_serializing_if = "AdvantageKind::is_gae")]
    pub advantage: AdvantageKind,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub trust_region: Option<TrustRegion>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub ent_coef_schedule: Option<Anneal>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub clip_coef_schedule: Option<Anneal>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub clip_coef_vf_schedule: Option<Anneal>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub grad_clip: Option<GradClip>,
    #[serde(default)]
    pub grad_clip_formula: ClipFormula,
    #[serde(default)]
    pub adam_eps_placement: AdamEps,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_learning_rate: Option<f64>,
    #[serde(default)]
    pub init: Init,
    #[serde(default, alias = "obs_norm", skip_serializing_if = "Option::is_none")]
    pub norm_obs: Option<ObsNorm>,
    #[serde(default, alias = "reward_norm", skip_serializing_if = "Option::is_none")]
    pub norm_reward: Option<RewardNorm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_value: Option<ValueNorm>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub buffer_size: Option<usize>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub learning_starts: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub train_frequency: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub gradient_steps: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub n_steps: Option<usize>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub compact: Option<bool>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub exploration_hold: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub double: Option<bool>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub dueling: Option<bool>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub td_loss: Option<TdLoss>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub target_network_frequency: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub tau: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub start_e: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub end_e: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub exploration_fraction: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub policy_lr: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub policy_noise: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub noise_clip: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub policy_frequency: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub exploration_noise: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub autotune: Option<bool>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub alpha_lr: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_entropy: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub squash_epsilon: Option<f64>,
}

/// A key that may be absent, but that cannot be off where it is there.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
