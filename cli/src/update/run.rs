//! `wgpo update`.

use super::batches;
use super::report::{as_json, as_text, converted, refuse_not_finite};
use crate::args::place::Kernels;
use crate::args::update::UpdateArgs;
use crate::files;
use crate::place::choose::ChosenPlace;
use crate::program::{SUCCESS, Status};
use crate::settings::{file, presets};
use anyhow::{Context, Result, bail};
use ndarray::Array2;
use wgpo::check::{RecordedRatio, recorded_ratio};
use wgpo::checkpoint::{self, Recording, Saved};
use wgpo::data::UpdateStats;
use wgpo::state::LearnerState;
use wgpo::{Config, OnPolicy, SaveAgent};

/// Reads everything, checks everything, updates, and only then writes.
pub fn update(args: &UpdateArgs) -> Result<Status> {
    let saved = checkpoint::load_learner(&args.policy)?;
    let config = settings(args, &saved)?;
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        bail!("{}: no such folder, so {} cannot be written", folder.display(), args.out.display());
    }
    if config.replay().is_some() {
        return batches::update(args, config, &saved);
    }
    let recording = checkpoint::read_recording(&args.rollout, &saved.spec)?;
    let Recording { rollout, order, .. } = &recording;
    files::tidy(&args.out);
    let mut place = ChosenPlace::choose(&args.place)?;
    // The rollout's own size, so that a schedule counts this trainer's updates.
    let config = Config { num_envs: rollout.envs, num_steps: rollout.steps, ..config };
    check_order(args, &config, order.as_ref())?;
    if args.place.kernels == Kernels::Tuned {
        // What does not go together is refused before anything is measured and kept.
        drop(learner(args, &place, &config, &saved)?);
        place.tune(&args.place, &saved.spec, &config, rollout.rows())?;
    }
    let mut learner = learner(args, &place, &config, &saved)?;
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
    refuse_not_finite(&stats)?;
    learner.save(&args.out)?;
    if args.json {
        say!("{:#}", as_json(&stats, place.name(), &recording, ratio.as_ref()));
    } else {
        let scales_rewards = config.norm_reward.is_some();
        print(args, place.reason(), &recording, order.as_deref(), scales_rewards, &stats);
    }
    Ok(SUCCESS)
}

/// The settings of the file. What another trainer recorded has been through its own wrappers: nothing is normalised again, unless the settings
/// say so or the policy comes with statistics.
fn settings(args: &UpdateArgs, saved: &Saved<LearnerState>) -> Result<Config> {
    let (head, known) = (&saved.spec.head, &saved.state.normalizer);
    let as_recorded = |config: Config| Config {
        norm_obs: config.norm_obs.filter(|_| known.obs.is_some()),
        norm_reward: config.norm_reward.filter(|_| known.reward.is_some()),
        norm_value: config.norm_value.filter(|_| known.value.is_some()),
        ..config
    };
    file::from_file(&args.config, head, None, |algorithm| presets::usual(algorithm, head).map(as_recorded))
}

/// The learner that goes on from the policy's file.
fn learner(
    args: &UpdateArgs,
    place: &ChosenPlace,
    config: &Config,
    saved: &Saved<LearnerState>,
) -> Result<Box<dyn OnPolicy>> {
    place.learner_from(saved.spec.clone(), config.clone(), &saved.state).map_err(|error| {
        // What is too large is not about the files' agreement.
        if !matches!(error.downcast_ref(), Some(wgpo::Error::Config { .. } | wgpo::Error::Shape { .. })) {
            return error;
        }
        error.context(format!(
            "{} does not go with {}: running statistics need the same [norm_obs], [norm_reward] and [norm_value], and as \
             many environments",
            args.policy.display(),
            args.config.display()
        ))
    })
}

fn print(
    args: &UpdateArgs,
    reason: &str,
    recording: &Recording,
    order: Option<&[u32]>,
    scales_rewards: bool,
    stats: &UpdateStats,
) {
    let rollout = &recording.rollout;
    say!("backend: {reason}");
    say!("{} steps × {} environments = {} rows", rollout.steps, rollout.envs, rollout.rows());
    if !recording.converted.is_empty() {
        say!("converted: {}", converted(recording).join(", "));
    }
    if let Some(order) = order {
        say!("order: that of the file, {} permutations", order.len() / rollout.rows().max(1));
    }
    if scales_rewards {
        say!("rewards: scaled by norm_reward; if the file's are scaled already, set norm_reward = \"off\"");
    }
    say!("{}", as_text(stats).trim_end());
    say!("written: {}", args.out.display());
}

/// Refuses an order of other epochs than the settings have: which of the two is meant cannot be seen.
fn check_order(args: &UpdateArgs, config: &Config, order: Option<&Array2<u32>>) -> Result<()> {
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
