//! The statistics of one minibatch, the early stop, clip factors and the permission to step in one dispatch:
//! [`super::loss_statistics`] without a KL penalty and the second phase of [`super::optim_clip`], with their bits.

use super::loss_statistics::{CONTROL_WORDS, TRACE_WIDTH};
use super::{loss_ppo, optim_clip};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "optim_decide",
    parts: [MATH, SCHEDULE, CONTROL, TRACE, LOSS_TOTALS, NORM, CLIP, LOOPS],
    schedule: true,
    head: false,
    params: {
        /// Partial sums of the loss; set by `bind`.
        pub loss_groups: u32,
        /// Partial sums of the norm; set by `bind`.
        pub norm_groups: u32,
        /// Number of the minibatch in the update, from 0: the row of `trace`.
        pub index: u32,
        /// [`Stop::code`](super::loss_statistics::Stop::code).
        pub kl_stop: u32,
        /// Largest k3 that does not stop the update.
        pub kl_limit: f32,
        /// 1 / rows; set by `bind`.
        pub inverse_rows: f32,
        /// Weight of the value loss in the reported loss.
        pub vf_coef: f32,
        /// 1: `loss_partials` is from [`super::loss_ppo_fused`].
        pub bits: u32,
        /// Largest norm; 0: do not clip.
        pub max_grad_norm: f32,
        /// [`optim_clip::formula`].
        pub formula: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[loss_groups, 3]`, from `loss_ppo`; with `bits` `[loss_groups, 2]` more.
        loss_partials: Read [f32; 4],
        /// `[norm_groups]`, from `optim_reduce`.
        norm_partials: Read [f32; 4],
        /// `[CONTROL_WORDS]`.
        control: ReadWrite u32,
        /// `[1]`: steps taken since the start.
        optimizer_step: ReadWrite u32,
        /// `[minibatches, TRACE_WIDTH]`.
        trace: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`; with each the rows of its minibatch. `count`: elements of the gradient.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[(Params, u32)], count: u32, io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let norm_groups = optim_clip::groups(count);
    let mut calls = Vec::with_capacity(params.len());
    for (p, rows) in params {
        let loss_groups = loss_ppo::groups(*rows);
        let each = if p.bits == 0 { 3 } else { 5 };
        let needs = u64::from(loss_groups) * each;
        elements(name, "loss_partials", io.loss_partials, needs, || format!("groups {loss_groups} × {each}"))?;
        elements(name, "norm_partials", io.norm_partials, u64::from(norm_groups), || format!("groups {norm_groups}"))?;
        elements(name, "control", io.control, CONTROL_WORDS, || "control words".to_owned())?;
        elements(name, "optimizer_step", io.optimizer_step, 1, || "1".to_owned())?;
        let shape = || format!("(index {} + 1) × {TRACE_WIDTH}", p.index);
        elements(name, "trace", io.trace, (u64::from(p.index) + 1) * TRACE_WIDTH, shape)?;
        let inverse_rows = (1.0 / f64::from(*rows)) as f32;
        calls.push((Params { loss_groups, norm_groups, inverse_rows, ..*p }, Grid::Groups(1)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
