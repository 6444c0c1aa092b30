//! The gradient's norm, the factors that clip it, and the permission to step.
//!
//! scale = min(1, max_grad_norm / (‖g‖ + 1e-6)), PyTorch's `clip_grad_norm_`, or max_grad_norm / max(‖g‖, max_grad_norm),
//! TensorFlow's `clip_by_global_norm`; for the whole gradient, or for a value range and the rest apart. Squares of large elements are
//! scaled, so that the norm is known up to f32's end (3.4e38). A NaN or an infinity in the gradient, a norm beyond f32, or one above
//! [`LARGEST`] after clipping forbids the step and is counted; so does an early stop.

use super::loss_statistics::{CONTROL_WORDS, TRACE_WIDTH};
use super::parts::CLIP;
use super::words::{Phases, word};
use crate::config::ClipFormula;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "optim_clip",
    parts: [MATH, PHASES, CONTROL, TRACE, NORM, CLIP, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Elements of the gradient.
        pub count: u32,
        /// Partial sums; set by `bind`.
        pub groups: u32,
        /// Number of the minibatch in the update, from 0.
        pub index: u32,
        /// [`Phases::code`]; set by `bind`.
        pub phase: u32,
        /// Largest norm; 0: do not clip.
        pub max_grad_norm: f32,
        /// First element of the group that is clipped by itself.
        pub value_begin: u32,
        /// The element after its last; not above `value_begin`: there is one group, the whole gradient.
        pub value_end: u32,
        /// [`formula`].
        pub formula: u32,
    },
    io: {
        /// `[count]`.
        gradient: Read f32,
        /// `[groups(count)]`.
        norm_partials: ReadWrite [f32; 4],
        /// `[CONTROL_WORDS]`.
        control: ReadWrite u32,
        /// `[1]`: steps taken since the start.
        optimizer_step: ReadWrite u32,
        /// `[minibatches, TRACE_WIDTH]`.
        trace: ReadWrite f32,
    },
}

/// What an element that is not finite adds to the third sum of `norm_partials`.
pub const BROKEN: f32 = 8.507_059e37;

/// The largest norm after clipping with which the optimiser steps, 2⁶³: its squares are within f32, and so are Adam's second moments.
pub const LARGEST: f64 = 9_223_372_036_854_775_808.0;

/// The number of a formula in [`Params`].
pub const fn formula(formula: ClipFormula) -> u32 {
    match formula {
        ClipFormula::Torch => const { word(CLIP.source, "CLIP_TORCH") as u32 },
        ClipFormula::Tensorflow => const { word(CLIP.source, "CLIP_TENSORFLOW") as u32 },
    }
}

/// Partial sums for a gradient of `count` elements.
pub const fn groups(count: u32) -> u32 {
    count.div_ceil(256)
}

/// Binds two calls per entry of `params`: the partial sums, then the decision.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(2 * params.len());
    for p in params {
        let groups = groups(p.count);
        elements(name, "gradient", io.gradient, u64::from(p.count), || format!("count {}", p.count))?;
        elements(name, "norm_partials", io.norm_partials, u64::from(groups), || format!("groups {groups}"))?;
        elements(name, "control", io.control, CONTROL_WORDS, || "control words".to_owned())?;
        elements(name, "optimizer_step", io.optimizer_step, 1, || "1".to_owned())?;
        let shape = || format!("(index {} + 1) × {TRACE_WIDTH}", p.index);
        elements(name, "trace", io.trace, (u64::from(p.index) + 1) * TRACE_WIDTH, shape)?;
        calls.push((Params { groups, phase: Phases::Partials.code(), ..*p }, Grid::Groups(u64::from(groups))));
        calls.push((Params { groups, phase: Phases::Total.code(), ..*p }, Grid::Groups(1)));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
