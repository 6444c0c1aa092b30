//! Values that change with every update, in a ring of slots so that several updates may be recorded before one
//! submission.

use super::Gpu;
use crate::error::Result;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the host decides per update; `shaders/parts/schedule.wgsl` is its twin.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Schedule {
    /// Adam's step size.
    pub learning_rate: f32,
    /// ε of the clipped surrogate.
    pub clip_coef: f32,
    /// Weight of the entropy bonus.
    pub ent_coef: f32,
    /// Clip range of the value, or the limit of its error, see [`crate::PpoConfig::value_limit_at`].
    pub clip_coef_vf: f32,
    /// Seed of all draws, low word.
    pub seed_low: u32,
    /// Seed, high word.
    pub seed_high: u32,
    /// Update number, low word.
    pub update_low: u32,
    /// Update number, high word.
    pub update_high: u32,
    /// Policy steps taken before this recording, low word.
    pub policy_step_low: u32,
    /// Policy steps, high word.
    pub policy_step_high: u32,
    /// Environment steps taken before this recording, low word.
    pub env_step_low: u32,
    /// Environment steps, high word.
    pub env_step_high: u32,
}

impl Schedule {
    /// Names of the fields in order, for the test that compares them with the WGSL.
    pub const FIELDS: [&'static str; 12] = [
        "learning_rate",
        "clip_coef",
        "ent_coef",
        "clip_coef_vf",
        "seed_low",
        "seed_high",
        "update_low",
        "update_high",
        "policy_step_low",
        "policy_step_high",
        "env_step_low",
        "env_step_high",
    ];
}

/// One slot of a [`ScheduleRing`], as recorded calls use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slot(pub(super) u32);

/// A uniform buffer with 256 slots. `Queue::write_buffer` happens before the whole next submission, so an update
/// that is recorded twice before it is submitted needs two slots: up to 256 recordings may wait for one submission.
#[derive(Debug)]
pub struct ScheduleRing {
    raw: wgpu::Buffer,
    next: AtomicU32,
}

impl ScheduleRing {
    /// Recordings that may wait for one submission.
    pub const SLOTS: u32 = 256;
    /// Bytes from one slot to the next: WebGPU's alignment of dynamic uniform offsets.
    const STRIDE: u32 = 256;

    /// An empty ring.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(gpu: &Gpu) -> Result<Self> {
        let raw = gpu.scoped("schedule", || {
            gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("schedule"),
                size: u64::from(Self::SLOTS * Self::STRIDE),
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        Ok(Self { raw, next: AtomicU32::new(0) })
    }

    /// Writes `schedule` to the next slot.
    ///
    /// # Errors
    /// A wgpu error.
    pub fn push(&self, gpu: &Gpu, schedule: &Schedule) -> Result<Slot> {
        let slot = self.next.fetch_add(1, Ordering::Relaxed) % Self::SLOTS;
        let offset = u64::from(slot * Self::STRIDE);
        gpu.scoped("schedule", || gpu.queue().write_buffer(&self.raw, offset, bytemuck::bytes_of(schedule)))?;
        Ok(Slot(slot * Self::STRIDE))
    }

    pub(super) fn binding(&self) -> wgpu::BufferBinding<'_> {
        let size = size_of::<Schedule>() as u64;
        wgpu::BufferBinding { buffer: &self.raw, offset: 0, size: std::num::NonZeroU64::new(size) }
    }
}
