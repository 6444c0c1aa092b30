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
    let moments = Moments::of(values);
    (moments.mean, moments.variance(ddof))
}

/// How many numbers there are, their mean and Σ(x − mean)², in f64: what is merged where several processes have a part of them each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// n.
    pub count: usize,
    /// Their mean; 0 without a number.
    pub mean: f64,
    /// Σ(x − mean)².
    pub squares: f64,
}

impl Moments {
    /// Of `values`, in two passes as [`wide_moments`].
    pub fn of<F: Real>(values: ArrayView1<'_, F>) -> Self {
        let mean = wide_mean(values);
        let squares = wide_sum(values.iter().map(|value| (value.as_f64() - mean) * (value.as_f64() - mean)));
        Self { count: values.len(), mean, squares }
    }

    /// Σ(x − mean)² / (n − ddof); 0 where n ≤ ddof.
    pub fn variance(&self, ddof: u32) -> f64 {
        let degrees = self.count.saturating_sub(ddof as usize);
        if degrees == 0 { 0.0 } else { self.squares / degrees as f64 }
    }

    /// Of all numbers together, from those of `parts`, added in their order (Chan, Golub & LeVeque 1983):
    ///
    /// ```text
    /// mean = Σ n_r mean_r / n;   squares = Σ (squares_r + n_r (mean_r − mean)²)
    /// ```
    ///
    /// No term is below 0, so R parts lose at most some R + 4 roundings of an f64 of the result, and the means' own, |mean| 2⁻⁵² of each.
    pub fn merged(parts: &[Self]) -> Self {
        let parts = || parts.iter().filter(|part| part.count > 0);
        let count = parts().map(|part| part.count).sum::<usize>();
        if count == 0 {
            return Self::default();
        }
        let mean = parts().map(|part| part.count as f64 * part.mean).sum::<f64>() / count as f64;
        let between = |part: &Self| part.count as f64 * (part.mean - mean) * (part.mean - mean);
        Self { count, mean, squares: parts().map(|part| part.squares + between(part)).sum() }
    }
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
    F::of(explained_of(&Moments::of(returns), &Moments::of((&returns - &values).view())))
}

/// [`explained_variance`] from the moments of the returns and of what the values leave of them.
pub(super) fn explained_of(returns: &Moments, left: &Moments) -> f64 {
    let (total, left) = (returns.variance(0), left.variance(0));
    if total > 0.0 { 1.0 - left / total } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Parts of any sizes, one of them empty, against all at once, to f64's rounding.
    #[test]
    fn parts_merge_to_the_moments_of_all() {
        let all = ndarray::Array1::from_shape_fn(1000, |i| 50.0 + (i as f64 * 0.37).sin() * (i % 7) as f64);
        for ends in [vec![0, 1000], vec![0, 1, 1, 400, 1000], vec![0, 999, 1000]] {
            let of = |ends: &[usize]| Moments::of(all.slice(ndarray::s![ends[0]..ends[1]]));
            let merged = Moments::merged(&ends.windows(2).map(of).collect::<Vec<_>>());
            let want = Moments::of(all.view());
            assert_eq!(merged.count, 1000);
            assert!((merged.mean / want.mean - 1.0).abs() < 1e-15, "{merged:?}, {want:?}");
            assert!((merged.squares / want.squares - 1.0).abs() < 1e-13, "{merged:?}, {want:?}");
        }
        assert_eq!(Moments::merged(&[]), Moments::default());
    }

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
