//! The statistics of one minibatch from `loss_ppo`'s partial sums, and the decision to stop early.
//!
//! KL estimators of old‖new with log r = logp − logp_old (Schulman, "Approximating KL divergence", 2020):
//! k1 = −log r, k2 = ½ (log r)², k3 = r − 1 − log r. The stop looks at k3.

use super::words::{codes, minibatch_stats};
use super::{loss_ppo, parts};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "loss_statistics",
    parts: [CONTROL, TRACE, SCHEDULE, LOSS_TOTALS, LOOPS],
    schedule: true,
    head: false,
    params: {
        /// Partial sums; set by `bind`.
        pub groups: u32,
        /// Number of the minibatch in the update, from 0: the row of `trace`.
        pub index: u32,
        /// [`Stop::code`].
        pub kl_stop: u32,
        /// Largest k3 that does not stop the update.
        pub kl_limit: f32,
        /// 1 / rows; set by `bind`.
        pub inverse_rows: f32,
        /// Weight of the value loss in the reported loss.
        pub vf_coef: f32,
        /// 1: `loss_kl` left a penalty in the trace; the reported loss includes it.
        pub with_kl: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// `[groups, 3]`, from `loss_ppo`.
        loss_partials: Read [f32; 4],
        /// `[CONTROL_WORDS]`.
        control: ReadWrite u32,
        /// `[minibatches, TRACE_WIDTH]`.
        trace: ReadWrite f32,
    },
}

/// Words of the control buffer, [`decisions`](super::words::decisions). All 0 before an update.
pub const CONTROL_WORDS: u64 = 8;

/// Numbers per minibatch in the trace, [`minibatch_stats`].
pub const TRACE_WIDTH: u64 = minibatch_stats::WIDTH as u64;

codes! {
    /// What a k3 above the limit does to the update.
    Stop of parts::LOSS_TOTALS.source => {
        /// Nothing.
        Never = "LOSS_TOTALS_NEVER",
        /// It ends before this minibatch's step.
        BeforeStep = "LOSS_TOTALS_BEFORE_STEP",
        /// It ends after this minibatch's step.
        AfterStep = "LOSS_TOTALS_AFTER_STEP",
    }
}

/// Binds one call per entry of `params`; `rows` are those of each minibatch.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[(Params, u32)], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for (p, rows) in params {
        let groups = loss_ppo::groups(*rows);
        elements(name, "loss_partials", io.loss_partials, u64::from(groups) * 3, || format!("groups {groups} × 3"))?;
        elements(name, "control", io.control, CONTROL_WORDS, || "control words".to_owned())?;
        let shape = || format!("(index {} + 1) × {TRACE_WIDTH}", p.index);
        elements(name, "trace", io.trace, (u64::from(p.index) + 1) * TRACE_WIDTH, shape)?;
        let inverse_rows = (1.0 / f64::from(*rows)) as f32;
        calls.push((Params { groups, inverse_rows, ..*p }, Grid::Groups(1)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
