//! How the rows of a batch become minibatches: in which order they come, and where an epoch is cut.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What happens to the rows if the minibatches do not come out even. n is [`Config::num_minibatches`](super::Config::num_minibatches) (never more than there
/// are rows), m is [`Config::minibatch_size`](super::Config::minibatch_size).
///
/// | rows, setting | `round_up` | `keep` | `merge` | `even` | `drop`, `cut` |
/// | --- | --- | --- | --- | --- | --- |
/// | 99, n = 4 | 25, 25, 25, 24 | 24, 24, 24, 24, 3 | 24, 24, 24, 27 | 25, 25, 25, 24 | 24, 24, 24, 24 |
/// | 21, n = 4 | 6, 6, 6, 3 | 5, 5, 5, 5, 1 | 5, 5, 5, 6 | 6, 5, 5, 5 | 5, 5, 5, 5 |
/// | 130, m = 64 | 64, 64, 2 | 64, 64, 2 | 64, 66 | 44, 43, 43 | 64, 64 |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MinibatchRest {
    /// ⌈rows / n⌉ or m rows each; the last has what is left. There may be fewer than n.
    #[default]
    RoundUp,
    /// ⌊rows / n⌋ or m rows each, and what is left is one more, smaller minibatch (CleanRL, Stable-Baselines3, baselines' `ppo2`).
    Keep,
    /// The same, but the last minibatch takes in what is left (Tianshou).
    Merge,
    /// n, or ⌈rows / m⌉, that differ by one row at most, the larger ones first (skrl; NumPy's `array_split`).
    Even,
    /// ⌊rows / n⌋ or m rows each; what is left of the epoch's order is not seen in this epoch (PyTorch's `drop_last`, baselines'
    /// `trpo_mpi`).
    Drop,
    /// The same sizes, but the batch's own last rows are left out before the shuffle: no epoch sees them (rsl_rl). Of an order
    /// that is given its end is dropped.
    Cut,
}

/// Which order the rows have in each epoch, unless the caller gives one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shuffle {
    /// A new one each (CleanRL, Stable-Baselines3 and nearly all).
    #[default]
    Epoch,
    /// One for all epochs of an update (rsl_rl): every epoch has the same minibatches.
    Update,
    /// The first epoch has the batch's own order, later ones a new one each (RLlib).
    AfterFirst,
    /// The batch's own order.
    Never,
}

/// The minibatches of an epoch, see [`Config::minibatches`](super::Config::minibatches): one size, then perhaps another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minibatches {
    /// (rows of each, how many).
    runs: [(usize, usize); 2],
}

impl Minibatches {
    /// `count` of `size` rows, and one of `rest` if that is not 0.
    const fn and_rest(size: usize, count: usize, rest: usize) -> Self {
        Self { runs: [(size, count), (rest, if rest == 0 { 0 } else { 1 })] }
    }

    /// How an epoch of `rows` (at least 1) is cut into `number` minibatches, or into minibatches of `of_size` rows.
    pub(super) fn of(rows: usize, number: usize, of_size: Option<usize>, rest: MinibatchRest) -> Self {
        let rows = rows.max(1);
        let number = number.clamp(1, rows);
        let sliced = |size: usize| Self::and_rest(size, rows / size, rows % size);
        let of_size = of_size.map(|size| size.clamp(1, rows));
        let size = of_size.unwrap_or(rows / number);
        // Of a number of minibatches there are as many, of a size as many as are full.
        let count = if of_size.is_some() { rows / size } else { number };
        match rest {
            MinibatchRest::RoundUp => sliced(of_size.unwrap_or_else(|| rows.div_ceil(number))),
            MinibatchRest::Keep => sliced(size),
            MinibatchRest::Merge => {
                let last = rows - (count - 1) * size;
                if last == size { Self::and_rest(size, count, 0) } else { Self::and_rest(size, count - 1, last) }
            }
            MinibatchRest::Even => {
                let number = of_size.map_or(number, |size| rows.div_ceil(size));
                let (size, larger) = (rows / number, rows % number);
                Self { runs: [(size + 1, larger), (size, number - larger)] }
            }
            MinibatchRest::Drop | MinibatchRest::Cut => Self::and_rest(size, count, 0),
        }
    }

    /// How many.
    pub const fn count(&self) -> usize {
        self.runs[0].1 + self.runs[1].1
    }

