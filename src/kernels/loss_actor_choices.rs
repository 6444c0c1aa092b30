//! The loss of SAC's actor of choices by its critics: its gradient at the logits, and partial sums of its statistics.
//!
//! ```text
//! f = α log π(a|s) − min_c Q_c(s, a);   l = Σ_a π f;   loss = mean l,   π = softmax(logits)
//! d_logit = π (f − l) / rows
//! ```
//!
//! Christodoulou 2019, algorithm 1. The derivative of α log π within f sums to 0 over all choices. `logp` gets Σ_a π log π of each row, of which
//! [`super::optim_temperature`] takes the mean.

use super::loss_dqn::groups;
use super::loss_q_choices::check;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::{WORKGROUP, define::kernel};

kernel! {
    stem: "loss_actor_choices",
    parts: [MATH, TEMPERATURE, SOFT, PARTIAL],
    schedule: false,
    head: false,
    params: {
        /// B.
        pub rows: u32,
        /// Actions to choose from.
        pub choices: u32,
        /// 1 or 2.
        pub critics: u32,
        /// First value.
        pub q_offset: u32,
        /// First logit.
        pub logits_offset: u32,
        /// First element of `logp` that is written.
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
    },
    io: {
        /// `[critics, rows, choices]` from `q_offset` on.
        q: Read f32,
        /// `[rows, choices]` from `logits_offset` on.
        logits: Read f32,
        /// With log α; any buffer unless that is tuned.
        parameters: Read f32,
        /// `[rows, choices]`.
        d_logits: ReadWrite f32,
        /// `[rows]` from `logp_offset` on.
        logp: ReadWrite f32,
        /// [`groups`]`(rows)`: sums over 64 rows of loss, Σ π log π and Σ π min Q; how many rows are not finite.
        loss_partials: ReadWrite [f32; 4],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// As [`super::loss_q_choices::bind`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, choices, critics) = (p.rows, p.choices, p.critics);
        let numbers = check(name, [rows, choices, critics], 4, ([p.temperature, p.alpha_at], io.parameters))?;
        elements(name, "q", io.q, u64::from(p.q_offset) + numbers, || {
            format!("offset {} + critics {critics} × rows {rows} × choices {choices}", p.q_offset)
        })?;
        let table = u64::from(rows) * u64::from(choices);
        elements(name, "logits", io.logits, u64::from(p.logits_offset) + table, || {
            format!("offset {} + rows {rows} × choices {choices}", p.logits_offset)
        })?;
        elements(name, "d_logits", io.d_logits, table, || format!("rows {rows} × choices {choices}"))?;
        elements(name, "logp", io.logp, u64::from(p.logp_offset) + u64::from(rows), || {
            format!("offset {} + rows {rows}", p.logp_offset)
        })?;
        elements(name, "loss_partials", io.loss_partials, groups(rows).into(), || {
            format!("rows {rows} / {WORKGROUP}")
        })?;
        let inverse_rows = (1.0 / f64::from(rows.max(1))) as f32;
        calls.push((Params { inverse_rows, ..*p }, Grid::Groups(groups(rows).into())));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
