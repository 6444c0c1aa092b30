//! The best policy of a run: a trainer's file with its score.

use super::file::File;
use super::format::json;
use super::learner::from_json;
use super::read::read;
use super::saved::{Labels, Saved};
use super::trainer::{trainer_from, trainer_writer};
use super::write::write_atomically;
use crate::config::Config;
use crate::error::Result;
use crate::policy::PolicySpec;
use crate::solved::Evaluation;
use crate::state::TrainerState;
use std::path::Path;

/// The key of the score in `__metadata__`.
const EVALUATION: &str = "evaluation";

/// Writes a trainer with labels and the greedy evaluation of its policy, which is the key `evaluation` (JSON). Whatever reads a trainer
/// reads it, too.
///
/// # Errors
/// As [`save_trainer`](super::save_trainer).
pub fn save_best(
    path: &Path,
    spec: &PolicySpec,
    config: &Config,
    state: &TrainerState,
    evaluation: &Evaluation,
    labels: &Labels,
) -> Result<()> {
    let writer = trainer_writer(path, spec, config, state, labels)?.text(EVALUATION, json(path, evaluation)?);
    write_atomically(path, &writer.finish(path)?)
}

/// Reads what [`save_best`] wrote.
///
/// # Errors
/// As [`load_trainer`](super::load_trainer), and [`Error::Format`](crate::Error::Format) where there is no evaluation, or one of another update.
pub fn load_best(path: &Path) -> Result<(Saved<TrainerState>, Evaluation)> {
    let bytes = read(path)?;
    let file = File::open(path, &bytes)?;
    let saved = trainer_from(&file)?;
    let evaluation: Evaluation = from_json(&file, EVALUATION)?;
    let (at, of) = (saved.state.learner.update, evaluation.update);
    if at != of {
        return Err(file.error(format!("holds the policy of update {at} and the score of update {of}")));
    }
    Ok((saved, evaluation))
}
