//! PPO's loss of one minibatch: gradients at the heads, and partial sums of the statistics.
//!
//! ```text
//! r      = exp(clamp(logp − logp_old, ±20))
//! policy = −min(r A, clamp(r, 1 − clip_coef, 1 + clip_coef) A)       where A < 0 with dual clip c: −max(min(…), c A)
//! loss   = mean over rows of  policy − ent_coef · entropy + vf_coef · vf_loss_scale · error(v)
//! ```
//!
//! The surrogate may also be −r A or the plain −A logp, and a KL penalty may be added whose weight [`super::loss_kl`] sets.
//!
//! Schulman et al. 2017, equations 7 and 9; dual clip: Ye et al. 2020, equation 5. Six cases, of the ratio (below, within or
//! above the clip range) and the advantage's sign, follow from the minimum. Ties: a clamp passes the gradient on its closed range and a min or max of equals gives each half, as
//! PyTorch does; so at r = 1, the first minibatch, the gradient is −A, not 0.

use super::parts;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;
use crate::policy::Head;

kernel! {
    stem: "loss_ppo",
    parts: [MATH, PHILOX, SCHEDULE, VALUE, SAMPLE, SURROGATE, LOOPS],
    schedule: true,
    head: true,
    heads: HEADS_OR_KNOWN,
    params: {
        /// Rows of the minibatch.
        pub rows: u32,
        /// Width of a distribution row; set by `bind`.
        pub width: u32,
        /// Words of an action, mask included; set by `bind`.
        pub action_words: u32,
        /// First row of the minibatch in `actions` and `samples`.
        pub row_offset: u32,
        /// Workgroups, hence partial sums; set by `bind`.
        pub groups: u32,
        /// [`crate::config::ValueLoss::code`]: 0 plain, 1 maximum of plain and clipped, 2 clipped only, 3 Huber, 4 error clamped. What it
        /// is limited by is the schedule's `clip_coef_vf`.
        pub value_loss: u32,
        /// c of the dual clip; 0: off.
        pub dual_clip: f32,
        /// Factor of the squared value error.
        pub vf_loss_scale: f32,
        /// Weight of the value loss in the gradient.
        pub vf_coef: f32,
        /// 1 / rows; set by `bind`.
        pub inverse_rows: f32,
        /// 0: clipped; 1: −r A; 2: −A logp, the plain policy gradient without a ratio.
        pub surrogate: u32,
        /// Element of `samples` that holds `(weight of KL(old‖new), weight of KL(new‖old), _, _)`, from
        /// [`super::loss_kl`]. 0: no penalty.
        pub kl_sample: u32,
        /// Element of `samples` that holds `(weight of a row that counts, _, _, _)`, from [`super::batch_count`]; rows marked by
        /// [`super::batch_clean::INVALID_LOGP`] are masked. 0: none is.
        pub valid_sample: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// Distribution rows, `[rows, width]`.
        head_outputs: Read f32,
        /// V(s), `[rows]`.
        values: Read f32,
        /// Action words, `[row_offset + rows, action_words]`.
        actions: Read u32,
        /// `(logp_old, advantage, return, value_old)`, `[row_offset + rows]`.
        samples: Read [f32; 4],
        /// Gradient of the loss by the distribution rows, `[rows, width]`.
        d_head_outputs: ReadWrite f32,
        /// Gradient of the loss by V(s), `[rows]`.
        d_values: ReadWrite f32,
        /// `[groups(rows), 3]`.
        loss_partials: ReadWrite [f32; 4],
        /// Distribution rows before the update, `[row_offset + rows, width]`; not read, so any buffer, without `kl_sample`.
        head_outputs_old: Read f32,
    },
}

/// Unit of the value's errors in `loss_partials`, 2²⁴: their sum then overflows no earlier than their mean.
pub const VALUE_UNIT: f32 = 16_777_216.0;

/// Partial sums for `rows` rows; `loss_partials` holds three vectors of each.
pub const fn groups(rows: u32) -> u32 {
    rows.div_ceil(super::WORKGROUP)
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, head: &Head, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    super::check_row(DEF.name, head)?;
    let widths = [head.width() as u32, head.action_words() as u32];
    bind_rows(gpu, &parts::variant(head), widths, true, params, io, schedule)
}

/// The same for rows that [`super::head_evaluate_wide`] has walked. `head_outputs` are its `row_values` of stride 2,
/// `[rows, 8]`; `d_head_outputs` become its `weights` of stride 2, `[rows, 8]`; `actions` and `head_outputs_old` may be any buffers.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind_known(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    bind_rows(gpu, &parts::known(), [super::head_evaluate_wide::KNOWN, 0], false, params, io, schedule)
}

fn bind_rows(
    gpu: &Gpu,
    variant: &Variant,
    [width, action_words]: [u32; 2],
    reads_old: bool,
    params: &[Params],
    io: &Io<'_>,
    schedule: &UniformRing,
) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let rows = u64::from(p.rows);
        let all = u64::from(p.row_offset) + rows;
        let shape = || format!("rows {rows} × width {width}");
        elements(name, "head_outputs", io.head_outputs, rows * u64::from(width), shape)?;
        elements(name, "d_head_outputs", io.d_head_outputs, rows * u64::from(width), shape)?;
        elements(name, "values", io.values, rows, || format!("rows {rows}"))?;
        elements(name, "d_values", io.d_values, rows, || format!("rows {rows}"))?;
        let shape = || format!("(row_offset {} + rows {rows}) × action_words {action_words}", p.row_offset);
        elements(name, "actions", io.actions, all * u64::from(action_words), shape)?;
        elements(name, "samples", io.samples, all, || format!("row_offset {} + rows {rows}", p.row_offset))?;
        let place = u64::from(p.valid_sample);
        elements(name, "samples", io.samples, place + 1, || format!("valid_sample {place} + 1"))?;
        if p.kl_sample != 0 {
            let place = u64::from(p.kl_sample);
            elements(name, "samples", io.samples, place + 1, || format!("kl_sample {place} + 1"))?;
            let shape = || format!("(row_offset {} + rows {rows}) × width {width}", p.row_offset);
            let needs = if reads_old { all * u64::from(width) } else { 0 };
            elements(name, "head_outputs_old", io.head_outputs_old, needs, shape)?;
        }
        let groups = groups(p.rows);
        elements(name, "loss_partials", io.loss_partials, u64::from(groups) * 3, || format!("groups {groups} × 3"))?;
        let inverse_rows = (1.0 / f64::from(p.rows)) as f32;
        calls.push((Params { width, action_words, groups, inverse_rows, ..*p }, Grid::Items(rows)));
    }
    gpu.bind(&DEF, variant, Some(schedule), &io.buffers(), &calls)
}
