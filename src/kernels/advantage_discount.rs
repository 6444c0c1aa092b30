//! Rolling discounted sums of past rewards, one invocation per environment, for [reward scaling](crate::config::RewardNorm).
//!
//! ```text
//! G_t = γ G_{t−1} + r_t,  then 0 where the episode ended           AfterDone: Stable-Baselines3, OpenAI baselines
//! G_t = γ G_{t−1} (1 − terminated_t) + r_t                         AtTermination: Gymnasium, except for
//! G_t = γ G_{t−1} (1 − (terminated_t or truncated_t)) + r_t        AtDone: PureJaxRL
//! G_t = γ G_{t−1} (1 − terminated_t) + r_t,  then 0 where it ended  AtTerminationAfterDone: Gymnasium's vectors in SAME_STEP mode
//! ```
//!
//! `carried` keeps the sum, so a window continues where the last one stopped.

use super::span;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_discount",
    parts: [],
    schedule: false,
    head: false,
    params: {
        /// T.
        pub steps: u32,
        /// N.
        pub envs: u32,
        /// γ in [0, 1].
        pub gamma: f32,
        /// [`ReturnReset::code`](crate::config::ReturnReset::code).
        pub reset: u32,
        /// 1: what `valid` has as 0 is passed over.
        pub masked: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// `[steps, envs]`.
        rewards: Read f32,
        /// `[steps, envs]`, 0 or 1.
        terminated: Read u32,
        /// `[steps, envs]`, 0 or 1.
        truncated: Read u32,
        /// `[steps, envs]`, 0 or 1; any buffer without `masked`.
        valid: Read u32,
        /// `[envs]`: the sums before the window; the kernel leaves those after it.
        carried: ReadWrite f32,
        /// `[steps, envs]`.
        discounted: ReadWrite f32,
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
            elements(name, "valid", io.valid, all, shape)?;
        }
        elements(name, "carried", io.carried, span(0, p.envs, 1, 1), || format!("envs {}", p.envs))?;
        elements(name, "discounted", io.discounted, all, shape)?;
        calls.push((*p, Grid::Items(u64::from(p.envs))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
