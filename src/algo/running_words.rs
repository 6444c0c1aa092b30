//! Running statistics as words on the device.

use crate::kernels::reduce_running;
use crate::kernels::reduce_running::STATISTIC_WORDS;
use crate::state::RunningMoments;

/// As [`reduce_running`] keeps them.
pub(super) fn words(moments: &RunningMoments) -> Vec<u32> {
    let columns = moments.mean.iter().zip(&moments.variance);
    columns.flat_map(|(m, v)| reduce_running::words(*m, *v, moments.count, moments.initial_count)).collect()
}

/// What [`words`] came from.
pub(super) fn moments(words: &[u32]) -> RunningMoments {
    let (mean, variance) = words.chunks(STATISTIC_WORDS as usize).map(reduce_running::moments).unzip();
    let first = |place: usize| words.get(place).copied().unwrap_or(0);
    let count = u64::from(first(4)) | u64::from(first(5)) << 32;
    RunningMoments { mean, variance, count, initial_count: f32::from_bits(first(6)) }
}
