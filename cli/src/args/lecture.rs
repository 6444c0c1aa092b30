//! Options of `wgpo lecture`.

use clap::Args;
use std::path::PathBuf;

/// Options of `wgpo lecture`.
#[derive(Debug, Args)]
#[command(after_help = "\
clip.svg: one term of the clipped surrogate by the probability ratio, for a good and a bad action.
trust_region.svg: gradient ascent and TRPO on a ridge, from the same policy.
Both are drawn from what the reference in f64 computes; no GPU is needed.")]
pub struct LectureArgs {
    /// Folder of the two pictures; earlier ones there are replaced
    #[arg(long, value_name = "DIR", default_value = "runs/lecture")]
    pub out: PathBuf,
}
