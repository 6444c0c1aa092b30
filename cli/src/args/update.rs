//! Options of `wgpo update`.

use super::place::PlaceArgs;
use clap::Args;
use std::path::PathBuf;

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
