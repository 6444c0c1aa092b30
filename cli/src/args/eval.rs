//! Options of `wgpo eval`.

use super::place::PlaceArgs;
use super::range::counts;
use super::task::Task;
use clap::Args;
use std::path::PathBuf;

/// Options of `wgpo eval`.
#[derive(Debug, Args)]
#[command(after_help = "\
Start states are those of evaluations, which no training uses. By default they belong to the seed
after the run's own, so they differ from those of the evaluations that chose its best policy.

Examples:
  wgpo eval runs/cartpole-cpu-s1
  wgpo eval runs/cartpole-cpu-s1/policy.safetensors --episodes 1000 --sampled
  wgpo eval best.safetensors --env pendulum --seeds 1,2,3 --json")]
pub struct EvalArgs {
    /// A run folder (its best policy if there is one, else its last), or a policy's file
    #[arg(value_name = "RUN")]
    pub run: PathBuf,

    #[command(flatten)]
    pub place: PlaceArgs,

    /// What to play [default: what the policy was trained on]
    #[arg(long, value_enum)]
    pub env: Option<Task>,

    /// Episodes per seed
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = counts(1_000_000))]
    pub episodes: usize,

    /// Draw actions from the policy's distribution; without this they are greedy
    #[arg(long)]
    pub sampled: bool,

    /// Seed of the start states [default: the run's and 1]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64), conflicts_with = "seeds")]
    pub seed: Option<u64>,

    /// A list of such seeds: 10 is the one seed 10. For `wgpo train`, --seeds 10 means ten seeds
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seeds: Option<Vec<u64>>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
