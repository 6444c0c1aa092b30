//! Observations shifted and scaled by running statistics, one workgroup per column, statistics and result in one dispatch.
//!
//! ```text
//! m_b, v_b: mean and variance of the column's rows;   d = m_b − mean;   total = count + rows      (Chan, Golub & LeVeque 1983)
//! variance ← (variance · count + v_b · rows + d² · count · rows / total) / total;   mean ← mean + d · rows / total
//! obs = clip((raw − mean) / √(variance + ε), ±clip)      or / (√variance + ε)
//! ```
//!
//! Two passes over the rows in a fixed tree; never E\[x²\] − E\[x\]². Mean and variance are sums of two f32, 48 bits (Dekker 1971), since
//! what a row moves a long history by is below the last digit of one; observations are shifted by both. The count is two words and stays
//! exact beyond 2²⁴. A column whose moments are not finite, or beyond f32, keeps its mean and variance; where the divisor is 0 the result is 0.

use super::span;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;

kernel! {
    stem: "policy_normalize",
    parts: [MATH, TWOFLOAT, MOMENTS, STATISTIC, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Observations of this step.
        pub rows: u32,
        /// Numbers of an observation.
        pub obs_dim: u32,
        /// First element of `obs`.
        pub obs_offset: u32,
        /// First element of `final_obs`.
        pub final_offset: u32,
        /// Rows of `final_obs`, 0 for none.
        pub final_rows: u32,
        /// 1: merge the rows into the statistics; 0: leave them.
        pub update: u32,
        /// 1: the rows are normalised with the statistics from before the merge.
        pub normalize_first: u32,
        /// 1: ε is added to the deviation; 0: to the variance.
        pub outside_root: u32,
        /// ε.
        pub eps: f32,
        /// Limit of what comes out; 0 for none.
        pub clip: f32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[rows, obs_dim]`.
        raw_obs: Read f32,
        /// `[obs_dim, STATISTIC_WORDS]`, see [`super::reduce_running::STATISTIC_WORDS`].
        obs_statistics: ReadWrite u32,
        /// `[rows, obs_dim]` from `obs_offset` on.
        obs: ReadWrite f32,
        /// `[final_rows, obs_dim]` from `final_offset` on, in place: normalised with the statistics from before the merge.
        final_obs: ReadWrite f32,
    },
}

/// Invocations of a workgroup for so many rows: what the device has, but no more than rows.
const fn workgroup(rows: u32) -> u32 {
    if rows > 64 { 256 } else { 64 }
}

/// Binds one call per entry of `params`, all of the same `rows`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`] (no rows among them).
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let wide = workgroup(params.iter().map(|p| p.rows).max().unwrap_or(0));
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let dim = p.obs_dim;
        let loops = 3 * u64::from(p.rows.div_ceil(wide)) + u64::from(p.final_rows.div_ceil(wide)) + 16;
        iterations(name, loops, || format!("rows {} and final rows {}", p.rows, p.final_rows))?;
        elements(name, "raw_obs", io.raw_obs, span(0, p.rows.max(1), dim, dim), || {
            format!("rows {} × obs_dim {dim}", p.rows)
        })?;
        let words = super::reduce_running::STATISTIC_WORDS;
        elements(name, "obs_statistics", io.obs_statistics, u64::from(dim) * words, || {
            format!("obs_dim {dim} × words {words}")
        })?;
        elements(name, "obs", io.obs, span(p.obs_offset, p.rows, dim, dim), || {
            format!("offset {} + rows {} × obs_dim {dim}", p.obs_offset, p.rows)
        })?;
        elements(name, "final_obs", io.final_obs, span(p.final_offset, p.final_rows, dim, dim), || {
            format!("offset {} + final rows {} × obs_dim {dim}", p.final_offset, p.final_rows)
        })?;
        // Without rows there are no moments.
        let update = if p.rows == 0 { 0 } else { p.update };
        calls.push((Params { update, ..*p }, Grid::Groups(u64::from(dim))));
    }
    let variant = Variant { constants: vec![("WG", f64::from(wide))], ..Variant::default() };
    gpu.bind(&DEF, &variant, None, &io.buffers(), &calls)
}
