//! Mean, variance and norm.

use super::Real;
use ndarray::ArrayView1;

/// Rows of one partial sum. Partial sums are added in order.
const BLOCK: usize = 256;

/// The sum of `values`, in blocks so that the error grows with the block's length and the number of blocks only.
pub fn sum<F: Real>(values: impl IntoIterator<Item = F>) -> F {
    let (mut total, mut part, mut filled) = (F::zero(), F::zero(), 0);
    for value in values {
        part += value;
        filled += 1;
        if filled == BLOCK {
            total += part;
            (part, filled) = (F::zero(), 0);
        }
    }
    total + part
}

/// Mean of `values`; 0 for none.
pub fn mean<F: Real>(values: ArrayView1<'_, F>) -> F {
    sum(values.iter().copied()) / F::count(values.len().max(1))
}

/// Mean and variance, in two passes: Σ(x − mean)² / (n − ddof). Where n ≤ ddof the variance is 0.
pub fn reduce_moments<F: Real>(values: ArrayView1<'_, F>, ddof: u32) -> (F, F) {
    let mean = mean(values);
    let squares = sum(values.iter().map(|value| (*value - mean) * (*value - mean)));
    let degrees = values.len().saturating_sub(ddof as usize);
    (mean, if degrees == 0 { F::zero() } else { squares / F::count(degrees) })
}

/// Euclidean norm, √Σx².
pub fn reduce_norm<F: Real>(values: ArrayView1<'_, F>) -> F {
    sum(values.iter().map(|value| *value * *value)).sqrt()
}

/// 1 − Var(returns − values) / Var(returns), ddof 0; NaN if the returns do not vary.
pub fn explained_variance<F: Real>(values: ArrayView1<'_, F>, returns: ArrayView1<'_, F>) -> F {
    let (_, total) = reduce_moments(returns, 0);
    let (_, left) = reduce_moments((&returns - &values).view(), 0);
    if total > F::zero() { F::one() - left / total } else { F::nan() }
}
