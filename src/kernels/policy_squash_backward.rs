//! Gradient of an actor's loss by its outputs, from the gradient by its actions: the reparameterised sample of SAC, or tanh alone of TD3 and
//! DDPG.
//!
//! ```text
//! w = α / rows;   d_u = w · d log π/du + d_action · (1 − tanh²u),   d log π/du = 2 tanh u (1 − tanh²u) / (1 − tanh²u + ε)
//! d_mean = d_u;   d_log_std = (d_u · σ noise − w) · d log σ/d log_std
//! deterministic:   d_output = d_action · (1 − tanh² output)
//! ```
//!
//! By a clamp, d log σ/d log_std is 1 within the limits and 0 beyond them; by tanh it is ½ (log_std_max − log_std_min)(1 − tanh² log_std).
//! −noise²/2 has no derivative, as the noise is held fixed. The gradient by the action is that of the critics by their input, the columns behind the
//! observations; of two critics it is the sum, as [`super::loss_actor`] lets only one of them count in each row.

use super::loss_q::Temperature;
use super::policy_squash::check_limits;
use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "policy_squash_backward",
    parts: [MATH, SQUASH, TEMPERATURE],
    schedule: false,
    head: false,
    params: {
        /// B.
        pub rows: u32,
        /// D, dimensions of an action.
        pub dims: u32,
        /// First element of the outputs.
        pub outputs_offset: u32,
        /// First element of the noise.
        pub noise_offset: u32,
        /// First element of the gradient by the first action.
        pub d_offset: u32,
        /// Elements from one row of that gradient to the next, at least `dims`.
        pub d_stride: u32,
        /// How many gradients by the action are summed up.
        pub critics: u32,
        /// Elements from one of them to the next.
        pub critic_stride: u32,
        /// 1: an action is tanh of its output.
        pub deterministic: u32,
        /// [`Temperature::code`].
        pub temperature: u32,
        /// Element of `parameters` that is log α, if it is tuned.
        pub alpha_at: u32,
        /// α, if it is fixed.
        pub alpha: f32,
        /// 1 / B; set by `bind`.
        pub inverse_rows: f32,
        /// Least log σ.
        pub log_std_min: f32,
        /// Greatest log σ.
        pub log_std_max: f32,
        /// ε; 0: the exact form.
        pub epsilon: f32,
        /// 1: log_std is held between its limits by tanh, not by a clamp.
        pub log_std_tanh: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// `[rows, 2 dims]`, or `[rows, dims]` if deterministic.
        outputs: Read f32,
        /// `[rows, dims]`; any buffer if deterministic.
        noise: Read f32,
        /// `[critics, rows, ..]`, with strides.
        d_actions: Read f32,
        /// With log α; any buffer unless that is tuned.
        parameters: Read f32,
        /// As the outputs, from its first element on.
        d_outputs: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::Config`] for other than one or two critics, or limits that are not in order.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, dims, critics) = (p.rows, p.dims, p.critics);
        if !(1..=2).contains(&critics) {
            return Err(Error::config("critics", format!("are {critics}, must be 1 or 2")));
        }
        if p.temperature > Temperature::Tuned(0).code() {
            return Err(Error::config("temperature", format!("is {}, must be at most 2", p.temperature)));
        }
        check_limits(p.log_std_min, p.log_std_max, p.epsilon)?;
        let numbers = u64::from(rows) * u64::from(dims);
        let width = if p.deterministic == 0 { 2 } else { 1 };
        let shape = || format!("rows {rows} × dims {dims}");
        elements(name, "outputs", io.outputs, u64::from(p.outputs_offset) + width * numbers, || {
            format!("offset {} + {width} × {}", p.outputs_offset, shape())
        })?;
        if p.deterministic == 0 {
            elements(name, "noise", io.noise, u64::from(p.noise_offset) + numbers, || {
                format!("offset {} + {}", p.noise_offset, shape())
            })?;
        }
        let needs = u64::from(critics - 1) * u64::from(p.critic_stride) + span(p.d_offset, rows, p.d_stride, dims);
        elements(name, "d_actions", io.d_actions, needs, || {
            format!(
                "offset {} + (critics {critics} − 1) × {} + rows {rows} × stride {}",
                p.d_offset, p.critic_stride, p.d_stride
            )
        })?;
        let at = if p.temperature == Temperature::Tuned(0).code() { u64::from(p.alpha_at) } else { 0 };
        elements(name, "parameters", io.parameters, at + 1, || format!("alpha_at {at} + 1"))?;
        elements(name, "d_outputs", io.d_outputs, width * numbers, || format!("{width} × {}", shape()))?;
        let inverse_rows = (1.0 / f64::from(rows.max(1))) as f32;
        calls.push((Params { inverse_rows, ..*p }, Grid::Items(numbers)));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
