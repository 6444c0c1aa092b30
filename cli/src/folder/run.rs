//! A run folder: which files it has, when it may be made and when it may be gone on with.

use super::board::file as board;
use super::label::{label, run_of};
use super::lock::{self, Lock};
use super::metrics::file::damaged;
use crate::settings::run_config::RunConfig;
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use wgpo::Config;
use wgpo::checkpoint;
use wgpo::policy::PolicySpec;
use wgpo::state::TrainerState;
use wgpo::trainer::Trainer;

/// The files of a run.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// The state in a run's folder, read once.
pub struct Saved {
    pub state: TrainerState,
    /// The run that it says it is of.
    run: Option<u64>,
}

impl Folder {
    const CONFIG: &str = "config.toml";
    const METRICS: &str = "metrics.csv";
    /// The whole state after the last update.
    pub const POLICY: &str = "policy.safetensors";
    /// The whole state after the update whose policy was evaluated best.
    pub const BEST: &str = "best.safetensors";
    const CURVE: &str = "learning_curve.svg";

    /// The run in this folder.
    pub fn at(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All settings.
    pub fn config(&self) -> PathBuf {
        self.path.join(Self::CONFIG)
    }

    /// One row per update.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(Self::METRICS)
    }

    /// The whole state.
    pub fn policy(&self) -> PathBuf {
        self.path.join(Self::POLICY)
    }

    /// The state whose policy was evaluated best, if any was.
    pub fn best(&self) -> PathBuf {
        self.path.join(Self::BEST)
    }

    /// The picture.
    pub fn curve(&self) -> PathBuf {
        self.path.join(Self::CURVE)
    }

    /// TensorBoard's event files that are there, in the order of time.
    pub fn events(&self) -> Vec<PathBuf> {
        board::files(&self.path)
    }

    /// Where `wgpo play` draws an episode of each state, unless told otherwise.
    fn pictures(&self) -> [PathBuf; 2] {
        [self.best(), self.policy()].map(|state| picture(&state))
    }

    /// The names of all that are there, for a message.
    pub fn names(&self) -> String {
        let best = if self.best().exists() { &[Self::BEST][..] } else { &[] };
        let events = if self.events().is_empty() { &[][..] } else { &["events.out.tfevents.*"][..] };
        [&[Self::CURVE, Self::METRICS, Self::CONFIG, Self::POLICY], best, events].concat().join(", ")
    }

    /// Makes the folder, this process's own. An error if a run is in it that is not to be replaced.
    pub fn own(&self, replace: bool) -> Result<Lock> {
        std::fs::create_dir_all(&self.path).with_context(|| self.cannot())?;
        let lock = Lock::take(&self.path)?;
        // Another run may have come and gone since this one was planned.
        if !replace && self.is_taken() {
            return Err(self.exists_already());
        }
        Ok(lock)
    }

    /// Empties the folder of an earlier run's files, and writes the settings. Whenever it ends before the state is saved, what is there
    /// is begun anew by the same command and by `--resume`.
    pub fn prepare(&self, config: &RunConfig) -> Result<()> {
        // The settings stay to the last: what is left of the earlier run is that run's.
        self.results().iter().try_for_each(|file| self.remove(file))?;
        config.write(&self.config())
    }

    /// Empties the folder of an earlier run's files, the settings last.
    pub fn clear(&self) -> Result<()> {
        self.results().iter().chain([&self.config()]).try_for_each(|file| self.remove(file))
    }

    /// All files but the settings.
    fn results(&self) -> Vec<PathBuf> {
        let [best, policy] = self.pictures();
        let own = [damaged(&self.metrics()), self.metrics(), self.curve(), best, policy, self.best(), self.policy()];
        self.events().into_iter().chain(own).collect()
    }

