//! Products of f32 matrices, for the CPU's working precision; f64 keeps ndarray's.
//!
//! By faer, on the calling thread: blocks of rows are spread over threads further up. On blocks of 256 rows and one core of a CPU
//! with AVX-512 it did, in GFLOP/s (forward, gradient of the weights; matrixmultiply, which is ndarray's, and gemm beside it):
//!
//! | layer | faer | gemm | matrixmultiply |
//! | --- | --- | --- | --- |
//! | 17 to 64 | 100, 59 | 81, 57 | 73, 48 |
//! | 64 to 64 | 112, 113 | 104, 91 | 78, 98 |
//! | 64 to 6 | 33, 106 | 39, 93 | 17, 28 |
//! | 256 to 256 | 113, 115 | 107, 107 | 97, 111 |
//! | 400 to 200 | 109, 113 | 104, 107 | 91, 105 |

use super::scratch;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

/// f32 of the widest vectors.
const LANES: usize = 16;

/// C ← A B, or C ← C + A B if `add`.
pub(super) fn product(add: bool, a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, mut c: ArrayViewMut2<'_, f32>) {
    let (rows, columns) = c.dim();
    let fits = a.nrows() == rows && b.ncols() == columns && a.ncols() == b.nrows();
    match (matrix(a), matrix(b), c.as_slice_mut()) {
        (Some(a), Some(b), Some(c)) if fits => {
            if add && a.row_stride() == 1 && !columns.is_multiple_of(LANES) && columns < rows {
                return add_columns(a, b, c);
            }
            let c = MatMut::from_row_major_slice_mut(c, rows, columns);
            matmul(c, if add { Accum::Add } else { Accum::Replace }, a, b, 1.0, Par::Seq);
        }
        // Gaps between rows, which no array of a pass has.
        _ => general_mat_mul(1.0, &a, &b, if add { 1.0 } else { 0.0 }, &mut c),
    }
}

/// C ← C + A B, A column after column, of few columns: faer puts the direction in which C lies without gaps into the lanes of a vector,
/// and with 17 columns, say, every other vector would hold one number. So the product is made column after column and added then.
fn add_columns(a: MatRef<'_, f32>, b: MatRef<'_, f32>, c: &mut [f32]) {
    let (rows, columns) = (a.nrows(), b.ncols());
    let mut product = scratch::take(rows * columns);
    matmul(MatMut::from_column_major_slice_mut(&mut product, rows, columns), Accum::Replace, a, b, 1.0, Par::Seq);
    for (row, c) in c.chunks_exact_mut(columns).enumerate() {
        c.iter_mut().zip(product[row..].iter().step_by(rows)).for_each(|(c, term)| *c += *term);
    }
    scratch::give(product);
}

/// The same numbers as faer sees them, if they lie without gaps, row after row or column after column.
fn matrix(array: ArrayView2<'_, f32>) -> Option<MatRef<'_, f32>> {
    let (rows, columns) = array.dim();
    match array.to_slice() {
        Some(all) => Some(MatRef::from_row_major_slice(all, rows, columns)),
        None => array.reversed_axes().to_slice().map(|all| MatRef::from_column_major_slice(all, rows, columns)),
    }
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
