//! Parameters, state and rollouts on disk: one safetensors file each, written whole or not at all.
//!
//! A learner's file holds, as `f32`, every parameter under its name in [`ParamLayout`] (`policy.0.weight` `[out, in]`,
//! …, `log_std`) and Adam's moments as `optimizer.exp_avg.<name>` and `optimizer.exp_avg_sq.<name>`. Where TRPO starts warm, its last
//! direction is `trust_region.direction.<name>`. A trainer's file adds `env.state` `[num_envs, words]` as `u32` (built-in environments). `__metadata__` holds strings: `format` = `wgpo-1`,
//! `contents` (`learner` or `trainer`), `spec` and `config` (JSON), `seed`, `update`, `env_steps` (rows that the
//! updates took in; where it is absent, `update` times the configured batch), `policy_step`, `optimizer_step`, `kl_coef`,
//! `learning_rate` (both 0 where nothing adapts them; they may be absent), and for a
//! trainer `env_step` and, if it is a built-in environment's, `env`. The best policy of a run has its score beside it, `evaluation` (JSON). Running statistics, where there are any, are `normalizer.<obs, reward, value>.mean` and `.variance`
//! with the keys `.count` and `.initial_count`, and `normalizer.discounted_returns` `[num_envs]`. A file with `contents` = `policy` needs only `format`, `spec` and the parameters: that is what
//! other trainers write; moments and counters begin at 0.
//!
//! The key `checksum` is over all of that, so a damaged file is refused; a file without the key is not checked. Keys that begin with
//! `label.` are the caller's own ([`Labels`]). PyTorch reads the policy as it is:
//!
//! ```python
//! state = safetensors.torch.load_file("policy.safetensors")
//! hidden = torch.tanh(obs @ state["policy.0.weight"].T + state["policy.0.bias"])
//! ```

mod best;
mod normalizer;
mod read;
mod rollout;
mod tensors;
mod write;

pub use best::{load_best, save_best};
pub use rollout::{Recording, read_recording, read_rollout, write_rollout};
pub use tensors::Converted;
pub use write::{remove_stale, separate, write_atomically};

use crate::config::Config;
use crate::data::check_shape;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::learner::LearnerState;
use crate::memory::require;
use crate::policy::{ParamLayout, PolicySpec};
use crate::trainer::TrainerState;
use read::read;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;
use tensors::{File, Writer};

/// Before the names of the parameters: the last solution of TRPO's conjugate gradients.
const DIRECTION: &str = "trust_region.direction.";

/// The value of the key `format` in `__metadata__`.
pub const FORMAT: &str = "wgpo-1";

/// What a caller says of a file: which run it is of, which score its policy had. Each is a key `label.<name>` in `__metadata__`.
pub type Labels = BTreeMap<String, String>;

/// Before the names of labels.
const LABEL: &str = "label.";

/// What a file held.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved<S> {
    /// The policy's shape.
    pub spec: PolicySpec,
    /// The settings that it was trained with.
    pub config: Config,
    /// Parameters, moments and counters.
    pub state: S,
    /// What its writer noted about it.
    pub labels: Labels,
}

impl<S> Saved<S> {
    /// Refuses a file of another policy than `spec`.
    ///
    /// # Errors
    /// [`Error::Format`] with both specs.
    pub fn expect_spec(&self, path: &Path, spec: &PolicySpec) -> Result<()> {
        if self.spec == *spec {
            return Ok(());
        }
        Err(format_error(path, format!("holds the policy {:?}, expected {spec:?}", self.spec)))
    }
}

/// Writes a learner.
///
/// # Errors
/// [`Error::Shape`] if `state` does not fit `spec`, [`Error::Io`] if the file cannot be written.
pub fn save_learner(path: &Path, spec: &PolicySpec, config: &Config, state: &LearnerState) -> Result<()> {
    save_learner_labelled(path, spec, config, state, &Labels::new())
}

/// Writes a learner with labels, which [`load_learner`] gives back.
///
/// # Errors
/// As [`save_learner`].
pub fn save_learner_labelled(
    path: &Path,
    spec: &PolicySpec,
    config: &Config,
    state: &LearnerState,
    labels: &Labels,
) -> Result<()> {
    let writer = labelled(learner_writer(path, spec, config, state)?, labels);
    write_atomically(path, &writer.text("contents", "learner").finish(path)?)
}

