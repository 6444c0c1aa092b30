//! Options of `wgpo failure-modes`.

use super::place::PlaceArgs;
use super::range::counts;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

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
    pub place: PlaceArgs,

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
