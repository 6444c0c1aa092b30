//! What a new run is asked for: its settings, its policy and the name of its folder.

use crate::args::preset::Preset;
use crate::args::train::TrainArgs;
use crate::folder::run::Folder;
use crate::settings::{file, presets};
use anyhow::{Result, bail};
use std::path::Path;
use wgpo::env::HeadName;
use wgpo::policy::{Branch, PolicySpec, Std};
use wgpo::{AlgorithmKind, Config, Env};

/// The folder that is named, or the one that such a run has by default.
pub fn folder(args: &TrainArgs, algorithm: AlgorithmKind, kind: &str, seed: u64) -> Folder {
    let default = || {
        let algorithm = if algorithm == AlgorithmKind::Ppo { String::new() } else { format!("-{}", algorithm.name()) };
        let head = unusual(args.task.0, args.head).map_or(String::new(), |head| format!("-{}", head.in_path()));
        Path::new("runs").join(format!("{}{algorithm}{head}-{kind}-s{seed}", args.task.0.name()))
    };
    Folder::at(&args.out.clone().unwrap_or_else(default))
}

/// `head`, unless it is the one that `env` has by itself.
pub fn unusual(env: Env, head: Option<HeadName>) -> Option<HeadName> {
    head.filter(|_| head != HeadName::of(&env.head()))
}

/// The settings and the policy that a new run is asked for.
pub fn asked(args: &TrainArgs) -> Result<(Config, PolicySpec)> {
    let env = args.task.0;
    let named = args.head.map(|name| name.head(env)).transpose()?;
    let preset = args.preset.unwrap_or(Preset::Tuned);
    let asked = args.algo.map(|algo| algo.0);
    let base = |algorithm| presets::of_task(preset, algorithm, env);
    let mut config = match &args.config {
        Some(path) => file::from_file(path, &env.head(), asked, base)?,
        None => base(asked.unwrap_or_default())?,
    };
    config.num_envs = args.envs.unwrap_or(config.num_envs);
    config.num_steps = args.rollout.unwrap_or(config.num_steps);
    config.total_timesteps = args.steps.unwrap_or(config.total_timesteps);
    config.validate()?;
    check_steps(&config)?;
    // A run's own file may hold another algorithm than the preset is for; its networks are then the task's.
    let kind = config.algorithm.kind();
    refuse_other_actions(kind, env)?;
    let mut policy = presets::policy(preset, kind, env).or_else(|_| presets::policy(Preset::Tuned, kind, env))?;
    policy = config.fitted(policy);
    if let Some(head) = named {
        if kind.is_off_policy() {
            bail!("--head: {}'s actor is the algorithm's own; leave --head out", kind.name());
        }
        // A name says where the deviation comes from, the preset what it is.
        let head = match (policy.head.std(), head.std()) {
            (Some(usual), Some(own)) => head.clone().with_std(Std { from_state: own.from_state, ..*usual }),
            _ => head,
        };
        policy = policy.with_head(head);
    }
    if let Some(limit) = args.std_limit {
        policy = limit.on(policy, kind)?;
    }
    policy.activation = args.activation.map_or(policy.activation, |activation| activation.0);
    if let Some(hidden) = &args.hidden {
        let branches = [Branch::POLICY, Branch::VALUE].into_iter().chain(Branch::CRITICS);
        policy = branches.fold(policy, |policy, name| policy.with_hidden(name, hidden));
    }
    policy.validate()?;
    Ok((config, policy))
}

/// Refuses an algorithm whose actions are of another kind than the task's.
fn refuse_other_actions(kind: AlgorithmKind, env: Env) -> Result<()> {
    let choices = env.head().is_discrete();
    match (kind, choices) {
        (AlgorithmKind::Dqn, false) => {
            bail!(
                "--algo dqn chooses among a number of actions, {} takes floats: ddpg, td3 and sac are for those",
                env.name()
            )
        }
        (AlgorithmKind::Ddpg | AlgorithmKind::Td3, true) => {
            bail!(
                "--algo {} takes floats as actions, {} has choices: dqn and sac are for those",
                kind.name(),
                env.name()
            )
        }
        _ => Ok(()),
    }
}

/// Refuses a run of fewer steps than one update takes: it would take them all the same, perhaps a million times as many as were asked for.
fn check_steps(config: &Config) -> Result<()> {
    let (envs, rollout, steps) = (config.num_envs, config.num_steps, config.total_timesteps);
    let batch = config.batch_size() as u64;
    if batch <= steps {
        return Ok(());
    }
    bail!(
        "--steps {steps} is less than one update takes: {envs} environments × {rollout} steps = {batch}; give at least --steps {batch}, \
         or fewer --envs or a shorter --rollout"
    );
}
