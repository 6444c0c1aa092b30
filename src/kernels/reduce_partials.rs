//! The sum of all slices of partial gradients, gradient_j = Σ_s partials_{s, j}, in a fixed order.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "reduce_partials",
    parts: [SLICES],
    schedule: false,
    head: false,
    params: {
        /// Elements of a slice.
        pub count: u32,
        /// Number of slices.
        pub slices: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// `[slices, count]`.
        partials: Read f32,
        /// `[count]`.
        gradient: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let needs = u64::from(p.slices) * u64::from(p.count);
        let shape = || format!("slices {} × count {}", p.slices, p.count);
        elements(DEF.name, "partials", io.partials, needs, shape)?;
        elements(DEF.name, "gradient", io.gradient, u64::from(p.count), || format!("count {}", p.count))?;
        calls.push((*p, Grid::Items(u64::from(p.count))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
