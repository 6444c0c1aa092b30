//! Products of f32 matrices, for the CPU's working precision; f64 keeps ndarray's.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

/// C ← A B, or C ← C + A B if `add`.
pub(super) fn product(add: bool, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, mut c: ArrayViewMut2<'_, f32>) {
    // A module of the browser has one product, that of f64.
    #[cfg(not(target_arch = "wasm32"))]
    if super::product_faer::product(add, a, b, &mut c) {
        return;
    }
    general_mat_mul(1.0, &a, &b, if add { 1.0 } else { 0.0 }, &mut c);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    /// Whole numbers, so that every order of summation gives the same; with and without gaps, at sizes from nothing up.
    #[test]
    fn products_are_ndarrays() {
        let numbers =
            |rows, columns, k| Array2::from_shape_fn((rows, columns), |(r, c)| ((7 * r + 5 * c + k) % 9) as f32 - 4.0);
        for (m, k, n) in
            [(0, 3, 2), (2, 0, 3), (1, 1, 1), (5, 3, 7), (65, 17, 64), (64, 256, 6), (3, 64, 1), (256, 64, 2)]
        {
            for gap in [0, 1] {
                let (a, b, c) = (numbers(m, k + gap, 0), numbers(n, k + gap, 1), numbers(m, n, 2));
                let (a, b) = (a.slice(s![.., ..k]), b.slice(s![.., ..k]));
                let mut got = c.clone();
                product(true, a, b.t(), got.view_mut());
                assert_eq!(got, &c + &a.dot(&b.t()), "{m} {k} {n}");
                product(false, a, b.t(), got.view_mut());
                assert_eq!(got, a.dot(&b.t()), "{m} {k} {n}");
                let mut transposed = Array2::zeros((k, k));
                product(false, a.t(), a, transposed.view_mut());
                assert_eq!(transposed, a.t().dot(&a));
                let mut sums = numbers(n, k, 3);
                let want = &sums + &c.t().dot(&a);
                product(true, c.t(), a, sums.view_mut());
                assert_eq!(sums, want, "{m} {k} {n}");
            }
        }
    }
}
