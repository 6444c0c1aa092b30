//! The trust region's two numbers at candidate parameters, surrogate and KL divergence, as partial sums over rows.
//!
//! ```text
//! surrogate = mean(r A),  r = exp(clamp(logp − logp_old, ±20));   KL(old‖new) and KL(new‖old), mean over rows
//! ```
//!
//! Schulman et al. 2015, equation 14. No gradient: that of the surrogate at the old parameters is the plain policy gradient's.

use super::parts;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;
use crate::policy::Head;

kernel! {
    stem: "loss_trust_region",
    parts: [MATH, PHILOX, SAMPLE, LOOPS],
    schedule: false,
    head: true,
    heads: HEADS_OR_KNOWN,
    params: {
        /// Rows.
        pub rows: u32,
        /// Width of a distribution row; set by `bind`.
        pub width: u32,
        /// Words of an action, mask included; set by `bind`.
        pub action_words: u32,
        /// Workgroups, hence partial sums; set by `bind`.
        pub groups: u32,
        /// First row in `head_outputs_old`, `actions` and `samples`.
        pub row_offset: u32,
        /// Element of `samples` that holds `(weight of a row that counts, _, _, _)`, from [`super::batch_count`]; rows marked by
        /// [`super::batch_clean::INVALID_LOGP`] are masked. 0: none is.
        pub valid_sample: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// Distribution rows at the candidate, `[rows, width]`.
        head_outputs: Read f32,
        /// Distribution rows before the step, `[row_offset + rows, width]`; may be the same buffer.
        head_outputs_old: Read f32,
        /// Action words, `[row_offset + rows, action_words]`.
        actions: Read u32,
        /// `(logp_old, advantage, _, _)`, `[row_offset + rows]`.
        samples: Read [f32; 4],
        /// Sums of `(r A, KL(old‖new), KL(new‖old), rows that are not finite)`, `[groups(rows)]`.
        trust_partials: ReadWrite [f32; 4],
    },
}

/// Partial sums for `rows` rows.
pub const fn groups(rows: u32) -> u32 {
    rows.div_ceil(super::WORKGROUP)
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, head: &Head, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    super::check_row(DEF.name, head)?;
    let widths = [head.width() as u32, head.action_words() as u32];
    bind_rows(gpu, &parts::variant(head), widths, true, params, io)
}

/// The same for rows that [`super::head_evaluate_wide`] has walked: `head_outputs` are its `row_values` of stride 2, `[rows, 8]`;
/// `actions` and `head_outputs_old` may be any buffers.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind_known(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    bind_rows(gpu, &parts::known(), [super::head_evaluate_wide::KNOWN, 0], false, params, io)
}

fn bind_rows(
    gpu: &Gpu,
    variant: &Variant,
    [width, action_words]: [u32; 2],
    reads_old: bool,
    params: &[Params],
    io: &Io<'_>,
) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let rows = u64::from(p.rows);
        let (needs, all) = (rows * u64::from(width), u64::from(p.row_offset) + rows);
        let shape = || format!("rows {rows} × width {width}");
        elements(name, "head_outputs", io.head_outputs, needs, shape)?;
        let shape = || format!("(row_offset {} + rows {rows}) × width {width}", p.row_offset);
        let needs = if reads_old { all * u64::from(width) } else { 0 };
        elements(name, "head_outputs_old", io.head_outputs_old, needs, shape)?;
        let shape = || format!("(row_offset {} + rows {rows}) × action_words {action_words}", p.row_offset);
        elements(name, "actions", io.actions, all * u64::from(action_words), shape)?;
        elements(name, "samples", io.samples, all, || format!("row_offset {} + rows {rows}", p.row_offset))?;
        let place = u64::from(p.valid_sample);
        elements(name, "samples", io.samples, place + 1, || format!("valid_sample {place} + 1"))?;
        let groups = groups(p.rows);
        elements(name, "trust_partials", io.trust_partials, u64::from(groups), || format!("groups {groups}"))?;
        calls.push((Params { width, action_words, groups, ..*p }, Grid::Items(rows)));
    }
    gpu.bind(&DEF, variant, None, &io.buffers(), &calls)
}
