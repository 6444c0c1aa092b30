//! A whole file in memory, if that can be.

use super::format_error;
use crate::error::{Error, Result};
use crate::memory::require;
use safetensors::tensor::Metadata;
use std::io::Read as _;
use std::path::Path;

/// Longest header that safetensors reads, in bytes.
const HEADER: u64 = 100_000_000;

/// The bytes of a safetensors file, as many as its header says and one more, if there is one: a device or a pipe may have no end.
///
/// # Errors
/// [`Error::Io`]; [`Error::Memory`] if there is no room for the file and for the numbers that are read from it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |source| Error::Io { path: path.into(), source };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>, count: u64| (&mut file).take(count).read_to_end(bytes).map_err(io);
    more(&mut bytes, 8)?;
    // What is too short or has no header is for safetensors to name.
    let Some(length) = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length)) else { return Ok(bytes) };
    if length > HEADER {
        let message =
            format!("is not a whole safetensors file: its header is of {length} bytes, {HEADER} at most are read");
        return Err(format_error(path, message));
    }
    more(&mut bytes, length)?;
    let Ok(metadata) = serde_json::from_slice::<Metadata>(&bytes[8..]) else { return Ok(bytes) };
    let sizes =
        metadata.tensors().into_values().map(|tensor| tensor.data_offsets.1.saturating_sub(tensor.data_offsets.0));
    let (data, largest) = (metadata.data_len() as u128, sizes.max().unwrap_or(0) as u128);
    // The file, its numbers, and one tensor on the way as f64.
    require(|| format!("reading {}", path.display()), 2 * data + 2 * largest)?;
    more(&mut bytes, metadata.data_len() as u64 + 1)?;
    Ok(bytes)
}
