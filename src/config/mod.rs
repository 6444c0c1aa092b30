//! Settings of one run, in CleanRL's words, for the GPU and the CPU alike.

mod a2c;
mod advantage;
mod algorithm;
mod choices;
#[expect(clippy::module_inception, reason = "the file of Config")]
mod config;
mod critic;
mod dqn;
mod fitted;
mod flat;
mod flat_keys;
mod flat_off_policy;
mod kind;
mod kl_penalty;
mod minibatches;
mod named;
mod norm_obs;
mod norm_reward;
mod norm_value;
mod normalize;
mod off_policy;
mod ppo;
mod presets;
mod presets_off_policy;
mod presets_ppo;
mod progress;
mod range;
mod reinforce;
mod replay;
mod sac;
mod schedule;
mod surrogate;
mod td3;
mod trust_region;
mod validate;

pub use a2c::A2c;
pub use advantage::AdvantageKind;
pub use algorithm::Algorithm;
pub use choices::{AdamEps, AdvantageNorm, ClipFormula, GradClip, KlDirection, KlStop, Optimizer, ValueLoss};
pub use config::Config;
pub use dqn::{Dqn, TdLoss};
pub use kind::AlgorithmKind;
pub use kl_penalty::{AdaptiveLr, KlAdaptation, KlEstimator, KlHinge, KlMeasure, KlPenalty, RateStep};
pub use minibatches::{MinibatchRest, Minibatches, Shuffle};
pub use named::Preset;
pub use norm_obs::{NormOrder, ObsNorm};
pub use norm_reward::{ReturnReset, RewardNorm, RewardNormKind};
pub use norm_value::ValueNorm;
pub use normalize::EpsPlacement;
pub use ppo::Ppo;
pub use reinforce::{Baseline, Reinforce};
pub use replay::Replay;
pub use sac::Sac;
pub use schedule::Anneal;
pub use surrogate::Surrogate;
pub use td3::Td3;
pub use trust_region::{Acceptance, FisherForm, TrustRegion};

#[cfg(test)]
mod tests;
