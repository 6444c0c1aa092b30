//! Files that appear whole or not at all.

use anyhow::{Context, Result};
use std::path::Path;

/// Writes `bytes` to a temporary file beside `path` and renames it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    wgpo::checkpoint::write_atomically(path, bytes).context("cannot write")
}

/// The text of `path`.
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{}: cannot read", path.display()))
}
