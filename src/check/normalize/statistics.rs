//! Words of running statistics, and how they are compared.

use crate::check::support::Report;
use crate::kernels::reduce_running;
use crate::reference::normalize::Running;
use crate::state::RunningMoments;

/// Words of one column.
pub(super) fn words(moments: &RunningMoments, column: usize) -> [u32; 8] {
    reduce_running::words(moments.mean[column], moments.variance[column], moments.count, moments.initial_count)
}

/// The number nearest to `value` that a pair of f32 holds, so that device and oracle begin at the same.
pub(super) fn held(value: f64) -> f64 {
    reduce_running::pair(value).map(f64::from).iter().sum()
}

/// Errors that are known in f64: |got − want| / size of each.
pub(super) fn errors(report: &Report, name: &str, errors: impl IntoIterator<Item = (f64, f64, f64)>) {
    let errors: Vec<f32> = errors.into_iter().map(|(got, want, size)| ((got - want) / size) as f32).collect();
    report.floats(name, &errors, &vec![0.0; errors.len()], |_| 1.0);
}

/// The words that a kernel left, against the oracle: counts exactly, the mean by `sizes`, the variance by itself.
pub(super) fn compare(report: &Report, got: &[u32], want: &Running, before: &RunningMoments, sizes: &[f64]) {
    let (means, variances): (Vec<f64>, Vec<f64>) = got.chunks(8).map(reduce_running::moments).unzip();
    let mean = means.iter().zip(&want.mean).zip(sizes).map(|((got, want), size)| (*got, *want, size.max(1e-30)));
    errors(report, "statistics (mean)", mean);
    let variance = variances.iter().zip(&want.variance).map(|(got, want)| (*got, *want, want.max(1e-30)));
    errors(report, "statistics (variance)", variance);
    let counts: Vec<[u32; 4]> = got.chunks(8).map(|words| [words[4], words[5], words[6], words[7]]).collect();
    let count = [want.count as u32, (want.count >> 32) as u32, before.initial_count.to_bits(), 0];
    report.exact("statistics (count)", &counts, &vec![count; want.mean.len()]);
}
