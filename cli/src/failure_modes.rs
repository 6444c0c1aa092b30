//! `wgpo failure-modes`: three bandits on which usual PPO fails, and what helps.
//!
//! Hsu, Mendler-Dünner and Hardt, "Revisiting design choices in proximal policy optimization" (2020), show that a clipped
//! surrogate with a Gaussian or softmax policy fails where the reward's support is bounded, where one of many actions
//! pays best and others well, and where a locally best action lies near the initial policy; other parametrisations
//! and a KL penalty in place of the clip help. The bandits are ours, made to show the same.

use crate::args::FailureModesArgs;
use crate::backend::{Backend, Group, one_for_all};
use crate::failure_figure::{self, Panel};
use crate::files;
use crate::lock::{self, Lock};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use wgpo::env::Env;
use wgpo::policy::{Activation, Bounds, Head, PolicySpec};
use wgpo::{Algorithm, KlDirection, KlPenalty, PpoConfig};

/// Updates at the end over which a seed's reward is averaged to say whether it succeeded.
const LAST: usize = 10;

const FIGURE: &str = "failure_modes.svg";
const REWARDS: &str = "rewards.csv";
const SUMMARY: &str = "summary.csv";

/// One way to fail, and who tries.
struct Mode {
    number: usize,
    env: Env,
    title: &'static str,
    /// The first is the usual PPO.
    variants: Vec<Variant>,
}

struct Variant {
    /// In files.
    key: &'static str,
    /// In the picture and on the terminal.
    label: &'static str,
    head: Head,
    /// A KL penalty in place of the clip.
    penalty: Option<KlDirection>,
}

/// What came out of one variant.
pub struct Outcome {
    /// In the picture and on the terminal.
    pub label: &'static str,
    key: &'static str,
    /// Mean reward, `[updates][seeds]`.
    pub rewards: Vec<Vec<f64>>,
    /// Seeds whose mean over the last updates reached the mark.
    successes: usize,
    seeds: usize,
    last: f64,
}

impl Mode {
    fn all() -> Vec<Self> {
        vec![
            Self {
                number: 1,
                env: Env::BanditBounded,
                title: "1 · reward that vanishes outside of [−1, 1]",
                variants: continuous(Bounds::uniform(1, -1.0, 1.0), 21),
            },
            Self {
                number: 2,
                env: Env::BanditSparse,
                title: "2 · 100 actions: one pays 1, nine pay ½",
                variants: usual("softmax", Env::BanditSparse.head()),
            },
            Self {
                number: 3,
                env: Env::BanditBumps,
                title: "3 · a low bump near the start, a high one far away",
                variants: continuous(Bounds::uniform(1, -3.0, 3.0), 13),
            },
        ]
    }

    /// Settings under which the usual PPO shows its failure: many steps on few rows, and no limit of the gradient's norm. They
    /// are the same for all variants of a mode.
    fn config(&self, penalty: Option<KlDirection>) -> PpoConfig {
        let base = PpoConfig { max_grad_norm: None, ..self.env.tuned().0 };
        let config = match self.number {
            1 => PpoConfig { learning_rate: 0.01, update_epochs: 20, ..base },
            2 => PpoConfig { learning_rate: 0.05, update_epochs: 20, num_envs: 16, num_minibatches: 1, ..base },
            _ => PpoConfig { learning_rate: 0.005, update_epochs: 10, ..base },
        };
        match penalty {
            None => config,
            Some(direction) => PpoConfig {
                algorithm: Algorithm::PpoPenalty,
                kl_penalty: Some(KlPenalty { clip: false, ..KlPenalty::fixed(10.0, direction) }),
                ..config
            },
        }
    }
}

/// The usual policy under the clip and under both penalties.
fn usual(name: &str, head: Head) -> Vec<Variant> {
    let gaussian = name == "Gaussian";
    let of = |key, labels: [&'static str; 2], penalty| Variant {
        key,
        label: labels[usize::from(gaussian)],
        head: head.clone(),
        penalty,
    };
    vec![
        of("clip", ["clip, softmax", "clip, Gaussian"], None),
        of("kl_old_new", ["KL(old‖new), softmax", "KL(old‖new), Gaussian"], Some(KlDirection::OldNew)),
        of("kl_new_old", ["KL(new‖old), softmax", "KL(new‖old), Gaussian"], Some(KlDirection::NewOld)),
    ]
}

/// The Gaussian ones, and the clip with other policies on `bounds`. The Gaussian is not clamped to them: that its actions leave
/// them is the point.
fn continuous(bounds: Bounds, bins: usize) -> Vec<Variant> {
    let mut all = usual("Gaussian", Head::gaussian(1));
    let beta = Head::Beta { dims: 1, bounds: bounds.clone() };
    all.push(Variant { key: "clip_beta", label: "clip, Beta", head: beta, penalty: None });
    let discretised = Head::Discretised { dims: 1, bins, bounds };
    all.push(Variant { key: "clip_discretised", label: "clip, discretised", head: discretised, penalty: None });
    all
}

impl Outcome {
    fn new(variant: &Variant, mark: f64, rewards: Vec<Vec<f64>>) -> Self {
        let seeds = rewards.first().map_or(0, Vec::len);
        let last = &rewards[rewards.len().saturating_sub(LAST)..];
        let of_seed = |seed: usize| last.iter().map(|row| row[seed]).sum::<f64>() / last.len().max(1) as f64;
        let each: Vec<f64> = (0..seeds).map(of_seed).collect();
        Self {
            label: variant.label,
            key: variant.key,
            successes: each.iter().filter(|reward| **reward >= mark).count(),
            last: each.iter().sum::<f64>() / seeds.max(1) as f64,
            seeds,
            rewards,
        }
    }
}

