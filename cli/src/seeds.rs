//! `wgpo train --seeds N`: several seeds at once, each a run of its own in a folder of the group's.

use crate::args::TrainArgs;
use crate::backend::{Backend, Group};
use crate::curve;
use crate::files;
use crate::lock::Lock;
use crate::progress::Bar;
use crate::run::{self, Folder};
use crate::seeds_figure::{self, Curve};
use crate::settings::RunConfig;
use crate::train::{self, Files, INTERRUPTED, SAVE_EVERY};
use anyhow::{Context, Result, bail};
use indicatif::HumanCount;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;
use wgpo::trainer::{IterationStats, Trainer};

/// One figure of all seeds.
const FIGURE: &str = "seeds.svg";
/// A row per seed.
const SUMMARY: &str = "summary.csv";
/// Before the seed in the name of its folder.
pub const PREFIX: &str = "seed-";

/// Why a seed does no more updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Solved,
    AllSteps,
}

/// A seed's run.
struct Seed {
    folder: Folder,
    config: RunConfig,
    files: Files,
    end: Option<End>,
    /// The first warning, until it is told, and whether there was one.
    warning: Option<String>,
    warned: bool,
}

impl Seed {
    /// Whether and why it is at its end.
    fn look(&mut self, no_stop: bool) {
        self.end = if !no_stop && self.files.judge.solved().is_solved() {
            Some(End::Solved)
        } else {
            (self.files.done >= self.config.ppo.num_updates()).then_some(End::AllSteps)
        };
    }

    /// Takes in an iteration of `elapsed` seconds.
    fn take(&mut self, trainer: &mut dyn Trainer, stats: &IterationStats, elapsed: f64, no_stop: bool) -> Result<()> {
        let at = || format!("seed {}: update {}", self.config.seed, stats.updates);
        self.files.done = stats.updates;
        let judged = self.files.judge.after(trainer, stats, self.files.done >= self.config.ppo.num_updates());
        let row =
            self.files.metrics.push(stats, &self.config.ppo, self.files.judge.solved(), elapsed).with_context(at)?;
        if let Some(words) = train::warning(row, stats).filter(|_| !self.warned) {
            self.warned = true;
            self.warning = Some(format!("seed {}: {words}", self.config.seed));
        }
        judged.with_context(at)?;
        self.look(no_stop);
        Ok(())
    }

    fn save(&self, trainer: &dyn Trainer) -> Result<()> {
        self.folder.save(trainer, self.files.run).with_context(|| format!("seed {}", self.config.seed))
    }
}

