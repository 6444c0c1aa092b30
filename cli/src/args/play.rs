//! Options of `wgpo play`.

use super::place::PlaceArgs;
use super::task::Task;
use clap::Args;
use std::path::PathBuf;

/// Options of `wgpo play`.
#[derive(Debug, Args)]
#[command(after_help = "\
The picture is an animation that every browser plays, over and over. Seeds are those of `wgpo eval`.

Examples:
  wgpo play runs/pendulum-cpu-s1
  wgpo play runs/pendulum-cpu-s1 --sampled --seed 7 --out swing.svg
  wgpo play runs/pendulum-cpu-s1 --still --every 1")]
pub struct PlayArgs {
    /// A run folder (its best policy if there is one, else its last), or a policy's file
    #[arg(value_name = "RUN")]
    pub run: PathBuf,

    #[command(flatten)]
    pub place: PlaceArgs,

    /// What to play [default: what the policy was trained on]
    #[arg(long, value_enum)]
    pub env: Option<Task>,

    /// Draw actions from the policy's distribution; without this they are greedy
    #[arg(long)]
    pub sampled: bool,

    /// Seed of the start state [default: the run's and 1]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub seed: Option<u64>,

    /// Where to draw it [default: beside the policy's file and named after it, as in best.svg]
    #[arg(long, value_name = "FILE.svg")]
    pub out: Option<PathBuf>,

    /// Draw twelve moments side by side instead of an animation
    #[arg(long)]
    pub still: bool,

    /// Print every Nth step; 0 prints none [default: about twenty lines in all]
    #[arg(long, value_name = "N")]
    pub every: Option<usize>,
}
