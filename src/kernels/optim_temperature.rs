//! One step of Adam on the logarithm of SAC's temperature α, from the log-probabilities of a batch (Haarnoja et al. 2018, "Soft Actor-Critic
//! Algorithms and Applications", equation 18, with log α in place of α, as Stable-Baselines3 has it; CleanRL's gradient is α times this one):
//!
//! ```text
//! loss = −log α · mean (log π + target entropy);   g = −(mean log π + target entropy)
//! ```
//!
//! Its step is not clipped, and counts by itself. A gradient that is not finite moves nothing. Losses of the same gradient step read α as
//! it was before: record this after them.

use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements, iterations};
use crate::kernels::{WORKGROUP, define::kernel};

kernel! {
    stem: "optim_temperature",
    parts: [MATH, PARTIAL, SCHEDULE],
    schedule: true,
    head: false,
    params: {
        /// B.
        pub rows: u32,
        /// First of the log-probabilities.
        pub logp_offset: u32,
        /// Element of the parameters that is log α.
        pub alpha_at: u32,
        /// Element of `steps` that counts.
        pub steps_at: u32,
        /// Element of `statistics` that is written.
        pub statistics_at: u32,
        /// Entries of `bias_correction`; set by `bind`.
        pub table: u32,
        /// −D in the paper.
        pub target_entropy: f32,
        /// The learning rate in units of the schedule's.
        pub rate: f32,
        /// β₁.
        pub beta1: f32,
        /// 1 − β₁, subtracted in f64.
        pub one_minus_beta1: f32,
        /// β₂.
        pub beta2: f32,
        /// 1 − β₂, subtracted in f64.
        pub one_minus_beta2: f32,
        /// ε, outside the root.
        pub eps: f32,
        /// 1 / B; set by `bind`.
        pub inverse_rows: f32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[rows]` from `logp_offset` on.
        logp: Read f32,
        /// [`super::optim_adam::bias_corrections`].
        bias_correction: Read [f32; 2],
        /// With log α.
        parameters: ReadWrite f32,
        /// First moments, laid out as the parameters.
        exp_avg: ReadWrite f32,
        /// Second moments, likewise.
        exp_avg_sq: ReadWrite f32,
        /// Steps that were taken; counted on here.
        steps: ReadWrite u32,
        /// α before the step, the loss, its gradient, mean log π.
        statistics: ReadWrite [f32; 4],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], [`Error::OwnLimit`] for more rows than a workgroup adds up, [`Error::Config`] without rows.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if p.rows == 0 {
            return Err(Error::config("batch_size", "is 0, must be at least 1"));
        }
        iterations(name, p.rows.div_ceil(WORKGROUP).into(), || format!("a 64th of rows {}", p.rows))?;
        let needs = u64::from(p.logp_offset) + u64::from(p.rows);
        elements(name, "logp", io.logp, needs, || format!("offset {} + rows {}", p.logp_offset, p.rows))?;
        elements(name, "bias_correction", io.bias_correction, 1, || "at least 1 entry".to_owned())?;
        let at = u64::from(p.alpha_at) + 1;
        for (binding, buffer) in [("parameters", io.parameters), ("exp_avg", io.exp_avg), ("exp_avg_sq", io.exp_avg_sq)]
        {
            elements(name, binding, buffer, at, || format!("alpha_at {} + 1", p.alpha_at))?;
        }
        elements(name, "steps", io.steps, u64::from(p.steps_at) + 1, || format!("steps_at {} + 1", p.steps_at))?;
        elements(name, "statistics", io.statistics, u64::from(p.statistics_at) + 1, || {
            format!("statistics_at {} + 1", p.statistics_at)
        })?;
        let table = io.bias_correction.len().min(u64::from(u32::MAX)) as u32;
        let inverse_rows = (1.0 / f64::from(p.rows)) as f32;
        calls.push((Params { table, inverse_rows, ..*p }, Grid::Groups(1)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
