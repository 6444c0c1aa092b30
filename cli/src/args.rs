//! The command line.

use crate::bench_args::BenchArgs;
use crate::head::HeadName;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use wgpo::gpu::ProductPath;
use wgpo::policy::Activation;
use wgpo::{Algorithm, Env};

/// Policy-optimisation kernels for any GPU, with a CPU reference that says what is right.
///
/// Start with `wgpo train cartpole`: it learns to balance a pole and leaves a picture of the learning curve.
#[derive(Debug, Parser)]
#[command(name = "wgpo", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The program's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Learn a task with PPO or one of its relatives and leave metrics, the policy and a picture of the learning curve
    Train(TrainArgs),
    /// Measure how good a saved policy is: returns and lengths of many episodes
    Eval(EvalArgs),
    /// Watch a saved policy: print an episode and draw it as an animated picture
    Play(PlayArgs),
    /// Compare every kernel and a whole update with the f64 reference on this machine's adapter
    Check(CheckArgs),
    /// Do one update of PPO or one of its relatives on a rollout that another trainer recorded
    Update(UpdateArgs),
    /// Show three ways in which usual PPO fails, and what helps: many seeds, one figure with confidence bands
    FailureModes(FailureModesArgs),
    /// Measure how fast policy optimisation runs here, kernel by kernel and as whole updates, against what the device can do
    Bench(BenchArgs),
    /// List the adapters, their limits and features, and the kernel variants that would be chosen
    Info(InfoArgs),
}

/// Where the numbers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackendChoice {
    /// A hardware GPU if there is one, else the CPU
    Auto,
    /// The WGSL kernels on an adapter, environments included
    Gpu,
    /// The reference implementation, on this machine's cores
    Cpu,
}

/// Backend and adapter, the same for every command that computes.
#[derive(Debug, Clone, Args)]
pub struct BackendArgs {
    /// Where to compute
    #[arg(long, value_enum, default_value = "auto")]
    pub backend: BackendChoice,

    /// Adapter to use, as `wgpo info` writes it: its index, or a part of its name, driver or driver's version; implies
    /// `--backend gpu`, and is the way to use a software adapter
    #[arg(long, value_name = "NAME|INDEX")]
    pub adapter: Option<String>,

    /// Kernels of networks on a GPU; all compute the same, but for rounding on hardware
    #[arg(long, value_enum, default_value = "auto")]
    pub kernels: KernelsChoice,

    /// File that keeps what `--kernels tuned` found [default: wgpo/tuning.json in the user's cache folder]
    #[arg(long, value_name = "FILE")]
    pub tuning: Option<PathBuf>,
}

/// Which kernels compute networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KernelsChoice {
    /// By the kind of adapter: `direct` on a software one, `fused` on hardware
    Auto,
    /// One layer of one network at a time, in small tiles
    Plain,
    /// Large tiles in registers
    Direct,
    /// Large tiles through workgroup memory
    Staged,
    /// As `staged`, with gradients of networks up to 64 wide in one dispatch
    Fused,
    /// What is fastest here for a PPO minibatch of this net, measured at its first use (some seconds) and kept in --tuning
    Tuned,
}

impl KernelsChoice {
    /// The library's word; `None` where it is found out.
    pub fn path(self) -> Option<ProductPath> {
        match self {
            Self::Auto => Some(ProductPath::Auto),
            Self::Plain => Some(ProductPath::Plain),
            Self::Direct => Some(ProductPath::Direct),
            Self::Staged => Some(ProductPath::Staged),
            Self::Fused => Some(ProductPath::Fused),
            Self::Tuned => None,
        }
    }
}

/// The tasks: the environments that Gymnasium has too. The bandits are there to fail on, with settings that do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task(pub Env);

/// The tasks in the order of the table.
const TASKS: [Task; count(&Env::ALL)] = {
    let mut tasks = [Task(Env::CartPole); count(&Env::ALL)];
    let (mut from, mut to) = (0, 0);
    while from < Env::ALL.len() {
        if is_task(Env::ALL[from]) {
            tasks[to] = Task(Env::ALL[from]);
            to += 1;
        }
        from += 1;
    }
    tasks
};

