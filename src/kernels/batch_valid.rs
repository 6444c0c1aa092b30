//! Which rows of a window are transitions, by how its environments are reset ([`crate::env::Autoreset`]), one invocation per environment.
//!
//! ```text
//! next step:  valid_t = 0 if transition t − 1 ended its episode (a filler: the reset), else 1
//!             final_values_t = values_{t+1}: after an end that is V of the real last observation
//! disabled:   valid_t = 0 if any transition before t in the window ended its episode (padding), else 1
//! same step:  valid_t = 1
//! ```
//!
//! `ended_before` stands for transition −1. With a mask of the caller's, only rows that it has count.

use super::parts::AUTORESET;
use super::words::word;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;

kernel! {
    stem: "batch_valid",
    parts: [AUTORESET],
    schedule: false,
    head: false,
    params: {
        /// T, at most 60,000.
        pub steps: u32,
        /// N.
        pub envs: u32,
        /// [`crate::env::Autoreset::code`].
        pub autoreset: u32,
        /// 1: `ended_before` is read; else no window begins after an end.
        pub use_ended: u32,
        /// 1: `given` is read.
        pub use_given: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// `[steps, envs]`, 0 or 1.
        terminated: Read u32,
        /// `[steps, envs]`, 0 or 1.
        truncated: Read u32,
        /// `[envs]`, 0 or 1; any buffer without `use_ended`.
        ended_before: Read u32,
        /// `[steps, envs]`, 0 or 1; any buffer without `use_given`.
        given: Read u32,
        /// `[steps + 1, envs]`; read with next-step resets only.
        values: Read f32,
        /// `[steps, envs]`; written with next-step resets only.
        final_values: ReadWrite f32,
        /// `[steps, envs]`, 0 or 1.
        valid: ReadWrite u32,
    },
}

/// Modes by the shaders' numbers.
const NEXT_STEP: u32 = word(AUTORESET.source, "AUTORESET_NEXT_STEP") as u32;
const DISABLED: u32 = word(AUTORESET.source, "AUTORESET_DISABLED") as u32;

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], or [`Error::Config`] for a mode that there is not.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if p.autoreset > DISABLED {
            return Err(Error::config("autoreset", format!("is {}, must be 0, 1 or 2", p.autoreset)));
        }
        iterations(DEF.name, u64::from(p.steps), || format!("steps {}", p.steps))?;
        let (t, n) = (u64::from(p.steps), u64::from(p.envs));
        let shape = || format!("steps {t} × envs {n}");
        elements(DEF.name, "terminated", io.terminated, t * n, shape)?;
        elements(DEF.name, "truncated", io.truncated, t * n, shape)?;
        if p.use_ended != 0 {
            elements(DEF.name, "ended_before", io.ended_before, n, || format!("envs {n}"))?;
        }
        if p.use_given != 0 {
            elements(DEF.name, "given", io.given, t * n, shape)?;
        }
        if p.autoreset == NEXT_STEP {
            elements(DEF.name, "values", io.values, (t + 1) * n, || format!("(steps {t} + 1) × envs {n}"))?;
            elements(DEF.name, "final_values", io.final_values, t * n, shape)?;
        }
        elements(DEF.name, "valid", io.valid, t * n, shape)?;
        calls.push((*p, Grid::Items(n)));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
