//! Number, returns and lengths of the episodes that ended in a window, in a fixed tree.

use super::words::Phases;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;

kernel! {
    stem: "reduce_episodes",
    parts: [PHASES, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Entries.
        pub count: u32,
        /// Entries per partial; set by `bind`.
        pub chunk: u32,
        /// Partials; set by `bind`.
        pub chunks: u32,
        /// [`Phases::code`]; set by `bind`.
        pub phase: u32,
    },
    io: {
        /// `(return, length)`, length 0 where no episode ended, `[count]`.
        episodes: Read [f32; 2],
        /// Scratch, `[partials(count)]`.
        partials: ReadWrite f32,
        /// `(episodes, sum of returns, sum of lengths, least return, greatest return)`, `[SUMMARY]`.
        summary: ReadWrite f32,
    },
}

/// Numbers in the summary, which are these.
pub const SUMMARY: u64 = 5;
/// Episodes that ended.
pub const COUNT: usize = 0;
/// Sum of their returns.
pub const RETURN_SUM: usize = 1;
/// Sum of their lengths.
pub const LENGTH_SUM: usize = 2;
/// Least return.
pub const RETURN_MIN: usize = 3;
/// Greatest return.
pub const RETURN_MAX: usize = 4;

/// Entries per partial: 16 per invocation.
const CHUNK: u32 = 1024;

/// Elements of `partials`.
pub fn partials(count: u32) -> u64 {
    u64::from(count.div_ceil(CHUNK)) * SUMMARY
}

/// Binds two calls per entry of `params`.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(2 * params.len());
    for p in params {
        let chunks = p.count.div_ceil(CHUNK);
        elements(DEF.name, "episodes", io.episodes, u64::from(p.count), || format!("count {}", p.count))?;
        elements(DEF.name, "partials", io.partials, partials(p.count), || format!("chunks {chunks} × {SUMMARY}"))?;
        elements(DEF.name, "summary", io.summary, SUMMARY, || format!("{SUMMARY}"))?;
        for (phase, groups) in [(Phases::Partials, u64::from(chunks)), (Phases::Total, 1)] {
            calls.push((Params { chunk: CHUNK, chunks, phase: phase.code(), ..*p }, Grid::Groups(groups)));
        }
    }
    gpu.bind(&DEF, &Variant::default(), None, &io.buffers(), &calls)
}
