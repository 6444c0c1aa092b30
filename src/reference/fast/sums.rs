//! Sums over rows and slopes of tanh, several numbers at a time and in the order of the plain form, so with its bits.

use pulp::{Arch, Simd, WithSimd};

/// As [`plain::add_rows`](crate::reference::plain::add_rows).
pub(super) fn add_rows(rows: &[f32], sum: &mut [f32]) {
    Arch::new().dispatch(AddRows(rows, sum));
}

struct AddRows<'a>(&'a [f32], &'a mut [f32]);

impl WithSimd for AddRows<'_> {
    type Output = ();

    /// Inlined into a function that may use the instructions of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(rows, sum) = self;
        let columns = sum.len().max(1);
        // Four rows at a time: a quarter of the sum's loads and stores.
        let (fours, rest) = rows.split_at(rows.len() / (4 * columns) * 4 * columns);
        for rows in fours.chunks_exact(4 * columns) {
            let (a, b, c, d) =
                (&rows[..columns], &rows[columns..2 * columns], &rows[2 * columns..3 * columns], &rows[3 * columns..]);
            for ((((sum, a), b), c), d) in sum.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *sum = *sum + *a + *b + *c + *d;
            }
        }
        for row in rest.chunks_exact(columns) {
            sum.iter_mut().zip(row).for_each(|(sum, term)| *sum += *term);
        }
    }
}

/// As [`plain::times_tanh_slope`](crate::reference::plain::times_tanh_slope).
pub(super) fn times_tanh_slope(d: &mut [f32], y: &[f32], bias: &[f32]) {
    Arch::new().dispatch(TanhSlope(d, y, bias));
}

/// Without a bias in the last.
struct TanhSlope<'a>(&'a mut [f32], &'a [f32], &'a [f32]);

impl WithSimd for TanhSlope<'_> {
    type Output = ();

    /// Inlined into a function that may use the instructions of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self(d, y, bias) = self;
        let slope = |y: &f32| 1.0 - *y * *y;
        if bias.is_empty() {
            return d.iter_mut().zip(y).for_each(|(d, y)| *d *= slope(y));
        }
        for (d, y) in d.chunks_exact_mut(bias.len()).zip(y.chunks_exact(bias.len())) {
            d.iter_mut().zip(y).zip(bias).for_each(|((d, y), bias)| *d = (*d + *bias) * slope(y));
        }
    }
}
