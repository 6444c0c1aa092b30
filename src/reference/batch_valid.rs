//! Which rows of a window are transitions, and how much a minibatch of them weighs.

use super::Real;
use ndarray::{Array1, ArrayView1};

pub use crate::data::valid::{batch_valid, final_values};

/// Weight of a row that counts in the means of each segment of `segment` rows: rows / rows that count, 0 where none does.
pub fn batch_count<F: Real>(valid: ArrayView1<'_, u32>, segment: usize) -> Array1<F> {
    let weight = |rows: ArrayView1<'_, u32>| {
        let counts = rows.iter().filter(|valid| **valid != 0).count();
        if counts == 0 { F::zero() } else { F::count(rows.len()) / F::count(counts) }
    };
    valid.axis_chunks_iter(ndarray::Axis(0), segment.max(1)).map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn rows_that_count_weigh_for_all() {
        assert_eq!(batch_count::<f64>(array![1, 0, 1, 1, 0, 0, 1].view(), 3), array![1.5, 3.0, 1.0]);
    }
}
