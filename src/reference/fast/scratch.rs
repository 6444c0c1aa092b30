//! Room for the arrays of a pass, kept from step to step by each thread, for the CPU's working precision.
//!
//! A pass takes the same sizes in each block and in each step. An allocator gives large ones back to the system between two of them and
//! gets other pages, which are to be cleared first: that took a sixth of a step.

use crate::memory::product;
use crate::reference::row_blocks::BLOCK_ROWS;
use std::cell::RefCell;

/// Most arrays that a thread keeps.
const KEPT: usize = 64;

/// Most numbers of one that is kept: 64 MiB.
pub(crate) const LARGEST: usize = 1 << 24;

thread_local! {
    /// The last one given is the first one taken again: it is the most likely to be in cache.
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// At most so many bytes are kept by this pool's threads in arrays of a block of rows that are `width` wide or narrower.
pub(crate) fn most_kept(width: usize) -> u128 {
    product(&[
        crate::parallel::current_num_threads(),
        KEPT,
        BLOCK_ROWS.saturating_mul(width).min(LARGEST),
        size_of::<f32>(),
    ])
}

/// Room for `len` numbers, with anything in it.
pub(super) fn take(len: usize) -> Vec<f32> {
    FREE.with_borrow_mut(|free| free.iter().rposition(|room| room.len() == len).map(|place| free.remove(place)))
        .unwrap_or_else(|| vec![0.0; len])
}

/// Room for a later [`take`] of this thread.
pub(super) fn give(room: Vec<f32>) {
    if room.len() > LARGEST {
        return;
    }
    FREE.with_borrow_mut(|free| {
        if free.len() == KEPT {
            free.remove(0);
        }
        free.push(room);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_and_is_bounded() {
        let mut one = take(3);
        one[1] = 7.0;
        give(one);
        assert_eq!((take(4), take(3), take(3)), (vec![0.0; 4], vec![0.0, 7.0, 0.0], vec![0.0; 3]));
        (0..2 * KEPT).for_each(|len| give(vec![0.0; len]));
        assert_eq!(FREE.with_borrow(Vec::len), KEPT);
    }
}
