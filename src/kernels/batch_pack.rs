//! The four scalars of each row, packed and in shuffled order: `(logp_old, advantage, return, value_old)`.
//!
//! The same order as [`super::batch_gather`] with the same key.

use crate::Result;
use crate::gpu::{Call, Gpu, Grid, ScheduleRing, Variant, elements, kernel};

kernel! {
    stem: "batch_pack",
    parts: [PHILOX, SHUFFLE, SCHEDULE],
    schedule: true,
    head: false,
    params: {
        /// Rows.
        pub rows: u32,
        /// 1: take the order from `order`.
        pub use_order: u32,
        /// First element of this epoch in `order`.
        pub order_offset: u32,
        /// Epoch, part of the key.
        pub epoch: u32,
    },
    io: {
        /// `[order_offset + rows]`; not read without `use_order`.
        order: Read u32,
        /// `[rows]`.
        logp_old: Read f32,
        /// `[rows]`.
        advantages: Read f32,
        /// `[rows]`.
        returns: Read f32,
        /// `[rows]`.
        values_old: Read f32,
        /// `[rows]`.
        samples: ReadWrite [f32; 4],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>, schedule: &ScheduleRing) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let rows = u64::from(p.rows);
        if p.use_order != 0 {
            let needs = u64::from(p.order_offset) + rows;
            elements(DEF.name, "order", io.order, needs, || format!("offset {} + rows {rows}", p.order_offset))?;
        }
        for (name, buffer) in [
            ("logp_old", io.logp_old),
            ("advantages", io.advantages),
            ("returns", io.returns),
            ("values_old", io.values_old),
        ] {
            elements(DEF.name, name, buffer, rows, || format!("rows {rows}"))?;
        }
        elements(DEF.name, "samples", io.samples, rows, || format!("rows {rows}"))?;
        calls.push((*p, Grid::Items(rows)));
    }
    gpu.bind(&DEF, &Variant::default(), Some(schedule), &io.buffers(), &calls)
}
