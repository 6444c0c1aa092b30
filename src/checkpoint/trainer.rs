//! Trainers' files.

use super::file::File;
use super::learner::{learner_from, learner_writer};
use super::read::read;
use super::saved::{Labels, Saved, labelled};
use super::write::write_atomically;
use super::writer::Writer;
use crate::config::Config;
use crate::data::check_shape;
use crate::env::Env;
use crate::error::Result;
use crate::policy::PolicySpec;
use crate::state::{LearnerState, TrainerState};
use std::path::Path;

/// Writes a trainer.
///
/// # Errors
/// As [`save_learner`](super::save_learner).
pub fn save_trainer(path: &Path, spec: &PolicySpec, config: &Config, state: &TrainerState) -> Result<()> {
    save_trainer_labelled(path, spec, config, state, &Labels::new())
}

/// Writes a trainer with labels, which [`load_trainer`] and [`load_learner`](super::load_learner) give back.
///
/// # Errors
/// As [`save_learner`](super::save_learner).
pub fn save_trainer_labelled(
    path: &Path,
    spec: &PolicySpec,
    config: &Config,
    state: &TrainerState,
    labels: &Labels,
) -> Result<()> {
    write_atomically(path, &trainer_writer(path, spec, config, state, labels)?.finish(path)?)
}

/// The bytes that [`save_trainer_labelled`] writes.
///
/// # Errors
/// As [`learner_to_bytes`](super::learner_to_bytes).
pub fn trainer_to_bytes(spec: &PolicySpec, config: &Config, state: &TrainerState, labels: &Labels) -> Result<Vec<u8>> {
    let name = Path::new("a trainer");
    trainer_writer(name, spec, config, state, labels)?.finish(name)
}

pub(super) fn trainer_writer(
    name: &Path,
    spec: &PolicySpec,
    config: &Config,
    state: &TrainerState,
    labels: &Labels,
) -> Result<Writer> {
    let words = state.env.map_or(0, Env::state_words);
    check_shape("env.state", &[state.env_words.len()], &[config.num_envs.saturating_mul(words)])?;
    let mut writer = labelled(learner_writer(name, spec, config, &state.learner)?, labels)
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
/// As [`load_learner`](super::load_learner); a learner's file is refused.
pub fn load_trainer(path: &Path) -> Result<Saved<TrainerState>> {
    trainer_from(&File::open(path, &read(path)?)?)
}

/// Reads a trainer from the bytes of a file that [`load_trainer`] reads; `name` stands in errors where the path of a file would.
///
/// # Errors
/// As [`load_trainer`], but there is no file that could not be read.
pub fn trainer_from_bytes(name: &str, bytes: &[u8]) -> Result<Saved<TrainerState>> {
    trainer_from(&File::of_bytes(Path::new(name), bytes)?)
}

pub(super) fn trainer_from(file: &File<'_>) -> Result<Saved<TrainerState>> {
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

/// Reads a learner as [`load_learner`](super::load_learner) does, and the environment that [`load_trainer`] finds in the same bytes: `None` if it is the
/// host's own, an error if the file is not a trainer's. A caller that needs both reads the file once, because it may be replaced or be a pipe.
///
/// # Errors
/// As [`load_learner`](super::load_learner).
pub fn load_learner_and_env(path: &Path) -> Result<(Saved<LearnerState>, Result<Option<Env>>)> {
    let bytes = read(path)?;
    let file = File::open(path, &bytes)?;
    Ok((learner_from(&file)?, trainer_from(&file).map(|saved| saved.state.env)))
}
