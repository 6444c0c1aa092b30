//! Settings of a run as a page gives them: an environment, an algorithm and a preset, and what is to differ from it.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use wgpo::config::Preset;
use wgpo::env::{Env, HeadName};
use wgpo::policy::{Activation, PolicySpec};
use wgpo::{AlgorithmKind, Config};
use wgpo_web::{Fault, Outcome};

/// The name of the settings that wgpo chose itself, beside those that other libraries publish.
pub const TUNED: &str = "tuned";

/// As a page gives them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    env: String,
    algorithm: String,
    preset: String,
    #[serde(default)]
    head: Option<String>,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    hidden: Option<Vec<usize>>,
    #[serde(default)]
    activation: Option<Activation>,
    #[serde(default)]
    num_envs: Option<usize>,
    #[serde(default)]
    config: Map<String, Value>,
}

/// What decides a run.
#[derive(Debug, Clone)]
pub struct Settings {
    pub env: Env,
    pub spec: PolicySpec,
    pub config: Config,
    pub seed: u64,
}

/// The environment of that name.
pub fn env_of(name: &str) -> Outcome<Env> {
    Env::ALL.into_iter().find(|env| env.name() == name).ok_or_else(|| {
        let names = Env::ALL.map(Env::name).join(", ");
        Fault::config(format!("env: is \"{name}\", the environments are {names}"))
    })
}

/// The algorithm of that name.
pub fn algorithm_of(name: &str) -> Outcome<AlgorithmKind> {
    AlgorithmKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names = AlgorithmKind::ALL.map(AlgorithmKind::name).join(", ");
        Fault::config(format!("algorithm: is \"{name}\", the algorithms are {names}"))
    })
}

/// The settings of a preset, and its networks.
pub fn preset(env: Env, kind: AlgorithmKind, name: &str) -> Outcome<(Config, PolicySpec, Vec<usize>)> {
    if name == TUNED {
        let (config, hidden) = env.tuned_for(kind);
        return Ok((config, env.policy_for(kind, &hidden), hidden));
    }
    let named = Preset::named(name, kind, env.head().is_discrete())?;
    let spec = env.policy_of(kind, &named);
    Ok((named.config, spec, named.hidden))
}

impl Settings {
    /// From JSON.
    pub fn read(text: &str) -> Outcome<Self> {
        let given: Given = serde_json::from_str(text)?;
        let (env, kind) = (env_of(&given.env)?, algorithm_of(&given.algorithm)?);
        let (base, mut spec, _) = preset(env, kind, &given.preset)?;
        let mut changes = given.config;
        if let Some(envs) = given.num_envs {
            changes.insert("num_envs".to_owned(), Value::from(envs));
        }
        let config = changed(&base, changes)?;
        config.validate()?;
        let activation = given.activation.unwrap_or(spec.activation);
        if let Some(hidden) = given.hidden {
            let head = spec.head.clone();
            spec = env.policy_for(kind, &hidden).with_head(head);
        }
        spec.activation = activation;
        if let Some(name) = given.head.filter(|name| !name.is_empty()) {
            let head: HeadName =
                name.parse().map_err(|words| Fault::config(format!("head: is \"{name}\", {words}")))?;
            // A head of the usual kind keeps the deviation of the preset.
            if HeadName::of(&spec.head) != Some(head) {
                spec = kind.fitted(PolicySpec { activation, ..spec.with_head(head.head(env)?) });
            }
        }
        let spec = config.fitted(spec);
        spec.validate()?;
        Ok(Self { env, spec, config, seed: given.seed })
    }

    /// All of them, as JSON.
    pub fn to_json(&self) -> Outcome<String> {
        let head = HeadName::of(&self.spec.head).map(|head| head.to_string());
        let told = json!({
            "env": self.env.name(),
            "algorithm": self.config.algorithm.kind().name(),
            "head": head,
            "seed": self.seed,
            "hidden": self.spec.hidden(wgpo::policy::Branch::POLICY),
            "activation": self.spec.activation,
            "config": serde_json::to_value(&self.config)?,
            "policy": serde_json::to_value(&self.spec)?,
        });
        Ok(told.to_string())
    }
}

/// `base` with other values for some keys; tables are gone into, and `null` takes a setting away.
fn changed(base: &Config, changes: Map<String, Value>) -> Outcome<Config> {
    let mut whole = serde_json::to_value(base)?;
    merge(&mut whole, Value::Object(changes));
    serde_json::from_value(whole).map_err(|error| Fault::config(format!("config: {error}")))
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(&key);
                } else {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from,
    }
}
