//! The Fisher matrix of each wide categorical row times the row's tangent, `scale` · F t.
//!
//! [`super::head_fisher`] by a workgroup for each row, for rows that are too long for one invocation ([`super::is_wide`]).

use super::parts;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, elements};
use crate::kernels::define::kernel;
use crate::policy::Head;

kernel! {
    stem: "head_fisher_wide",
    parts: [MATH, PHILOX, SAMPLE, WIDE, LOOPS],
    schedule: false,
    head: true,
    heads: HEADS_WALKED,
    invocations: 256,
    params: {
        /// Rows of the product.
        pub rows: u32,
        /// Width of a distribution row; set by `bind`.
        pub width: u32,
        /// Words of an action, mask included; set by `bind`.
        pub action_words: u32,
        /// 1: the outer product of the stored action's score instead of its expectation.
        pub empirical: u32,
        /// Row r of the product is row r · `row_stride` of `actions`; at least 1.
        pub row_stride: u32,
        /// Factor, such as 1 / rows.
        pub scale: f32,
        /// Element of `samples` that holds `(weight of a row that counts, _, _, _)`, from [`super::batch_count`]; rows marked by
        /// [`super::batch_clean::INVALID_LOGP`] are masked. 0: none is.
        pub valid_sample: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// Distribution rows, `[rows, width]`.
        head_outputs: Read f32,
        /// Their change t, `[rows, width]`.
        head_tangents: Read f32,
        /// Action words, `[(rows − 1) · row_stride + 1, action_words]`. Any other buffer of words if neither `empirical`
        /// nor masked.
        actions: Read u32,
        /// `(logp_old, _, _, _)`, row r's at r · `row_stride`; any buffer without `valid_sample`.
        samples: Read [f32; 4],
        /// `scale` · F t, `[rows, width]`.
        d_head_outputs: ReadWrite f32,
    },
}

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
        let rows = u64::from(p.rows);
        let needs = rows * u64::from(width);
        let shape = || format!("rows {rows} × width {width}");
        elements(name, "head_outputs", io.head_outputs, needs, shape)?;
        elements(name, "head_tangents", io.head_tangents, needs, shape)?;
        elements(name, "d_head_outputs", io.d_head_outputs, needs, shape)?;
        if p.empirical != 0 || head.is_masked() {
            let needs = (rows.saturating_sub(1) * u64::from(p.row_stride) + 1) * u64::from(action_words);
            elements(name, "actions", io.actions, needs, || {
                format!("((rows {rows} − 1) × row_stride {} + 1) × action_words {action_words}", p.row_stride)
            })?;
        }
        if p.valid_sample != 0 {
            let needs = super::span(0, p.rows, p.row_stride, 1).max(u64::from(p.valid_sample) + 1);
            elements(name, "samples", io.samples, needs, || {
                format!("rows {rows} × row_stride {}, valid_sample {} + 1", p.row_stride, p.valid_sample)
            })?;
        }
        calls.push((Params { width, action_words, ..*p }, Grid::Groups(rows)));
    }
    gpu.bind(&DEF, &parts::variant(head), None, &io.buffers(), &calls)
}