const fn is_task(env: Env) -> bool {
    env.info().gymnasium_id.is_some()
}

const fn count(all: &[Env]) -> usize {
    let (mut i, mut count) = (0, 0);
    while i < all.len() {
        count += is_task(all[i]) as usize;
        i += 1;
    }
    count
}

impl ValueEnum for Task {
    fn value_variants<'a>() -> &'a [Self] {
        &TASKS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let info = self.0.info();
        Some(PossibleValue::new(info.name).help(info.about))
    }
}

/// The algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Algo {
    /// The clipped surrogate
    Ppo,
    /// The surrogate with an adaptive KL penalty in place of the clip
    PpoPenalty,
    /// Trust region: natural gradient, then a line search
    Trpo,
    /// Natural policy gradient: TRPO without its line search
    Npg,
    /// Advantage actor-critic: one pass, no ratio
    A2c,
}

impl From<Algo> for Algorithm {
    fn from(algo: Algo) -> Self {
        match algo {
            Algo::Ppo => Self::Ppo,
            Algo::PpoPenalty => Self::PpoPenalty,
            Algo::Trpo => Self::Trpo,
            Algo::Npg => Self::Npg,
            Algo::A2c => Self::A2c,
        }
    }
}

/// The nonlinearities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum ActivationName {
    Tanh,
    Relu,
    Elu,
    Silu,
    GeluTanh,
    GeluErf,
    Identity,
}

impl From<ActivationName> for Activation {
    fn from(name: ActivationName) -> Self {
        match name {
            ActivationName::Tanh => Self::Tanh,
            ActivationName::Relu => Self::Relu,
            ActivationName::Elu => Self::Elu,
            ActivationName::Silu => Self::Silu,
            ActivationName::GeluTanh => Self::GeluTanh,
            ActivationName::GeluErf => Self::GeluErf,
            ActivationName::Identity => Self::Identity,
        }
    }
}

/// Where the settings start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Chosen for task and algorithm: reaches the task's mark within a minute or so
    Tuned,
    /// CleanRL's ppo.py and ppo_continuous_action.py (ppo)
    Cleanrl,
    /// Stable-Baselines3's defaults (ppo, a2c)
    Sb3,
    /// OpenAI baselines' ppo2 for MuJoCo (ppo)
    BaselinesPpo2,
    /// rsl_rl's defaults; 4096 environments (ppo)
    #[value(name = "rsl_rl")]
    RslRl,
    /// skrl's defaults; 4096 environments (ppo)
    Skrl,
    /// Tianshou's defaults (ppo, trpo, npg)
    Tianshou,
    /// TorchRL's ClipPPOLoss (ppo)
    Torchrl,
    /// Lizhi-sjtu's PPO-continuous with its tricks (ppo)
    TenTricks,
    /// RLlib's defaults: clip and KL penalty (ppo, ppo-penalty)
    RllibPenalty,
    /// Those of the paper, Schulman et al. 2017 (ppo-penalty)
    Paper,
    /// sb3-contrib's TRPO defaults (trpo, npg)
    Sb3Contrib,
    /// OpenAI baselines' trpo_mpi (trpo, npg)
    Baselines,
    /// OpenAI Spinning Up's ppo and trpo (ppo, trpo, npg)
    Spinningup,
}

impl Preset {
    /// As the command line and a file spell it; `None` for `tuned`, which is nobody else's.
    pub const fn published(self) -> Option<&'static str> {
        match self {
            Self::Tuned => None,
            Self::Cleanrl => Some("cleanrl"),
            Self::Sb3 => Some("sb3"),
            Self::BaselinesPpo2 => Some("baselines-ppo2"),
            Self::RslRl => Some("rsl_rl"),
            Self::Skrl => Some("skrl"),
            Self::Tianshou => Some("tianshou"),
            Self::Torchrl => Some("torchrl"),
            Self::TenTricks => Some("ten-tricks"),
            Self::RllibPenalty => Some("rllib-penalty"),
            Self::Paper => Some("paper"),
            Self::Sb3Contrib => Some("sb3-contrib"),
            Self::Baselines => Some("baselines"),
            Self::Spinningup => Some("spinningup"),
        }
    }
}