/// Reads a learner from a learner's, a trainer's or a policy's file. The config of a policy's file is
/// [`Config::cleanrl`].
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Format`] if it is truncated, of another format, or if a tensor or
/// key is missing, has another shape or type, or is not finite.
pub fn load_learner(path: &Path) -> Result<Saved<LearnerState>> {
    learner_from(&File::open(path, &read(path)?)?)
}

/// Reads a learner as [`load_learner`] does, and the environment that [`load_trainer`] finds in the same bytes: `None` if it is the
/// host's own, an error if the file is not a trainer's. A caller that needs both reads the file once, because it may be replaced or be a pipe.
///
/// # Errors
/// As [`load_learner`].
pub fn load_learner_and_env(path: &Path) -> Result<(Saved<LearnerState>, Result<Option<Env>>)> {
    let bytes = read(path)?;
    let file = File::open(path, &bytes)?;
    Ok((learner_from(&file)?, trainer_from(&file).map(|saved| saved.state.env)))
}

/// Writes a trainer.
///
/// # Errors
/// As [`save_learner`].
pub fn save_trainer(path: &Path, spec: &PolicySpec, config: &Config, state: &TrainerState) -> Result<()> {
    save_trainer_labelled(path, spec, config, state, &Labels::new())
}

/// Writes a trainer with labels, which [`load_trainer`] and [`load_learner`] give back.
///
/// # Errors
/// As [`save_learner`].
pub fn save_trainer_labelled(
    path: &Path,
    spec: &PolicySpec,
    config: &Config,
    state: &TrainerState,
    labels: &Labels,
) -> Result<()> {
    write_atomically(path, &trainer_writer(path, spec, config, state, labels)?.finish(path)?)
}

fn trainer_writer(
    path: &Path,
    spec: &PolicySpec,
    config: &Config,
    state: &TrainerState,
    labels: &Labels,
) -> Result<Writer> {
    let words = state.env.map_or(0, Env::state_words);
    check_shape("env.state", &[state.env_words.len()], &[config.num_envs.saturating_mul(words)])?;
    let mut writer = labelled(learner_writer(path, spec, config, &state.learner)?, labels)
        .text("contents", "trainer")
        .text("env_step", state.env_step);
    if let Some(env) = state.env {
        writer = writer.text("env", env.name()).u32("env.state", vec![config.num_envs, words], &state.env_words);
    }
    Ok(writer)
}

/// Reads a trainer.
///
/// # Errors
/// As [`load_learner`]; a learner's file is refused.
pub fn load_trainer(path: &Path) -> Result<Saved<TrainerState>> {
    trainer_from(&File::open(path, &read(path)?)?)
}

fn trainer_from(file: &File<'_>) -> Result<Saved<TrainerState>> {
    let contents = file.text("contents")?;
    if contents != "trainer" {
        return Err(file.error(format!("holds a {contents}, expected a trainer (policy, moments and environments)")));
    }
    let Saved { spec, config, state: learner, labels } = learner_from(file)?;
    let env_step = file.number("env_step")?;
    if !file.has_text("env") {
        let (env, env_words) = (None, Vec::new());
        return Ok(Saved { spec, config, state: TrainerState { learner, env, env_words, env_step }, labels });
    }
    let name = file.text("env")?;
    let env = Env::ALL.into_iter().find(|env| env.name() == name).ok_or_else(|| {
        file.error(format!("was trained on the environment \"{name}\", which this version does not have"))
    })?;
    let env_words = file.u32("env.state", &[config.num_envs, env.state_words()])?;
    let env = Some(env);
    Ok(Saved { spec, config, state: TrainerState { learner, env, env_words, env_step }, labels })
}

fn format_error(path: &Path, message: impl Into<String>) -> Error {
    Error::Format { path: path.into(), message: message.into() }
}

fn labelled(writer: Writer, labels: &Labels) -> Writer {
    labels.iter().fold(writer, |writer, (name, value)| writer.text(&format!("{LABEL}{name}"), value))
}

fn json<T: serde::Serialize>(path: &Path, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| format_error(path, format!("cannot be written: {error}")))
}

fn learner_writer(path: &Path, spec: &PolicySpec, config: &Config, state: &LearnerState) -> Result<Writer> {
    spec.validate()?;
    config.validate()?;
    // Three vectors, or four, as bytes, in the file's order, and behind their header.
    require(|| "saving a learner".to_owned(), spec.parameter_count().saturating_mul(3 * 3 * 4))?;
    let layout = spec.layout();
    let writer = Writer::default()
        .text("format", FORMAT)
        .text("spec", json(path, spec)?)
        .text("config", json(path, config)?)
        .text("seed", state.seed)
        .text("update", state.update)
        .text("env_steps", state.env_steps)
        .text("policy_step", state.policy_step)
        .text("optimizer_step", state.optimizer_step)
        .text("kl_coef", state.kl_coef)
        .text("learning_rate", state.learning_rate);
    let mut writer = normalizer::write(writer, &state.normalizer);
    let direction = Some((DIRECTION, &state.search_direction)).filter(|(_, values)| !values.is_empty());
    let direction = direction.map(|(prefix, values)| ("search_direction", prefix, values));
    for (name, prefix, values) in [
        ("parameters", "", &state.parameters),
        ("exp_avg", "optimizer.exp_avg.", &state.exp_avg),
        ("exp_avg_sq", "optimizer.exp_avg_sq.", &state.exp_avg_sq),
    ]
    .into_iter()
    .chain(direction)
    {
        check_shape(name, &[values.len()], &[layout.len()])?;
        for range in layout.ranges() {
            writer = writer.f32(format!("{prefix}{}", range.name), range.shape.clone(), &values[range.indices()]);
        }
    }
    Ok(writer)
}

fn learner_from(file: &File<'_>) -> Result<Saved<LearnerState>> {
    let format = file.text("format")?;
    if format != FORMAT {
        return Err(file.error(format!("is of format \"{format}\", this version reads \"{FORMAT}\"")));
    }
    let bare = file.text("contents")? == "policy";
    let spec: PolicySpec = from_json(file, "spec")?;
    let config: Config = if bare { Config::cleanrl() } else { from_json(file, "config")? };
    spec.validate().map_err(|error| file.error(format!("key \"spec\": {error}")))?;
    config.validate().map_err(|error| file.error(format!("key \"config\": {error}")))?;
    // Sizes that a file claims are held against the bytes that it has before anything is allocated by them.
    if file.elements() < weights(&spec) {
        return Err(file.error(format!("key \"spec\" names more parameters than the file holds: {spec:?}")));
    }
    let labels = file.texts(LABEL);
    let layout = spec.layout();
    if bare {
        let (parameters, zeros) = (flat(file, &layout, "")?, vec![0.0; layout.len()]);
        let state = LearnerState {
            parameters,
            exp_avg: zeros.clone(),
            exp_avg_sq: zeros,
            optimizer_step: 0,
            update: 0,
            env_steps: 0,
            policy_step: 0,
            seed: 0,
            kl_coef: 0.0,
            learning_rate: 0.0,
            search_direction: Vec::new(),
            normalizer: normalizer::read(file, spec.obs_dim)?,
        };
        return Ok(Saved { spec, config, state, labels });
    }
    let exp_avg_sq = flat(file, &layout, "optimizer.exp_avg_sq.")?;
    if exp_avg_sq.iter().any(|square| *square < 0.0) {
        return Err(file.error("\"optimizer.exp_avg_sq\" has a negative element, expected mean squares"));
    }
    let update: u64 = file.number("update")?;
    // Files of versions whose schedules went by updates do not say how many rows these had.
    let env_steps = if file.has_text("env_steps") {
        file.number("env_steps")?
    } else {
        update.saturating_mul(config.num_steps as u64).saturating_mul(config.num_envs as u64)
    };
    let state = LearnerState {
        parameters: flat(file, &layout, "")?,
        exp_avg: flat(file, &layout, "optimizer.exp_avg.")?,
        exp_avg_sq,
        optimizer_step: file.number("optimizer_step")?,
        update,
        env_steps,
        policy_step: file.number("policy_step")?,
        seed: file.number("seed")?,
        kl_coef: adapted(file, "kl_coef")?,
        learning_rate: adapted(file, "learning_rate")?,
        search_direction: if layout
            .ranges()
            .first()
            .is_some_and(|range| file.has(&format!("{DIRECTION}{}", range.name)))
        {
            flat(file, &layout, DIRECTION)?
        } else {
            Vec::new()
        },
        normalizer: normalizer::read(file, spec.obs_dim)?,
    };
    Ok(Saved { spec, config, state, labels })
}

/// A number that an update adapts. Files of versions that adapted nothing do not have it.
fn adapted(file: &File<'_>, key: &str) -> Result<f32> {
    let value = if file.has_text(key) { file.number(key)? } else { 0.0_f32 };
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(file.error(format!("key \"{key}\" is {value}, expected a finite number from 0")))
}

/// Weights of all layers, saturating.
fn weights(spec: &PolicySpec) -> usize {
    let mut sum = spec.head.width();
    let trunk_out = spec.trunk.last().copied().unwrap_or(spec.obs_dim);
    let chains = [
        (spec.obs_dim, &spec.trunk, None),
        (trunk_out, &spec.policy_hidden, Some(spec.head.raw_outputs())),
        (trunk_out, &spec.value_hidden, Some(1)),
    ];
    for (inputs, hidden, outputs) in chains {
        let mut inputs = inputs;
        for outputs in hidden.iter().copied().chain(outputs) {
            sum = sum.saturating_add(inputs.saturating_mul(outputs));
            inputs = outputs;
        }
    }
    sum
}

fn from_json<T: DeserializeOwned>(file: &File<'_>, key: &str) -> Result<T> {
    serde_json::from_str(file.text(key)?).map_err(|error| file.error(format!("key \"{key}\" cannot be read: {error}")))
}

fn flat(file: &File<'_>, layout: &ParamLayout, prefix: &str) -> Result<Vec<f32>> {
    let mut values = Vec::with_capacity(layout.len());
    for range in layout.ranges() {
        values.extend(file.f32(&format!("{prefix}{}", range.name), &range.shape)?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
