//! Generalised advantage estimation (Schulman et al. 2016, equation 16), one invocation per environment.
//!
//! ```text
//! δ_t = r_t + γ · next_t − V(s_t)          A_t = δ_t + γ λ keep_t A_{t+1}          returns = A + V
//! next_t = 0 if terminated, V(final obs) if truncated, else V(s_{t+1});   keep_t = 0 where the episode ended, else 1
//! ```
//!
//! Special cases of the same recurrence: λ = 1 gives bootstrapped discounted returns, `returns` for any λ is TD(λ),
//! `bootstrap = 0` with λ = 1 gives sums of rewards alone. For few environments and many steps take
//! [`super::advantage_gae_chunked`]; [`prefers_chunks`] decides by shape.

use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_gae",
    parts: [ADVANTAGE],
    schedule: false,
    head: false,
    params: {
        /// T, at most 65,000 in this form.
        pub steps: u32,
        /// N.
        pub envs: u32,
        /// γ in [0, 1].
        pub gamma: f32,
        /// λ in [0, 1].
        pub gae_lambda: f32,
        /// 1: bootstrap from the values; 0: what lies beyond an end or the window counts as 0.
        pub bootstrap: u32,
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
        /// `[steps + 1, envs]`; the last row is V of the observation after the window.
        values: Read f32,
        /// `[steps, envs]`: V of the real last observation where truncated; not read elsewhere.
        final_values: Read f32,
        /// `[steps, envs]`, 0 or 1.
        terminated: Read u32,
        /// `[steps, envs]`, 0 or 1; terminated wins.
        truncated: Read u32,
        /// `[steps, envs]`.
        advantages: ReadWrite f32,
        /// `[steps, envs]`.
        returns: ReadWrite f32,
    },
}

/// Most steps of a column walk: one software driver ends any invocation after 65,535 loop iterations.
const MOST_STEPS: u32 = 65_000;

/// Whether the chunked form suits the shape better: few columns, each long.
pub const fn prefers_chunks(steps: u32, envs: u32) -> bool {
    steps > MOST_STEPS || (steps > 256 && envs < 1024)
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], or [`Error::OwnLimit`] for too many steps, or [`Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if p.steps > MOST_STEPS {
            return Err(Error::OwnLimit {
                what: format!("{} (advantage_gae_chunked has no such limit)", DEF.name),
                limit: "steps",
                needs: u64::from(p.steps),
                has: u64::from(MOST_STEPS),
            });
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
        calls.push((*p, Grid::Items(u64::from(p.envs))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}

/// Inputs that all advantage kernels share.
pub(super) struct Window<'a> {
    pub rewards: &'a Buffer<f32>,
    pub values: &'a Buffer<f32>,
    pub final_values: &'a Buffer<f32>,
}

/// Lengths of the buffers that all advantage kernels share.
pub(super) fn check_window(
    kernel: &'static str,
    steps: u32,
    envs: u32,
    window: &Window<'_>,
    ends: &[(&'static str, &Buffer<u32>)],
    outputs: &[(&'static str, &Buffer<f32>)],
) -> Result<()> {
    let (t, n) = (u64::from(steps), u64::from(envs));
    let shape = || format!("steps {t} × envs {n}");
    elements(kernel, "rewards", window.rewards, t * n, shape)?;
    elements(kernel, "values", window.values, (t + 1) * n, || format!("(steps {t} + 1) × envs {n}"))?;
    elements(kernel, "final_values", window.final_values, t * n, shape)?;
    for (name, buffer) in ends {
        elements(kernel, name, buffer, t * n, shape)?;
    }
    for (name, buffer) in outputs {
        elements(kernel, name, buffer, t * n, shape)?;
    }
    Ok(())
}
