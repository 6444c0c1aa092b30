//! What changes from one update to the next without a new recording.

use crate::error::Result;
use crate::gpu::{Gpu, UniformRing};

/// What the host decides per update; `shaders/parts/schedule.wgsl` is its twin.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PerUpdate {
    /// Adam's step size.
    pub learning_rate: f32,
    /// ε of the clipped surrogate.
    pub clip_coef: f32,
    /// Weight of the entropy bonus.
    pub ent_coef: f32,
    /// Clip range of the value, or the limit of its error, see [`crate::config::Config::value_limit_at`].
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
    /// Gradient steps of an off-policy algorithm taken before this recording, low word.
    pub gradient_step_low: u32,
    /// Gradient steps, high word.
    pub gradient_step_high: u32,
    /// Place of the replay ring that is written next, below its capacity.
    pub replay_place: u32,
    /// Places of it that are used, at most its capacity.
    pub replay_stored: u32,
    /// Policy steps that share a draw of exploration; 0 as 1.
    pub exploration_hold: u32,
    /// How many of them came before this recording, below `exploration_hold`.
    pub exploration_phase: u32,
    #[doc(hidden)]
    pub pad_0: u32,
    #[doc(hidden)]
    pub pad_1: u32,
}

impl PerUpdate {
    /// An empty ring for it.
    ///
    /// # Errors
    /// [`crate::error::Error::OutOfMemory`].
    pub fn ring(gpu: &Gpu) -> Result<UniformRing> {
        UniformRing::new(gpu, size_of::<Self>())
    }

    /// Names of the fields in order, for the test that compares them with the WGSL.
    pub const FIELDS: [&'static str; 20] = [
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
        "gradient_step_low",
        "gradient_step_high",
        "replay_place",
        "replay_stored",
        "exploration_hold",
        "exploration_phase",
        "pad_0",
        "pad_1",
    ];
}
