//! Log-probability, entropy and both KL divergences of distribution rows, and the gradient of a weighted sum of them.
//!
//! For trainers with a loss of their own: any loss of these four has the gradient that this kernel gives, with w =
//! ∂loss/∂(logp, entropy, KL(old‖new), KL(new‖old)) of each row.

use super::parts;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, elements};
use crate::kernels::define::kernel;
use crate::policy::Head;

kernel! {
    stem: "head_evaluate",
    parts: [MATH, PHILOX],
    schedule: false,
    head: true,
    params: {
        /// Rows.
        pub rows: u32,
        /// Width of a distribution row; set by `bind`.
        pub width: u32,
        /// Words of an action, mask included; set by `bind`.
        pub action_words: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// The new distribution, `[rows, width]`.
        head_outputs: Read f32,
        /// The old distribution, `[rows, width]`.
        head_outputs_old: Read f32,
        /// Words, `[rows, action_words]`.
        actions: Read u32,
        /// w per row, `[rows]`.
        weights: Read [f32; 4],
        /// `(logp, entropy, KL(old‖new), KL(new‖old))` per row, `[rows]`.
        row_values: ReadWrite [f32; 4],
        /// Gradient of Σ w · values by the new rows, `[rows, width]`.
        d_head_outputs: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, head: &Head, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let (width, action_words) = (head.width() as u32, head.action_words() as u32);
    super::check_row(name, head)?;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let rows = u64::from(p.rows);
        let needs = rows * u64::from(width);
        let shape = || format!("rows {rows} × width {width}");
        elements(name, "head_outputs", io.head_outputs, needs, shape)?;
        elements(name, "head_outputs_old", io.head_outputs_old, needs, shape)?;
        elements(name, "d_head_outputs", io.d_head_outputs, needs, shape)?;
        let shape = || format!("rows {rows} × action_words {action_words}");
        elements(name, "actions", io.actions, rows * u64::from(action_words), shape)?;
        elements(name, "weights", io.weights, rows, || format!("rows {rows}"))?;
        elements(name, "row_values", io.row_values, rows, || format!("rows {rows}"))?;
        calls.push((Params { width, action_words, ..*p }, Grid::Items(rows)));
    }
    let variant = parts::variant(head);
    gpu.bind(&DEF, &variant, None, &io.buffers(), &calls)
}
