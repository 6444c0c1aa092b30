//! What there is to choose.

use crate::failure_modes;
use crate::settings::{TUNED, algorithm_of, env_of, preset};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use wgpo::AlgorithmKind;
use wgpo::config::Preset;
use wgpo::env::{Env, HeadName};
use wgpo::policy::Activation;
use wgpo_web::Outcome;

/// Environments, algorithms, presets, heads and activations, as JSON.
///
/// `envs`: `name`, `title`, `about`, `scene` (whether it has a picture), `actions` (`choices` or `numbers`), `dims`, `obs_dim`, `solved`, `heads`,
/// `algorithms` (those that learn it). `algorithms`: `name`, `title`, `off_policy`, `presets`. `activations`. `failure_modes`: `number`, `env`, `title`,
/// `solved`, and `variants` with `key` and `label`. `version`.
///
/// # Errors
/// None is known.
#[wasm_bindgen(js_name = catalogueJson)]
pub fn catalogue_json() -> Outcome<String> {
    let activations = Activation::ALL.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>()?;
    let told = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "envs": Env::ALL.map(environment),
        "algorithms": AlgorithmKind::ALL.map(algorithm),
        "activations": activations,
        "failure_modes": failure_modes::table(),
    });
    Ok(told.to_string())
}

fn environment(env: Env) -> Value {
    let head = env.head();
    let heads = HeadName::ALL.into_iter().filter(|name| name.over(env).is_some());
    // The library is asked, rather than a second table kept: what it refuses cannot be chosen.
    let learns = |kind: &AlgorithmKind| {
        preset(env, *kind, TUNED).is_ok_and(|(config, spec, _)| config.check_branches(&spec).is_ok())
    };
    json!({
        "name": env.name(),
        "title": env.gymnasium_id(),
        "about": env.info().about,
        "scene": env.seconds_shown().is_some(),
        "actions": if head.is_discrete() { "choices" } else { "numbers" },
        "dims": head.action_dims(),
        "obs_dim": env.obs_dim(),
        "solved": env.solved_at(),
        "heads": heads.map(|name| name.to_string()).collect::<Vec<_>>(),
        "algorithms": AlgorithmKind::ALL.into_iter().filter(learns).map(AlgorithmKind::name).collect::<Vec<_>>(),
    })
}

fn algorithm(kind: AlgorithmKind) -> Value {
    let presets: Vec<_> = [TUNED].into_iter().chain(Preset::names(kind).iter().copied()).collect();
    let title = match kind {
        AlgorithmKind::PpoPenalty => "PPO (KL penalty)".to_owned(),
        AlgorithmKind::Reinforce => "REINFORCE".to_owned(),
        other => other.name().to_uppercase(),
    };
    json!({ "name": kind.name(), "title": title, "off_policy": kind.is_off_policy(), "presets": presets })
}

/// What a choice of environment, algorithm and preset gives, as JSON: `config` (all settings), `hidden`, `activation`, `head`.
///
/// # Errors
/// A name that is none.
#[wasm_bindgen(js_name = presetJson)]
pub fn preset_json(env: &str, algorithm: &str, name: &str) -> Outcome<String> {
    let (config, spec, hidden) = preset(env_of(env)?, algorithm_of(algorithm)?, name)?;
    let told = json!({
        "config": serde_json::to_value(&config)?,
        "hidden": hidden,
        "activation": spec.activation,
        "head": HeadName::of(&spec.head).map(|head| head.to_string()),
    });
    Ok(told.to_string())
}