    /// Rows that an epoch sees.
    pub const fn rows(&self) -> usize {
        self.runs[0].0 * self.runs[0].1 + self.runs[1].0 * self.runs[1].1
    }

    /// Rows of the largest.
    pub fn largest(&self) -> usize {
        self.runs.iter().filter(|run| run.1 > 0).map(|run| run.0).max().unwrap_or(0)
    }

    /// Their places in the epoch's order, one after the other.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let sizes = self.runs.iter().flat_map(|(size, count)| std::iter::repeat_n(*size, *count));
        sizes.scan(0, |end, size| {
            let begin = *end;
            *end += size;
            Some(begin..*end)
        })
    }

    /// Stretches of the epoch in which all have the same size, but that the last may be smaller: (rows, size).
    pub(crate) fn stretches(&self) -> Vec<(Range<usize>, usize)> {
        let [(size, count), (other, others)] = self.runs;
        if others == 1 && other < size && count > 0 {
            return vec![(0..self.rows(), size)];
        }
        let first = size * count;
        let stretches = [(0..first, size), (first..self.rows(), other)];
        stretches.into_iter().filter(|(rows, _)| !rows.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(rows: usize, rest: MinibatchRest, number: usize, size: Option<usize>) -> Vec<usize> {
        let split = Minibatches::of(rows, number, size, rest);
        let sizes: Vec<usize> = split.ranges().map(|range| range.len()).collect();
        // What is derived from the runs says the same.
        assert_eq!((sizes.len(), sizes.iter().sum()), (split.count(), split.rows()));
        assert_eq!(sizes.iter().max(), Some(&split.largest()));
        assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
        let mut by_stretch = Vec::new();
        let mut end = 0;
        for (range, size) in split.stretches() {
            assert_eq!(range.start, end);
            end = range.end;
            by_stretch.extend(range.clone().step_by(size).map(|start| size.min(range.end - start)));
        }
        assert_eq!((by_stretch, end), (sizes.clone(), split.rows()));
        sizes
    }

    /// Each library's own numbers, as its code gives them.
    #[test]
    fn rows_that_do_not_come_out_even() {
        use MinibatchRest::*;
        // CleanRL: range(0, rows, rows // n).
        assert_eq!(sizes(99, Keep, 4, None), [24, 24, 24, 24, 3]);
        assert_eq!(sizes(10, Keep, 4, None), [2; 5]);
        assert_eq!(sizes(300, Keep, 32, None), [vec![9; 33], vec![3]].concat());
        // Stable-Baselines3: slices of batch_size until the end.
        assert_eq!(sizes(130, Keep, 4, Some(64)), [64, 64, 2]);
        // rsl_rl: n of rows // n.
        assert_eq!(sizes(49, Cut, 4, None), [12; 4]);
        assert_eq!(sizes(10, Drop, 4, None), [2; 4]);
        assert_eq!(sizes(130, Drop, 4, Some(64)), [64; 2]);
        // skrl: numpy.array_split.
        assert_eq!(sizes(21, Even, 4, None), [6, 5, 5, 5]);
        assert_eq!(sizes(130, Even, 1, Some(64)), [44, 43, 43]);
        // Tianshou: Batch.split(merge_last=True).
        assert_eq!(sizes(130, Merge, 4, Some(64)), [64, 66]);
        assert_eq!(sizes(100, Merge, 4, Some(64)), [100]);
        assert_eq!(sizes(10, Merge, 4, None), [2, 2, 2, 4]);
        // What there was before there was a choice.
        assert_eq!(sizes(99, RoundUp, 4, None), [25, 25, 25, 24]);
        assert_eq!(sizes(9, RoundUp, 4, None), [3; 3]);
        for rest in [RoundUp, Keep, Merge, Even, Drop, Cut] {
            assert_eq!(sizes(128, rest, 4, None), [32; 4], "{rest:?}");
            assert_eq!(sizes(128, rest, 4, Some(64)), [64; 2], "{rest:?}");
            assert_eq!(sizes(3, rest, 8, None), [1; 3], "{rest:?}");
            assert_eq!(sizes(3, rest, 8, Some(8)), [3], "{rest:?}");
            assert_eq!(sizes(1, rest, 1, None), [1], "{rest:?}");
        }
    }
}
