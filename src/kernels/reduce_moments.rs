//! Count, mean and standard deviation of segments of a vector, in a fixed tree.
//!
//! Two passes inside a chunk of 1,024 rows, then Chan's merge of chunks (Chan, Golub & LeVeque 1983); never E\[x²\] − E\[x\]², which
//! loses all digits in f32 where the mean is large. Squares are in units of a power of two near the largest deviation, so that deviations up
//! to 10³⁴ have no square beyond f32; and the mean is the sum of two f32, of which the second is what rounding left.

use super::span;
use super::words::Phases;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "reduce_moments",
    parts: [PHASES, SAMPLE, MOMENTS, TWOFLOAT, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Rows in all, at most 2²⁴ (counts are f32).
        pub rows: u32,
        /// Rows of a segment; the last may be shorter.
        pub segment: u32,
        /// Rows per partial; set by `bind`.
        pub chunk: u32,
        /// Partials per segment; set by `bind`.
        pub chunks_per_segment: u32,
        /// Elements from one row of `minuend` to the next.
        pub stride: u32,
        /// Element of row 0 in `minuend`.
        pub offset: u32,
        /// 1: the numbers are minuend − subtrahend.
        pub subtract: u32,
        /// [`Phases::code`]; set by `bind`.
        pub phase: u32,
        /// Elements from one row's mark to the next in `marks`; 0: every row counts.
        pub mark_stride: u32,
        /// 0, as part `twofloat` needs one that no compiler knows.
        pub zero: u32,
        /// Element of row 0's mark in `marks`.
        pub mark_offset: u32,
        /// Element of `moments` where the first segment's result goes.
        pub place: u32,
    },
    io: {
        /// The numbers.
        minuend: Read f32,
        /// What is subtracted, one number per row; any buffer works if `subtract` is 0.
        subtrahend: Read f32,
        /// A row whose number here is [`super::batch_clean::INVALID_LOGP`] is left out; any buffer works if `mark_stride` is 0.
        marks: Read f32,
        /// Scratch, `partials(rows, segment)`; means in it are less one of the segment's numbers, so that merging keeps their digits.
        partials: ReadWrite [f32; 4],
        /// `(count, mean, √(Σ (x − mean)² / count), rest of the mean)` per segment, `[place + segments]`.
        moments: ReadWrite [f32; 4],
    },
}

/// Numbers per segment in `moments`.
pub const MOMENTS: usize = 4;
/// Which of them is the deviation.
pub const DEVIATION: usize = 2;

const CHUNK: u32 = 1024;

/// Elements of `partials`.
pub fn partials(rows: u32, segment: u32) -> u64 {
    u64::from(rows.div_ceil(segment.max(1))) * u64::from(segment.div_ceil(CHUNK))
}

/// Binds two calls per entry of `params`.
///
/// # Errors
/// [`Error::BufferLength`] or [`Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(2 * params.len());
    for p in params {
        if p.rows > 1 << 24 || p.segment == 0 {
            let needs = u64::from(if p.segment == 0 { 0 } else { p.rows });
            let limit = "rows (1 to 2²⁴, segments of at least 1)";
            return Err(Error::OwnLimit { what: name.to_owned(), limit, needs, has: 1 << 24 });
        }
        let needs = span(p.offset, p.rows, p.stride, 1);
        let shape = || format!("offset {} + rows {} × stride {}", p.offset, p.rows, p.stride);
        elements(name, "minuend", io.minuend, needs, shape)?;
        if p.subtract != 0 {
            elements(name, "subtrahend", io.subtrahend, u64::from(p.rows), || format!("rows {}", p.rows))?;
        }
        if p.mark_stride != 0 {
            let shape = || format!("offset {} + rows {} × mark_stride {}", p.mark_offset, p.rows, p.mark_stride);
            elements(name, "marks", io.marks, span(p.mark_offset, p.rows, p.mark_stride, 1), shape)?;
        }
        let segment = p.segment.min(p.rows.max(1));
        let segments = p.rows.div_ceil(segment);
        let chunks_per_segment = segment.div_ceil(CHUNK);
        let all = partials(p.rows, segment);
        elements(name, "partials", io.partials, all, || format!("segments {segments} × chunks {chunks_per_segment}"))?;
        let shape = || format!("place {} + segments {segments}", p.place);
        elements(name, "moments", io.moments, u64::from(p.place) + u64::from(segments), shape)?;
        for (phase, groups) in [(Phases::Partials, all), (Phases::Total, u64::from(segments))] {
            calls.push((
                Params { segment, zero: 0, chunk: CHUNK, chunks_per_segment, phase: phase.code(), ..*p },
                Grid::Groups(groups),
            ));
        }
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
