//! The files of a run while it is trained.

use super::judge::Judge;
use crate::folder::board::file::Board;
use crate::folder::lock::Lock;
use crate::folder::metrics::file::Metrics;
use crate::folder::run::Folder;
use crate::place::choose::ChosenPlace;
use crate::settings::run_config::RunConfig;
use anyhow::{Context, Result};
use std::time::Duration;
use wgpo::trainer::Trainer;

/// Time between two saves; a crash loses no more than this.
pub const SAVE_EVERY: Duration = Duration::from_secs(15);

/// What a run has in its folder, opened.
pub struct Files {
    /// The run's number, which all of its files carry.
    pub run: u64,
    /// The rows so far.
    pub metrics: Metrics,
    /// The evaluations so far.
    pub judge: Judge,
    /// Updates that the state has had.
    pub done: u64,
    /// Held until the last file is written.
    pub lock: Lock,
}

impl Files {
    /// Of a new run, which `config` gets the number of. Killed from here on, it can be gone on with. With `tensorboard` it has an event file.
    pub fn begin(
        folder: &Folder,
        config: &mut RunConfig,
        trainer: &dyn Trainer,
        lock: Lock,
        tensorboard: bool,
    ) -> Result<Self> {
        let run = config.number()?;
        config.run = Some(run);
        folder.prepare(config)?;
        // First, so that a run which can be gone on with has it.
        let board = tensorboard.then(|| Board::create(folder.path(), 0)).transpose()?;
        folder.save(trainer, run)?;
        let mut metrics = Metrics::create(&folder.metrics(), run)?;
        if let Some(board) = board {
            metrics.show_on(board);
        }
        Ok(Self { run, metrics, judge: Judge::new(config, folder), done: 0, lock })
    }

    /// Of a run that goes on, whose state `trainer` has. With `tensorboard`, or with event files already, it gets another of those.
    pub fn go_on(
        folder: &Folder,
        config: &RunConfig,
        trainer: &dyn Trainer,
        lock: Lock,
        tensorboard: bool,
    ) -> Result<Self> {
        let run = config.run.context("the run has no number")?;
        let state = trainer.state()?;
        let done = state.learner.update;
        let steps = done.saturating_mul(config.settings.batch_size() as u64);
        let mut metrics = Metrics::resume(&folder.metrics(), run, done, steps)?;
        metrics.warnings().iter().for_each(|warning| tell!("warning: {warning}"));
        let judge = Judge::resume(config, folder, &metrics, &state)?;
        config.write(&folder.config())?;
        if tensorboard || !folder.events().is_empty() {
            metrics.show_on(Board::create(folder.path(), steps)?);
        }
        Ok(Self { run, metrics, judge, done, lock })
    }
}

/// A trainer that goes on from the saved state, if that is this run's. Settings of earlier versions get the run's number.
pub fn load(folder: &Folder, place: &ChosenPlace, config: &mut RunConfig) -> Result<Box<dyn Trainer>> {
    let saved = folder.saved(config)?;
    let trainer = match &saved {
        Some(saved) => place.trainer_from(config, &saved.state)?,
        None => place.trainer(config)?,
    };
    folder.number(trainer.as_ref(), config, saved.as_ref())?;
    Ok(trainer)
}
