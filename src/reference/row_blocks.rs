//! Rows of a batch in blocks of one size, which are spread over threads.

use crate::error::Result;
use crate::parallel::prelude::*;
use std::ops::Range;

/// Rows of one block. It fixes the order of the sums over rows, so it is a constant and not a function of the threads.
pub const BLOCK_ROWS: usize = 256;

/// Products of numbers of which a thread is worth its waking.
const WORTH_A_THREAD: usize = 1 << 20;

/// Both, side by side where `size`, the products of numbers of one of them, is worth it; neither sees the other, so the results are the
/// same.
pub fn both<A: Send, B: Send>(
    size: usize,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    if size < WORTH_A_THREAD { (first(), second()) } else { crate::parallel::join(first, second) }
}

/// `work` on a thread of the pool where `size`, as of [`both`], is worth it: from any other thread each [`both`] would be a wait for two
/// others to wake.
pub fn on_pool<T: Send>(size: usize, work: impl FnOnce() -> T + Send) -> T {
    if size < WORTH_A_THREAD { work() } else { crate::parallel::scope(|_| work()) }
}

/// `work` of each of `count`, as [`both`].
pub(super) fn each_of<T: Send>(
    size: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    each(size, (0..count).collect(), work)
}

/// `work` of each of `items`, as [`both`].
pub(super) fn each<A: Send, T: Send>(
    size: usize,
    items: Vec<A>,
    work: impl Fn(A) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    if size < WORTH_A_THREAD || items.len() < 2 {
        return items.into_iter().map(work).collect();
    }
    items.into_par_iter().map(work).collect()
}

/// All rows, or two halves of them where `size`, the products of numbers of all rows, is worth a thread. The shape alone decides, so it fixes the
/// order of the sums over rows.
pub(super) fn halves(size: usize, rows: usize) -> Vec<Range<usize>> {
    let half = rows / 2;
    let all = std::iter::once(0..rows);
    if half == 0 || size < WORTH_A_THREAD { all.collect() } else { vec![0..half, half..rows] }
}

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
