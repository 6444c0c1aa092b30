//! The folder and the settings of a run, before anything is written.

use super::ask::{asked, folder};
use crate::args::train::TrainArgs;
use crate::folder::group;
use crate::folder::lock::Lock;
use crate::folder::run::Folder;
use crate::place::choose::ChosenPlace;
use crate::settings::run_config::RunConfig;
use anyhow::{Context, Result, bail};
use wgpo::AlgorithmKind;
use wgpo::env::HeadName;

/// A new run's folder and settings; nothing is written yet.
pub fn plan(args: &TrainArgs, place: &ChosenPlace) -> Result<(Folder, RunConfig)> {
    let (env, seed) = (args.task.0, args.seed.unwrap_or(1));
    let (settings, policy) = asked(args)?;
    let folder = folder(args, settings.algorithm.kind(), place.name(), seed);
    let seeds = group::folders(folder.path()).len();
    if seeds > 0 {
        bail!("{}: is the folder of {seeds} seeds; use --out for another one", folder.path().display());
    }
    folder.refuse_taken(args.force)?;
    let (adapter, api, driver) = (place.adapter(), place.api(), place.driver());
    let (kernels, run, checksum) = (place.kernels(), None, None);
    let backend = place.name().into();
    let eval_episodes = args.eval_episodes.unwrap_or(wgpo::solved::EPISODES);
    let config =
        RunConfig { env, backend, adapter, api, driver, kernels, seed, eval_episodes, run, checksum, policy, settings };
    Ok((folder, config))
}

/// An earlier run's folder and settings. What the command line says must agree with them; only `--steps` may differ, and a run that was
/// never evaluated may be from here on.
pub fn find(args: &TrainArgs) -> Result<(Folder, RunConfig, Lock)> {
    let seed = args.seed.unwrap_or(1);
    let algorithm = args.algo.map_or(AlgorithmKind::Ppo, |algo| algo.0);
    let folder = if args.out.is_some() {
        folder(args, algorithm, "", seed)
    } else {
        let found: Vec<_> = ["gpu", "cpu"]
            .map(|name| folder(args, algorithm, name, seed))
            .into_iter()
            .filter(|one| one.config().exists())
            .collect();
        let wanted = args.place.forced();
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
        let seeds = group::folders(folder.path()).len();
        if seeds > 0 {
            bail!("{}: holds {seeds} runs; --seeds {seeds} resumes them", folder.path().display());
        }
        bail!("{}: not there, so there is no run to resume", folder.config().display());
    }
    let lock = folder.take()?;
    // A run that was killed before it saved anything has settings alone.
    if !folder.policy().exists() && folder.metrics().exists() {
        bail!("{}: not there, so there is no run to resume", folder.policy().display());
    }
    let mut config = RunConfig::read(&folder.config())?;
    config.settings.validate().with_context(|| format!("{}", folder.config().display()))?;
    config.policy.validate().with_context(|| format!("{}", folder.config().display()))?;
    let differs = |option: &str, saved: &dyn std::fmt::Display, given: &dyn std::fmt::Display| {
        format!("{} was run with {option} {saved}, not {given}; leave the option out", folder.path().display())
    };
    if config.env != args.task.0 {
        bail!("{} is a run of {}, not of {}", folder.path().display(), config.env.name(), args.task.0.name());
    }
    if let Some(asked) = args.algo.map(|algo| algo.0).filter(|asked| *asked != config.settings.algorithm.kind()) {
        bail!(differs("--algo", &config.settings.algorithm.name(), &asked.name()));
    }
    let saved = HeadName::of(&config.policy.head);
    if let Some(asked) = args.head.filter(|asked| Some(*asked) != saved) {
        let saved = saved.map_or_else(|| config.policy.head.name().to_owned(), |saved| saved.to_string());
        bail!(differs("--head", &saved, &asked));
    }
    if let Some(seed) = args.seed.filter(|seed| *seed != config.seed) {
        bail!(differs("--seed", &config.seed, &seed));
    }
    if let Some(envs) = args.envs.filter(|envs| *envs != config.settings.num_envs) {
        bail!(differs("--envs", &config.settings.num_envs, &envs));
    }
    if let Some(steps) = args.rollout.filter(|steps| *steps != config.settings.num_steps) {
        bail!(differs("--rollout", &config.settings.num_steps, &steps));
    }
    // Means over other numbers of episodes do not compare: neither which is the best, nor whether one is at the mark.
    if let Some(asked) = args.eval_episodes.filter(|asked| ![0, *asked].contains(&config.eval_episodes)) {
        bail!(differs("--eval-episodes", &config.eval_episodes, &asked));
    }
    config.settings.total_timesteps = args.steps.unwrap_or(config.settings.total_timesteps);
    config.eval_episodes = args.eval_episodes.unwrap_or(config.eval_episodes);
    Ok((folder, config, lock))
}
