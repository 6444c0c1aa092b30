//! `wgpo train`.

use crate::args::TrainArgs;
use crate::backend::Backend;
use crate::curve;
use crate::head::HeadName;
use crate::judge::Judge;
use crate::lock::Lock;
use crate::metrics::{Metrics, Row};
use crate::progress::Progress;
use crate::run::{self, Folder};
use crate::settings::RunConfig;
use anyhow::{Context, Result};
use indicatif::HumanCount;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wgpo::trainer::{IterationStats, Trainer};

/// What a shell expects of a program that Ctrl-C ended.
pub const INTERRUPTED: u8 = 130;
/// Time between two saves; a crash loses no more than this.
pub const SAVE_EVERY: Duration = Duration::from_secs(15);

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Solved,
    AllSteps,
    Paused,
    Interrupted,
}

/// Learns, evaluates, and leaves the run folder.
pub fn train(args: &TrainArgs) -> Result<ExitCode> {
    let (folder, mut config, mut backend, lock) = if args.resume {
        let (folder, saved, lock) = run::find(args)?;
        let backend = Backend::choose_again(&args.backend, &saved)?;
        let (adapter, api, driver) = (backend.adapter(), backend.api(), backend.driver());
        let config = RunConfig { backend: backend.name().into(), adapter, api, driver, ..saved };
        (folder, config, backend, Some(lock))
    } else {
        let backend = Backend::choose(&args.backend)?;
        let (folder, config) = run::plan(args, &backend)?;
        (folder, config, backend, None)
    };
    backend.tune(&args.backend, &config.policy, config.ppo.minibatch_rows(config.ppo.batch_size()))?;
    config.kernels = backend.kernels();
    let (trainer, files) = if let Some(lock) = lock {
        let trainer = folder.load(&backend, &mut config)?;
        let files = Files::go_on(&folder, &config, trainer.as_ref(), lock)?;
        (trainer, files)
    } else {
        let trainer = backend.trainer(&config)?;
        let lock = folder.own(args.force)?;
        let files = Files::begin(&folder, &mut config, trainer.as_ref(), lock)?;
        (trainer, files)
    };
    say!("backend: {}", backend.reason());
    let Files { run, metrics, judge, lock, .. } = files;
    let mut session = Session { args, folder, config, run, metrics, judge, trainer, _lock: lock };
    say!("{}", session.describe());
    let end = session.run()?;
    session.report(end);
    Ok(if end == End::Interrupted { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// What a run has in its folder, opened.
pub struct Files {
    /// The run's number, which all of its files carry.
    pub run: u64,
    /// The rows so far.
    pub metrics: Metrics,
    /// The evaluations so far.
    pub judge: Judge,
    /// Updates that the state has had.
    pub done: u64,
    /// Held until the last file is written.
    pub lock: Lock,
}

impl Files {
    /// Of a new run, which `config` gets the number of. Killed from here on, it can be gone on with.
    pub fn begin(folder: &Folder, config: &mut RunConfig, trainer: &dyn Trainer, lock: Lock) -> Result<Self> {
        let run = config.number()?;
        config.run = Some(run);
        folder.prepare(config)?;
        folder.save(trainer, run)?;
        let metrics = Metrics::create(&folder.metrics(), run)?;
        Ok(Self { run, metrics, judge: Judge::new(config, folder), done: 0, lock })
    }

    /// Of a run that goes on, whose state `trainer` has.
    pub fn go_on(folder: &Folder, config: &RunConfig, trainer: &dyn Trainer, lock: Lock) -> Result<Self> {
        let run = config.run.context("the run has no number")?;
        let state = trainer.state()?;
        let done = state.learner.update;
        let steps = done.saturating_mul(config.ppo.batch_size() as u64);
        let metrics = Metrics::resume(&folder.metrics(), run, done, steps)?;
        metrics.warnings().iter().for_each(|warning| tell!("warning: {warning}"));
        let judge = Judge::resume(config, folder, &metrics, &state)?;
        config.write(&folder.config())?;
        Ok(Self { run, metrics, judge, done, lock })
    }
}

/// What a picture of a run has above it.
pub fn title(config: &RunConfig) -> String {
    let RunConfig { env, adapter, seed, ppo, policy, .. } = config;
    let place = adapter.as_deref().unwrap_or("the CPU reference");
    let name = ppo.algorithm.name().to_uppercase();
    let head = run::unusual(*env, HeadName::of(&policy.head)).map_or(String::new(), |head| format!(" ({head})"));
    format!("{} · {name}{head} on {place} · seed {seed}", env.gymnasium_id())
}

/// What there is to warn of after an update, if anything.
pub fn warning(row: &Row, stats: &IterationStats) -> Option<String> {
    if row.skipped_steps > 0 {
        return Some(format!(
            "warning: update {}: {} optimiser steps left out because the gradient, or its norm, was not finite",
            row.update, row.skipped_steps
        ));
    }
    stats.update.not_finite().map(|words| format!("warning: update {}: {words}: beyond f32", row.update))
}

/// How the program was started. Started by `cargo run`, it is not on the user's path.
pub fn program() -> &'static str {
    match std::env::var_os("CARGO") {
        Some(_) if cfg!(debug_assertions) => "cargo run --",
        Some(_) => "cargo run --release --",
        None => "wgpo",
    }
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
    /// Held until the last file is written.
    _lock: Lock,
}

impl Session<'_> {
    fn describe(&self) -> String {
        let RunConfig { env, policy, ppo, seed, .. } = &self.config;
        let done = self.metrics.rows().last().map_or(String::new(), |row| {
            format!(" · going on after update {} ({} steps)", row.update, HumanCount(row.env_steps))
        });
        format!(
            "{}: {}, {} environments × {} steps per update, {} steps at most · policy {}, {} head, {} parameters · seed {seed}{done}",
            env.gymnasium_id(),
            ppo.algorithm.name(),
            ppo.num_envs,
            ppo.num_steps,
            HumanCount(ppo.total_timesteps),
            policy.sizes(wgpo::policy::Network::Policy).iter().map(ToString::to_string).collect::<Vec<_>>().join("-"),
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
        let updates = self.config.ppo.num_updates();
        let batch = self.config.ppo.batch_size() as u64;
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
            let row = self.metrics.push(&stats, &self.config.ppo, self.judge.solved(), elapsed)?;
            progress.show(row);
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
            End::Paused => say!("paused after {at}: {mean}\ngo on with: {}", self.resume_command()),
            End::Interrupted => say!("interrupted after {at}: {mean}\ngo on with: {}", self.resume_command()),
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

/// A flag that the first Ctrl-C sets; the second ends the program at once, which is safe: files are renamed into place.
pub fn watch_interrupts() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
        tell!("\nstopping after this update; press Ctrl-C again to stop at once");
    })
    .context("cannot watch for Ctrl-C")?;
    Ok(flag)
}
