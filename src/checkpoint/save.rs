//! `save` and `load` for whatever learns, to files and to bytes.

use super::format::format_error;
use super::learner::{learner_from_bytes, learner_to_bytes, load_learner, save_learner};
use super::saved::{Labels, Saved};
use super::trainer::{load_trainer, save_trainer, trainer_from_bytes, trainer_to_bytes};
use crate::agent::Agent;
use crate::error::Result;
use crate::state::{LearnerState, TrainerState, env_name};
use crate::trainer::Trainer;
use std::path::Path;

/// Files and bytes of an agent. Every [`Agent`] has it: import it to use it.
pub trait SaveAgent: Agent {
    /// Writes spec, config and state as one safetensors file, whole or not at all.
    ///
    /// # Errors
    /// A device or file error.
    fn save(&self, path: &Path) -> Result<()> {
        save_learner(path, self.spec(), self.config(), &self.state()?)
    }

    /// Restores what [`save`](Self::save) wrote. The file's config is not taken over: settings are the caller's.
    ///
    /// # Errors
    /// A file error, or [`Error::Format`](crate::Error::Format) if the file holds another policy.
    fn load(&mut self, path: &Path) -> Result<()> {
        restore_agent(self, path, &load_learner(path)?)
    }

    /// The bytes that [`save`](Self::save) writes.
    ///
    /// # Errors
    /// A device error.
    fn to_bytes(&self) -> Result<Vec<u8>> {
        learner_to_bytes(self.spec(), self.config(), &self.state()?, &Labels::new())
    }

    /// Restores what [`to_bytes`](Self::to_bytes) gave, or the bytes of a file that [`load`](Self::load) reads. `name` stands in errors where the
    /// path of a file would.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn load_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        restore_agent(self, Path::new(name), &learner_from_bytes(name, bytes)?)
    }
}

impl<A: Agent + ?Sized> SaveAgent for A {}

/// Files and bytes of a trainer. Every [`Trainer`] has it: import it to use it.
pub trait SaveTrainer: Trainer {
    /// Writes spec, config and state as one safetensors file, whole or not at all. Resuming from it gives the same bits as
    /// not having stopped, on the same device, with the built-in environments.
    ///
    /// # Errors
    /// A device or file error.
    fn save(&self, path: &Path) -> Result<()> {
        save_trainer(path, self.learner().spec(), self.learner().config(), &self.state()?)
    }

    /// Restores what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// A file error; [`Error::Format`](crate::Error::Format) if the file holds another policy or environment;
    /// [`Error::Shape`](crate::Error::Shape) if it holds another number of environments.
    fn load(&mut self, path: &Path) -> Result<()> {
        restore_trainer(self, path, &load_trainer(path)?)
    }

    /// The bytes that [`save`](Self::save) writes.
    ///
    /// # Errors
    /// A device error.
    fn to_bytes(&self) -> Result<Vec<u8>> {
        trainer_to_bytes(self.learner().spec(), self.learner().config(), &self.state()?, &Labels::new())
    }

    /// Restores what [`to_bytes`](Self::to_bytes) gave, or the bytes of a file that [`load`](Self::load) reads. `name` stands in errors where the
    /// path of a file would.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    fn load_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        restore_trainer(self, Path::new(name), &trainer_from_bytes(name, bytes)?)
    }
}

impl<T: Trainer + ?Sized> SaveTrainer for T {}

fn restore_agent<A: Agent + ?Sized>(agent: &mut A, name: &Path, saved: &Saved<LearnerState>) -> Result<()> {
    saved.expect_spec(name, agent.spec())?;
    agent.set_state(&saved.state)
}

fn restore_trainer<T: Trainer + ?Sized>(trainer: &mut T, name: &Path, saved: &Saved<TrainerState>) -> Result<()> {
    saved.expect_spec(name, trainer.learner().spec())?;
    if saved.state.env != trainer.env() {
        let (then, now) = (saved.state.env_name(), env_name(trainer.env()));
        return Err(format_error(name, format!("was trained on {then}, not on {now}")));
    }
    trainer.set_state(&saved.state)
}
