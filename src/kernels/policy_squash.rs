//! SAC's actions: a sample of a squashed Gaussian for every row of an actor's outputs, with its log-probability (Haarnoja et al. 2018,
//! appendix C).
//!
//! ```text
//! log σ = clamp(log_std, log_std_min, log_std_max), or
//! log σ = log_std_min + ½ (log_std_max − log_std_min)(tanh log_std + 1);   u = mean + σ noise;   a = tanh u
//! log π = Σ_d −noise²/2 − log σ − ½ log 2π − log(1 − a² + ε)
//! ```
//!
//! ε = 0 is the exact form, log(1 − tanh²u) = 2 (log 2 − |u| − log(1 + exp(−2|u|))); Stable-Baselines3 adds 1e-6. Actions are in [−1, 1] and so is
//! what log π is of; the environment gets `low + (a + 1)(high − low) / 2`. The noise stays in its buffer for
//! [`super::policy_squash_backward`]. It is given, or drawn by (seed, step, row, dimension), see [`Source`].

use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements, iterations};
use crate::kernels::define::kernel;

/// Where the noise of actions comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It is in the buffer.
    Given,
    /// Standard normals of kind [`Draw::Noise`](crate::rng::Draw::Noise), by the schedule's gradient step.
    Update,
    /// Standard normals of kind [`Draw::Exploration`](crate::rng::Draw::Exploration), by the schedule's policy step.
    Act,
    /// There is none: greedy actions.
    None,
    /// The action is a uniform number in [−1, 1], of kind [`Draw::Exploration`](crate::rng::Draw::Exploration) by the schedule's policy step; for
    /// [`super::policy_tanh`] alone.
    Uniform,
}

impl Source {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Given, Self::Update, Self::Act, Self::None, Self::Uniform];

    /// Its number in `shaders/parts/explore.wgsl`.
    pub fn code(self) -> u32 {
        self as u32
    }
}

kernel! {
    stem: "policy_squash",
    parts: [MATH, PHILOX, SQUASH, SCHEDULE, EXPLORE],
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
        /// [`Source::code`], all but [`Source::Uniform`].
        pub source: u32,
        /// Added to the schedule's step.
        pub step_offset: u32,
        /// 1: `env_actions` are written.
        pub to_env: u32,
        /// Least log σ.
        pub log_std_min: f32,
        /// Greatest log σ.
        pub log_std_max: f32,
        /// ε; 0: the exact form.
        pub epsilon: f32,
        /// 1: log_std is held between its limits by tanh, not by a clamp.
        pub log_std_tanh: u32,
    },
    io: {
        /// `[rows, 2 dims]`: means, then log_std.
        outputs: Read f32,
        /// `[dims]` of (least, greatest); any buffer unless `to_env`.
        bounds: Read [f32; 2],
        /// `[rows, dims]`, standard normals.
        noise: ReadWrite f32,
        /// tanh u, `actions_stride` apart.
        actions: ReadWrite f32,
        /// `[rows]`.
        logp: ReadWrite f32,
        /// `[rows, dims]`; any buffer unless `to_env`.
        env_actions: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::Config`] for limits of log σ that are not in order, an ε below 0, actions that would overlap
/// or a source that there is not.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, dims) = (p.rows, p.dims);
        check_limits(p.log_std_min, p.log_std_max, p.epsilon)?;
        if p.source >= Source::Uniform.code() {
            return Err(Error::config("source", format!("is {}, must be below {}", p.source, Source::Uniform.code())));
        }
        check_stride(p.actions_stride, dims)?;
        iterations(name, dims.into(), || format!("dims {dims}"))?;
        let numbers = u64::from(rows) * u64::from(dims);
        let shape = || format!("rows {rows} × dims {dims}");
        elements(name, "outputs", io.outputs, u64::from(p.outputs_offset) + 2 * numbers, || {
            format!("offset {} + 2 × {}", p.outputs_offset, shape())
        })?;
        elements(name, "noise", io.noise, numbers, shape)?;
        let needs = span(p.actions_offset, rows, p.actions_stride, dims);
        elements(name, "actions", io.actions, needs, || {
            format!("offset {} + rows {rows} × stride {}", p.actions_offset, p.actions_stride)
        })?;
        elements(name, "logp", io.logp, rows.into(), || format!("rows {rows}"))?;
        if p.to_env != 0 {
            elements(name, "bounds", io.bounds, dims.into(), || format!("dims {dims}"))?;
            elements(name, "env_actions", io.env_actions, numbers, shape)?;
        }
        calls.push((*p, Grid::Items(rows.into())));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}

pub(super) fn check_limits(low: f32, high: f32, epsilon: f32) -> Result<()> {
    if low <= high && epsilon >= 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::config("log_std", format!("is {low} to {high}, epsilon {epsilon}")))
}

pub(super) fn check_stride(stride: u32, dims: u32) -> Result<()> {
    if stride >= dims {
        return Ok(());
    }
    let message = format!("is {stride}, less than the {dims} dimensions of an action: actions would overlap");
    Err(Error::config("actions_stride", message))
}
