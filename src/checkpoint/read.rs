//! A whole file in memory, if that can be, and whether there is room for what bytes hold.

use super::format::format_error;
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
    let Some(length) = header_length(path, &bytes)? else { return Ok(bytes) };
    more(&mut bytes, length)?;
    let Some(sizes) = Sizes::of(&bytes[8..]) else { return Ok(bytes) };
    // The file and its numbers.
    sizes.require(path, 2)?;
    more(&mut bytes, sizes.data as u64 + 1)?;
    Ok(bytes)
}

/// That the numbers which `bytes`, called `name`, say to hold fit beside them.
///
/// # Errors
/// [`Error::Format`] for a header that is too long, [`Error::Memory`].
pub(super) fn fits(name: &Path, bytes: &[u8]) -> Result<()> {
    let Some(length) = header_length(name, bytes)? else { return Ok(()) };
    let header = usize::try_from(length).ok().and_then(|length| bytes.get(8..8 + length));
    header.and_then(Sizes::of).map_or(Ok(()), |sizes| sizes.require(name, 1))
}

/// Length of the header by the first eight bytes. What is too short or has no header is for safetensors to name.
fn header_length(name: &Path, bytes: &[u8]) -> Result<Option<u64>> {
    let Some(length) = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length)) else { return Ok(None) };
    if length > HEADER {
        let message =
            format!("is not a whole safetensors file: its header is of {length} bytes, {HEADER} at most are read");
        return Err(format_error(name, message));
    }
    Ok(Some(length))
}

/// Bytes of all tensors and of the largest.
struct Sizes {
    data: u128,
    largest: u128,
}

impl Sizes {
    /// By a header, if it is one.
    fn of(header: &[u8]) -> Option<Self> {
        let metadata = serde_json::from_slice::<Metadata>(header).ok()?;
        let sizes =
            metadata.tensors().into_values().map(|tensor| tensor.data_offsets.1.saturating_sub(tensor.data_offsets.0));
        Some(Self { data: metadata.data_len() as u128, largest: sizes.max().unwrap_or(0) as u128 })
    }

    /// Room for `copies` of everything, and one tensor on the way as f64.
    fn require(&self, name: &Path, copies: u128) -> Result<()> {
        require(|| format!("reading {}", name.display()), copies * self.data + 2 * self.largest)
    }
}
