//! Options of `wgpo info`.

use clap::Args;
use std::path::PathBuf;

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
