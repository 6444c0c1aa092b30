//! Settings by name.

use super::document::{Item, Table, Value, tree};
use crate::args::preset::Preset;
use anyhow::Result;
use wgpo::config::{AdaptiveLr, AdvantageKind, KlHinge, KlPenalty, ObsNorm, RewardNorm, ValueNorm};
use wgpo::env::Env;
use wgpo::policy::{Head, PolicySpec};
use wgpo::{AlgorithmKind, Config};

/// The settings of `preset` for `env` under `algorithm`.
pub fn of_task(preset: Preset, algorithm: AlgorithmKind, env: Env) -> Result<Config> {
    match preset.published() {
        None => Ok(env.tuned_for(algorithm).0),
        Some(name) => published(name, algorithm, &env.head()),
    }
}

/// The networks of `preset` for `env` under `algorithm`, with the usual head of the environment.
pub fn policy(preset: Preset, algorithm: AlgorithmKind, env: Env) -> Result<PolicySpec> {
    Ok(match preset.published() {
        None => env.policy_for(algorithm, &env.tuned_for(algorithm).1),
        Some(name) => {
            let named = wgpo::Preset::named(name, algorithm, env.head().is_discrete())?;
            env.policy_of(algorithm, &named)
        }
    })
}

/// What is published for an algorithm, for files that name no preset.
pub fn usual(algorithm: AlgorithmKind, head: &Head) -> Result<Config> {
    published(wgpo::Preset::usual(algorithm), algorithm, head)
}

/// The settings that another library publishes, by its name, for an algorithm and a kind of action.
fn published(name: &str, algorithm: AlgorithmKind, head: &Head) -> Result<Config> {
    Ok(Config::preset(name, algorithm, head.env_is_discrete())?)
}

/// The algorithm that a preset stands for where nothing else says it.
pub fn algorithm_of(preset: &str) -> AlgorithmKind {
    wgpo::Preset::algorithm_of(preset).unwrap_or_default()
}

/// Every setting that `kind` reads with something in it, so that each has a key.
pub fn complete(kind: AlgorithmKind) -> Result<Config> {
    let usual = Config::preset(wgpo::Preset::usual(kind), kind, true)?;
    let mut config = Config {
        minibatch_size: Some(1),
        clip_coef_vf: Some(1.0),
        max_grad_norm: Some(1.0),
        value_learning_rate: Some(1.0),
        advantage: AdvantageKind::PUFF,
        norm_obs: Some(ObsNorm::sb3()),
        norm_reward: Some(RewardNorm { gamma: Some(1.0), ..RewardNorm::sb3() }),
        norm_value: Some(ValueNorm::rl_games()),
        ..usual
    };
    if let Some(ppo) = config.ppo_mut() {
        ppo.dual_clip = Some(2.0);
        ppo.target_kl = Some(1.0);
        ppo.adaptive_lr = Some(AdaptiveLr::default());
        ppo.kl_penalty = Some(KlPenalty { hinge: Some(KlHinge::default()), ..KlPenalty::adaptive() });
    }
    if kind.is_off_policy() {
        // It reads nothing else of those.
        config = Config { max_grad_norm: Some(1.0), ..Config::preset(wgpo::Preset::usual(kind), kind, true)? };
        if let Some(sac) = config.sac_mut() {
            sac.target_entropy = Some(-1.0);
        }
    } else if !kind.has_critic() {
        let advantage = AdvantageKind::Gae;
        config = Config { clip_coef_vf: None, value_learning_rate: None, norm_value: None, advantage, ..config };
    }
    if let Some(region) = config.trust_region_mut() {
        region.step_size = Some(1.0);
        region.cg_absolute_tolerance = Some(1e-10);
    }
    Ok(config)
}

/// Which settings there are, and which algorithms read them.
pub struct Known {
    /// All settings of all algorithms.
    pub all: Item,
    of: Vec<(AlgorithmKind, Item)>,
}

impl Known {
    pub fn new() -> Result<Self> {
        let (mut all, mut of) = (Table::new(), Vec::new());
        for kind in AlgorithmKind::ALL {
            let settings = tree(&complete(kind)?)?;
            all.extend(settings.table().into_iter().flatten().map(|(key, item)| (key.clone(), item.clone())));
            of.push((kind, settings));
        }
        Ok(Self { all: Item::unwritten(Value::Table(all)), of })
    }

    /// The algorithms that read the setting `key`.
    pub fn readers(&self, key: &str) -> Vec<AlgorithmKind> {
        self.of.iter().filter(|(_, settings)| settings.at(&[key]).is_some()).map(|(kind, _)| *kind).collect()
    }
}

/// `settings` as the table `[config]` of a run's file.
pub fn whole(settings: Item) -> Item {
    Item::unwritten(Value::Table([("config".to_owned(), settings)].into()))
}
