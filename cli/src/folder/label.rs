//! What a state file says of the run that it is of.

use anyhow::{Context, Result};
use std::path::Path;
use wgpo::checkpoint::Labels;

/// The label of a state file that says which run it is of.
const RUN: &str = "run";

/// The label that says which run a state file is of.
pub fn label(run: u64) -> Labels {
    Labels::from([(RUN.to_owned(), run.to_string())])
}

/// The run that a state file says it is of.
pub fn run_of(path: &Path, labels: &Labels) -> Result<Option<u64>> {
    let Some(label) = labels.get(RUN) else { return Ok(None) };
    let number = label.parse().with_context(|| format!("{}: label \"{RUN}\" is \"{label}\"", path.display()))?;
    Ok(Some(number))
}
