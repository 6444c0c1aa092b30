//! Returns to go of the episodes that end within a window (Sutton and Barto 2018, equation 3.9), for REINFORCE; one invocation per
//! environment.
//!
//! ```text
//! G_t = r_t + γ G_{t+1},   G = 0 behind a terminated or truncated transition
//! valid_t = 1 if the row counts and its episode ends at t or later within the window, else 0; G_t = 0 there
//! ```
//!
//! [`super::advantage_gae`] with `bootstrap = 0` and λ = 1 sums up what there is of all episodes, and does not tell which are whole.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_return",
    parts: [],
    schedule: false,
    head: false,
    params: {
        /// T, at most 60,000.
        pub steps: u32,
        /// N.
        pub envs: u32,
        /// γ in [0, 1].
        pub gamma: f32,
        /// 1: what `given` has as 0 is passed over.
        pub masked: u32,
    },
    io: {
        /// `[steps, envs]`.
        rewards: Read f32,
        /// `[steps, envs]`, 0 or 1.
        terminated: Read u32,
        /// `[steps, envs]`, 0 or 1.
        truncated: Read u32,
        /// `[steps, envs]`, 0 or 1; any buffer without `masked`.
        given: Read u32,
        /// `[steps, envs]`.
        returns: ReadWrite f32,
        /// `[steps, envs]`, 0 or 1.
        valid: ReadWrite u32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`] (too many steps among them).
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        iterations(name, u64::from(p.steps), || format!("steps {}", p.steps))?;
        let shape = || format!("steps {} × envs {}", p.steps, p.envs);
        let all = u64::from(p.steps) * u64::from(p.envs);
        elements(name, "rewards", io.rewards, all, shape)?;
        elements(name, "terminated", io.terminated, all, shape)?;
        elements(name, "truncated", io.truncated, all, shape)?;
        if p.masked != 0 {
            elements(name, "given", io.given, all, shape)?;
        }
        elements(name, "returns", io.returns, all, shape)?;
        elements(name, "valid", io.valid, all, shape)?;
        calls.push((*p, Grid::Items(u64::from(p.envs))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
