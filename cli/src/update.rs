//! `wgpo update`.

use crate::args::{KernelsChoice, UpdateArgs};
use crate::backend::Backend;
use crate::files;
use crate::settings;
use anyhow::{Context, Result, bail};
use ndarray::Array2;
use serde_json::{Value, json};
use std::process::ExitCode;
use wgpo::check::{RecordedRatio, recorded_ratio};
use wgpo::checkpoint::{self, Recording};
use wgpo::data::{MinibatchStats, TrustRegionStats, UpdateStats};
use wgpo::{Learner, PpoConfig};

/// Reads everything, checks everything, updates, and only then writes.
pub fn update(args: &UpdateArgs) -> Result<ExitCode> {
    let saved = checkpoint::load_learner(&args.policy)?;
    let head = &saved.spec.head;
    // What another trainer recorded has been through its own wrappers: nothing is normalised again, unless the settings say so or the
    // policy comes with statistics.
    let known = &saved.state.normalizer;
    let as_recorded = |config: PpoConfig| PpoConfig {
        obs_norm: config.obs_norm.filter(|_| known.obs.is_some()),
        reward_norm: config.reward_norm.filter(|_| known.reward.is_some()),
        norm_value: config.norm_value.filter(|_| known.value.is_some()),
        ..config
    };
    let base = |algorithm| settings::usual(algorithm, head).map(as_recorded);
    let config = settings::from_file(&args.config, head, None, base)?;
    let recording = checkpoint::read_recording(&args.rollout, &saved.spec)?;
    let Recording { rollout, order, .. } = &recording;
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        bail!("{}: no such folder, so {} cannot be written", folder.display(), args.out.display());
    }
    files::tidy(&args.out);
    let mut backend = Backend::choose(&args.backend)?;
    // The rollout's own size, so that a schedule counts this trainer's updates.
    let config = PpoConfig { num_envs: rollout.envs, num_steps: rollout.steps, ..config };
    check_order(args, &config, order.as_ref())?;
    let scales_rewards = config.reward_norm.is_some();
    let made = |backend: &Backend| -> Result<Box<dyn Learner>> {
        backend.learner_from(saved.spec.clone(), config.clone(), &saved.state).map_err(|error| {
            // What is too large is not about the files' agreement.
            if !matches!(error.downcast_ref(), Some(wgpo::Error::Config { .. } | wgpo::Error::Shape { .. })) {
                return error;
            }
            error.context(format!(
                "{} does not go with {}: running statistics need the same [obs_norm], [reward_norm] and [norm_value], and as \
                 many environments",
                args.policy.display(),
                args.config.display()
            ))
        })
    };
    if args.backend.kernels == KernelsChoice::Tuned {
        // What does not go together is refused before anything is measured and kept.
        drop(made(&backend)?);
        backend.tune(&args.backend, &saved.spec, config.minibatch_rows(rollout.rows()))?;
    }
    let mut learner = made(&backend)?;
    // Corrected advantages are for rollouts of an older policy: there, ratios are what they are.
    let ratio = match config.advantage.corrects() {
        true => None,
        false => Some(recorded_ratio(&saved.spec, &saved.state.parameters, &recording).context("ratio")?),
    };
    if let Some(ratio) = ratio.as_ref().filter(|ratio| ratio.off > 0) {
        tell!("warning: {}", ratio_words(ratio, args));
    }
    let order: Option<Vec<u32>> = order.as_ref().map(|order| order.iter().copied().collect());
    let stats = learner.update_in_order(rollout, order.as_deref()).context("update")?;
    if stats.skipped_steps > 0 {
        bail!(
            "{} optimiser steps had a gradient that was not finite, a norm of it beyond f32, or one above 9.2e18 after clipping; \
             nothing was written",
            stats.skipped_steps
        );
    }
    if let Some(words) = stats.not_finite() {
        bail!("{words}: a number of this update is beyond f32; nothing was written");
    }
    learner.save(&args.out)?;
    if args.json {
        say!("{:#}", as_json(&stats, backend.name(), &recording, ratio.as_ref()));
    } else {
        say!("backend: {}", backend.reason());
        say!("{} steps × {} environments = {} rows", rollout.steps, rollout.envs, rollout.rows());
        if !recording.converted.is_empty() {
            say!("converted: {}", converted(&recording).join(", "));
        }
        if let Some(order) = &order {
            say!("order: that of the file, {} permutations", order.len() / rollout.rows().max(1));
        }
        if scales_rewards {
            say!("rewards: scaled by reward_norm; if the file's are scaled already, set reward_norm = \"off\"");
        }
        say!("{}", as_text(&stats).trim_end());
        say!("written: {}", args.out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses an order of other epochs than the settings have: which of the two is meant cannot be seen.
fn check_order(args: &UpdateArgs, config: &PpoConfig, order: Option<&Array2<u32>>) -> Result<()> {
    let (Some(order), epochs) = (order, config.order_epochs()) else { return Ok(()) };
    if order.nrows() == epochs {
        return Ok(());
    }
    let more = if epochs == config.update_epochs { "" } else { " and one more for trust_region.subsample" };
    bail!(
        "{}: \"order\" has shape {:?}, expected [{epochs}, {}]: a permutation for each of the {} update_epochs of {}{more}",
        args.rollout.display(),
        order.shape(),
        order.ncols(),
        config.update_epochs,
        args.config.display()
    )
}

/// The tensors that were not stored as they are used.
fn converted(recording: &Recording) -> Vec<String> {
    recording.converted.iter().map(ToString::to_string).collect()
}

/// What is wrong with the recorded log-probabilities, and what is usually behind it.
fn ratio_words(ratio: &RecordedRatio, args: &UpdateArgs) -> String {
    let RecordedRatio { rows, min, max, off, worst } = ratio;
    format!(
        "before the first step the ratio is not 1: it is from {min:.6} to {max:.6}, and of {rows} rows {off} are off by more than \
         rounding explains (row {}: \"logp\" is {}, {} gives {:.6}; rounding explains {:.1e}). Usual causes: raw observations \
         stored where normalised ones were acted on; the environment's actions, clipped or mapped, in place of those that were \
         drawn; another policy than the one that acted; networks computed in less than float32",
        worst.row,
        worst.recorded,
        args.policy.display(),
        worst.own,
        worst.explained
    )
}

/// A statistic of a minibatch by its name.
type Column = (&'static str, fn(&MinibatchStats) -> f64);

const COLUMNS: [Column; 12] = [
    ("policy_loss", |minibatch| minibatch.policy_loss),
    ("value_loss", |minibatch| minibatch.value_loss),
    ("entropy", |minibatch| minibatch.entropy),
    ("loss", |minibatch| minibatch.loss),
    ("kl", |minibatch| minibatch.kl),
    ("old_approx_kl", |minibatch| minibatch.old_approx_kl),
    ("approx_kl_k2", |minibatch| minibatch.approx_kl_k2),
    ("approx_kl", |minibatch| minibatch.approx_kl),
    ("clipfrac", |minibatch| minibatch.clipfrac),
    ("ratio_min", |minibatch| minibatch.ratio_min),
    ("ratio_max", |minibatch| minibatch.ratio_max),
    ("grad_norm", |minibatch| minibatch.grad_norm),
];

/// A trust region's minibatches are the critic's, which has no ratio and no entropy.
fn columns(stats: &UpdateStats) -> impl Iterator<Item = Column> {
    let critic = stats.trust_region.is_some();
    COLUMNS.into_iter().filter(move |(name, _)| !critic || ["value_loss", "loss", "grad_norm"].contains(name))
}

/// The policy's step.
fn region_text(region: &TrustRegionStats) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("kl_before", region.kl_before),
        ("kl_after", region.kl_after),
        ("surrogate_before", region.surrogate_before),
        ("surrogate_after", region.surrogate_after),
        ("expected_improvement", region.expected_improvement),
        ("gradient_norm", region.gradient_norm),
        ("quadratic_form", region.quadratic_form),
        ("step_scale", region.step_scale),
        ("entropy", region.entropy),
    ] {
        text += &format!("{name:<20} {value:>14.6}\n");
    }
    let curvature = if region.negative_curvature { ", ended by a direction without curvature" } else { "" };
    let step = match region.accepted_try {
        _ if !region.accepted => format!("none taken of {}", region.tries),
        Some(index) => format!("candidate {} of {} taken", index + 1, region.tries),
        None => "taken".to_owned(),
    };
    text + &format!("policy's step: {} iterations of conjugate gradients{curvature}; {step}\n", region.cg_iterations)
}

fn as_text(stats: &UpdateStats) -> String {
    let mut text = format!("{:<20} {:>14} {:>14} {:>14}\n", "", "first", "last", "mean");
    // Means over rows; of the gradient's norm over steps, of the ratios the ends.
    let first = stats.minibatches.iter().find(|minibatch| minibatch.rows > 0).copied().unwrap_or_default();
    for (name, column) in columns(stats) {
        let mean = match name {
            "grad_norm" => stats.mean_grad_norm().unwrap_or(0.0),
            "ratio_min" => stats.ratio_range().0,
            "ratio_max" => stats.ratio_range().1,
            _ => stats.mean(column),
        };
        let (first, last) = (column(&first), column(&stats.last_counted()));
        text += &format!("{name:<20} {first:>14.6} {last:>14.6} {mean:>14.6}\n");
    }
    for (name, value) in [("kl", stats.kl), ("kl_coef", stats.kl_coef)] {
        if let Some(value) = value {
            text += &format!("{name:<20} {value:>14.6}\n");
        }
    }
    if let Some(region) = &stats.trust_region {
        text += &region_text(region);
    }
    let hits = stats.head_hits();
    if hits > 0 {
        text += &format!("{:<20} {hits:>14} (limits of a deviation, or nothing allowed)\n", "head_hits");
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

fn as_json(stats: &UpdateStats, backend: &str, recording: &Recording, ratio: Option<&RecordedRatio>) -> Value {
    let ratio = ratio.map(|ratio| {
        json!({"rows": ratio.rows, "min": ratio.min, "max": ratio.max, "off": ratio.off, "explained": ratio.worst.explained})
    });
    let minibatches: Vec<Value> = stats
        .minibatches
        .iter()
        .map(|minibatch| {
            let numbers = columns(stats).map(|(name, column)| (name.to_owned(), json!(column(minibatch))));
            let flags = [
                ("rows".to_owned(), json!(minibatch.rows)),
                ("non_finite_rows".to_owned(), json!(minibatch.non_finite_rows)),
                ("head_hits".to_owned(), json!(minibatch.head_hits)),
                ("stepped".to_owned(), json!(minibatch.stepped)),
            ];
            Value::Object(numbers.chain(flags).collect())
        })
        .collect();
    let region = stats.trust_region.as_ref().map(|region| {
        json!({
            "kl_before": region.kl_before,
            "kl_after": region.kl_after,
            "surrogate_before": region.surrogate_before,
            "surrogate_after": region.surrogate_after,
            "expected_improvement": region.expected_improvement,
            "tries": region.tries,
            "accepted": region.accepted,
            "accepted_try": region.accepted_try,
            "cg_iterations": region.cg_iterations,
            "residuals": region.residuals,
            "negative_curvature": region.negative_curvature,
            "gradient_norm": region.gradient_norm,
            "quadratic_form": region.quadratic_form,
            "step_scale": region.step_scale,
            "entropy": region.entropy,
            "head_hits": region.head_hits,
        })
    });
    json!({
        "backend": backend,
        "converted": converted(recording),
        "ratio_before": ratio,
        "optimizer_steps": stats.optimizer_steps,
        "skipped_steps": stats.skipped_steps,
        "epochs": stats.epochs,
        "stopped_early": stats.stopped_early,
        "explained_variance": stats.explained_variance,
        "learning_rate": stats.learning_rate,
        "grad_norm": stats.mean_grad_norm(),
        "kl": stats.kl,
        "kl_coef": stats.kl_coef,
        "trust_region": region,
        "minibatches": minibatches,
    })
}
