//! log ρ = log π(a) − log μ(a) of recorded actions: π the present policy, from [`super::head_evaluate`], μ the one that acted.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "advantage_log_rho",
    parts: [],
    schedule: false,
    head: false,
    params: {
        /// Rows.
        pub rows: u32,
        /// 1: rows with `valid` 0 get 0.
        pub masked: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `(logp now, _, _, _)`, `[rows]`.
        row_values: Read [f32; 4],
        /// `[rows]`.
        logp_old: Read f32,
        /// `[rows]`, 0 or 1; not read, so any buffer, without `masked`.
        valid: Read u32,
        /// `[rows]`.
        log_rhos: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let rows = u64::from(p.rows);
        let shape = || format!("rows {rows}");
        elements(DEF.name, "row_values", io.row_values, rows, shape)?;
        elements(DEF.name, "logp_old", io.logp_old, rows, shape)?;
        if p.masked != 0 {
            elements(DEF.name, "valid", io.valid, rows, shape)?;
        }
        elements(DEF.name, "log_rhos", io.log_rhos, rows, shape)?;
        calls.push((*p, Grid::Items(rows)));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
