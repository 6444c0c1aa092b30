//! `wgpo update` with an off-policy algorithm: gradient steps on recorded batches.

use super::report::refuse_not_finite;
use crate::args::place::Kernels;
use crate::args::update::UpdateArgs;
use crate::files;
use crate::place::choose::ChosenPlace;
use crate::program::{SUCCESS, Status};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use wgpo::Config;
use wgpo::checkpoint::{self, Saved};
use wgpo::data::UpdateStats;
use wgpo::state::LearnerState;

/// A gradient step on each batch of the file, in their order; only then is anything written.
pub fn update(args: &UpdateArgs, config: Config, saved: &Saved<LearnerState>) -> Result<Status> {
    let batches = checkpoint::read_batches(&args.rollout, &saved.spec, config.gamma as f32)?;
    if args.place.kernels == Kernels::Tuned {
        let name = config.algorithm.name();
        bail!("--kernels tuned measures updates on rollouts, {name} learns from a replay memory; leave it out");
    }
    files::tidy(&args.out);
    let place = ChosenPlace::choose(&args.place)?;
    // The memory has no part in it: one of the smallest size is made.
    let mut own = config.clone();
    if let Some(replay) = own.replay_mut() {
        (replay.buffer_size, replay.batch_size) = (config.num_envs, batches.first().map_or(1, |batch| batch.rows()));
    }
    let mut state = saved.state.clone();
    if let Some(own) = &mut state.off_policy {
        own.replay = None;
    }
    let mut learner = place
        .off_policy_from(saved.spec.clone(), own, &state)
        .with_context(|| format!("{} does not go with {}", args.policy.display(), args.config.display()))?;
    let mut steps = Vec::with_capacity(batches.len());
    for (index, batch) in batches.iter().enumerate() {
        let stats = learner.learn_batch(batch).with_context(|| format!("batch {index}"))?;
        refuse_not_finite(&stats)?;
        steps.push(stats);
    }
    let mut state = learner.state()?;
    if let Some(own) = &mut state.off_policy {
        own.replay = None;
    }
    checkpoint::save_learner(&args.out, &saved.spec, &config, &state)?;
    if args.json {
        say!("{:#}", as_json(&steps, place.name()));
    } else {
        say!("backend: {}", place.reason());
        say!("{} batches of {} transitions", batches.len(), batches.first().map_or(0, |batch| batch.rows()));
        say!("{}", as_text(&steps).trim_end());
        say!("written: {}", args.out.display());
    }
    Ok(SUCCESS)
}

/// A number of a gradient step by its name; `None` where the algorithm has none.
type Column = (&'static str, fn(&UpdateStats) -> Option<f64>);

const COLUMNS: [Column; 7] = [
    ("value_loss", |stats| Some(stats.last().value_loss)),
    ("q_values", |stats| stats.off_policy.map(|own| own.q_values)),
    ("targets", |stats| stats.off_policy.map(|own| own.targets)),
    ("policy_loss", |stats| Some(stats.last().policy_loss)),
    ("entropy", |stats| stats.off_policy?.alpha.map(|_| stats.last().entropy)),
    ("alpha", |stats| stats.off_policy?.alpha),
    ("grad_norm", |stats| Some(stats.last().grad_norm)),
];

fn as_text(steps: &[UpdateStats]) -> String {
    let mut text = format!("{:<20} {:>14} {:>14}\n", "", "first", "last");
    for (name, column) in COLUMNS {
        let of = |stats: Option<&UpdateStats>| stats.and_then(column);
        if let (Some(first), Some(last)) = (of(steps.first()), of(steps.last())) {
            text += &format!("{name:<20} {first:>14.6} {last:>14.6}\n");
        }
    }
    text + &format!("{} gradient steps\n", steps.len())
}

fn as_json(steps: &[UpdateStats], backend: &str) -> Value {
    let step = |stats: &UpdateStats| {
        let numbers = COLUMNS.into_iter().map(|(name, column)| (name.to_owned(), json!(column(stats))));
        Value::Object(numbers.chain([("rows".to_owned(), json!(stats.last().rows))]).collect())
    };
    json!({"backend": backend, "steps": steps.iter().map(step).collect::<Vec<_>>()})
}
