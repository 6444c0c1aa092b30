//! The number type of the reference.

use super::activation::{activate, derivative};
use crate::policy::Activation;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

/// `f64`, the oracle, or `f32`, the CPU's working precision.
pub trait Real:
    num_traits::Float
    + num_traits::FromPrimitive
    + ndarray::LinalgScalar
    + ndarray::ScalarOperand
    + Sum
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Debug
    + Display
    + Default
    + Send
    + Sync
    + 'static
{
    /// The nearest number to `value`.
    fn of(value: f64) -> Self;

    /// The number as `f64`, exact.
    fn as_f64(self) -> f64;

    /// The number as `f32`, rounded.
    fn as_f32(self) -> f32;

    /// The error function.
    fn erf(self) -> Self {
        Self::of(statrs::function::erf::erf(self.as_f64()))
    }

    /// The logarithm of the gamma function, of a number above 0.
    fn ln_gamma(self) -> Self {
        Self::of(statrs::function::gamma::ln_gamma(self.as_f64()))
    }

    /// ψ, its derivative.
    fn digamma(self) -> Self {
        Self::of(statrs::function::gamma::digamma(self.as_f64()))
    }

    /// y ← tanh (y + `bias`), of rows as long as `bias`, which is not empty.
    fn tanh_of_sums(rows: &mut [Self], bias: &[Self]) {
        for row in rows.chunks_exact_mut(bias.len().max(1)) {
            row.iter_mut().zip(bias).for_each(|(y, bias)| *y = (*y + *bias).tanh());
        }
    }

    /// f of every element.
    fn activate_all(f: Activation, values: &mut [Self]) {
        values.iter_mut().for_each(|value| *value = activate(f, *value));
    }

    /// d ← d f'(z), y = f(z).
    fn times_slope(f: Activation, d: &mut [Self], z: &[Self], y: &[Self]) {
        d.iter_mut().zip(z).zip(y).for_each(|((d, z), y)| *d *= derivative(f, *z, *y));
    }

    /// C ← A B, or C ← C + A B if `add`.
    fn product(add: bool, a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, mut c: ArrayViewMut2<'_, Self>) {
        let before = if add { Self::one() } else { Self::zero() };
        general_mat_mul(Self::one(), &a, &b, before, &mut c);
    }

    /// Room for `len` numbers, with anything in it.
    fn take(len: usize) -> Vec<Self> {
        vec![Self::zero(); len]
    }

    /// Room that is no longer needed.
    fn give(_room: Vec<Self>) {}

    /// A count.
    fn count(value: usize) -> Self {
        Self::of(value as f64)
    }
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
    fn as_f32(self) -> f32 {
        self
    }
    fn tanh_of_sums(rows: &mut [Self], bias: &[Self]) {
        super::activation_f32::tanh_of_sums(rows, bias);
    }
    fn activate_all(f: Activation, values: &mut [Self]) {
        super::activation_f32::activate_all(f, values);
    }
    fn times_slope(f: Activation, d: &mut [Self], z: &[Self], y: &[Self]) {
        super::activation_f32::times_slope(f, d, z, y);
    }
    fn product(add: bool, a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, c: ArrayViewMut2<'_, Self>) {
        super::product::product(add, a, b, c);
    }
    fn take(len: usize) -> Vec<Self> {
        super::room::take(len)
    }
    fn give(room: Vec<Self>) {
        super::room::give(room);
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn as_f64(self) -> f64 {
        self
    }
    fn as_f32(self) -> f32 {
        self as f32
    }
}

/// `[rows, columns]` numbers of another precision.
pub(crate) fn cast<F: Real, D: ndarray::Dimension>(values: ndarray::ArrayView<'_, f32, D>) -> ndarray::Array<F, D> {
    values.mapv(|value| F::of(f64::from(value)))
}
