//! Rows of a batch in blocks of one size, which are spread over threads.

use crate::error::Result;
use rayon::prelude::*;
use std::ops::Range;

/// Rows of one block. It fixes the order of the sums over rows, so it is a constant and not a function of the threads.
pub const BLOCK_ROWS: usize = 256;

/// `work` on each block of rows, in parallel, results in order.
pub(super) fn row_blocks<T: Send>(
    rows: usize,
    work: impl Fn(Range<usize>) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    let block = |index: usize| work(index * BLOCK_ROWS..rows.min((index + 1) * BLOCK_ROWS));
    match rows.div_ceil(BLOCK_ROWS) {
        1 => Ok(vec![block(0)?]),
        blocks => (0..blocks).into_par_iter().map(block).collect(),
    }
}
