//! The four scalars of each row, packed and in shuffled order: `(logp_old, advantage, return, value_old)`.
//!
//! The same order as [`super::batch_gather`] with the same key.

use super::words::Order;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "batch_pack",
    parts: [PHILOX, SHUFFLE, SCHEDULE, ORDER],
    schedule: true,
    head: false,
    params: {
        /// Rows.
        pub rows: u32,
        /// [`Order::code`].
        pub use_order: u32,
        /// First element of this epoch in `order`.
        pub order_offset: u32,
        /// Epoch, part of the key.
        pub epoch: u32,
        /// Rows packed, the first of the order; 0: all.
        pub taken: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// `[order_offset + taken]`; read with [`Order::Given`] only.
        order: Read u32,
        /// `[rows]`.
        logp_old: Read f32,
        /// `[rows]`.
        advantages: Read f32,
        /// `[rows]`.
        returns: Read f32,
        /// `[rows]`.
        values_old: Read f32,
        /// `[taken]`.
        samples: ReadWrite [f32; 4],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], or [`Error::Config`] for more rows taken than there are.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &UniformRing) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let rows = u64::from(p.rows);
        let taken = if p.taken == 0 { p.rows } else { p.taken };
        if taken > p.rows {
            return Err(Error::config("taken", format!("is {taken}, more than the {rows} rows")));
        }
        if p.use_order == Order::Given.code() {
            let needs = u64::from(p.order_offset) + u64::from(taken);
            elements(DEF.name, "order", io.order, needs, || format!("offset {} + rows {taken}", p.order_offset))?;
        }
        for (name, buffer) in [
            ("logp_old", io.logp_old),
            ("advantages", io.advantages),
            ("returns", io.returns),
            ("values_old", io.values_old),
        ] {
            elements(DEF.name, name, buffer, rows, || format!("rows {rows}"))?;
        }
        elements(DEF.name, "samples", io.samples, taken.into(), || format!("rows {taken}"))?;
        calls.push((Params { taken, ..*p }, Grid::Items(taken.into())));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