/// Options of `wgpo train`.
///
/// Settings come from the preset, then from `--config`, then from the options below; the later wins.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A run is solved when the mean return of the last 100 episodes of training is at the task's mark, and
that of 100 greedy episodes from start states that no training has, too.

A run folder holds metrics.csv (one row per update), config.toml (all settings), policy.safetensors
(the whole state after the last update), best.safetensors (after the update whose policy was evaluated
best) and learning_curve.svg. Ctrl-C finishes the current update, saves, and says how to go on.

With --seeds, the folder holds a run folder seed-… of each, seeds.svg (all curves, their mean and its
band) and summary.csv. Exit code: 0 if all steps were done or the mark was reached, by every seed, or
the run was paused; whether it is solved is printed. 130 after Ctrl-C, 1 after an error.

Examples:
  wgpo train cartpole
  wgpo train pendulum --backend cpu --seed 3
  wgpo train pendulum --head beta
  wgpo train cartpole --algo trpo
  wgpo train cartpole --seeds 10
  wgpo train cartpole --resume --out runs/cartpole-cpu-s1")]
pub struct TrainArgs {
    /// What to learn
    #[arg(value_enum)]
    pub task: Task,

    #[command(flatten)]
    pub backend: BackendArgs,

    /// How a batch becomes new parameters [default: what --config says, else ppo]
    #[arg(long, value_enum)]
    pub algo: Option<Algo>,

    /// Settings to start from [default: tuned]
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,

    /// TOML file with settings that replace the preset's, for example `learning_rate = 3e-4`; a run's config.toml will do
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,

    /// Environments that step side by side
    #[arg(long, value_name = "N")]
    pub envs: Option<usize>,

    /// Steps of each environment per update
    #[arg(long, value_name = "N")]
    pub rollout: Option<usize>,

    /// Environment steps of the whole run, at most; not less than one update takes (environments × rollout)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    pub steps: Option<u64>,

    /// Distribution over actions, mapped to the bounds of the task's: gaussian, gaussian-state-std, tanh-gaussian,
    /// tanh-gaussian-state-std, beta or discretised[:BINS] (11 bins) for pendulum and mountain-car; categorical,
    /// multi-discrete or bernoulli (two choices) for cartpole and acrobot [default: gaussian, categorical]
    #[arg(long, value_name = "HEAD")]
    pub head: Option<HeadName>,

    /// Widths of the hidden layers of policy and value network [default: the preset's]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    pub hidden: Option<Vec<usize>>,

    /// What follows every hidden layer [default: the preset's; tanh with tuned]
    #[arg(long, value_enum)]
    pub activation: Option<ActivationName>,

    /// Seed of all random numbers [default: 1]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seed: Option<u64>,

    /// Train with N seeds at once, from --seed on: together on the device, on the CPU spread over its cores. A number of seeds here: 10 is ten
    /// seeds (`wgpo eval --seeds 10` is the one seed 10)
    #[arg(long, value_name = "N", value_parser = counts(1000))]
    pub seeds: Option<usize>,

    /// Run folder [default: runs/TASK-BACKEND-sSEED, with --seeds -sFIRST-LAST; after TASK the algorithm if it is not ppo, and the head if it is
    /// not the task's usual one]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Go on with the run in the folder, bit for bit as if it had not stopped
    #[arg(long, conflicts_with_all = ["force", "preset", "config", "hidden", "activation"])]
    pub resume: bool,

    /// Replace the run that is in the folder
    #[arg(long)]
    pub force: bool,

    /// Run all steps, also where the task is solved before
    #[arg(long)]
    pub no_stop: bool,

