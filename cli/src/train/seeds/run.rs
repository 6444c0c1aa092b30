//! `wgpo train --seeds N`: several seeds at once, each a run of its own in a folder of the group's.

use super::figure::{self, Curve};
use super::plan::{self, Plan};
use crate::args::train::TrainArgs;
use crate::files;
use crate::folder::group::{FIGURE, SUMMARY};
use crate::folder::run::Folder;
use crate::place::choose::ChosenPlace;
use crate::place::group::{Group, Start, every};
use crate::program::{INTERRUPTED, SUCCESS, Status};
use crate::settings::run_config::RunConfig;
use crate::train::curve;
use crate::train::files::{Files, SAVE_EVERY};
use crate::train::interrupts::watch_interrupts;
use crate::train::progress::Bar;
use crate::train::words::{title, warning};
use anyhow::{Context, Result, bail};
use indicatif::HumanCount;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use wgpo::trainer::{IterationStats, Trainer};

/// Why a seed does no more updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Solved,
    AllSteps,
}

/// A seed's run.
pub struct Seed {
    pub folder: Folder,
    pub config: RunConfig,
    pub files: Files,
    pub end: Option<End>,
    /// The first warning, until it is told, and whether there was one.
    pub warning: Option<String>,
    pub warned: bool,
    /// The update after which this sitting saved the state last.
    pub saved: Option<u64>,
}

impl Seed {
    /// Whether and why it is at its end.
    fn look(&mut self, no_stop: bool) {
        self.end = if !no_stop && self.files.judge.solved().is_solved() {
            Some(End::Solved)
        } else {
            (self.files.done >= self.config.settings.num_updates()).then_some(End::AllSteps)
        };
    }

    /// Takes in an iteration of `elapsed` seconds.
    fn take(&mut self, trainer: &mut dyn Trainer, stats: &IterationStats, elapsed: f64, no_stop: bool) -> Result<()> {
        let at = || format!("seed {}: update {}", self.config.seed, stats.updates);
        self.files.done = stats.updates;
        let judged = self.files.judge.after(trainer, stats, self.files.done >= self.config.settings.num_updates());
        let row = self
            .files
            .metrics
            .push(stats, &self.config.settings, self.files.judge.solved(), elapsed)
            .with_context(at)?;
        if let Some(words) = warning(row, stats).filter(|_| !self.warned) {
            self.warned = true;
            self.warning = Some(format!("seed {}: {words}", self.config.seed));
        }
        judged.with_context(at)?;
        self.look(no_stop);
        Ok(())
    }

    /// Saves the state, unless it is that of the last save.
    fn save(&mut self, trainer: &dyn Trainer) -> Result<()> {
        if self.saved != Some(self.files.done) {
            self.folder.save(trainer, self.files.run).with_context(|| format!("seed {}", self.config.seed))?;
            self.saved = Some(self.files.done);
        }
        Ok(())
    }
}

/// Learns with seeds S to S + N − 1, where S is `--seed`, and leaves a folder with a run of each, one figure and a summary.
pub fn train(args: &TrainArgs, count: usize) -> Result<Status> {
    let first = args.seed.unwrap_or(1);
    let seeds: Vec<u64> = (first..).take(count).collect();
    if seeds.last().is_none_or(|last| *last > i64::MAX as u64) {
        bail!("--seeds {count} from --seed {first}: the last one is above {}", i64::MAX);
    }
    let fresh = if args.resume { None } else { Some(ChosenPlace::choose(&args.place)?) };
    let group = plan::group_folder(args, fresh.as_ref().map_or("", ChosenPlace::name), first, count)?;
    let plans = match &fresh {
        Some(place) => plan::new(args, &group, &seeds, place)?,
        None => plan::earlier(args, &group, &seeds)?,
    };
    let Some(Plan { config: saved, .. }) = plans.first() else { bail!("--seeds is 0") };
    let saved = saved.clone();
    for Plan { folder, config, .. } in &plans {
        let same = RunConfig { seed: saved.seed, run: saved.run, ..config.clone() };
        if same != saved {
            bail!(
                "{}: its settings are not those of seed {}, so they cannot continue together; resume each by itself",
                folder.path().display(),
                saved.seed
            );
        }
    }
    let mut place = fresh.map_or_else(|| ChosenPlace::choose_again(&args.place, &saved), Ok)?;
    place.tune(&args.place, &saved.policy, &saved.settings, saved.settings.batch_size())?;
    // Runs that go on are locked already. Those that begin have no state, whatever an earlier run left there.
    let states = plans.iter().map(|plan| match plan.lock {
        Some(_) => plan.folder.saved(&plan.config),
        None => Ok(None),
    });
    let states = states.collect::<Result<Vec<_>>>()?;
    let starts = plans.iter().zip(&states).map(|(plan, state)| match state {
        Some(saved) => Start::State(&saved.state),
        None => Start::Seed(plan.config.seed),
    });
    // Seeds that have not begun are shown where the others are.
    let tensorboard = args.tensorboard || args.resume && plans.iter().any(|plan| !plan.folder.events().is_empty());
    let mut trainers = place.group_from(&saved, &starts.collect::<Vec<_>>())?;
    let mut runs = Vec::with_capacity(plans.len());
    let taken = plan::take(plans, args.force)?;
    for (index, ((plan, begins), state)) in taken.into_iter().zip(&states).enumerate() {
        let Plan { folder, config, lock } = plan;
        let lock = lock.context("the folder is not locked")?;
        let mut config = RunConfig {
            backend: place.name().into(),
            adapter: place.adapter(),
            api: place.api(),
            driver: place.driver(),
            kernels: place.kernels(),
            ..config
        };
        let trainer = trainers.trainer(index)?;
        let files = if begins {
            Files::begin(&folder, &mut config, trainer, lock, tensorboard)?
        } else {
            folder.number(trainer, &mut config, state.as_ref())?;
            Files::go_on(&folder, &config, trainer, lock, tensorboard)?
        };
        let saved = begins.then_some(files.done);
        let mut seed = Seed { folder, config, files, end: None, warning: None, warned: false, saved };
        seed.look(args.no_stop);
        runs.push(seed);
    }
    say!("backend: {}", place.reason());
    let steps = saved.settings.num_updates() * saved.settings.batch_size() as u64;
    say!(
        "{}: {}, seeds {first} to {}, {} steps each at most",
        saved.env.gymnasium_id(),
        saved.settings.algorithm.name(),
        first + count as u64 - 1,
        HumanCount(steps)
    );
    let mut all = Seeds { args, group, runs, trainers };
    let start = Instant::now();
    let interrupted = all.run()?;
    all.report(interrupted, start.elapsed().as_secs_f64());
    Ok(if interrupted { INTERRUPTED } else { SUCCESS })
}

