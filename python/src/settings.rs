//! Specs and settings as JSON, in the words of the library's files.

use crate::{errors, json};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use wgpo::env::Env;
use wgpo::policy::{Activation, Head, PolicySpec, Std};
use wgpo::{AlgorithmKind, Config, Preset};
use wgpo_cli::settings::given;

/// Puts the functions into the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(algorithms, module)?)?;
    module.add_function(wrap_pyfunction!(presets, module)?)?;
    module.add_function(wrap_pyfunction!(default_config, module)?)?;
    module.add_function(wrap_pyfunction!(preset_network, module)?)?;
    module.add_function(wrap_pyfunction!(config_keys, module)?)?;
    module.add_function(wrap_pyfunction!(config_with, module)?)?;
    module.add_function(wrap_pyfunction!(default_spec, module)?)?;
    module.add_function(wrap_pyfunction!(fitted_spec, module)?)?;
    module.add_function(wrap_pyfunction!(envs, module)?)?;
    module.add_function(wrap_pyfunction!(env_info, module)?)?;
    module.add_function(wrap_pyfunction!(tuned, module)?)
}

/// The algorithm of that name, with `-` or `_` between words, in any letters.
fn algorithm(py: Python<'_>, name: &str) -> PyResult<AlgorithmKind> {
    let plain = name.to_lowercase().replace('_', "-");
    AlgorithmKind::ALL.into_iter().find(|kind| kind.name() == plain).ok_or_else(|| {
        let names = AlgorithmKind::ALL.map(AlgorithmKind::name);
        let near = given::did_you_mean(name, names);
        errors::config(py, format!("algo: is \"{name}\", expected one of {}{near}", names.join(", ")))
    })
}

/// The built-in environment of that name, ours or Gymnasium's.
pub fn env(py: Python<'_>, name: &str) -> PyResult<Env> {
    let found = Env::ALL.into_iter().find(|env| env.name() == name || env.gymnasium_id() == name);
    found.ok_or_else(|| {
        let all: Vec<_> = Env::ALL.into_iter().flat_map(|env| [env.name(), env.gymnasium_id()]).collect();
        let near = given::did_you_mean(name, all.iter().copied());
        let names = Env::ALL.map(Env::name).join(", ");
        errors::config(py, format!("env: is \"{name}\", the built-in environments are {names}{near}"))
    })
}

fn preset(py: Python<'_>, algorithm: AlgorithmKind, name: Option<&str>, discrete: bool) -> PyResult<Preset> {
    let name = name.unwrap_or_else(|| Preset::usual(algorithm));
    Preset::named(name, algorithm, discrete).map_err(|error| {
        let near = given::did_you_mean(name, Preset::names(algorithm).iter().copied());
        errors::config(py, format!("{error}{near}"))
    })
}

/// The names of the algorithms.
#[pyfunction]
fn algorithms() -> Vec<&'static str> {
    AlgorithmKind::ALL.map(AlgorithmKind::name).to_vec()
}

/// The names of the presets of `algo`, its usual one first.
#[pyfunction]
fn presets(py: Python<'_>, algo: &str) -> PyResult<Vec<&'static str>> {
    let kind = algorithm(py, algo)?;
    let usual = Preset::usual(kind);
    let others = Preset::names(kind).iter().copied().filter(|name| *name != usual);
    Ok(std::iter::once(usual).chain(others).collect())
}

/// Settings of `algo` as JSON: those of `preset`, by default of its usual one, for policies over indices (`discrete`) or over floats.
///
/// Raises `ConfigError` for a name that is none, with the nearest.
#[pyfunction]
#[pyo3(signature = (algo, preset = None, discrete = true))]
fn default_config(py: Python<'_>, algo: &str, preset: Option<&str>, discrete: bool) -> PyResult<String> {
    json::write(py, &self::preset(py, algorithm(py, algo)?, preset, discrete)?.config)
}

/// The networks that go with a preset: `hidden` (widths), `activation`, and `std`, the deviation of a Gaussian (JSON, as in a head).
///
/// Raises `ConfigError` for a name that is none, with the nearest.
#[pyfunction]
#[pyo3(signature = (algo, preset = None, discrete = true))]
fn preset_network<'py>(
    py: Python<'py>,
    algo: &str,
    preset: Option<&str>,
    discrete: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let named = self::preset(py, algorithm(py, algo)?, preset, discrete)?;
    let told = PyDict::new(py);
    let activation: Value = json::read(py, "activation", &json::write(py, &named.activation)?)?;
    told.set_item("hidden", named.hidden)?;
    told.set_item("activation", activation.as_str())?;
    told.set_item("std", json::write(py, &named.std)?)?;
    Ok(told)
}

/// The settings that `algo` reads, by their keys in settings files.
#[pyfunction]
fn config_keys(py: Python<'_>, algo: &str) -> PyResult<Vec<String>> {
    given::keys(algorithm(py, algo)?).map_err(|words| errors::internal(py, words))
}

