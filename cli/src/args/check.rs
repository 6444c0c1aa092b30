//! Options of `wgpo check`.

use clap::Args;

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
