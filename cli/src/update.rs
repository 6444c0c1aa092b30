//! `wgpo update`.

use crate::args::UpdateArgs;
use crate::backend::Backend;
use crate::settings;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::process::ExitCode;
use wgpo::data::{MinibatchStats, UpdateStats};
use wgpo::{PpoConfig, checkpoint};

/// Reads everything, checks everything, updates, and only then writes.
pub fn update(args: &UpdateArgs) -> Result<ExitCode> {
    let saved = checkpoint::load_learner(&args.policy)?;
    let base = match saved.spec.head.is_discrete() {
        true => PpoConfig::cleanrl(),
        false => PpoConfig::cleanrl_continuous(),
    };
    let config = settings::from_file(&args.config, &base, &saved.spec.head)?;
    let rollout = checkpoint::read_rollout(&args.rollout, &saved.spec)?;
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        bail!("{}: no such folder, so {} cannot be written", folder.display(), args.out.display());
    }
    let backend = Backend::choose(&args.backend)?;
    // The rollout's own size, so that a schedule counts this trainer's updates.
    let config = PpoConfig { num_envs: rollout.envs, num_steps: rollout.steps, ..config };
    let mut learner = backend.learner(saved.spec, config, saved.state.seed)?;
    learner.set_state(&saved.state)?;
    let stats = learner.update(&rollout).context("update")?;
    if stats.skipped_steps > 0 {
        bail!("{} optimiser steps had a gradient that was not finite; nothing was written", stats.skipped_steps);
    }
    learner.save(&args.out)?;
    if args.json {
        println!("{:#}", as_json(&stats, backend.name()));
    } else {
        println!("backend: {}", backend.reason());
        println!("{} steps × {} environments = {} rows", rollout.steps, rollout.envs, rollout.rows());
        print!("{}", as_text(&stats));
        println!("written: {}", args.out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A statistic of a minibatch by its name.
type Column = (&'static str, fn(&MinibatchStats) -> f64);

const COLUMNS: [Column; 11] = [
    ("policy_loss", |minibatch| minibatch.policy_loss),
    ("value_loss", |minibatch| minibatch.value_loss),
    ("entropy", |minibatch| minibatch.entropy),
    ("loss", |minibatch| minibatch.loss),
    ("old_approx_kl", |minibatch| minibatch.old_approx_kl),
    ("approx_kl_k2", |minibatch| minibatch.approx_kl_k2),
    ("approx_kl", |minibatch| minibatch.approx_kl),
    ("clipfrac", |minibatch| minibatch.clipfrac),
    ("ratio_min", |minibatch| minibatch.ratio_min),
    ("ratio_max", |minibatch| minibatch.ratio_max),
    ("grad_norm", |minibatch| minibatch.grad_norm),
];

fn as_text(stats: &UpdateStats) -> String {
    let mut text = format!("{:<20} {:>14} {:>14} {:>14}\n", "", "first", "last", "mean");
    let first = stats.minibatches.first().copied().unwrap_or_default();
    for (name, column) in COLUMNS {
        let (first, last, mean) = (column(&first), column(&stats.last()), stats.mean(column));
        text += &format!("{name:<20} {first:>14.6} {last:>14.6} {mean:>14.6}\n");
    }
    let stopped = if stats.stopped_early { ", stopped early by target_kl" } else { "" };
    text += &format!("{:<20} {:>14.6}\n", "explained_variance", stats.explained_variance);
    text += &format!("{:<20} {:>14.6e}\n", "learning_rate", stats.learning_rate);
    text += &format!(
        "{} optimiser steps, {} minibatches seen, {} epochs begun{stopped}\n",
        stats.optimizer_steps,
        stats.minibatches.len(),
        stats.epochs
    );
    text
}

fn as_json(stats: &UpdateStats, backend: &str) -> Value {
    let minibatches: Vec<Value> = stats
        .minibatches
        .iter()
        .map(|minibatch| {
            let numbers = COLUMNS.iter().map(|(name, column)| ((*name).to_owned(), json!(column(minibatch))));
            let flags = [
                ("non_finite_rows".to_owned(), json!(minibatch.non_finite_rows)),
                ("stepped".to_owned(), json!(minibatch.stepped)),
            ];
            Value::Object(numbers.chain(flags).collect())
        })
        .collect();
    json!({
        "backend": backend,
        "optimizer_steps": stats.optimizer_steps,
        "skipped_steps": stats.skipped_steps,
        "epochs": stats.epochs,
        "stopped_early": stats.stopped_early,
        "explained_variance": stats.explained_variance,
        "learning_rate": stats.learning_rate,
        "minibatches": minibatches,
    })
}
