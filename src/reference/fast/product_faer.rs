//! Products of f32 matrices by faer, on the calling thread: blocks of rows are spread over threads further up. On blocks of 256 rows and one core of a CPU
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
use ndarray::{ArrayView2, ArrayViewMut2};

/// f32 of the widest vectors.
const LANES: usize = 16;

/// C ← A B, or C ← C + A B if `add`; whether it was done: not where a matrix has gaps between rows, which no array of a pass has.
pub(super) fn product(
    add: bool,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    c: &mut ArrayViewMut2<'_, f32>,
) -> bool {
    let (rows, columns) = c.dim();
    let fits = a.nrows() == rows && b.ncols() == columns && a.ncols() == b.nrows();
    let (Some(a), Some(b), Some(c), true) = (matrix(a), matrix(b), c.as_slice_mut(), fits) else { return false };
    if add && a.row_stride() == 1 && !columns.is_multiple_of(LANES) && columns < rows {
        add_columns(a, b, c);
    } else {
        let c = MatMut::from_row_major_slice_mut(c, rows, columns);
        matmul(c, if add { Accum::Add } else { Accum::Replace }, a, b, 1.0, Par::Seq);
    }
    true
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
