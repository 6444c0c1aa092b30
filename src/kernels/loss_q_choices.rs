//! The loss of SAC's critics of choices on a batch: its gradient at their outputs, and partial sums of its statistics.
//!
//! ```text
//! y = r + (1 − terminated) · discount · Σ_a π(a|s') (min_c Q_target,c(s', a) − α log π(a|s')),   π = softmax(logits)
//! loss = scale · Σ_c mean (Q_c(s, stored a) − y)²
//! ```
//!
//! Christodoulou 2019, algorithm 1. Tables of all networks are ranges of one buffer, as a forward pass of several networks leaves them. An action
//! that there is not counts as the last one; check them on the host.

use super::loss_dqn::groups;
use super::loss_q::Temperature;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::{WORKGROUP, define::kernel};

kernel! {
    stem: "loss_q_choices",
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
        /// First value of the observations.
        pub q_offset: u32,
        /// First value of the next observations by the target networks.
        pub next_offset: u32,
        /// First logit of the next observations.
        pub logits_offset: u32,
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
        /// `[critics, rows, choices]` from either offset on.
        q: Read f32,
        /// `[rows, choices]` from `logits_offset` on.
        logits: Read f32,
        /// Indices, `[rows]`.
        actions: Read u32,
        /// `[rows]`: reward, discount, 1 if terminated, as [`super::replay_sample`] leaves them.
        samples: Read [f32; 4],
        /// With log α; any buffer unless that is tuned.
        parameters: Read f32,
        /// `[critics, rows, choices]`.
        d_q: ReadWrite f32,
        /// [`groups`]`(rows)`: sums over 64 rows of loss, Q over all critics and target; how many rows are not finite.
        loss_partials: ReadWrite [f32; 4],
    },
}

/// That there are one or two critics and some choices that an invocation walks `walks` times, and a buffer that says α; how many numbers all
/// critics' tables have.
pub(super) fn check(
    name: &'static str,
    [rows, choices, critics]: [u32; 3],
    walks: u64,
    ([temperature, alpha_at], parameters): ([u32; 2], &Buffer<f32>),
) -> Result<u64> {
    if choices == 0 {
        return Err(Error::config("choices", "is 0, must be at least 1"));
    }
    if !(1..=2).contains(&critics) {
        return Err(Error::config("critics", format!("are {critics}, must be 1 or 2")));
    }
    if temperature > Temperature::Tuned(0).code() {
        return Err(Error::config("temperature", format!("is {temperature}, must be at most 2")));
    }
    iterations(name, walks * u64::from(choices), || format!("choices {choices}, {walks} times"))?;
    let at = if temperature == Temperature::Tuned(0).code() { u64::from(alpha_at) } else { 0 };
    elements(name, "parameters", parameters, at + 1, || format!("alpha_at {at} + 1"))?;
    Ok(u64::from(critics) * u64::from(rows) * u64::from(choices))
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::OwnLimit`] for more choices than an invocation walks, [`Error::Config`] without choices, for
/// other than one or two critics, or a temperature that there is not.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, choices, critics) = (p.rows, p.choices, p.critics);
        let numbers = check(name, [rows, choices, critics], 5, ([p.temperature, p.alpha_at], io.parameters))?;
        for offset in [p.q_offset, p.next_offset] {
            let shape = || format!("offset {offset} + critics {critics} × rows {rows} × choices {choices}");
            elements(name, "q", io.q, u64::from(offset) + numbers, shape)?;
        }
        let table = u64::from(rows) * u64::from(choices);
        elements(name, "logits", io.logits, u64::from(p.logits_offset) + table, || {
            format!("offset {} + rows {rows} × choices {choices}", p.logits_offset)
        })?;
        elements(name, "actions", io.actions, rows.into(), || format!("rows {rows}"))?;
        elements(name, "samples", io.samples, rows.into(), || format!("rows {rows}"))?;
        elements(name, "d_q", io.d_q, numbers, || format!("critics {critics} × rows {rows} × choices {choices}"))?;
        elements(name, "loss_partials", io.loss_partials, groups(rows).into(), || {
            format!("rows {rows} / {WORKGROUP}")
        })?;
        let inverse_rows = (1.0 / f64::from(rows.max(1))) as f32;
        calls.push((Params { inverse_rows, ..*p }, Grid::Groups(groups(rows).into())));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
