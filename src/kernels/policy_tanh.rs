//! Actions of a deterministic actor, with noise: of TD3's target (Fujimoto et al. 2018, equation 14), or to explore, as TD3 and DDPG do.
//!
//! ```text
//! a = clip(tanh(output) + clip(σ noise, ±noise_clip), ±1)
//! ```
//!
//! With [`Source::Uniform`] the action is a uniform number in [−1, 1] in place of that, for steps before `learning_starts`; SAC takes them from
//! here, too. Without a clip, `noise_clip` is the largest float. The environment gets `low + (a + 1)(high − low) / 2`.

use super::policy_squash::{Source, check_stride};
use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "policy_tanh",
    parts: [MATH, PHILOX, SCHEDULE, EXPLORE],
    schedule: true,
    head: false,
    params: {
        /// Rows.
        pub rows: u32,
        /// D, dimensions of an action.
        pub dims: u32,
        /// First element of the outputs.
        pub outputs_offset: u32,
        /// First element of the first action.
        pub actions_offset: u32,
        /// Elements from one action to the next, at least `dims`.
        pub actions_stride: u32,
        /// [`Source::code`].
        pub source: u32,
        /// Added to the schedule's step.
        pub step_offset: u32,
        /// 1: `env_actions` are written.
        pub to_env: u32,
        /// Deviation of the noise.
        pub sigma: f32,
        /// Limit of σ · noise.
        pub noise_clip: f32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[rows, dims]`; any buffer if actions are uniform.
        outputs: Read f32,
        /// `[dims]` of (least, greatest); any buffer unless `to_env`.
        bounds: Read [f32; 2],
        /// `[rows, dims]`.
        noise: ReadWrite f32,
        /// `actions_stride` apart.
        actions: ReadWrite f32,
        /// `[rows, dims]`; any buffer unless `to_env`.
        env_actions: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::Config`] for a σ or clip below 0, actions that would overlap or a source that there is
/// not.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, dims) = (p.rows, p.dims);
        for (field, value) in [("sigma", p.sigma), ("noise_clip", p.noise_clip)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::config(field, format!("is {value}, must be a number from 0 on")));
            }
        }
        if p.source > Source::Uniform.code() {
            return Err(Error::config(
                "source",
                format!("is {}, must be at most {}", p.source, Source::Uniform.code()),
            ));
        }
        check_stride(p.actions_stride, dims)?;
        let numbers = u64::from(rows) * u64::from(dims);
        let shape = || format!("rows {rows} × dims {dims}");
        if p.source != Source::Uniform.code() {
            elements(name, "outputs", io.outputs, u64::from(p.outputs_offset) + numbers, || {
                format!("offset {} + {}", p.outputs_offset, shape())
            })?;
        }
        elements(name, "noise", io.noise, numbers, shape)?;
        let needs = span(p.actions_offset, rows, p.actions_stride, dims);
        elements(name, "actions", io.actions, needs, || {
            format!("offset {} + rows {rows} × stride {}", p.actions_offset, p.actions_stride)
        })?;
        if p.to_env != 0 {
            elements(name, "bounds", io.bounds, dims.into(), || format!("dims {dims}"))?;
            elements(name, "env_actions", io.env_actions, numbers, shape)?;
        }
        calls.push((*p, Grid::Items(numbers)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