/// Where it all goes, locked as long as it is there.
struct Folder(PathBuf, #[expect(dead_code, reason = "it is there to be held")] Lock);

impl Folder {
    /// Makes the folder, or empties it of an earlier run's files.
    fn prepare(args: &FailureModesArgs, backend: &Backend) -> Result<Self> {
        let default = || Path::new("runs").join(format!("failure-modes-{}", backend.name()));
        let path = args.out.clone().unwrap_or_else(default);
        if !args.force && lock::files(&path).is_none_or(|files| !files.is_empty()) {
            Lock::check(&path)?;
            bail!("{}: exists already; give --force to replace what is there, or --out another folder", path.display());
        }
        let cannot = || format!("{}: cannot make the run folder", path.display());
        std::fs::create_dir_all(&path).with_context(cannot)?;
        let lock = Lock::take(&path)?;
        let empty = || -> std::io::Result<()> {
            for file in [FIGURE, REWARDS, SUMMARY] {
                match std::fs::remove_file(path.join(file)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        };
        empty().with_context(cannot)?;
        Ok(Self(path, lock))
    }

    fn write(&self, place: &str, done: &[(Mode, Vec<Outcome>)]) -> Result<()> {
        let mut rewards = String::from("mode,environment,variant,seed,update,reward\n");
        let mut summary = String::from("mode,environment,variant,seeds,successes,success_rate,last_reward,mark\n");
        for (mode, outcomes) in done {
            let (number, env) = (mode.number, mode.env);
            for one in outcomes {
                let (key, rate) = (one.key, one.successes as f64 / one.seeds as f64);
                writeln!(
                    summary,
                    "{number},{},{key},{},{},{rate},{},{}",
                    env.name(),
                    one.seeds,
                    one.successes,
                    one.last,
                    env.solved_at()
                )?;
                for (update, row) in one.rewards.iter().enumerate() {
                    for (seed, reward) in row.iter().enumerate() {
                        writeln!(rewards, "{number},{},{key},{},{},{reward}", env.name(), seed + 1, update + 1)?;
                    }
                }
            }
        }
        files::write(&self.0.join(REWARDS), rewards.as_bytes())?;
        files::write(&self.0.join(SUMMARY), summary.as_bytes())?;
        let panels: Vec<_> = done
            .iter()
            .map(|(mode, outcomes)| Panel { title: mode.title, mark: mode.env.solved_at(), outcomes })
            .collect();
        failure_figure::draw(&self.0.join(FIGURE), &format!("How PPO fails, and what helps · {place}"), &panels)
    }
}

/// Runs all variants of the modes that were asked for, and leaves figure and tables.
pub fn failure_modes(args: &FailureModesArgs) -> Result<ExitCode> {
    one_for_all(&args.backend)?;
    let backend = Backend::choose(&args.backend)?;
    let folder = Folder::prepare(args, &backend)?;
    say!("backend: {}", backend.reason());
    let modes: Vec<Mode> = Mode::all().into_iter().filter(|mode| args.mode.includes(mode.number)).collect();
    let variants: usize = modes.iter().map(|mode| mode.variants.len()).sum();
    let progress = Progress::new((variants * args.updates) as u64);
    let start = Instant::now();
    let place = backend.adapter().unwrap_or_else(|| "the CPU reference".to_owned());
    let mut done = Vec::new();
    for mode in modes {
        let mut outcomes = Vec::new();
        for variant in &mode.variants {
            progress.begin(&format!("mode {}: {}", mode.number, variant.label));
            outcomes.push(run(&backend, &mode, variant, args, &progress)?);
        }
        done.push((mode, outcomes));
        // What is there is on disk before the next mode takes its time.
        folder.write(&place, &done)?;
    }
    progress.finish();
    report(&done);
    say!("{} seeds each, {} updates, {:.1} s", args.seeds, args.updates, start.elapsed().as_secs_f64());
    say!("run folder: {} ({FIGURE}, {REWARDS}, {SUMMARY})", folder.0.display());
    Ok(ExitCode::SUCCESS)
}

fn run(
    backend: &Backend,
    mode: &Mode,
    variant: &Variant,
    args: &FailureModesArgs,
    progress: &Progress,
) -> Result<Outcome> {
    let (config, seeds) = (mode.config(variant.penalty), (1..=args.seeds as u64).collect::<Vec<_>>());
    let spec = PolicySpec::separate(mode.env.obs_dim(), &mode.env.tuned().1, Activation::Tanh, variant.head.clone());
    let at = || format!("mode {}, {}", mode.number, variant.label);
    let mut group: Group = backend.group(mode.env, &spec, &config, &seeds).with_context(at)?;
    let mut rewards = Vec::with_capacity(args.updates);
    for _ in 0..args.updates {
        let stats = group.iterate().with_context(at)?;
        // Every step of a bandit ends its episode, so there always is a mean.
        rewards.push(stats.iter().map(|one| one.episodes.mean_return().unwrap_or(f64::NAN)).collect());
        progress.step();
    }
    Ok(Outcome::new(variant, mode.env.solved_at(), rewards))
}

fn report(done: &[(Mode, Vec<Outcome>)]) {
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
