//! Many dispatches as few submissions.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Slot};

/// Dispatches of one submission: far below what a watchdog allows, and so many that submitting costs nothing.
pub(super) const CALLS_PER_SUBMISSION: usize = 4096;

/// Submits `calls` in as few submissions as [`CALLS_PER_SUBMISSION`] allows, with something recorded before the first and after
/// the last.
pub(super) fn submit(
    gpu: &Gpu,
    label: &str,
    calls: &[Call],
    slot: Slot,
    before: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<()>,
    after: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<()>,
) -> Result<()> {
    let mut encoder = gpu.encoder(label);
    before(&mut encoder)?;
    let mut parts = calls.chunks(CALLS_PER_SUBMISSION).peekable();
    while let Some(part) = parts.next() {
        gpu.record(&mut encoder, label, part, slot);
        if parts.peek().is_some() {
            gpu.submit(std::mem::replace(&mut encoder, gpu.encoder(label)))?;
        }
    }
    after(&mut encoder)?;
    gpu.submit(encoder)
}
