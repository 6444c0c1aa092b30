//! `wgpo check`.

use crate::args::CheckArgs;
use anyhow::{Result, bail};
use std::process::ExitCode;

/// Compares every kernel with the reference.
pub fn check(_args: &CheckArgs) -> Result<ExitCode> {
    bail!("not built yet")
}
