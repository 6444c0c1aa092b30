//! A run folder: which files it has, when it may be made and when it may be gone on with.

use crate::args::{Preset, TrainArgs};
use crate::backend::Backend;
use crate::head::HeadName;
use crate::settings::{self, RunConfig};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use wgpo::policy::Std;
use wgpo::{Algorithm, Env, PpoConfig};

/// The files of a run.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
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
    #[cfg(test)]
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

    /// The names of all that are there, for a message.
    pub fn names(&self) -> String {
        let best = if self.best().exists() { &[Self::BEST][..] } else { &[] };
        [&[Self::CURVE, Self::METRICS, Self::CONFIG, Self::POLICY], best].concat().join(", ")
    }

    /// Makes the folder, or empties it of an earlier run.
    pub fn prepare(&self) -> Result<()> {
        let make = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.path)?;
            for file in [self.config(), self.metrics(), self.policy(), self.best(), self.curve()] {
                match std::fs::remove_file(&file) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        };
        make().with_context(|| format!("{}: cannot make the run folder", self.path.display()))
    }

    fn is_taken(&self) -> bool {
        // What cannot be listed (a file, no permission) is not ours to fill either.
        self.path.exists() && std::fs::read_dir(&self.path).map_or(true, |mut entries| entries.next().is_some())
    }
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

/// A new run's folder and settings; nothing is written yet.
pub fn plan(args: &TrainArgs, backend: &Backend) -> Result<(Folder, RunConfig)> {
    let env = args.task.0;
    let seed = args.seed.unwrap_or(1);
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
    let folder = folder(args, ppo.algorithm, backend.name(), seed);
    if folder.is_taken() && !args.force {
        bail!(
            "{}: exists already; give --resume to go on with that run, --force to replace it, or --out another folder",
            folder.path.display()
        );
    }
    let (adapter, api, driver) = (backend.adapter(), backend.api(), backend.driver());
    let kernels = backend.kernels();
    let eval_episodes = args.eval_episodes.unwrap_or(wgpo::solved::EPISODES);
    let backend = backend.name().into();
    Ok((folder, RunConfig { env, backend, adapter, api, driver, kernels, seed, eval_episodes, policy, ppo }))
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

/// An earlier run's folder and settings. What the command line says must agree with them; only `--steps` and `--eval-episodes` may
/// differ.
pub fn find(args: &TrainArgs) -> Result<(Folder, RunConfig)> {
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
    for file in [folder.config(), folder.policy()] {
        if !file.exists() {
            bail!("{}: not there, so there is no run to resume", file.display());
        }
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
    config.ppo.total_timesteps = args.steps.unwrap_or(config.ppo.total_timesteps);
    config.eval_episodes = args.eval_episodes.unwrap_or(config.eval_episodes);
    Ok((folder, config))
}
