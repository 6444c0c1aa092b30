//! `wgpo train`.

use super::files::{Files, SAVE_EVERY, load};
use super::interrupts::watch_interrupts;
use super::judge::Judge;
use super::progress::Progress;
use super::words::{title, warning};
use super::{curve, plan};
use crate::args::train::TrainArgs;
use crate::folder::lock::Lock;
use crate::folder::metrics::file::Metrics;
use crate::folder::run::Folder;
use crate::place::choose::ChosenPlace;
use crate::program::{INTERRUPTED, SUCCESS, Status, program};
use crate::ranks::rescue::Rescue;
use crate::settings::run_config::RunConfig;
use anyhow::{Context, Result};
use indicatif::HumanCount;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use wgpo::collective::Collective;
use wgpo::env::HeadName;
use wgpo::trainer::Trainer;

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Solved,
    AllSteps,
    Paused,
    Interrupted,
}

/// Learns, evaluates, and leaves the run folder.
///
/// With `ranks` it is rank 0 of them, which leads the others.
pub fn train(args: &TrainArgs, ranks: Option<Arc<dyn Collective>>) -> Result<Status> {
    let (folder, mut config, mut place, lock) = if args.resume {
        let (folder, saved, lock) = plan::find(args)?;
        let place = ChosenPlace::choose_again(&args.place, &saved)?;
        let (adapter, api, driver) = (place.adapter(), place.api(), place.driver());
        let config = RunConfig { backend: place.name().into(), adapter, api, driver, ..saved };
        (folder, config, place, Some(lock))
    } else {
        let place = ChosenPlace::choose(&args.place)?;
        let (folder, config) = plan::plan(args, &place)?;
        (folder, config, place, None)
    };
    let several = ranks.is_some();
    if let Some(ranks) = ranks {
        place = place.among(ranks);
    }
    place.tune(&args.place, &config.policy, &config.settings, config.settings.batch_size())?;
    config.kernels = place.kernels();
    let (trainer, files) = if let Some(lock) = lock {
        let trainer = load(&folder, &place, &mut config)?;
        let files = Files::go_on(&folder, &config, trainer.as_ref(), lock, args.tensorboard)?;
        (trainer, files)
    } else {
        let trainer = place.trainer(&config)?;
        let lock = folder.own(args.force)?;
        let files = Files::begin(&folder, &mut config, trainer.as_ref(), lock, args.tensorboard)?;
        (trainer, files)
    };
    say!("backend: {}", place.reason());
    let Files { run, metrics, judge, lock, .. } = files;
    let rescue = several.then(|| Rescue::of(&folder, &config, run));
    let mut session = Session { args, folder, config, run, metrics, judge, trainer, rescue, _lock: lock };
    say!("{}", session.describe());
    let end = session.run()?;
    session.report(end);
    Ok(if end == End::Interrupted { INTERRUPTED } else { SUCCESS })
}

struct Session<'a> {
    args: &'a TrainArgs,
    folder: Folder,
    config: RunConfig,
    /// Its number, which all of its files carry.
    run: u64,
    metrics: Metrics,
    judge: Judge,
    trainer: Box<dyn Trainer>,
    /// Of several ranks.
    rescue: Option<Rescue>,
    /// Held until the last file is written.
    _lock: Lock,
}

