//! Options of `wgpo update`.

use super::place::PlaceArgs;
use clap::Args;
use std::path::PathBuf;

/// Options of `wgpo update`.
#[derive(Debug, Args)]
#[command(after_help = "\
The files are described in docs/rollout-format.md, with examples that make a rollout or batches from Python.
If anything is wrong with them, nothing is written.")]
pub struct UpdateArgs {
    /// The rollout, or for dqn, ddpg, td3 and sac batches of transitions
    #[arg(value_name = "FILE.safetensors")]
    pub rollout: PathBuf,

    /// The policy before the update, with or without optimiser state
    #[arg(long, value_name = "P.safetensors")]
    pub policy: PathBuf,

    /// Settings. Missing keys come from its `preset`, else from what is published for its `algorithm` (PPO: CleanRL's)
    #[arg(long, value_name = "C.toml")]
    pub config: PathBuf,

    /// Where to write the policy after the update
    #[arg(long, value_name = "O.safetensors")]
    pub out: PathBuf,

    #[command(flatten)]
    pub place: PlaceArgs,

    /// Print the statistics as JSON
    #[arg(long)]
    pub json: bool,
}
