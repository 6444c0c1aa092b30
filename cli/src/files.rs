//! Files that appear whole or not at all.

use anyhow::{Context, Result, bail};
use std::io::Read as _;
use std::path::Path;

/// Writes `bytes` to a temporary file beside `path` and renames it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    wgpo::checkpoint::write_atomically(path, bytes).context("cannot write")
}

/// Removes what killed processes left in the folder of `path`, as far as that is possible.
pub fn tidy(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Leftovers are in nobody's way.
    let _ = wgpo::checkpoint::remove_stale(folder);
}

/// More than any text has that is read whole: what has more is a device, or another kind of file.
const LONGEST: u64 = 64 << 20;

/// The text of `path`.
pub fn read(path: &Path) -> Result<String> {
    let cannot = || format!("{}: cannot read", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(cannot)?;
    file.take(LONGEST + 1).read_to_string(&mut text).with_context(cannot)?;
    if text.len() as u64 > LONGEST {
        bail!("{}: is larger than {LONGEST} bytes, too large for such a file", path.display());
    }
    Ok(text)
}