impl Session<'_> {
    fn describe(&self) -> String {
        let RunConfig { env, policy, settings, seed, .. } = &self.config;
        let done = self.metrics.rows().last().map_or(String::new(), |row| {
            format!(" · continuing after update {} ({} steps)", row.update, HumanCount(row.env_steps))
        });
        format!(
            "{}: {}, {} environments × {} steps per update, {} steps at most · policy {}, {} head, {} parameters · seed {seed}{done}",
            env.gymnasium_id(),
            settings.algorithm.name(),
            settings.num_envs,
            settings.num_steps,
            HumanCount(settings.total_timesteps),
            policy.sizes(wgpo::policy::Branch::POLICY).iter().map(ToString::to_string).collect::<Vec<_>>().join("-"),
            HeadName::of(&policy.head).map_or_else(|| policy.head.name().to_owned(), |head| head.to_string()),
            HumanCount(policy.layout().len() as u64),
        )
    }

    /// Learns, then saves and draws, also after an error: what was reached is on disk before the error is told.
    fn run(&mut self) -> Result<End> {
        let interrupted = watch_interrupts()?;
        let end = self.learn(&interrupted);
        let saved = self.folder.save(self.trainer.as_ref(), self.run);
        let drawn = self.draw();
        // The first error is the one to tell; those of a save after it are most likely its echo.
        let end = end?;
        saved?;
        drawn?;
        Ok(end)
    }

    /// Iterates until there is a reason to end.
    fn learn(&mut self, interrupted: &AtomicBool) -> Result<End> {
        let updates = self.config.settings.num_updates();
        let batch = self.config.settings.batch_size() as u64;
        let mut done = self.trainer.state()?.learner.update;
        let mut progress = Progress::new(updates.saturating_mul(batch), done.saturating_mul(batch));
        let (mut sitting, mut saved, mut warned) = (0, Instant::now(), false);
        let end = loop {
            if !self.args.no_stop && self.judge.solved().is_solved() {
                break End::Solved;
            }
            if done >= updates {
                // Here only if it was not done after the last update: by another version, or with no episodes then.
                if let Err(error) = self.judge.evaluate(self.trainer.as_mut(), true) {
                    progress.finish();
                    return Err(error);
                }
                break End::AllSteps;
            }
            if interrupted.load(Ordering::SeqCst) {
                break End::Interrupted;
            }
            if self.args.pause_after.is_some_and(|limit| sitting >= limit) {
                break End::Paused;
            }
            let start = Instant::now();
            let stats = match self.trainer.iterate() {
                Ok(stats) => stats,
                Err(error) => {
                    progress.finish();
                    return Err(error).with_context(|| format!("update {}", done + 1));
                }
            };
            done = stats.updates;
            sitting += 1;
            let elapsed = start.elapsed().as_secs_f64();
            let judged = self.judge.after(self.trainer.as_mut(), &stats, done >= updates);
            let row = self.metrics.push(&stats, &self.config.settings, self.judge.solved(), elapsed)?;
            progress.show(row);
            if let Some(rescue) = &self.rescue {
                rescue.keep(self.trainer.state()?);
            }
            if let Some(words) = warning(row, &stats).filter(|_| !warned) {
                warned = true;
                progress.line(&words);
            }
            if let Err(error) = judged {
                progress.finish();
                return Err(error);
            }
            if saved.elapsed() >= SAVE_EVERY {
                self.folder.save(self.trainer.as_ref(), self.run)?;
                saved = Instant::now();
            }
        };
        progress.finish();
        Ok(end)
    }

    fn draw(&self) -> Result<()> {
        curve::draw(&self.folder.curve(), self.config.env, &title(&self.config), self.metrics.rows())
    }

    /// Says what came out of it.
    fn report(&self, end: End) {
        let (update, steps, seconds) =
            self.metrics.rows().last().map_or((0, 0, 0.0), |row| (row.update, row.env_steps, row.seconds));
        let at = format!("{} steps, {seconds:.1} s", HumanCount(steps));
        let mark = self.config.env.solved_at();
        let solved = self.judge.solved();
        let mean = match solved.sampled() {
            Some((mean, episodes)) => format!("mean return {mean:.1} over the last {episodes} episodes"),
            None => "no episode has ended".to_owned(),
        };
        match end {
            End::Solved => {
                let greedy = solved.current().map_or(String::new(), |greedy| {
                    format!(", {:.1} over {} greedy ones", greedy.mean_return, greedy.episodes)
                });
                say!("solved after {at}: {mean}{greedy} (mark: {mark})");
            }
            End::AllSteps => {
                say!("all steps done after {at}: {mean} (mark: {mark})\n{}", self.judge.verdict());
            }
            End::Paused => say!("paused after {at}: {mean}\ncontinue with: {}", self.resume_command()),
            End::Interrupted => say!("interrupted after {at}: {mean}\ncontinue with: {}", self.resume_command()),
        }
        for line in self.judge.files(update) {
            say!("{line}");
        }
        say!("run folder: {} ({})", self.folder.path().display(), self.folder.names());
    }

    fn resume_command(&self) -> String {
        let mut command =
            format!("{} train {} --resume --out {}", program(), self.config.env.name(), self.folder.path().display());
        if self.args.no_stop {
            command.push_str(" --no-stop");
        }
        command
    }
}
