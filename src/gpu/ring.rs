//! Uniforms that change from one recording to the next, in a ring of slots so that several recordings may wait for one submission.

use super::Gpu;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU32, Ordering};

/// One slot of a [`UniformRing`], as recorded calls use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slot(pub(super) u32);

/// A uniform buffer with 256 slots. `Queue::write_buffer` happens before the whole next submission, so what is recorded twice
/// before it is submitted needs two slots: up to 256 recordings may wait for one submission.
#[derive(Debug)]
pub struct UniformRing {
    raw: wgpu::Buffer,
    /// Bytes of a slot that are used.
    size: usize,
    next: AtomicU32,
}

impl UniformRing {
    /// Recordings that may wait for one submission.
    pub const SLOTS: u32 = 256;
    /// Bytes from one slot to the next: WebGPU's alignment of dynamic uniform offsets, and the most that a slot holds.
    pub const STRIDE: u32 = 256;

    /// An empty ring of slots of `size` bytes, at most [`STRIDE`](Self::STRIDE).
    ///
    /// # Errors
    /// [`Error::OwnLimit`] for larger slots, [`Error::OutOfMemory`].
    pub fn new(gpu: &Gpu, size: usize) -> Result<Self> {
        if size > Self::STRIDE as usize {
            let (needs, has) = (size as u64, u64::from(Self::STRIDE));
            return Err(Error::OwnLimit { what: "ring".to_owned(), limit: "bytes of a slot", needs, has });
        }
        let raw = gpu.scoped("ring", || {
            gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("ring"),
                size: u64::from(Self::SLOTS * Self::STRIDE),
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        Ok(Self { raw, size, next: AtomicU32::new(0) })
    }

    /// Writes `value` to the next slot.
    ///
    /// # Errors
    /// [`Error::BufferLength`] if it has another size than the slots, or a wgpu error.
    pub fn push<T: bytemuck::Pod>(&self, gpu: &Gpu, value: &T) -> Result<Slot> {
        if size_of::<T>() != self.size {
            let (holds, needs, shape) = (self.size as u64, size_of::<T>() as u64, "the value's bytes".to_owned());
            return Err(Error::BufferLength { kernel: "ring", buffer: "slot", holds, needs, shape });
        }
        let slot = self.next.fetch_add(1, Ordering::Relaxed) % Self::SLOTS;
        let offset = u64::from(slot * Self::STRIDE);
        gpu.scoped("ring", || gpu.queue().write_buffer(&self.raw, offset, bytemuck::bytes_of(value)))?;
        Ok(Slot(slot * Self::STRIDE))
    }

    /// Bytes of a slot.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn binding(&self) -> wgpu::BufferBinding<'_> {
        wgpu::BufferBinding { buffer: &self.raw, offset: 0, size: std::num::NonZeroU64::new(self.size as u64) }
    }
}
