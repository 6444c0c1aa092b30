//! [`super::advantage_gae`] for long rollouts of few environments: chunks of steps side by side.
//!
//! A_t = d_t + c_t A_{t+1} is an affine map; maps compose. Phase 0 composes each chunk's map, phase 1 walks the chunks of an
//! environment from the end, phase 2 walks the steps of each chunk with what enters from behind. Three dispatches; the
//! result differs from the column form by rounding only, and depends on the shape only.

use super::advantage_gae::{Window, check_window};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_gae_chunked",
    parts: [ADVANTAGE],
    schedule: false,
    head: false,
    params: {
        /// T.
        pub steps: u32,
        /// N.
        pub envs: u32,
        /// γ in [0, 1].
        pub gamma: f32,
        /// λ in [0, 1].
        pub gae_lambda: f32,
        /// 1: bootstrap from the values; 0: what lies beyond an end or the window counts as 0.
        pub bootstrap: u32,
        /// Steps of a chunk; set by `bind` from [`chunk`].
        pub chunk: u32,
        /// Set by `bind`.
        pub phase: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// `[steps, envs]`.
        rewards: Read f32,
        /// `[steps + 1, envs]`.
        values: Read f32,
        /// `[steps, envs]`.
        final_values: Read f32,
        /// `[steps, envs]`, 0 or 1.
        terminated: Read u32,
        /// `[steps, envs]`, 0 or 1.
        truncated: Read u32,
        /// `[steps, envs]`.
        advantages: ReadWrite f32,
        /// `[steps, envs]`.
        returns: ReadWrite f32,
        /// Scratch, `[chunks, envs]`.
        carries: ReadWrite [f32; 2],
    },
}

/// Steps of a chunk: near √T, a multiple of 16.
pub fn chunk(steps: u32) -> u32 {
    (f64::from(steps).sqrt().ceil() as u32).next_multiple_of(16).max(16)
}

/// Elements of `carries`: chunks × envs.
pub fn carries(steps: u32, envs: u32) -> u64 {
    u64::from(steps.div_ceil(chunk(steps))) * u64::from(envs)
}

/// Binds three calls per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(3 * params.len());
    for p in params {
        let window = Window { values: io.values, final_values: io.final_values, rewards: io.rewards };
        let ends = [("terminated", io.terminated), ("truncated", io.truncated)];
        check_window(
            DEF.name,
            p.steps,
            p.envs,
            &window,
            &ends,
            &[("advantages", io.advantages), ("returns", io.returns)],
        )?;
        let chunk = chunk(p.steps);
        let maps = carries(p.steps, p.envs);
        elements(DEF.name, "carries", io.carries, maps, || format!("chunks of {chunk} steps × envs {}", p.envs))?;
        for (phase, items) in [(0, maps), (1, u64::from(p.envs)), (2, maps)] {
            calls.push((Params { chunk, phase, ..*p }, Grid::Items(items)));
        }
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
