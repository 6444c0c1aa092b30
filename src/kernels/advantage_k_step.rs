//! k-step advantages Â^(k), one invocation per transition (Schulman et al. 2016, equation 11).
//!
//! Â_t^(k) = Σ_{i<m} γ^i r_{t+i} + γ^m next_{t+m−1} − V(s_t), where m ≤ k stops at an episode's end and at the window's end. k = 1
//! is GAE with λ = 0, k ≥ T is λ = 1 (then take [`super::advantage_gae`], which costs T instead of T · k).

use super::advantage_gae::{Window, check_window};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_k_step",
    parts: [ADVANTAGE],
    schedule: false,
    head: false,
    params: {
        /// T.
        pub steps: u32,
        /// N.
        pub envs: u32,
        /// Most rewards in the sum, 1 to 65,000.
        pub k: u32,
        /// γ in [0, 1].
        pub gamma: f32,
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
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], or [`Error::Config`] for a k out of range.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if !(1..=65_000).contains(&p.k) {
            return Err(Error::config("k", format!("is {}, must be in [1, 65000]", p.k)));
        }
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
        calls.push((*p, Grid::Items(u64::from(p.steps) * u64::from(p.envs))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
