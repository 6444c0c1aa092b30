//! Rows of 32-bit words in shuffled order: row j of the result is row σ(j) of the source.
//!
//! σ is a keyed bijection computed on the fly (a Feistel network over ⌈log₂ rows⌉ bits with cycle walking; Mitchell et al.
//! 2021): no sort and no index buffer. Its key is the draw (seed, update, epoch), see [`crate::rng`]. A caller's own order
//! is taken with `use_order`; indices out of range are clamped, so check them on the host.

use crate::Result;
use crate::gpu::{Call, Gpu, Grid, ScheduleRing, Variant, elements, kernel};

kernel! {
    stem: "batch_gather",
    parts: [PHILOX, SHUFFLE, SCHEDULE],
    schedule: true,
    head: false,
    params: {
        /// Rows.
        pub rows: u32,
        /// Words of a row.
        pub width: u32,
        /// 1: take σ from `order`.
        pub use_order: u32,
        /// First element of this epoch in `order`.
        pub order_offset: u32,
        /// Epoch, part of the key.
        pub epoch: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// `[order_offset + rows]`; not read without `use_order`.
        order: Read u32,
        /// `[rows, width]`.
        source: Read u32,
        /// `[rows, width]`.
        gathered: ReadWrite u32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &ScheduleRing) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let words = u64::from(p.rows) * u64::from(p.width);
        let shape = || format!("rows {} × width {}", p.rows, p.width);
        if p.use_order != 0 {
            let needs = u64::from(p.order_offset) + u64::from(p.rows);
            elements(DEF.name, "order", io.order, needs, || format!("offset {} + rows {}", p.order_offset, p.rows))?;
        }
        elements(DEF.name, "source", io.source, words, shape)?;
        elements(DEF.name, "gathered", io.gathered, words, shape)?;
        calls.push((*p, Grid::Items(words)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
