//! What an iteration measured, as JSON, under the library's own names.

use serde_json::{Value, json};
use wgpo::data::UpdateStats;
use wgpo::state::EpisodeStats;
use wgpo::trainer::IterationStats;

/// A number that is none becomes `null`.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// An iteration.
pub fn iteration(stats: &IterationStats) -> Value {
    json!({
        "env_steps": stats.env_steps,
        "updates": stats.updates,
        "episodes": episodes(&stats.episodes),
        "update": update(&stats.update),
    })
}

fn episodes(stats: &EpisodeStats) -> Value {
    json!({
        "count": stats.count,
        "mean_return": stats.mean_return(),
        "mean_length": stats.mean_length(),
        "min_return": finite(stats.return_min),
        "max_return": finite(stats.return_max),
    })
}

/// The last minibatch's means, as CleanRL logs them, and what is of the whole update. What an algorithm does not have is `null`.
fn update(stats: &UpdateStats) -> Value {
    let last = stats.last_counted();
    let (region, off_policy) = (stats.trust_region.as_ref(), stats.off_policy.as_ref());
    let learns_by_ratios = off_policy.is_none() && region.is_none();
    let of_ratios = |value: f64| learns_by_ratios.then_some(value).and_then(finite);
    json!({
        "policy_loss": if region.is_some() { None } else { finite(last.policy_loss) },
        "value_loss": finite(last.value_loss),
        "entropy": finite(region.map_or(last.entropy, |own| own.entropy)),
        "approx_kl": region.map_or(of_ratios(last.approx_kl), |own| finite(own.kl_after)),
        "clipfrac": of_ratios(last.clipfrac),
        "explained_variance": if off_policy.is_some() { None } else { finite(stats.explained_variance) },
        "grad_norm": stats.mean_grad_norm().and_then(finite),
        "learning_rate": finite(stats.learning_rate),
        "optimizer_steps": stats.optimizer_steps,
        "skipped_steps": stats.skipped_steps,
        "stopped_early": stats.stopped_early,
        "kl": stats.kl.and_then(finite),
        "kl_coef": stats.kl_coef.and_then(finite),
        "accepted": region.map(|own| own.accepted),
        "cg_iterations": region.map(|own| own.cg_iterations),
        "q_values": off_policy.and_then(|own| finite(own.q_values)),
        "targets": off_policy.and_then(|own| finite(own.targets)),
        "alpha": off_policy.and_then(|own| own.alpha).and_then(finite),
        "epsilon": off_policy.and_then(|own| own.epsilon).and_then(finite),
        "gradient_steps": off_policy.map(|own| own.gradient_steps),
    })
}
