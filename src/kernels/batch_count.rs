//! The weight of an unmasked row in the means of its minibatch: rows / unmasked rows, 0 if there are none.
//!
//! The losses divide by all rows of a minibatch; with this weight on every term the mean is that over the rows that count.

use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;

kernel! {
    stem: "batch_count",
    parts: [SAMPLE, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Rows looked at.
        pub rows: u32,
        /// Of them, rows per segment; the last may be shorter.
        pub segment: u32,
        /// From one row looked at to the next, at least 1.
        pub stride: u32,
        /// Element of `samples` where the first segment's result goes.
        pub place: u32,
        /// First row that is looked at.
        pub first: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// `(logp_old, _, _, _)` of all rows, where [`super::batch_clean::INVALID_LOGP`] marks a masked one; and from `place` on
        /// `(weight, rows that count, 0, 0)` of each segment.
        samples: ReadWrite [f32; 4],
    },
}

/// Binds one call per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], or [`Error::Config`] for a result within the rows.
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let rows = span(p.first, p.rows, p.stride, 1);
        let segments = u64::from(p.rows.div_ceil(p.segment.max(1)));
        if p.segment == 0 || u64::from(p.place) < rows {
            let message = format!("{} and place {} must be at least 1 and {rows}", p.segment, p.place);
            return Err(Error::config("segment", message));
        }
        iterations(DEF.name, u64::from(p.segment.min(p.rows)) / 64 + 7, || format!("segment {} / 64", p.segment))?;
        let needs = u64::from(p.place) + segments;
        elements(DEF.name, "samples", io.samples, needs, || format!("place {} + segments {segments}", p.place))?;
        calls.push((*p, Grid::Groups(segments)));
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