pub struct Seeds<'a> {
    pub args: &'a TrainArgs,
    pub group: PathBuf,
    pub runs: Vec<Seed>,
    pub trainers: Group,
}

impl Seeds<'_> {
    /// Learns, then saves and draws, also after an error. Whether Ctrl-C ended it.
    fn run(&mut self) -> Result<bool> {
        let learnt = self.learn();
        let saved = self.save();
        let drawn = self.draw();
        let interrupted = learnt?;
        saved?;
        drawn?;
        Ok(interrupted)
    }

    fn learn(&mut self) -> Result<bool> {
        let interrupts = watch_interrupts()?;
        let bar = Bar::new(total(self.runs.iter().map(|run| run.config.settings.num_updates())));
        let interrupted = self.iterate(&interrupts, &bar);
        bar.finish();
        let interrupted = interrupted?;
        // Those that were at their end from the start, and not evaluated there.
        let (runs, trainers) = (&mut self.runs, &mut self.trainers);
        let at_end = runs.iter_mut().enumerate().filter(|(_, run)| run.end == Some(End::AllSteps));
        every(at_end.map(|(index, run)| {
            let evaluated = run.files.judge.evaluate(trainers.trainer(index)?, true);
            evaluated.with_context(|| format!("seed {}", run.config.seed))
        }))?;
        Ok(interrupted)
    }

    /// Iterates until there is a reason to end. Whether it is Ctrl-C.
    fn iterate(&mut self, interrupts: &AtomicBool, bar: &Bar) -> Result<bool> {
        let (mut sitting, mut saved) = (0, Instant::now());
        loop {
            let active: Vec<bool> = self.runs.iter().map(|run| run.end.is_none()).collect();
            if !active.contains(&true) || self.args.pause_after.is_some_and(|limit| sitting >= limit) {
                return Ok(false);
            }
            if interrupts.load(Ordering::SeqCst) {
                return Ok(true);
            }
            let no_stop = self.args.no_stop;
            self.trainers.advance(&mut self.runs, &active, |run, trainer, stats, elapsed| {
                run.take(trainer, stats, elapsed, no_stop)
            })?;
            sitting += 1;
            for words in self.runs.iter_mut().filter_map(|run| run.warning.take()) {
                bar.line(&words);
            }
            let over = |end| self.runs.iter().filter(|run| run.end == Some(end)).count();
            // A seed that is solved early has no more to do.
            let done =
                self.runs.iter().map(|run| run.end.map_or(run.files.done, |_| run.config.settings.num_updates()));
            bar.show(total(done), &format!("{} of {} seeds solved", over(End::Solved), self.runs.len()));
            if saved.elapsed() >= SAVE_EVERY {
                self.save()?;
                saved = Instant::now();
            }
        }
    }

    /// Saves all, also after one that cannot be saved.
    fn save(&mut self) -> Result<()> {
        let (runs, trainers) = (&mut self.runs, &mut self.trainers);
        every(runs.iter_mut().enumerate().map(|(index, run)| run.save(trainers.trainer(index)?)))
    }

    /// A picture of each seed, one of all, and the summary: as many of them as can be written.
    fn draw(&self) -> Result<()> {
        let each = every(self.runs.iter().map(|run| {
            let (config, rows) = (&run.config, run.files.metrics.rows());
            curve::draw(&run.folder.curve(), config.env, &title(config), rows)
        }));
        let solved = |run: &Seed| run.end == Some(End::Solved);
        let curves: Vec<Curve<'_>> =
            self.runs.iter().map(|run| Curve { rows: run.files.metrics.rows(), solved: solved(run) }).collect();
        let all = self.runs.first().map_or(Ok(()), |run| {
            let whole = title(&run.config);
            let title = whole.rsplit_once(" · seed").map_or(whole.as_str(), |(start, _)| start);
            figure::draw(&self.group.join(FIGURE), title, run.config.env.solved_at(), &curves)
        });
        let summary = self.summary().and_then(|text| files::write(&self.group.join(SUMMARY), &text));
        each.and(all).and(summary)
    }
}

/// Updates of all; a sum that no number holds ends at the greatest.
fn total(updates: impl Iterator<Item = u64>) -> u64 {
    updates.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_updates_ends_at_the_greatest_number() {
        assert_eq!((total([u64::MAX, 2].into_iter()), total([1, 2].into_iter())), (u64::MAX, 3));
    }
}
