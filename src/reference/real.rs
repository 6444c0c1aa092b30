//! The number type of the reference: what a number is, and what is done with many at once. `f64` does that plainly
//! (`src/reference/plain.rs`), `f32` in the ways of `src/reference/fast`.

use crate::collective::Collective;
use crate::error::Result;
use crate::policy::Activation;
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
    fn tanh_of_sums(rows: &mut [Self], bias: &[Self]);

    /// y ← max(y + `bias`, 0), of rows as long as `bias`, which is not empty.
    fn relu_of_sums(rows: &mut [Self], bias: &[Self]);

    /// f of every element.
    fn activate_all(f: Activation, values: &mut [Self]);

    /// d ← d f'(z), y = f(z).
    fn times_slope(f: Activation, d: &mut [Self], z: &[Self], y: &[Self]);

    /// d ← (d + `bias`) (1 − y²), of rows as long as `bias`; without a bias where that is empty.
    fn times_tanh_slope(d: &mut [Self], y: &[Self], bias: &[Self]);

    /// Adds each of the rows, which are as long as `sum`, to it, in order.
    fn add_rows(rows: &[Self], sum: &mut [Self]);

    /// C ← A B, or C ← C + A B if `add`.
    fn product(add: bool, a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, c: ArrayViewMut2<'_, Self>);

    /// The recurrence of [`advantage_gae`](super::advantage_gae::advantage_gae) with `decay` γ λ, and its returns, both `[T, N]`.
    fn gae(
        window: &FlatWindow<'_, Self>,
        gamma: Self,
        decay: Self,
        advantages: ArrayViewMut2<'_, Self>,
        returns: ArrayViewMut2<'_, Self>,
    );

    /// Σ x² in f64, in blocks as [`reduce_moments`](super::reduce_moments) has them.
    fn squares(values: &[Self]) -> f64;

    /// One step of Adam of neighbours in memory, all as long as each other.
    fn adam(step: &AdamStep<Self>, parameters: &mut [Self], gradient: &[Self], moments: [&mut [Self]; 2]);

    /// Actions of [`squashed_sample`](super::squashed_sample), all arrays as long as each other.
    fn squash(epsilon: f64, inputs: &SquashInputs<'_, Self>, out: SquashOutputs<'_, Self>);

    /// Room for `len` numbers, with anything in it.
    fn take(len: usize) -> Vec<Self>;

    /// Room that is no longer needed.
    fn give(room: Vec<Self>);

    /// Each element becomes the sum over all ranks, in rank order.
    ///
    /// # Errors
    /// As [`Collective::all_gather`].
    fn sum_ranks(collective: &dyn Collective, values: &mut [Self]) -> Result<()>;

    /// A count.
    fn count(value: usize) -> Self {
        Self::of(value as f64)
    }
}

/// A window of T steps × N environments, step after step in memory, see [`Window`](super::advantage_gae::Window).
#[derive(Debug, Clone, Copy)]
pub struct FlatWindow<'a, F> {
    /// `[T, N]`.
    pub rewards: &'a [F],
    /// `[T + 1, N]`.
    pub values: &'a [F],
    /// `[T, N]`.
    pub final_values: &'a [F],
    /// `[T, N]`.
    pub terminated: &'a [u32],
    /// `[T, N]`.
    pub truncated: &'a [u32],
}

/// What is the same for all numbers of a step of Adam:
///
/// ```text
/// g ← scale · g + decay · p        or, decoupled: g ← scale · g;  p ← keep · p
/// m ← β₁ m + rest₁ g;   v ← β₂ v + rest₂ g²;   p ← p − rate · m / (√v / root + ε)
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AdamStep<F> {
    /// The factor that clips.
    pub scale: F,
    /// Whether the decay is AdamW's.
    pub decoupled: bool,
    /// Weight decay of Adam.
    pub decay: F,
    /// What AdamW's leaves of a parameter.
    pub keep: F,
    /// β₁, 1 − β₁.
    pub first: [F; 2],
    /// β₂, 1 − β₂.
    pub second: [F; 2],
    /// The learning rate, corrected.
    pub rate: F,
    /// What corrects the root of the second moment; 1 where the rate has it.
    pub root: F,
    /// ε.
    pub eps: F,
}

/// What [`Real::squash`] takes.
#[derive(Debug, Clone, Copy)]
pub struct SquashInputs<'a, F> {
    /// Means.
    pub mean: &'a [F],
    /// Logarithms of the deviations, within their limits.
    pub log_sigma: &'a [f64],
    /// Standard normal.
    pub noise: &'a [F],
}

/// What [`Real::squash`] fills.
#[derive(Debug)]
pub struct SquashOutputs<'a, F> {
    /// u = mean + σ noise.
    pub pre_squash: &'a mut [F],
    /// tanh u.
    pub action: &'a mut [F],
    /// Derivative of the log-probability by u.
    pub by_pre: &'a mut [F],
    /// 1 − tanh² u.
    pub slope: &'a mut [F],
    /// σ noise.
    pub moved: &'a mut [F],
    /// The logarithm of the probability density.
    pub log_prob: &'a mut [f64],
}

/// `[rows, columns]` numbers of another precision.
pub(crate) fn cast<F: Real, D: ndarray::Dimension>(values: ndarray::ArrayView<'_, f32, D>) -> ndarray::Array<F, D> {
    values.mapv(|value| F::of(f64::from(value)))
}
