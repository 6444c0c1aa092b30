//! `wgpo failure-modes`: three bandits on which usual PPO fails, and what helps.
//!
//! Hsu, Mendler-Dünner and Hardt, "Revisiting design choices in proximal policy optimization" (2020), show that a clipped
//! surrogate with a Gaussian or softmax policy fails where the reward's support is bounded, where one of many actions
//! pays best and others well, and where a locally best action lies near the initial policy; other parametrisations
//! and a KL penalty in place of the clip help. The bandits are ours, made to show the same.

use super::folder::{FIGURE, Folder, REWARDS, SUMMARY};
use super::outcome::Outcome;
use crate::args::failure_modes::FailureModesArgs;
use crate::place::choose::{ChosenPlace, one_for_all};
use crate::place::group::Group;
use crate::program::{SUCCESS, Status};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Instant;
use wgpo::env::{FailureMode, FailureVariant};

/// Runs all variants of the modes that were asked for, and leaves figure and tables.
pub fn failure_modes(args: &FailureModesArgs) -> Result<Status> {
    one_for_all(&args.place)?;
    let place = ChosenPlace::choose(&args.place)?;
    let folder = Folder::prepare(args, &place)?;
    say!("backend: {}", place.reason());
    let modes: Vec<FailureMode> =
        FailureMode::all().into_iter().filter(|mode| args.mode.includes(mode.number)).collect();
    let variants: usize = modes.iter().map(|mode| mode.variants.len()).sum();
    let progress = Progress::new((variants * args.updates) as u64);
    let start = Instant::now();
    let adapter = place.adapter().unwrap_or_else(|| "the CPU reference".to_owned());
    let mut done = Vec::new();
    for mode in modes {
        let mut outcomes = Vec::new();
        for variant in &mode.variants {
            progress.begin(&format!("mode {}: {}", mode.number, variant.label));
            outcomes.push(run(&place, &mode, variant, args, &progress)?);
        }
        done.push((mode, outcomes));
        // What is there is on disk before the next mode takes its time.
        folder.write(&adapter, &done)?;
    }
    progress.finish();
    report(&done);
    say!("{} seeds each, {} updates, {:.1} s", args.seeds, args.updates, start.elapsed().as_secs_f64());
    say!("run folder: {} ({FIGURE}, {REWARDS}, {SUMMARY})", folder.path().display());
    Ok(SUCCESS)
}

fn run(
    place: &ChosenPlace,
    mode: &FailureMode,
    variant: &FailureVariant,
    args: &FailureModesArgs,
    progress: &Progress,
) -> Result<Outcome> {
    let (config, seeds) = (mode.config(variant), (1..=args.seeds as u64).collect::<Vec<_>>());
    let spec = mode.spec(variant);
    let at = || format!("mode {}, {}", mode.number, variant.label);
    let mut group: Group = place.group(mode.env, &spec, &config, &seeds).with_context(at)?;
    let mut rewards = Vec::with_capacity(args.updates);
    for _ in 0..args.updates {
        let stats = group.iterate().with_context(at)?;
        // Every step of a bandit ends its episode, so there always is a mean.
        rewards.push(stats.iter().map(|one| one.episodes.mean_return().unwrap_or(f64::NAN)).collect());
        progress.step();
    }
    Ok(Outcome::new(variant, mode.env.solved_at(), rewards))
}

fn report(done: &[(FailureMode, Vec<Outcome>)]) {
    for (mode, outcomes) in done {
        say!("{} ({}; mark {})", mode.title, mode.env.name(), mode.env.solved_at());
        for one in outcomes {
            let rate = 100.0 * one.successes as f64 / one.seeds as f64;
            say!(
                "  {:<24} {:>3} of {} seeds succeed ({rate:>3.0} %), reward at the end {:.2}",
                one.label,
                one.successes,
                one.seeds,
                one.last
            );
        }
    }
}

/// A bar in a terminal, a line per variant elsewhere.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new(total: u64) -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let template = "{bar:16.cyan/blue} {percent:>3}% │ {elapsed_precise} │ {wide_msg}";
            // The template is a constant; should it be wrong, the plain bar is still a bar.
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style)
        }))
    }

    fn begin(&self, what: &str) {
        match &self.0 {
            Some(bar) => bar.set_message(what.to_owned()),
            None => tell!("{what} …"),
        }
    }

    fn step(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.abandon();
        }
    }
}