    /// Save and leave after N updates of this sitting; go on later with --resume
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub pause_after: Option<u64>,

    /// Greedy episodes of an evaluation, which takes place where the sampled mean is at the mark, and at the end; 0 leaves it
    /// out, and then no run is called solved [default: 100]
    #[arg(long, value_name = "N", value_parser = up_to(1_000_000))]
    pub eval_episodes: Option<usize>,
}

/// Options of `wgpo eval`.
#[derive(Debug, Args)]
#[command(after_help = "\
Start states are those of evaluations: no training has them, whatever its seed. By default they are
of the evaluation seed after the run's own, so that neither its training nor the evaluations that
chose its best policy have seen them.

Examples:
  wgpo eval runs/cartpole-cpu-s1
  wgpo eval runs/cartpole-cpu-s1/policy.safetensors --episodes 1000 --sampled
  wgpo eval best.safetensors --env pendulum --seeds 1,2,3 --json")]
pub struct EvalArgs {
    /// A run folder, of which the best policy is taken, else the last; or a policy's file
    #[arg(value_name = "RUN")]
    pub run: PathBuf,

    #[command(flatten)]
    pub backend: BackendArgs,

    /// What to play [default: what the policy was trained on]
    #[arg(long, value_enum)]
    pub env: Option<Task>,

    /// Episodes, of each seed
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = counts(1_000_000))]
    pub episodes: usize,

    /// Draw actions from the policy's distribution, where otherwise the greedy one is taken
    #[arg(long)]
    pub sampled: bool,

    /// Seed of the start states [default: the run's and 1]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64), conflicts_with = "seeds")]
    pub seed: Option<u64>,

    /// Several of them, as a list: 10 is the one seed 10, not ten seeds (`wgpo train --seeds 10` is)
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seeds: Option<Vec<u64>>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `wgpo play`.
#[derive(Debug, Args)]
#[command(after_help = "\
The picture is an animation that every browser plays, over and over. Seeds are as those of `wgpo eval`.

Examples:
  wgpo play runs/pendulum-cpu-s1
  wgpo play runs/pendulum-cpu-s1 --sampled --seed 7 --out swing.svg
  wgpo play runs/pendulum-cpu-s1 --still --every 1")]
pub struct PlayArgs {
    /// A run folder, of which the best policy is taken, else the last; or a policy's file
    #[arg(value_name = "RUN")]
    pub run: PathBuf,

    #[command(flatten)]
    pub backend: BackendArgs,

    /// What to play [default: what the policy was trained on]
    #[arg(long, value_enum)]
    pub env: Option<Task>,

    /// Draw actions from the policy's distribution, where otherwise the greedy one is taken
    #[arg(long)]
    pub sampled: bool,

    /// Seed of the start state [default: the run's and 1]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seed: Option<u64>,

    /// Where to draw it [default: beside the policy's file and named after it, as in best.svg]
    #[arg(long, value_name = "FILE.svg")]
    pub out: Option<PathBuf>,

    /// Draw twelve moments side by side, where otherwise it is an animation
    #[arg(long)]
    pub still: bool,

    /// Print every Nth step; 0 prints none [default: about twenty lines in all]
    #[arg(long, value_name = "N")]
    pub every: Option<usize>,
}

/// Options of `wgpo check`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 1 if any comparison fails.")]
pub struct CheckArgs {
    /// Adapter to check, as `wgpo info` writes it: its index, or a part of its name or driver [default: a hardware GPU, else a software one]
    #[arg(long, value_name = "NAME|INDEX", conflicts_with = "all")]
    pub adapter: Option<String>,

    /// Check every adapter
    #[arg(long)]
    pub all: bool,

    /// Also compile every kernel with every part, and list what each pipeline took (CPU seconds on Linux)
    #[arg(long)]
    pub pipelines: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `wgpo update`.
#[derive(Debug, Args)]
#[command(after_help = "\
The files are described in docs/rollout-format.md, with an example that makes a rollout from Python.
If anything is wrong with them, nothing is written.")]
pub struct UpdateArgs {
    /// The rollout
    #[arg(value_name = "ROLLOUT.safetensors")]
    pub rollout: PathBuf,

