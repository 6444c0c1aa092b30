//! Mean, variance and norm.

use super::Real;
use ndarray::ArrayView1;

/// Rows of one partial sum. Partial sums are added in order.
pub(super) const BLOCK: usize = 256;

/// The sum of `values` in f64, in blocks so that the error grows with the block's length and the number of blocks only.
pub(super) fn wide_sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut total, mut part, mut filled) = (0.0, 0.0, 0);
    for value in values {
        part += value;
        filled += 1;
        if filled == BLOCK {
            total += part;
            (part, filled) = (0.0, 0);
        }
    }
    total + part
}

/// The sum of `values`, rounded once: it is added up in f64, so that sums and squares of f32 neither overflow nor lose digits on the way.
pub fn sum<F: Real>(values: impl IntoIterator<Item = F>) -> F {
    F::of(wide_sum(values.into_iter().map(F::as_f64)))
}

/// Mean of `values`; 0 for none.
pub fn mean<F: Real>(values: ArrayView1<'_, F>) -> F {
    F::of(wide_mean(values))
}

fn wide_mean<F: Real>(values: ArrayView1<'_, F>) -> f64 {
    wide_sum(values.iter().map(|value| value.as_f64())) / values.len().max(1) as f64
}

/// Mean and variance in f64, in two passes: Σ(x − mean)² / (n − ddof). Where n ≤ ddof the variance is 0.
pub fn wide_moments<F: Real>(values: ArrayView1<'_, F>, ddof: u32) -> (f64, f64) {
    let mean = wide_mean(values);
    let squares = wide_sum(values.iter().map(|value| (value.as_f64() - mean) * (value.as_f64() - mean)));
    let degrees = values.len().saturating_sub(ddof as usize);
    (mean, if degrees == 0 { 0.0 } else { squares / degrees as f64 })
}

/// [`wide_moments`], rounded.
pub fn reduce_moments<F: Real>(values: ArrayView1<'_, F>, ddof: u32) -> (F, F) {
    let (mean, variance) = wide_moments(values, ddof);
    (F::of(mean), F::of(variance))
}

/// Euclidean norm, √Σx². Infinite only where the norm itself is beyond `F`, not where a square is.
pub fn reduce_norm<F: Real>(values: ArrayView1<'_, F>) -> F {
    let squares = match values.as_slice() {
        Some(all) => F::squares(all),
        None => wide_sum(values.iter().map(|value| value.as_f64() * value.as_f64())),
    };
    F::of(squares.sqrt())
}

/// 1 − Var(returns − values) / Var(returns), ddof 0; NaN if the returns do not vary.
pub fn explained_variance<F: Real>(values: ArrayView1<'_, F>, returns: ArrayView1<'_, F>) -> F {
    let (_, total) = wide_moments(returns, 0);
    let (_, left) = wide_moments((&returns - &values).view(), 0);
    F::of(if total > 0.0 { 1.0 - left / total } else { f64::NAN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Squares and sums beyond f32 of numbers that are not; and a spread of 0.8 on 10⁷, of which f32 knows no mean.
    #[test]
    fn squares_and_sums_beyond_f32_do_not_matter() {
        let large = array![3e19_f32, -4e19, 0.0, 0.0];
        assert!((reduce_norm(large.view()) / 5e19 - 1.0).abs() < 1e-6);
        assert_eq!(reduce_norm(array![3e38_f32, 3e38].view()), f32::INFINITY);
        assert_eq!(mean(array![3e38_f32, 3e38, 3e38].view()), 3e38);
        let (_, variance) = reduce_moments(array![1e19_f32, -1e19, 1e19, -1e19].view(), 0);
        assert!((variance / 1e38 - 1.0).abs() < 1e-6);
        let near = array![1e7_f32, 1e7 + 1.0, 1e7 + 2.0, 1e7 + 2.0];
        assert_eq!(wide_moments(near.view(), 0), (1e7 + 1.25, 0.6875));
        let off = &near - 1e7;
        assert_eq!(explained_variance(off.view(), near.view()), 1.0);
    }
}
