//! Advantages and value targets of a window that another policy may have recorded, one invocation per environment.
//!
//! V-trace (Espeholt et al. 2018, equation 1, with c multiplied by λ as in remark 2), `form` [`VTRACE`]:
//!
//! ```text
//! ratio_t = exp(log_rho_t),   ρ_t = min(rho_bar, ratio_t),   c_t = λ min(c_bar, ratio_t)
//! δ_t  = ρ_t (r_t + γ next_t − V(s_t))
//! vs_t = V(s_t) + δ_t + γ c_t keep_t (vs_{t+1} − V(s_{t+1}))
//! advantages_t = min(pg_rho_bar, ratio_t) (r_t + γ (next_t if the episode or the window ends, else vs_{t+1}) − V(s_t))
//! returns = vs
//! ```
//!
//! GAE with the same clipped ratios, PufferLib's "puff" advantage, `form` [`PUFF`]:
//!
//! ```text
//! A_t = δ_t + γ c_t keep_t A_{t+1},   advantages = A,   returns = A + V
//! ```
//!
//! At ratio 1 and with bars of 1 or more, puff is GAE, and so are V-trace's returns; V-trace's advantages are GAE at λ = 1 only. V-trace weighs its
//! advantages with the ratio: they are meant for a loss without one (A2C). In PPO's surrogate, which has its own, take puff.

use super::advantage_gae::{Window, check_window};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_vtrace",
    parts: [MATH, ADVANTAGE],
    schedule: false,
    head: false,
    params: {
        /// T, at most 60,000.
        pub steps: u32,
        /// N.
        pub envs: u32,
        /// γ in [0, 1].
        pub gamma: f32,
        /// λ in [0, 1].
        pub gae_lambda: f32,
        /// [`VTRACE`] or [`PUFF`].
        pub form: u32,
        /// Largest ρ, above 0.
        pub rho_bar: f32,
        /// Largest c before λ, above 0.
        pub c_bar: f32,
        /// Largest weight of V-trace's advantages, above 0; not read by puff.
        pub pg_rho_bar: f32,
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
        /// `[steps, envs]`: log of present over recorded probability.
        log_rhos: Read f32,
        /// `[steps, envs]`.
        advantages: ReadWrite f32,
        /// `[steps, envs]`.
        returns: ReadWrite f32,
    },
}

/// `form` of V-trace.
pub const VTRACE: u32 = 0;
/// `form` of GAE with clipped ratios.
pub const PUFF: u32 = 1;

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], or [`Error::Config`] for a form that there is not.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if p.form > PUFF {
            return Err(Error::config("form", format!("is {}, must be {VTRACE} or {PUFF}", p.form)));
        }
        iterations(DEF.name, u64::from(p.steps), || format!("steps {}", p.steps))?;
        let window = Window { values: io.values, final_values: io.final_values, rewards: io.rewards };
        let ends = [("terminated", io.terminated), ("truncated", io.truncated)];
        let outputs = [("advantages", io.advantages), ("returns", io.returns)];
        check_window(DEF.name, p.steps, p.envs, &window, &ends, &outputs)?;
        let (t, n) = (u64::from(p.steps), u64::from(p.envs));
        elements(DEF.name, "log_rhos", io.log_rhos, t * n, || format!("steps {t} × envs {n}"))?;
        calls.push((*p, Grid::Items(n)));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
