//! What a kernel's `bind` asks of buffers and loops before anything is bound.

use super::buffer::{Buffer, Element};
use crate::error::{Error, Result};

/// `Ok` if `buffer` holds at least `needs` elements that a u32 index reaches; `shape` says how the number comes about.
pub(crate) fn elements<T: Element>(
    kernel: &'static str,
    name: &'static str,
    buffer: &Buffer<T>,
    needs: u64,
    shape: impl FnOnce() -> String,
) -> Result<()> {
    let holds = buffer.len();
    if holds >= needs && needs <= u64::from(u32::MAX) {
        return Ok(());
    }
    Err(too_short([kernel, name], [holds, needs], shape()))
}

/// Apart from [`elements`], of which there is a copy for every buffer of every kernel.
#[cold]
fn too_short([kernel, buffer]: [&'static str; 2], [holds, needs]: [u64; 2], shape: String) -> Error {
    if holds < needs {
        return Error::BufferLength { kernel, buffer, holds, needs, shape };
    }
    let what = format!("{kernel}: buffer \"{buffer}\" = {shape}");
    Error::OwnLimit { what, limit: "u32 element index", needs, has: u64::from(u32::MAX) }
}

/// Most loop iterations of one invocation, all loops together. One software driver (Mesa's lavapipe) ends an invocation
/// silently after 65,535.
pub(crate) const MOST_ITERATIONS: u64 = 60_000;

/// `Ok` if one invocation of the kernel loops at most so often that every driver lets it finish; `shape` says over what.
pub(crate) fn iterations(kernel: &'static str, needs: u64, shape: impl FnOnce() -> String) -> Result<()> {
    if needs > MOST_ITERATIONS {
        let what = format!("{kernel}: a loop over {}", shape());
        return Err(Error::OwnLimit { what, limit: "iterations of one invocation", needs, has: MOST_ITERATIONS });
    }
    Ok(())
}