/// The folders of seeds in `group`, by their numbers.
pub fn folders(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(group) else { return Vec::new() };
    let mut found: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let seed = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()?;
            Some((seed, path))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Learns with seeds S to S + N − 1, where S is `--seed`, and leaves a folder with a run of each, one figure and a summary.
pub fn train(args: &TrainArgs, count: usize) -> Result<ExitCode> {
    let first = args.seed.unwrap_or(1);
    let seeds: Vec<u64> = (first..).take(count).collect();
    if seeds.last().is_none_or(|last| *last > i64::MAX as u64) {
        bail!("--seeds {count} from --seed {first}: the last one is above {}", i64::MAX);
    }
    let fresh = if args.resume { None } else { Some(Backend::choose(&args.backend)?) };
    let group = run::group_folder(args, fresh.as_ref().map_or("", Backend::name), first, count)?;
    let of_seed =
        |seed: u64| TrainArgs { out: Some(group.join(format!("{PREFIX}{seed}"))), seed: Some(seed), ..args.clone() };
    let plans: Vec<(Folder, RunConfig, Option<Lock>)> = seeds
        .iter()
        .map(|seed| {
            let args = of_seed(*seed);
            match &fresh {
                Some(backend) => run::plan(&args, backend).map(|(folder, config)| (folder, config, None)),
                None => run::find(&args).map(|(folder, config, lock)| (folder, config, Some(lock))),
            }
        })
        .collect::<Result<_>>()?;
    let Some((_, saved, _)) = plans.first() else { bail!("--seeds is 0") };
    let saved = saved.clone();
    for (folder, config, _) in &plans {
        let same = RunConfig { seed: saved.seed, run: saved.run, ..config.clone() };
        if same != saved {
            bail!(
                "{}: its settings are not those of seed {}, so they cannot go on together; go on with each by itself",
                folder.path().display(),
                saved.seed
            );
        }
    }
    let mut backend = fresh.map_or_else(|| Backend::choose_again(&args.backend, &saved), Ok)?;
    backend.tune(&args.backend, &saved.policy, saved.ppo.minibatch_rows(saved.ppo.batch_size()))?;
    let mut trainers = backend.group(saved.env, &saved.policy, &saved.ppo, &seeds)?;
    let mut runs = Vec::with_capacity(plans.len());
    for (index, (folder, config, lock)) in plans.into_iter().enumerate() {
        let mut config = RunConfig {
            backend: backend.name().into(),
            adapter: backend.adapter(),
            api: backend.api(),
            driver: backend.driver(),
            kernels: backend.kernels(),
            ..config
        };
        let trainer = trainers.trainer(index)?;
        let files = if let Some(lock) = lock {
            folder.load_into(trainer, &mut config)?;
            Files::go_on(&folder, &config, trainer, lock)?
        } else {
            Files::begin(&folder, &mut config, trainer, args.force)?
        };
        let mut seed = Seed { folder, config, files, end: None, warning: None, warned: false };
        seed.look(args.no_stop);
        runs.push(seed);
    }
    say!("backend: {}", backend.reason());
    let steps = saved.ppo.num_updates() * saved.ppo.batch_size() as u64;
    say!(
        "{}: {}, seeds {first} to {}, {} steps each at most",
        saved.env.gymnasium_id(),
        saved.ppo.algorithm.name(),
        first + count as u64 - 1,
        HumanCount(steps)
    );
    let mut all = Seeds { args, group, runs, trainers };
    let start = Instant::now();
    let interrupted = all.run()?;
    all.report(interrupted, start.elapsed().as_secs_f64());
    Ok(if interrupted { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

struct Seeds<'a> {
    args: &'a TrainArgs,
    group: PathBuf,
    runs: Vec<Seed>,
    trainers: Group,
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
        let interrupts = train::watch_interrupts()?;
        let bar = Bar::new(self.runs.iter().map(|run| run.config.ppo.num_updates()).sum());
        let (mut sitting, mut saved) = (0, Instant::now());
        let interrupted = loop {
            let active: Vec<bool> = self.runs.iter().map(|run| run.end.is_none()).collect();
            if !active.contains(&true) || self.args.pause_after.is_some_and(|limit| sitting >= limit) {
                break false;
            }
            if interrupts.load(Ordering::SeqCst) {
                break true;
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
                self.runs.iter().map(|run| run.end.map_or(run.files.done, |_| run.config.ppo.num_updates())).sum();
            bar.show(done, &format!("{} of {} seeds solved", over(End::Solved), self.runs.len()));
            if saved.elapsed() >= SAVE_EVERY {
                self.save()?;
                saved = Instant::now();
            }
        };
        bar.finish();
        // Those that were at their end from the start, and not evaluated there.
        for (index, run) in self.runs.iter_mut().enumerate().filter(|(_, run)| run.end == Some(End::AllSteps)) {
            run.files.judge.evaluate(self.trainers.trainer(index)?, true)?;
        }
        Ok(interrupted)
    }

    fn save(&mut self) -> Result<()> {
        for (index, run) in self.runs.iter().enumerate() {
            run.save(self.trainers.trainer(index)?)?;
        }
        Ok(())
    }

    /// A picture of each seed, one of all, and the summary.
    fn draw(&self) -> Result<()> {
        let mut curves = Vec::with_capacity(self.runs.len());
        let mut title = String::new();
        for run in &self.runs {
            title = train::title(&run.config);
            curve::draw(&run.folder.curve(), run.config.env, &title, run.files.metrics.rows())?;
            curves.push(Curve { rows: run.files.metrics.rows(), solved: run.end == Some(End::Solved) });
        }
        if let Some(run) = self.runs.first() {
            let title = title.rsplit_once(" · seed").map_or(title.as_str(), |(start, _)| start);
            seeds_figure::draw(&self.group.join(FIGURE), title, run.config.env.solved_at(), &curves)?;
        }
        files::write(&self.group.join(SUMMARY), &self.summary()?)
    }

    fn summary(&self) -> Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record([
            "seed",
            "solved",
            "updates",
            "env_steps",
            "seconds",
            "sampled_return",
            "greedy_return",
            "best_return",
            "best_update",
            "folder",
        ])?;
        for run in &self.runs {
            let (steps, seconds) = run.files.metrics.rows().last().map_or((0, 0.0), |row| (row.env_steps, row.seconds));
            let solved = run.files.judge.solved();
            let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            table.write_record([
                run.config.seed.to_string(),
                u8::from(solved.is_solved()).to_string(),
                run.files.done.to_string(),
                steps.to_string(),
                seconds.to_string(),
                number(solved.sampled().map(|(mean, _)| mean)),
                number(solved.current().map(|greedy| greedy.mean_return)),
                number(solved.best().map(|best| best.mean_return)),
                solved.best().map_or(String::new(), |best| best.update.to_string()),
                format!("{PREFIX}{}", run.config.seed),
            ])?;
        }
        table.into_inner().map_err(|error| error.into_error().into())
    }

    fn report(&self, interrupted: bool, seconds: f64) {
        let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
        say!("{:>6}  {:<18} {:>11} {:>9} {:>9} {:>9}", "seed", "", "steps", "sampled", "greedy", "best");
        let mut steps = Vec::new();
        for run in &self.runs {
            let solved = run.files.judge.solved();
            let at = run.files.metrics.rows().last().map_or(0, |row| row.env_steps);
            let word = match run.end {
                _ if solved.is_solved() => "solved",
                Some(_) => "not solved",
                None => "not at its end",
            };
            if solved.is_solved() {
                steps.push(at);
            }
            say!(
                "{:>6}  {word:<18} {:>11} {:>9} {:>9} {:>9}",
                run.config.seed,
                HumanCount(at).to_string(),
                number(solved.sampled().map(|(mean, _)| mean)),
                number(solved.current().map(|greedy| greedy.mean_return)),
                number(solved.best().map(|best| best.mean_return))
            );
        }
        steps.sort_unstable();
        let median = steps
            .get(steps.len() / 2)
            .map_or(String::new(), |at| format!(", the median after {} steps", HumanCount(*at)));
        let open = self.runs.iter().filter(|run| run.end.is_none()).count();
        say!("solved: {} of {} seeds{median}; {seconds:.1} s", steps.len(), self.runs.len());
        if open > 0 {
            let word = if interrupted { "interrupted" } else { "paused" };
            say!(
                "{word} with {open} of {} seeds not at their end\ngo on with: {}",
                self.runs.len(),
                self.resume_command()
            );
        }
        say!("group folder: {} ({FIGURE}, {SUMMARY}, a run folder {PREFIX}… per seed)", self.group.display());
    }

    fn resume_command(&self) -> String {
        let first = self.runs.first().map_or(1, |run| run.config.seed);
        let mut command = format!(
            "{} train {} --resume --seeds {} --seed {first} --out {}",
            train::program(),
            self.args.task.0.name(),
            self.runs.len(),
            self.group.display()
        );
        if self.args.no_stop {
            command.push_str(" --no-stop");
        }
        command
    }
}