    fn remove(&self, file: &Path) -> Result<()> {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(anyhow::Error::new(error).context(self.cannot()))
            }
            _ => Ok(()),
        }
    }

    fn cannot(&self) -> String {
        format!("{}: cannot make the run folder", self.path.display())
    }

    /// Makes the folder of an earlier run this process's own.
    pub fn take(&self) -> Result<Lock> {
        let lock = Lock::take(&self.path)?;
        for file in [self.config(), self.metrics(), self.policy(), self.best(), self.curve()] {
            checkpoint::separate(&file)?;
        }
        Ok(lock)
    }

    /// Writes the state of `run`.
    pub fn save(&self, trainer: &dyn Trainer, run: u64) -> Result<()> {
        let (learner, state) = (trainer.learner(), trainer.state()?);
        self.save_state(learner.spec(), learner.config(), &state, run)
    }

    /// Writes `state` as that of `run`.
    pub fn save_state(&self, spec: &PolicySpec, config: &Config, state: &TrainerState, run: u64) -> Result<()> {
        checkpoint::save_trainer_labelled(&self.policy(), spec, config, state, &label(run))
            .context("the state cannot be saved")
    }

    /// The state that the run goes on from, which is of its policy and task; `None` where it was killed before its first save.
    pub fn saved(&self, config: &RunConfig) -> Result<Option<Saved>> {
        let path = self.policy();
        if !path.exists() {
            tell!("{}: nothing was saved yet; starting from its settings", self.path.display());
            return Ok(None);
        }
        let saved = checkpoint::load_trainer(&path)?;
        let run = run_of(&path, &saved.labels)?;
        self.refuse_other(&path, run, config)?;
        saved.expect_spec(&path, &config.policy)?;
        let (trained, wanted) = (saved.state.env_name(), config.env.name());
        if trained != wanted {
            bail!("{}: was trained on {trained}, not on {wanted}", path.display());
        }
        Ok(Some(Saved { state: saved.state, run }))
    }

    /// Gives the run that `trainer` goes on with its number, if it has none, and its first save, if there is none.
    pub fn number(&self, trainer: &dyn Trainer, config: &mut RunConfig, saved: Option<&Saved>) -> Result<()> {
        if config.run.is_none() || saved.is_none() {
            let run = config.run.or_else(|| saved?.run).map_or_else(|| config.number(), Ok)?;
            // The state first: settings with a number do not go with a state without one.
            self.save(trainer, run)?;
            config.run = Some(run);
        }
        Ok(())
    }

    /// An error if `path` says it is of another run than the settings are, or does not say it although they do.
    pub fn refuse_other(&self, path: &Path, said: Option<u64>, config: &RunConfig) -> Result<()> {
        let (path, settings) = (path.display(), self.config());
        match (config.run, said) {
            (Some(own), Some(other)) if own != other => {
                bail!("{path} is of run {other}, {} of run {own}: they do not belong together", settings.display())
            }
            (Some(own), None) => bail!(
                "{path} does not say which run it is of, {} is of run {own}: they do not belong together",
                settings.display()
            ),
            _ => Ok(()),
        }
    }

    /// An error if something is there that a new run would write over.
    pub fn refuse_taken(&self, replace: bool) -> Result<()> {
        if replace || !self.is_taken() {
            return Ok(());
        }
        Lock::check(&self.path)?;
        Err(self.exists_already())
    }

    /// The error for that.
    pub fn exists_already(&self) -> anyhow::Error {
        anyhow!(
            "{}: exists already; use --resume to continue that run, --force to replace it, or --out for another folder",
            self.path.display()
        )
    }

    /// Whether something is there that a new run would write over.
    pub fn is_taken(&self) -> bool {
        match lock::files(&self.path).as_deref() {
            Some([]) => false,
            // A run that was killed before it saved anything has nothing to lose.
            Some([name]) if name == Self::CONFIG => {
                !RunConfig::read(&self.config()).is_ok_and(|config| config.run.is_some())
            }
            _ => true,
        }
    }
}

/// Where an episode of the policy in file `policy` is drawn, unless told otherwise: beside it, and named after it.
pub fn picture(policy: &Path) -> PathBuf {
    policy.with_extension("svg")
}
