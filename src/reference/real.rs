//! The number type of the reference.

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

    /// The hyperbolic tangent of every element.
    fn tanh_all(values: &mut [Self]) {
        values.iter_mut().for_each(|value| *value = value.tanh());
    }

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
    fn tanh_all(values: &mut [Self]) {
        super::tanh::tanh_all(values);
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
