//! What is said of an update: as text, and as JSON.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use wgpo::check::RecordedRatio;
use wgpo::checkpoint::Recording;
use wgpo::data::{MinibatchStats, TrustRegionStats, UpdateStats};

/// An error if a number of the update is beyond f32.
pub fn refuse_not_finite(stats: &UpdateStats) -> Result<()> {
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
    Ok(())
}

/// The tensors that were not stored as they are used.
pub fn converted(recording: &Recording) -> Vec<String> {
    recording.converted.iter().map(ToString::to_string).collect()
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

/// Lines of text.
pub fn as_text(stats: &UpdateStats) -> String {
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

/// Everything, for programs.
pub fn as_json(stats: &UpdateStats, backend: &str, recording: &Recording, ratio: Option<&RecordedRatio>) -> Value {
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
