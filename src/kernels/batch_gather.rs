//! Rows of 32-bit words in shuffled order: row j of the result is row σ(j) of the source.
//!
//! σ is a keyed bijection computed on the fly (a Feistel network over ⌈log₂ rows⌉ bits with cycle walking; Mitchell et al.
//! 2021): no sort and no index buffer. Its key is the draw (seed, update, epoch), see [`crate::rng`]. A caller's own order
//! is taken with [`Order::Given`]; indices out of range are clamped, so check them on the host.

use super::span;
use super::words::Order;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "batch_gather",
    parts: [PHILOX, SHUFFLE, SCHEDULE, ORDER],
    schedule: true,
    head: false,
    params: {
        /// Rows.
        pub rows: u32,
        /// Words of a row.
        pub width: u32,
        /// Where σ is from, [`Order::code`].
        pub use_order: u32,
        /// First element of this epoch in `order`.
        pub order_offset: u32,
        /// Epoch, part of the key.
        pub epoch: u32,
        /// Words from one row of `gathered` to the next, at least `width`; what lies between is left as it is.
        pub stride: u32,
        /// Rows gathered, the first of the order; 0: all.
        pub taken: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// `[order_offset + taken]`; read with [`Order::Given`] only.
        order: Read u32,
        /// `[rows, width]`.
        source: Read u32,
        /// `[taken, width]`, rows `stride` apart.
        gathered: ReadWrite u32,
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`], [`crate::Error::Limit`], or [`crate::Error::Config`] for a stride below the width.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let taken = if p.taken == 0 { p.rows } else { p.taken };
        if taken > p.rows {
            return Err(Error::config("taken", format!("is {taken}, more than the {} rows", p.rows)));
        }
        if p.use_order == Order::Given.code() {
            let needs = u64::from(p.order_offset) + u64::from(taken);
            elements(DEF.name, "order", io.order, needs, || format!("offset {} + rows {taken}", p.order_offset))?;
        }
        let words = u64::from(p.rows) * u64::from(p.width);
        elements(DEF.name, "source", io.source, words, || format!("rows {} × width {}", p.rows, p.width))?;
        if p.stride < p.width {
            let message = format!("is {}, less than the width {}: rows would overlap", p.stride, p.width);
            return Err(Error::config("stride", message));
        }
        let needs = span(0, taken, p.stride, p.width);
        elements(DEF.name, "gathered", io.gathered, needs, || format!("rows {taken} × stride {}", p.stride))?;
        calls.push((Params { taken, ..*p }, Grid::Items(u64::from(taken) * u64::from(p.width))));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
