//! Actions drawn from wide categorical rows (or the greedy ones), with their log-probabilities.
//!
//! [`super::policy_sample`] by a workgroup for each row, for rows that are too long for one invocation ([`super::is_wide`]): the
//! same uniform and the same inverse distribution function. A uniform has 23 bits, so that of 262,144 equal choices each is met by
//! 32 of them, and a choice of a probability below 1.2e-7 by one or none, here and in the reference.

use super::{parts, span};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, UniformRing, elements};
use crate::kernels::define::kernel;
use crate::policy::Head;

kernel! {
    stem: "policy_sample_wide",
    parts: [MATH, PHILOX, SCHEDULE, WIDE, DRAW, LOOPS],
    schedule: true,
    head: true,
    heads: HEADS_WALKED,
    invocations: 256,
    params: {
        /// Rows.
        pub rows: u32,
        /// Width of a distribution row; set by `bind`.
        pub width: u32,
        /// Words of an action, mask included; set by `bind`.
        pub action_words: u32,
        /// 1: the most probable action instead of a draw.
        pub greedy: u32,
        /// Added to the schedule's policy step.
        pub step_offset: u32,
        /// First element of `actions`.
        pub actions_offset: u32,
        /// First element of `logp`.
        pub logp_offset: u32,
        /// First element of `env_actions`.
        pub env_actions_offset: u32,
    },
    io: {
        /// `[rows, width]`.
        head_outputs: Read f32,
        /// Words, `[rows, action_words]` from `actions_offset` on; a mask in them is read.
        actions: ReadWrite u32,
        /// `[rows]` from `logp_offset` on.
        logp: ReadWrite f32,
        /// What the environment gets: words, `[rows, head.action_dims()]` from `env_actions_offset` on.
        env_actions: ReadWrite u32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::Config`] for a head that has no choices, [`crate::Error::BufferLength`], [`crate::Error::OwnLimit`] or
/// [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, head: &Head, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let (width, action_words) = (head.width() as u32, head.action_words() as u32);
    super::check_wide_row(name, head)?;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let needs = span(0, p.rows, width, width);
        elements(name, "head_outputs", io.head_outputs, needs, || format!("rows {} × width {width}", p.rows))?;
        elements(name, "actions", io.actions, span(p.actions_offset, p.rows, action_words, action_words), || {
            format!("offset {} + rows {} × action_words {action_words}", p.actions_offset, p.rows)
        })?;
        let needs = span(p.logp_offset, p.rows, 1, 1);
        elements(name, "logp", io.logp, needs, || format!("offset {} + rows {}", p.logp_offset, p.rows))?;
        let dims = head.action_dims() as u32;
        elements(name, "env_actions", io.env_actions, span(p.env_actions_offset, p.rows, dims, dims), || {
            format!("offset {} + rows {} × dims {dims}", p.env_actions_offset, p.rows)
        })?;
        calls.push((Params { width, action_words, ..*p }, Grid::Groups(u64::from(p.rows))));
    }
    gpu.bind(&DEF, &parts::variant(head), Some(schedule), &io.buffers(), &calls)
}
