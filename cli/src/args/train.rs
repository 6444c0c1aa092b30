//! Options of `wgpo train`.

use super::choice::Choice;
use super::place::PlaceArgs;
use super::preset::Preset;
use super::range::{counts, up_to};
use super::std_limit::StdLimitName;
use super::task::Task;
use clap::Args;
use std::path::PathBuf;
use wgpo::AlgorithmKind;
use wgpo::env::HeadName;
use wgpo::policy::Activation;

/// Options of `wgpo train`.
///
/// Settings come from the preset, then from `--config`, then from the options below; later ones win.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A run is solved when two means have reached the task's mark: the return of the last 100 episodes of
training, and that of 100 greedy episodes from start states that no training uses.

A run folder holds metrics.csv (one row per update), config.toml (all settings), policy.safetensors
(the whole state after the last update), best.safetensors (after the update whose policy was evaluated
best) and learning_curve.svg. Ctrl-C finishes the current update, saves, and says how to continue.

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
    pub place: PlaceArgs,

    /// How a batch becomes new parameters [default: what --config says, else ppo]
    #[arg(long, value_enum)]
    pub algo: Option<Choice<AlgorithmKind>>,

    /// Settings to start from [default: tuned]
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,

    /// TOML file with settings that replace the preset's, for example `learning_rate = 3e-4`; a run's config.toml works, too
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,

    /// Environments that step side by side
    #[arg(long, value_name = "N")]
    pub envs: Option<usize>,

    /// Steps of each environment per update
    #[arg(long, value_name = "N")]
    pub rollout: Option<usize>,

    /// Most environment steps of the whole run; at least one update's (environments × rollout)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    pub steps: Option<u64>,

    /// Distribution over actions, mapped to the bounds of the task's: gaussian, gaussian-state-std, tanh-gaussian,
    /// tanh-gaussian-state-std, beta or discretised[:BINS] (11 bins) for pendulum and mountain-car; categorical,
    /// multi-discrete or bernoulli (two choices) for cartpole and acrobot [default: gaussian, categorical]
    #[arg(long, value_name = "HEAD")]
    pub head: Option<HeadName>,

    /// From what the network says to the logarithm of a Gaussian's deviation: free, soft-floor:LOW, clamp:LOW:HIGH, or tanh:LOW:HIGH
    /// (between the two with a gradient everywhere, as in CleanRL's SAC) [default: the preset's]
    #[arg(long, value_name = "LIMIT", allow_hyphen_values = true)]
    pub std_limit: Option<StdLimitName>,

    /// Widths of the hidden layers of policy and value network [default: the preset's]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    pub hidden: Option<Vec<usize>>,

    /// What follows every hidden layer [default: the preset's; tanh with tuned]
    #[arg(long, value_enum)]
    pub activation: Option<Choice<Activation>>,

    /// Seed of all random numbers [default: 1]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seed: Option<u64>,

    /// Train N seeds at once, from --seed on: together on a device, spread over the cores on the CPU. Here 10 means ten seeds; for `wgpo eval`,
    /// --seeds 10 is the one seed 10
    #[arg(long, value_name = "N", value_parser = counts(1000))]
    pub seeds: Option<usize>,

    /// Run folder [default: runs/TASK-BACKEND-sSEED, with --seeds -sFIRST-LAST; after TASK the algorithm if it is not ppo, and the head if it is
    /// not the task's usual one]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Continue the run in the folder, bit for bit as if it had not stopped
    #[arg(long, conflicts_with_all = ["force", "preset", "config", "std_limit", "hidden", "activation"])]
    pub resume: bool,

    /// Replace the run in the folder
    #[arg(long)]
    pub force: bool,

    /// Run all steps, even if the task is solved earlier
    #[arg(long)]
    pub no_stop: bool,

    /// Write TensorBoard's event files into the run folder, too, under the tags of Stable-Baselines3; a run that has them goes on with them
    #[arg(long)]
    pub tensorboard: bool,

    /// Save and stop after N updates from here; continue later with --resume
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub pause_after: Option<u64>,

    /// Greedy episodes of an evaluation. The policy is evaluated when the sampled mean has reached the mark, and at the end. With 0 it is not,
    /// and no run is called solved [default: 100]
    #[arg(long, value_name = "N", value_parser = up_to(1_000_000))]
    pub eval_episodes: Option<usize>,
}
