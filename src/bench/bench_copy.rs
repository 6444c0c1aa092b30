//! The kernel that measures memory: a copy.

use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "bench_copy",
    parts: [],
    schedule: false,
    head: false,
    params: {
        /// Vectors to copy.
        pub count: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// `[count]`.
        source: Read [f32; 4],
        /// `[count]`.
        copied: ReadWrite [f32; 4],
    },
}

/// Vectors that a workgroup copies.
const GROUP: u64 = 256;

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::error::Error::BufferLength`] if a buffer is too short; [`crate::error::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let count = u64::from(p.count);
        for (name, buffer) in [("source", io.source), ("copied", io.copied)] {
            elements(DEF.name, name, buffer, count, || format!("count {count}"))?;
        }
        calls.push((*p, Grid::Groups(count.div_ceil(GROUP))));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
