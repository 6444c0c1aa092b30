//! One step of RMSProp (Tieleman & Hinton 2012), PyTorch's arithmetic without momentum and not centred.
//!
//! ```text
//! g ← g · scale + weight_decay · p        v ← α v + (1 − α) g²        p ← p − lr · g / (√v + ε)
//! ```

use super::loss_statistics::CONTROL_WORDS;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "optim_rmsprop",
    parts: [CONTROL, SCHEDULE],
    schedule: true,
    head: false,
    params: {
        /// Elements that are stepped.
        pub count: u32,
        /// First element that is stepped.
        pub offset: u32,
        /// Weight decay, added to the gradient.
        pub weight_decay: f32,
        /// α.
        pub alpha: f32,
        /// 1 − α, subtracted in f64.
        pub one_minus_alpha: f32,
        /// ε, outside the root.
        pub eps: f32,
        /// First element with a learning rate and, where so set, a clip factor of its own.
        pub value_begin: u32,
        /// The element after the last of them.
        pub value_end: u32,
        /// 1: their clip factor is the second one of `optim_clip`.
        pub value_scale: u32,
        /// Their learning rate in units of the others'.
        pub value_rate: f32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[offset + count]`.
        gradient: Read f32,
        /// `[CONTROL_WORDS]`: permission, scale and learning rate.
        control: Read u32,
        /// `[offset + count]`.
        parameters: ReadWrite f32,
        /// Mean squares, `[offset + count]`.
        exp_avg_sq: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let (offset, count) = (u64::from(p.offset), u64::from(p.count));
        let buffers = [("gradient", io.gradient), ("parameters", io.parameters), ("exp_avg_sq", io.exp_avg_sq)];
        for (binding, buffer) in buffers {
            elements(name, binding, buffer, offset + count, || format!("offset {offset} + count {count}"))?;
        }
        elements(name, "control", io.control, CONTROL_WORDS, || "control words".to_owned())?;
        calls.push((*p, Grid::Items(count)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
