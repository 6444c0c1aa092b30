//! Learners' files, and policies' that other programs write.

use super::file::File;
use super::format::{FORMAT, json};
use super::normalizer;
use super::off_policy;
use super::read::read;
use super::saved::{LABEL, Labels, Saved, labelled};
use super::write::write_atomically;
use super::writer::Writer;
use crate::config::Config;
use crate::data::check_shape;
use crate::error::Result;
use crate::memory::require;
use crate::policy::{Branch, PolicySpec};
use crate::state::LearnerState;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Before the names of the parameters: the last solution of TRPO's conjugate gradients.
const DIRECTION: &str = "trust_region.direction.";

/// Writes a learner.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if `state` does not fit `spec`, [`Error::Io`](crate::Error::Io) if the file cannot be written.
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
    write_atomically(path, &learner_bytes(path, spec, config, state, labels)?)
}

/// The bytes that [`save_learner_labelled`] writes: to be sent, pickled, or kept where there are no files.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if `state` does not fit `spec`.
pub fn learner_to_bytes(spec: &PolicySpec, config: &Config, state: &LearnerState, labels: &Labels) -> Result<Vec<u8>> {
    learner_bytes(Path::new("a learner"), spec, config, state, labels)
}

fn learner_bytes(
    name: &Path,
    spec: &PolicySpec,
    config: &Config,
    state: &LearnerState,
    labels: &Labels,
) -> Result<Vec<u8>> {
    labelled(learner_writer(name, spec, config, state)?, labels).text("contents", "learner").finish(name)
}

/// Reads a learner from a learner's, a trainer's or a policy's file. The config of a policy's file is
/// [`Config::cleanrl`].
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the file cannot be read; [`Error::Format`](crate::Error::Format) if it is truncated, of another format, or if a tensor or
/// key is missing, has another shape or type, or is not finite.
pub fn load_learner(path: &Path) -> Result<Saved<LearnerState>> {
    learner_from(&File::open(path, &read(path)?)?)
}

/// Reads a learner from the bytes of a file that [`load_learner`] reads; `name` stands in errors where the path of a file would.
///
/// # Errors
/// As [`load_learner`], but there is no file that could not be read.
pub fn learner_from_bytes(name: &str, bytes: &[u8]) -> Result<Saved<LearnerState>> {
    learner_from(&File::of_bytes(Path::new(name), bytes)?)
}

pub(super) fn learner_writer(name: &Path, spec: &PolicySpec, config: &Config, state: &LearnerState) -> Result<Writer> {
    spec.validate()?;
    config.validate()?;
    // Three vectors, or four, as bytes, in the file's order, and behind their header.
    let own = state.off_policy.as_ref();
    let bytes = spec.parameter_count().saturating_mul(3 * 3 * 4).saturating_add(3 * off_policy::bytes(own));
    require(|| "saving a learner".to_owned(), bytes)?;
    let layout = spec.layout();
    let writer = Writer::default()
        .text("format", FORMAT)
        .text("spec", json(name, spec)?)
        .text("config", json(name, config)?)
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
    for (vector, prefix, values) in [
        ("parameters", "", &state.parameters),
        ("exp_avg", "optimizer.exp_avg.", &state.exp_avg),
        ("exp_avg_sq", "optimizer.exp_avg_sq.", &state.exp_avg_sq),
    ]
    .into_iter()
    .chain(direction)
    {
        check_shape(vector, &[values.len()], &[layout.len()])?;
        for range in layout.ranges() {
            writer = writer.f32(format!("{prefix}{}", range.name), range.shape.clone(), &values[range.indices()]);
        }
    }
    off_policy::write(writer, spec, &layout, config, own)
}

pub(super) fn learner_from(file: &File<'_>) -> Result<Saved<LearnerState>> {
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
        let (parameters, zeros) = (file.flat(&layout, "")?, vec![0.0; layout.len()]);
        let own = off_policy::read_bare(file, &layout, &parameters)?;
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
            off_policy: own,
            normalizer: normalizer::read(file, spec.obs_dim())?,
        };
        return Ok(Saved { spec, config, state, labels });
    }
    let exp_avg_sq = file.flat(&layout, "optimizer.exp_avg_sq.")?;
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
        parameters: file.flat(&layout, "")?,
        exp_avg: file.flat(&layout, "optimizer.exp_avg.")?,
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
            file.flat(&layout, DIRECTION)?
        } else {
            Vec::new()
        },
        normalizer: normalizer::read(file, spec.obs_dim())?,
        off_policy: off_policy::read(file, &spec, &layout, &config)?,
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
    let of_branch = |branch: &Branch| -> Vec<usize> {
        spec.sizes(&branch.name).windows(2).map(|pair| pair[0].saturating_mul(pair[1])).collect()
    };
    spec.branches.iter().flat_map(of_branch).fold(spec.head.width(), usize::saturating_add)
}

/// A value of the metadata that is JSON.
pub(super) fn from_json<T: DeserializeOwned>(file: &File<'_>, key: &str) -> Result<T> {
    serde_json::from_str(file.text(key)?).map_err(|error| file.error(format!("key \"{key}\" cannot be read: {error}")))
}
