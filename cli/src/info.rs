//! `wgpo info`.

use crate::args::InfoArgs;
use anyhow::{Result, bail};
use std::process::ExitCode;

/// Lists what wgpu finds.
pub fn info(_args: &InfoArgs) -> Result<ExitCode> {
    bail!("not built yet")
}