/// `base` (JSON of settings, of `algo`) with other values for some keys. None turns an optional setting off. A setting that is a table
/// is a dictionary, which replaces the keys that it names.
///
/// Raises `ConfigError` that says all that is wrong: an unknown key with the nearest one, a setting that the algorithm does not read, a number out
/// of its range; `DtypeError` for a value that is no setting.
#[pyfunction]
fn config_with(py: Python<'_>, algo: &str, base: &str, overrides: &Bound<'_, PyDict>) -> PyResult<String> {
    let kind = algorithm(py, algo)?;
    let base: Config = json::read(py, "base", base)?;
    if base.algorithm.kind() != kind {
        let (own, other) = (kind.name(), base.algorithm.kind().name());
        return Err(errors::config(py, format!("algo: is {own}, the settings are of {other}")));
    }
    let given = json::of_python("settings", overrides.as_any())?;
    let config = given::over(&base, given).map_err(|words| errors::config(py, words))?;
    json::write(py, &config)
}

/// A number of observations, or their shape.
#[derive(FromPyObject)]
enum ObsShape {
    Flat(usize),
    Shape(Vec<usize>),
}

/// A policy as JSON.
///
/// `kind` is the name of an algorithm, which gets the networks that it learns, or `separate` (actor and critic apart), `shared` (all hidden layers
/// in common), `actor` (no critic). `obs_dim` is the numbers of an observation, or its shape. `action` is the head as JSON
/// (docs/rollout-format.md), for example `{"kind": "categorical", "actions": 2}`. `hidden` are the widths of the hidden layers, by default those
/// of `preset`. `activation` is `tanh`, `relu`, `elu`, `silu`, `gelu_tanh`, `gelu_erf` or `identity`, by default the preset's. `shared` puts
/// all hidden layers in common.
///
/// Raises `ConfigError`.
#[pyfunction]
#[pyo3(signature = (kind, obs_dim, action, hidden = None, activation = None, preset = None, shared = false))]
fn default_spec(
    py: Python<'_>,
    kind: &str,
    obs_dim: ObsShape,
    action: &str,
    hidden: Option<Vec<usize>>,
    activation: Option<&str>,
    preset: Option<&str>,
    shared: bool,
) -> PyResult<String> {
    let mut head: Head = json::read(py, "action", action)?;
    let plain = ["separate", "shared", "actor"].contains(&kind);
    let algorithm = if plain { AlgorithmKind::Ppo } else { self::algorithm(py, kind)? };
    let named = self::preset(py, algorithm, preset, head.env_is_discrete())?;
    // A preset's deviation stands where the caller left it at its default.
    if algorithm.has_std() && head.std() == Some(&Std::default()) {
        head = head.with_std(named.std);
    }
    let hidden = hidden.unwrap_or_else(|| named.hidden.clone());
    let activation: Activation = match activation {
        None => named.activation,
        Some(name) => json::read(py, "activation", &Value::from(name).to_string())?,
    };
    let obs_shape = match obs_dim {
        ObsShape::Flat(size) => vec![size],
        ObsShape::Shape(shape) => shape,
    };
    let size = obs_shape.iter().fold(1, |product: usize, size| product.saturating_mul(*size));
    let spec = if kind == "actor" {
        PolicySpec::actor(size, &hidden, activation, head)
    } else if shared || kind == "shared" {
        PolicySpec::shared(size, &hidden, activation, head)
    } else {
        PolicySpec::separate(size, &hidden, activation, head)
    };
    let spec = PolicySpec { obs_shape, ..spec };
    let spec = if plain { spec } else { algorithm.fitted(spec) };
    spec.validate().map_err(|error| errors::raise(py, &error))?;
    json::write(py, &spec)
}

/// `spec` (JSON) as the algorithm of `config` (JSON) learns it: with its critics, its head, and of a dueling DQN with its stream of values.
#[pyfunction]
fn fitted_spec(py: Python<'_>, spec: &str, config: &str) -> PyResult<String> {
    let (spec, config): (PolicySpec, Config) = (json::read(py, "spec", spec)?, json::read(py, "config", config)?);
    json::write(py, &config.fitted(spec))
}

/// The names of the built-in environments.
#[pyfunction]
fn envs() -> Vec<&'static str> {
    Env::ALL.map(Env::name).to_vec()
}

/// What a built-in environment is, by its name or Gymnasium's id: `name`, `gymnasium_id`, `about`, `obs_dim`, `time_limit`, `solved_at`, and
/// `action`, the usual head as JSON.
///
/// Raises `ConfigError` for a name that is none.
#[pyfunction]
fn env_info<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyDict>> {
    let env = env(py, name)?;
    let told = PyDict::new(py);
    told.set_item("name", env.name())?;
    told.set_item("gymnasium_id", env.gymnasium_id())?;
    told.set_item("about", env.info().about)?;
    told.set_item("obs_dim", env.obs_dim())?;
    told.set_item("time_limit", env.time_limit())?;
    told.set_item("solved_at", env.solved_at())?;
    told.set_item("action", json::write(py, &env.head())?)?;
    Ok(told)
}

/// Spec and settings, as JSON, that learn a built-in environment with `algo` quickly.
///
/// Raises `ConfigError` for a name that is none.
#[pyfunction]
fn tuned(py: Python<'_>, env: &str, algo: &str) -> PyResult<(String, String)> {
    let (env, algorithm) = (self::env(py, env)?, algorithm(py, algo)?);
    let (config, hidden) = env.tuned_for(algorithm);
    Ok((json::write(py, &env.policy_for(algorithm, &hidden))?, json::write(py, &config)?))
}
