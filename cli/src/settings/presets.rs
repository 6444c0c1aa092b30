//! Settings by name.

use super::document::{Item, Value, tree};
use crate::args::preset::Preset;
use anyhow::Result;
use wgpo::env::Env;
use wgpo::policy::{Head, PolicySpec};
use wgpo::{
    AdaptiveLr, AdvantageKind, Algorithm, Config, KlHinge, KlPenalty, ObsNorm, RewardNorm, TrustRegion, ValueNorm,
};

/// The settings of `preset` for `env` under `algorithm`.
pub fn of_task(preset: Preset, algorithm: Algorithm, env: Env) -> Result<Config> {
    match preset.published() {
        None => Ok(env.tuned_for(algorithm).0),
        Some(name) => published(name, algorithm, &env.head()),
    }
}

/// The networks of `preset` for `env` under `algorithm`, with the usual head of the environment.
pub fn policy(preset: Preset, algorithm: Algorithm, env: Env) -> Result<PolicySpec> {
    Ok(match preset.published() {
        None => env.policy(&env.tuned_for(algorithm).1),
        Some(name) => {
            let named = wgpo::Preset::named(name, algorithm, env.head().is_discrete())?;
            let usual = env.policy(&named.hidden);
            {
                let head = usual.head.clone().with_std(named.std);
                PolicySpec { activation: named.activation, ..usual.with_head(head) }
            }
        }
    })
}

/// What is published for an algorithm, for files that name no preset.
pub fn usual(algorithm: Algorithm, head: &Head) -> Result<Config> {
    published(wgpo::Preset::usual(algorithm), algorithm, head)
}

/// The settings that another library publishes, by its name, for an algorithm and a kind of action.
fn published(name: &str, algorithm: Algorithm, head: &Head) -> Result<Config> {
    Ok(Config::preset(name, algorithm, head.env_is_discrete())?)
}

/// The algorithm that a preset stands for where nothing else says it.
pub fn algorithm_of(preset: &str) -> Algorithm {
    wgpo::Preset::algorithm_of(preset).unwrap_or_default()
}

/// Every setting with something in it, so that each has a key.
pub fn complete() -> Config {
    Config {
        minibatch_size: Some(1),
        dual_clip: Some(2.0),
        clip_coef_vf: Some(1.0),
        max_grad_norm: Some(1.0),
        target_kl: Some(1.0),
        value_learning_rate: Some(1.0),
        adaptive_lr: Some(AdaptiveLr::default()),
        advantage: AdvantageKind::PUFF,
        norm_obs: Some(ObsNorm::sb3()),
        norm_reward: Some(RewardNorm { gamma: Some(1.0), ..RewardNorm::sb3() }),
        norm_value: Some(ValueNorm::rl_games()),
        kl_penalty: Some(KlPenalty { hinge: Some(KlHinge::default()), ..KlPenalty::adaptive() }),
        trust_region: TrustRegion { step_size: Some(1.0), ..TrustRegion::sb3_contrib() },
        ..Config::cleanrl()
    }
}

/// The table `[ppo]` of a run's file.
pub fn whole(config: &Config) -> Result<Item> {
    Ok(Item::unwritten(Value::Table([("ppo".to_owned(), tree(config)?)].into())))
}
