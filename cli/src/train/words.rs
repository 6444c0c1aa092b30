//! What is said of a run in its pictures and its warnings.

use super::ask::unusual;
use crate::folder::metrics::row::Row;
use crate::settings::run_config::RunConfig;
use wgpo::env::HeadName;
use wgpo::trainer::IterationStats;

/// What a picture of a run has above it.
pub fn title(config: &RunConfig) -> String {
    let RunConfig { env, adapter, seed, settings, policy, .. } = config;
    let place = adapter.as_deref().unwrap_or("the CPU reference");
    let name = settings.algorithm.name().to_uppercase();
    let head = unusual(*env, HeadName::of(&policy.head)).map_or(String::new(), |head| format!(" ({head})"));
    format!("{} · {name}{head} on {place} · seed {seed}", env.gymnasium_id())
}

/// What there is to warn of after an update, if anything.
pub fn warning(row: &Row, stats: &IterationStats) -> Option<String> {
    if row.skipped_steps > 0 {
        return Some(format!(
            "warning: update {}: {} optimiser steps skipped because the gradient, or its norm, was not finite",
            row.update, row.skipped_steps
        ));
    }
    stats.update.not_finite().map(|words| format!("warning: update {}: {words}: beyond f32", row.update))
}
