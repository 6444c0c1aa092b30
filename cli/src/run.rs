//! A run folder: which files it has, when it may be made and when it may be gone on with.

use crate::args::{Preset, TrainArgs};
use crate::backend::Backend;
use crate::head::HeadName;
use crate::lock::{self, Lock};
use crate::metrics;
use crate::play;
use crate::seeds;
use crate::seeds_folders;
use crate::settings::{self, RunConfig};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use wgpo::checkpoint::{self, Labels};
use wgpo::policy::{PolicySpec, Std};
use wgpo::trainer::{Trainer, TrainerState};
use wgpo::{Algorithm, Env, PpoConfig};

/// The label of a state file that says which run it is of.
const RUN: &str = "run";

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

    /// Where `wgpo play` draws an episode of each state, unless told otherwise.
    fn pictures(&self) -> [PathBuf; 2] {
        [self.best(), self.policy()].map(|state| play::picture(&state))
    }

    /// The names of all that are there, for a message.
    pub fn names(&self) -> String {
        let best = if self.best().exists() { &[Self::BEST][..] } else { &[] };
        [&[Self::CURVE, Self::METRICS, Self::CONFIG, Self::POLICY], best].concat().join(", ")
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
    fn results(&self) -> [PathBuf; 7] {
        let [best, policy] = self.pictures();
        [metrics::damaged(&self.metrics()), self.metrics(), self.curve(), best, policy, self.best(), self.policy()]
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
    fn take(&self) -> Result<Lock> {
        let lock = Lock::take(&self.path)?;
        for file in [self.config(), self.metrics(), self.policy(), self.best(), self.curve()] {
            checkpoint::separate(&file)?;
        }
        Ok(lock)
    }

    /// Writes the state of `run`.
    pub fn save(&self, trainer: &dyn Trainer, run: u64) -> Result<()> {
        let (learner, state) = (trainer.learner(), trainer.state()?);
        checkpoint::save_trainer_labelled(&self.policy(), learner.spec(), learner.config(), &state, &label(run))
            .context("the state cannot be saved")
    }

    /// A trainer that goes on from the saved state, if that is this run's. Settings of earlier versions get the run's number.
    pub fn load(&self, backend: &Backend, config: &mut RunConfig) -> Result<Box<dyn Trainer>> {
        let saved = self.saved(config)?;
        let trainer = match &saved {
            Some(saved) => backend.trainer_from(config, &saved.state)?,
            None => backend.trainer(config)?,
        };
        self.number(trainer.as_ref(), config, saved.as_ref())?;
        Ok(trainer)
    }

    /// The state that the run goes on from, which is of its policy and task; `None` where it was killed before its first save.
    pub fn saved(&self, config: &RunConfig) -> Result<Option<Saved>> {
        let path = self.policy();
        if !path.exists() {
            tell!("{}: nothing was saved yet; beginning with its settings", self.path.display());
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
    fn refuse_taken(&self, replace: bool) -> Result<()> {
        if replace || !self.is_taken() {
            return Ok(());
        }
        Lock::check(&self.path)?;
        Err(self.exists_already())
    }

    fn exists_already(&self) -> anyhow::Error {
        anyhow!(
            "{}: exists already; give --resume to go on with that run, --force to replace it, or --out another folder",
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

/// The label that says which run a state file is of.
pub fn label(run: u64) -> Labels {
    Labels::from([(RUN.to_owned(), run.to_string())])
}

/// The run that a state file says it is of.
pub fn run_of(path: &Path, labels: &Labels) -> Result<Option<u64>> {
    let Some(label) = labels.get(RUN) else { return Ok(None) };
    let number = label.parse().with_context(|| format!("{}: label \"{RUN}\" is \"{label}\"", path.display()))?;
    Ok(Some(number))
}

fn folder(args: &TrainArgs, algorithm: Algorithm, backend: &str, seed: u64) -> Folder {
    let default = || {
        let algorithm = if algorithm == Algorithm::Ppo { String::new() } else { format!("-{}", algorithm.name()) };
        let head = unusual(args.task.0, args.head).map_or(String::new(), |head| format!("-{}", head.in_path()));
        Path::new("runs").join(format!("{}{algorithm}{head}-{backend}-s{seed}", args.task.0.name()))
    };
    Folder { path: args.out.clone().unwrap_or_else(default) }
}

/// `head`, unless it is the one that `env` has by itself.
pub fn unusual(env: Env, head: Option<HeadName>) -> Option<HeadName> {
    head.filter(|_| head != HeadName::of(&env.head()))
}

/// The settings and the policy that a new run is asked for.
fn asked(args: &TrainArgs) -> Result<(PpoConfig, PolicySpec)> {
    let env = args.task.0;
    let named = args.head.map(|name| name.head(env)).transpose()?;
    let preset = args.preset.unwrap_or(Preset::Tuned);
    let asked = args.algo.map(Algorithm::from);
    let base = |algorithm| settings::of_task(preset, algorithm, env);
    let mut ppo = match &args.config {
        Some(path) => settings::from_file(path, &env.head(), asked, base)?,
        None => base(asked.unwrap_or_default())?,
    };
    ppo.num_envs = args.envs.unwrap_or(ppo.num_envs);
    ppo.num_steps = args.rollout.unwrap_or(ppo.num_steps);
    ppo.total_timesteps = args.steps.unwrap_or(ppo.total_timesteps);
    ppo.validate()?;
    check_steps(&ppo)?;
    // A run's own file may hold another algorithm than the preset is for; its networks are then the task's.
    let mut policy = settings::policy(preset, ppo.algorithm, env)
        .or_else(|_| settings::policy(Preset::Tuned, ppo.algorithm, env))?;
    if let Some(head) = named {
        // A name says where the deviation comes from, the preset what it is.
        policy.head = match (policy.head.std(), head.std()) {
            (Some(usual), Some(own)) => head.clone().with_std(Std { from_state: own.from_state, ..*usual }),
            _ => head,
        };
    }
    policy.activation = args.activation.map_or(policy.activation, Into::into);
    if let Some(hidden) = &args.hidden {
        (policy.policy_hidden, policy.value_hidden) = (hidden.clone(), hidden.clone());
    }
    policy.validate()?;
    Ok((ppo, policy))
}

/// The folder of a group of `count` seeds from `first` on: of a new one, which must not be there unless it is to be replaced, or of one
/// that is gone on with.
pub fn group_folder(args: &TrainArgs, backend: &str, first: u64, count: usize) -> Result<PathBuf> {
    let last = first.saturating_add(count as u64 - 1);
    let algorithm =
        if args.resume { args.algo.map_or(Algorithm::Ppo, Algorithm::from) } else { asked(args)?.0.algorithm };
    let named = |backend: &str| {
        let one = folder(args, algorithm, backend, first).path;
        if args.out.is_some() { one } else { PathBuf::from(format!("{}-{last}", one.display())) }
    };
    if args.resume {
        let forced = crate::backend::forced(&args.backend);
        let mut found: Vec<_> = forced.map_or(vec!["gpu", "cpu"], |name| vec![name]).into_iter().map(named).collect();
        found.dedup();
        found.retain(|path| path.exists());
        return match found.as_slice() {
            [one] => seeds_folders::refuse_fewer(args, one, first..=last).map(|()| one.clone()),
            [] => bail!(
                "no runs of {} with seeds {first} to {last} to resume; give their folder with --out",
                args.task.0.name()
            ),
            _ => bail!("there is a gpu and a cpu group of these seeds; say which with --backend or --out"),
        };
    }
    let group = Folder { path: named(backend) };
    if seeds_folders::is_taken(&group.path) && !args.force {
        return Err(group.exists_already());
    }
    if group.policy().exists() {
        bail!("{}: is the folder of a single run; give --out another one", group.path.display());
    }
    // What is replaced is this group's own.
    if let Some(other) = seeds_folders::other(&group.path, first..=last) {
        bail!("{}: is not of seeds {first} to {last}; move it away, or give --out another folder", other.display());
    }
    Ok(group.path)
}

/// A new run's folder and settings; nothing is written yet.
pub fn plan(args: &TrainArgs, backend: &Backend) -> Result<(Folder, RunConfig)> {
    let (env, seed) = (args.task.0, args.seed.unwrap_or(1));
    let (ppo, policy) = asked(args)?;
    let folder = folder(args, ppo.algorithm, backend.name(), seed);
    let seeds = seeds::folders(&folder.path).len();
    if seeds > 0 {
        bail!("{}: is the folder of {seeds} seeds; give --out another one", folder.path.display());
    }
    folder.refuse_taken(args.force)?;
    let (adapter, api, driver) = (backend.adapter(), backend.api(), backend.driver());
    let (kernels, run, checksum) = (backend.kernels(), None, None);
    let backend = backend.name().into();
    let eval_episodes = args.eval_episodes.unwrap_or(wgpo::solved::EPISODES);
    let config =
        RunConfig { env, backend, adapter, api, driver, kernels, seed, eval_episodes, run, checksum, policy, ppo };
    Ok((folder, config))
}

/// Refuses a run of fewer steps than one update takes: it would take them all the same, perhaps a million times as many as were asked for.
fn check_steps(ppo: &PpoConfig) -> Result<()> {
    let (envs, rollout, steps) = (ppo.num_envs, ppo.num_steps, ppo.total_timesteps);
    let batch = ppo.batch_size() as u64;
    if batch <= steps {
        return Ok(());
    }
    bail!(
        "--steps {steps} is less than one update takes: {envs} environments × {rollout} steps = {batch}; give at least --steps {batch}, \
         or fewer --envs or a shorter --rollout"
    );
}

/// An earlier run's folder and settings. What the command line says must agree with them; only `--steps` may differ, and a run that was
/// never evaluated may be from here on.
pub fn find(args: &TrainArgs) -> Result<(Folder, RunConfig, Lock)> {
    let seed = args.seed.unwrap_or(1);
    let algorithm = args.algo.map_or(Algorithm::Ppo, Algorithm::from);
    let folder = if args.out.is_some() {
        folder(args, algorithm, "", seed)
    } else {
        let found: Vec<_> = ["gpu", "cpu"]
            .map(|name| folder(args, algorithm, name, seed))
            .into_iter()
            .filter(|one| one.config().exists())
            .collect();
        let wanted = crate::backend::forced(&args.backend);
        match (found.as_slice(), wanted) {
            (_, Some(name)) => folder(args, algorithm, name, seed),
            ([one], None) => one.clone(),
            ([], None) => bail!(
                "no run of {} with seed {seed} in runs/: nothing to resume; give its folder with --out",
                args.task.0.name()
            ),
            (_, None) => bail!("there is a gpu and a cpu run with seed {seed}; say which with --backend or --out"),
        }
    };
    if !folder.config().exists() {
        let seeds = seeds::folders(&folder.path).len();
        if seeds > 0 {
            bail!("{}: holds {seeds} runs; --seeds {seeds} goes on with them", folder.path.display());
        }
        bail!("{}: not there, so there is no run to resume", folder.config().display());
    }
    let lock = folder.take()?;
    // A run that was killed before it saved anything has settings alone.
    if !folder.policy().exists() && folder.metrics().exists() {
        bail!("{}: not there, so there is no run to resume", folder.policy().display());
    }
    let mut config = RunConfig::read(&folder.config())?;
    config.ppo.validate().with_context(|| format!("{}", folder.config().display()))?;
    config.policy.validate().with_context(|| format!("{}", folder.config().display()))?;
    let differs = |option: &str, saved: &dyn std::fmt::Display, given: &dyn std::fmt::Display| {
        format!("{} was run with {option} {saved}, not {given}; leave the option out", folder.path.display())
    };
    if config.env != args.task.0 {
        bail!("{} is a run of {}, not of {}", folder.path.display(), config.env.name(), args.task.0.name());
    }
    if let Some(asked) = args.algo.map(Algorithm::from).filter(|asked| *asked != config.ppo.algorithm) {
        bail!(differs("--algo", &config.ppo.algorithm.name(), &asked.name()));
    }
    let saved = HeadName::of(&config.policy.head);
    if let Some(asked) = args.head.filter(|asked| Some(*asked) != saved) {
        let saved = saved.map_or_else(|| config.policy.head.name().to_owned(), |saved| saved.to_string());
        bail!(differs("--head", &saved, &asked));
    }
    if let Some(seed) = args.seed.filter(|seed| *seed != config.seed) {
        bail!(differs("--seed", &config.seed, &seed));
    }
    if let Some(envs) = args.envs.filter(|envs| *envs != config.ppo.num_envs) {
        bail!(differs("--envs", &config.ppo.num_envs, &envs));
    }
    if let Some(steps) = args.rollout.filter(|steps| *steps != config.ppo.num_steps) {
        bail!(differs("--rollout", &config.ppo.num_steps, &steps));
    }
    // Means over other numbers of episodes do not compare: neither which is the best, nor whether one is at the mark.
    if let Some(asked) = args.eval_episodes.filter(|asked| ![0, *asked].contains(&config.eval_episodes)) {
        bail!(differs("--eval-episodes", &config.eval_episodes, &asked));
    }
    config.ppo.total_timesteps = args.steps.unwrap_or(config.ppo.total_timesteps);
    config.eval_episodes = args.eval_episodes.unwrap_or(config.eval_episodes);
    Ok((folder, config, lock))
}