    /// The policy before the update, with or without optimiser state
    #[arg(long, value_name = "P.safetensors")]
    pub policy: PathBuf,

    /// Settings; what is not in it is that of its `preset`, else what is published for its `algorithm` (PPO: CleanRL's)
    #[arg(long, value_name = "C.toml")]
    pub config: PathBuf,

    /// Where to write the policy after the update
    #[arg(long, value_name = "O.safetensors")]
    pub out: PathBuf,

    #[command(flatten)]
    pub backend: BackendArgs,

    /// Print the statistics as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which of the failure modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailureMode {
    /// Continuous actions whose reward vanishes outside of a bounded support
    #[value(name = "1")]
    Bounded,
    /// A hundred actions: one pays best, nine pay well
    #[value(name = "2")]
    Sparse,
    /// A locally best action near the initial policy
    #[value(name = "3")]
    Local,
    /// All three
    All,
}

impl FailureMode {
    /// Whether mode `number` is asked for.
    pub const fn includes(self, number: usize) -> bool {
        matches!((self, number), (Self::Bounded, 1) | (Self::Sparse, 2) | (Self::Local, 3) | (Self::All, _))
    }
}

/// Options of `wgpo failure-modes`.
#[derive(Debug, Args)]
#[command(after_help = "\
The clipped surrogate with a Gaussian or softmax policy runs against Beta and discretised policies
and against a KL penalty in both directions, on one-step tasks (Hsu, Mendler-Dünner and Hardt 2020).
The run folder holds failure_modes.svg, rewards.csv (every seed and update) and summary.csv (how
many seeds succeed).")]
pub struct FailureModesArgs {
    #[command(flatten)]
    pub backend: BackendArgs,

    /// Which of them
    #[arg(long, value_enum, default_value = "all")]
    pub mode: FailureMode,

    /// Seeds 1 to N of each variant
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = counts(1000))]
    pub seeds: usize,

    /// Updates of each seed
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = counts(100_000))]
    pub updates: usize,

    /// Run folder [default: runs/failure-modes-BACKEND]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Replace what is in the folder
    #[arg(long)]
    pub force: bool,
}

/// Whole numbers from 0 to `most`.
fn up_to(most: u64) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64).range(0..=most).map(|count| count as usize)
}

/// Whole numbers from 1 to `most`.
fn counts(most: u64) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64).range(1..=most).map(|count| count as usize)
}

/// Options of `wgpo info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Write the complete WGSL text of every kernel and variant into this folder, for compilers and analysers
    #[arg(long, value_name = "FOLDER", conflicts_with = "json")]
    pub wgsl: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::{Algo, Algorithm, Task};
    use clap::{CommandFactory as _, ValueEnum as _};

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn the_table_of_what_the_tuned_settings_solve_has_every_task_with_every_algorithm() {
        let text = include_str!("../../docs/tuned.md");
        let (_, table) = text.split_once("<!-- pairs -->").unwrap();
        let (table, _) = table.split_once("<!-- /pairs -->").unwrap();
        let cells = |line: &str| -> Option<(String, String)> {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
            Some((cells.next()?, cells.next()?))
        };
        let mut rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).filter_map(cells).collect();
        let tasks = Task::value_variants().iter().map(|task| task.0.name().to_owned());
        let algorithms: Vec<_> = Algo::value_variants().iter().map(|algo| Algorithm::from(*algo).name()).collect();
        let mut wanted: Vec<_> =
            tasks.flat_map(|task| algorithms.iter().map(move |name| (task.clone(), (*name).to_owned()))).collect();
        // Until the script has written it, it has none.
        if !rows.is_empty() {
            rows.sort();
            wanted.sort();
            assert_eq!(rows, wanted);
        }
    }
}
