//! The loss of the critics of DDPG, TD3 and SAC on a batch: its gradient at their outputs, and partial sums of its statistics.
//!
//! ```text
//! y = r + (1 − terminated) · discount · (min_c Q_target,c(s', a') − α log π(a'))
//! loss = scale · Σ_c mean (Q_c(s, a) − y)²          scale: 1, or ½ with SAC
//! ```
//!
//! Clipped double Q-learning: Fujimoto et al. 2018, algorithm 1; soft values: Haarnoja et al. 2018, algorithm 1. DDPG has one critic, and
//! neither it nor TD3 an entropy ([`Temperature::None`]). Values of all networks are ranges of one buffer, as a forward pass of several networks
//! leaves them.

use super::loss_dqn::groups;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, Grid, Variant, elements};
use crate::kernels::{WORKGROUP, define::kernel};

kernel! {
    stem: "loss_q",
    parts: [MATH, TEMPERATURE, PARTIAL],
    schedule: false,
    head: false,
    params: {
        /// B.
        pub rows: u32,
        /// 1 or 2.
        pub critics: u32,
        /// First value of the stored actions.
        pub q_offset: u32,
        /// First value of the next actions by the target networks.
        pub next_offset: u32,
        /// Elements from a critic's values to the next one's.
        pub critic_stride: u32,
        /// First element of `logp` that belongs to the next actions.
        pub logp_offset: u32,
        /// [`Temperature::code`].
        pub temperature: u32,
        /// Element of `parameters` that is log α; [`Temperature::Tuned`].
        pub alpha_at: u32,
        /// α; [`Temperature::Fixed`].
        pub alpha: f32,
        /// Of the loss.
        pub scale: f32,
        /// 1 / B; set by `bind`.
        pub inverse_rows: f32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// Values: critic c's row r at offset + c · stride + r.
        q: Read f32,
        /// `[rows]`: reward, discount, 1 if terminated, as [`super::replay_sample`] leaves them.
        samples: Read [f32; 4],
        /// log π of the next actions from `logp_offset` on; any buffer without a temperature.
        logp: Read f32,
        /// With log α; any buffer unless that is tuned.
        parameters: Read f32,
        /// `[critics, rows]`.
        d_q: ReadWrite f32,
        /// [`groups`]`(rows)`: sums over 64 rows of loss, Q over all critics and target; how many rows are not finite.
        loss_partials: ReadWrite [f32; 4],
    },
}

/// The weight α of the entropy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Temperature {
    /// There is none.
    None,
    /// A constant.
    Fixed(f32),
    /// e to an element of the parameters.
    Tuned(u32),
}

impl Temperature {
    /// Its number in `shaders/parts/temperature.wgsl`.
    pub fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Fixed(_) => 1,
            Self::Tuned(_) => 2,
        }
    }

    /// α, if it is a constant; else 0.
    pub fn fixed(self) -> f32 {
        if let Self::Fixed(alpha) = self { alpha } else { 0.0 }
    }

    /// The element that is log α, if it is tuned; else 0.
    pub fn place(self) -> u32 {
        if let Self::Tuned(at) = self { at } else { 0 }
    }
}

/// That there are one or two critics, and that the buffers that say α are long enough.
pub(super) fn check(
    name: &'static str,
    (critics, rows): (u32, u32),
    [temperature, logp_offset, alpha_at]: [u32; 3],
    [logp, parameters]: [&Buffer<f32>; 2],
) -> Result<()> {
    if !(1..=2).contains(&critics) {
        return Err(Error::config("critics", format!("are {critics}, must be 1 or 2")));
    }
    if temperature > 2 {
        return Err(Error::config("temperature", format!("is {temperature}, must be at most 2")));
    }
    if temperature != Temperature::None.code() {
        let needs = u64::from(logp_offset) + u64::from(rows);
        elements(name, "logp", logp, needs, || format!("offset {logp_offset} + rows {rows}"))?;
    }
    let at = if temperature == Temperature::Tuned(0).code() { u64::from(alpha_at) } else { 0 };
    elements(name, "parameters", parameters, at + 1, || format!("alpha_at {at} + 1"))
}

/// Elements up to the last of the critics' values.
pub(super) fn values(offset: u32, critics: u32, stride: u32, rows: u32) -> u64 {
    u64::from(offset) + u64::from(critics - 1) * u64::from(stride) + u64::from(rows)
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::Config`] for other than one or two critics, or a temperature that there is not.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, critics) = (p.rows, p.critics);
        check(name, (critics, rows), [p.temperature, p.logp_offset, p.alpha_at], [io.logp, io.parameters])?;
        for offset in [p.q_offset, p.next_offset] {
            let shape =
                || format!("offset {offset} + (critics {critics} − 1) × stride {} + rows {rows}", p.critic_stride);
            elements(name, "q", io.q, values(offset, critics, p.critic_stride, rows), shape)?;
        }
        elements(name, "samples", io.samples, rows.into(), || format!("rows {rows}"))?;
        let numbers = u64::from(critics) * u64::from(rows);
        elements(name, "d_q", io.d_q, numbers, || format!("critics {critics} × rows {rows}"))?;
        elements(name, "loss_partials", io.loss_partials, groups(rows).into(), || {
            format!("rows {rows} / {WORKGROUP}")
        })?;
        let inverse_rows = (1.0 / f64::from(rows.max(1))) as f32;
        calls.push((Params { inverse_rows, ..*p }, Grid::Groups(groups(rows).into())));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
