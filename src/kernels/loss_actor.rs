//! The loss of an actor by its critics: which critic's gradient counts in each row, and partial sums of its statistics.
//!
//! ```text
//! loss = mean (α log π(a) − min_c Q_c(s, a)),   a ~ π(s)
//! ```
//!
//! Haarnoja et al. 2018, algorithm 1. TD3 and DDPG have the first critic alone and no entropy. The gradient by log π is α/rows in each row, which
//! [`super::policy_squash_backward`] knows by itself; the one by the action is what the critics' backward pass to their input makes of
//! `d_q`.

use super::loss_dqn::groups;
use super::loss_q::{check, values};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::{WORKGROUP, define::kernel};

kernel! {
    stem: "loss_actor",
    parts: [MATH, TEMPERATURE, PARTIAL],
    schedule: false,
    head: false,
    params: {
        /// B.
        pub rows: u32,
        /// 1 or 2.
        pub critics: u32,
        /// First value of the actor's actions.
        pub q_offset: u32,
        /// Elements from a critic's values to the next one's.
        pub critic_stride: u32,
        /// First element of `logp` that belongs to these actions.
        pub logp_offset: u32,
        /// [`super::loss_q::Temperature::code`].
        pub temperature: u32,
        /// Element of `parameters` that is log α, if it is tuned.
        pub alpha_at: u32,
        /// α, if it is fixed.
        pub alpha: f32,
        /// 1 / B; set by `bind`.
        pub inverse_rows: f32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// Values: critic c's row r at offset + c · stride + r.
        q: Read f32,
        /// log π of the actions from `logp_offset` on; any buffer without a temperature.
        logp: Read f32,
        /// With log α; any buffer unless that is tuned.
        parameters: Read f32,
        /// `[critics, rows]`.
        d_q: ReadWrite f32,
        /// [`groups`]`(rows)`: sums over 64 rows of loss, log π and the least Q; how many rows are not finite.
        loss_partials: ReadWrite [f32; 4],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// As [`super::loss_q::bind`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, critics) = (p.rows, p.critics);
        check(name, (critics, rows), [p.temperature, p.logp_offset, p.alpha_at], [io.logp, io.parameters])?;
        let (offset, stride) = (p.q_offset, p.critic_stride);
        let shape = || format!("offset {offset} + (critics {critics} − 1) × stride {stride} + rows {rows}");
        elements(name, "q", io.q, values(offset, critics, stride, rows), shape)?;
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
