//! Log-probability, entropy and both KL divergences of wide categorical rows, and the gradient of a weighted sum of them.
//!
//! [`super::head_evaluate`] by a workgroup for each row, for rows that are too long for one invocation ([`super::is_wide`]); the
//! same formulas, sums of other shape. It is also what a loss of such rows is made of: it leaves `row_values`, from which
//! [`super::loss_ppo::bind_known`] or [`super::loss_trust_region::bind_known`] computes the loss and the `weights` of each row, and
//! takes those weights to the gradient.

use super::parts;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, elements};
use crate::kernels::define::kernel;
use crate::policy::Head;

kernel! {
    stem: "head_evaluate_wide",
    parts: [MATH, PHILOX, WIDE, LOOPS],
    schedule: false,
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
        /// First row in `head_outputs_old` and `actions`.
        pub row_offset: u32,
        /// Vectors of a row in `weights` and `row_values`: 1, or 2 for a loss.
        pub stride: u32,
        /// 1: there is an old row; else both divergences are 0.
        pub with_kl: u32,
        /// 1: `row_values` are written.
        pub values: u32,
        /// 1: `d_head_outputs` are written.
        pub gradients: u32,
    },
    io: {
        /// The new distribution, `[rows, width]`.
        head_outputs: Read f32,
        /// The old distribution, `[row_offset + rows, width]`; any buffer without `with_kl`.
        head_outputs_old: Read f32,
        /// Words, `[row_offset + rows, action_words]`.
        actions: Read u32,
        /// w per row, `[rows, stride]`, and with stride 2 whether it counts (1) or not (0); any buffer without `gradients`.
        weights: Read [f32; 4],
        /// `(logp, entropy, KL(old‖new), KL(new‖old))` per row, `[rows, stride]`, and with stride 2 how many dimensions have
        /// nothing allowed; any buffer without `values`.
        row_values: ReadWrite [f32; 4],
        /// Gradient of Σ w · values by the new rows, `[rows, width]`; any buffer without `gradients`.
        d_head_outputs: ReadWrite f32,
    },
}

/// Numbers of a row of stride 2.
pub const KNOWN: u32 = 8;

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::Config`] for a head that has no choices, [`crate::Error::BufferLength`], [`crate::Error::OwnLimit`] or
/// [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, head: &Head, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let (width, action_words) = (head.width() as u32, head.action_words() as u32);
    super::check_wide_row(name, head)?;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (rows, stride) = (u64::from(p.rows), p.stride.clamp(1, 2));
        let (needs, all) = (rows * u64::from(width), u64::from(p.row_offset) + rows);
        let shape = || format!("rows {rows} × width {width}");
        elements(name, "head_outputs", io.head_outputs, needs, shape)?;
        if p.with_kl != 0 {
            let shape = || format!("(row_offset {} + rows {rows}) × width {width}", p.row_offset);
            elements(name, "head_outputs_old", io.head_outputs_old, all * u64::from(width), shape)?;
        }
        let vectors = || format!("rows {rows} × stride {stride}");
        if p.gradients != 0 {
            elements(name, "d_head_outputs", io.d_head_outputs, needs, shape)?;
            elements(name, "weights", io.weights, rows * u64::from(stride), vectors)?;
        }
        if p.values != 0 {
            elements(name, "row_values", io.row_values, rows * u64::from(stride), vectors)?;
        }
        let shape = || format!("(row_offset {} + rows {rows}) × action_words {action_words}", p.row_offset);
        elements(name, "actions", io.actions, all * u64::from(action_words), shape)?;
        calls.push((Params { width, action_words, stride, ..*p }, Grid::Groups(rows)));
    }
    gpu.bind(&DEF, &parts::variant(head), None, &io.buffers(), &calls)
}
