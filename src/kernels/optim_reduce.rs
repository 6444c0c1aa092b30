//! The gradient from its slices and the partial sums of its norm in one dispatch: [`super::reduce_partials`] and the first phase of
//! [`super::optim_clip`], with their bits.

use super::optim_clip;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "optim_reduce",
    parts: [MATH, SLICES, NORM, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Elements of a slice.
        pub count: u32,
        /// Number of slices.
        pub slices: u32,
        /// Partial sums; set by `bind`.
        pub groups: u32,
        /// First element of the gradient's group that is clipped by itself.
        pub value_begin: u32,
        /// The element after its last; not above `value_begin`: there is one group, the whole gradient.
        pub value_end: u32,
        /// First element of the gradient that is written: not 0 where the slices are those of some networks alone.
        pub offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[slices, count]`.
        partials: Read f32,
        /// `[offset + count]`.
        gradient: ReadWrite f32,
        /// [`optim_clip::groups`]`(count)`.
        norm_partials: ReadWrite [f32; 4],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let needs = u64::from(p.slices) * u64::from(p.count);
        elements(name, "partials", io.partials, needs, || format!("slices {} × count {}", p.slices, p.count))?;
        let needs = u64::from(p.offset) + u64::from(p.count);
        elements(name, "gradient", io.gradient, needs, || format!("offset {} + count {}", p.offset, p.count))?;
        let groups = optim_clip::groups(p.count);
        elements(name, "norm_partials", io.norm_partials, u64::from(groups), || format!("groups {groups}"))?;
        calls.push((Params { groups, ..*p }, Grid::Groups(u64::from(groups))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
