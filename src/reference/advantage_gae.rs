//! Advantages and returns by one backward recurrence over each environment's steps.

use super::real::{FlatWindow, Real};
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// A window of T steps × N environments, as every estimator reads it.
///
/// For step t of one environment:
///
/// ```text
/// end_t  = terminated_t or truncated_t
/// next_t = 0                if terminated_t            (also when both flags are set)
///          final_values_t   else if truncated_t
///          values_{t+1}     otherwise                  (values_T: the observation after the window)
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Window<'a, F> {
    /// `[T, N]`.
    pub rewards: ArrayView2<'a, F>,
    /// V(s_t), and in row T V of the observation after the window, `[T + 1, N]`.
    pub values: ArrayView2<'a, F>,
    /// V of the real last observation where truncated, `[T, N]`; not read elsewhere.
    pub final_values: ArrayView2<'a, F>,
    /// 1 where the transition ended its episode in a terminal state, `[T, N]`.
    pub terminated: ArrayView2<'a, u32>,
    /// 1 where the transition ended its episode by a limit, `[T, N]`.
    pub truncated: ArrayView2<'a, u32>,
}

impl<F: Real> Window<'_, F> {
    /// `(T, N)`.
    pub fn dim(&self) -> (usize, usize) {
        self.rewards.dim()
    }

    /// `end_t`.
    pub fn end(&self, t: usize, n: usize) -> bool {
        self.terminated[[t, n]] != 0 || self.truncated[[t, n]] != 0
    }

    /// `next_t`, the value of what follows transition t.
    pub fn next(&self, t: usize, n: usize) -> F {
        if self.terminated[[t, n]] != 0 {
            F::zero()
        } else if self.truncated[[t, n]] != 0 {
            self.final_values[[t, n]]
        } else {
            self.values[[t + 1, n]]
        }
    }

    /// Whether the recurrence starts afresh at t: an episode's end or the window's.
    pub fn cut(&self, t: usize, n: usize) -> bool {
        self.end(t, n) || t + 1 == self.rewards.nrows()
    }

    /// Refuses arrays that do not belong together.
    ///
    /// # Errors
    /// [`Error::Shape`] naming the first array that does not fit `rewards`, [`Error::Config`] for T = 0.
    pub fn validate(&self) -> Result<()> {
        let (steps, envs) = self.dim();
        if steps == 0 {
            return Err(Error::config("num_steps", "is 0, must be at least 1"));
        }
        check_shape("values", self.values.shape(), &[steps + 1, envs])?;
        check_shape("final_values", self.final_values.shape(), &[steps, envs])?;
        check_shape("terminated", self.terminated.shape(), &[steps, envs])?;
        check_shape("truncated", self.truncated.shape(), &[steps, envs])
    }

    /// V(s_t), `[T, N]`.
    pub fn state_values(&self) -> ArrayView2<'_, F> {
        self.values.slice(ndarray::s![..self.rewards.nrows(), ..])
    }

    /// x_t = step(t, n, x_{t+1}), from the last step to the first; `step` gets 0 for x_T.
    pub(super) fn backward(&self, step: impl Fn(usize, usize, F) -> F) -> Array2<F> {
        let (steps, envs) = self.dim();
        let mut result = Array2::zeros((steps, envs));
        let mut carry = vec![F::zero(); envs];
        for t in (0..steps).rev() {
            for (n, (place, carry)) in result.row_mut(t).iter_mut().zip(&mut carry).enumerate() {
                *carry = step(t, n, *carry);
                *place = *carry;
            }
        }
        result
    }
}

/// Generalised advantage estimation (Schulman et al. 2016, equation 16) and its value targets, both `[T, N]`.
///
/// ```text
/// δ_t = r_t + γ next_t − V(s_t)
/// A_t = δ_t + γ λ (1 − end_t) A_{t+1},   A_T = 0
/// returns = A + V
/// ```
///
/// # Errors
/// As [`Window::validate`].
pub fn advantage_gae<F: Real>(window: &Window<'_, F>, gamma: F, lambda: F) -> Result<(Array2<F>, Array2<F>)> {
    let (mut advantages, mut returns) = (Array2::zeros(window.dim()), Array2::zeros(window.dim()));
    advantage_gae_into(window, gamma, lambda, advantages.view_mut(), returns.view_mut())?;
    Ok((advantages, returns))
}

/// [`advantage_gae`] into arrays `[T, N]` that are there already, whatever they hold.
///
/// # Errors
/// As [`Window::validate`], or [`Error::Shape`] if `advantages` or `returns` is not `[T, N]`.
pub fn advantage_gae_into<F: Real>(
    window: &Window<'_, F>,
    gamma: F,
    lambda: F,
    mut advantages: ArrayViewMut2<'_, F>,
    mut returns: ArrayViewMut2<'_, F>,
) -> Result<()> {
    window.validate()?;
    check_shape("advantages", advantages.shape(), window.rewards.shape())?;
    check_shape("returns", returns.shape(), window.rewards.shape())?;
    if !(advantages.is_standard_layout() && returns.is_standard_layout()) {
        let (a, goals) = advantage_gae(window, gamma, lambda)?;
        advantages.assign(&a);
        returns.assign(&goals);
        return Ok(());
    }
    // Step after step in memory, which they are already except for arrays of unusual strides.
    let (rewards, values) = (window.rewards.as_standard_layout(), window.values.as_standard_layout());
    let final_values = window.final_values.as_standard_layout();
    let (terminated, truncated) = (window.terminated.as_standard_layout(), window.truncated.as_standard_layout());
    let window = FlatWindow {
        rewards: rewards.as_slice().unwrap_or_default(),
        values: values.as_slice().unwrap_or_default(),
        final_values: final_values.as_slice().unwrap_or_default(),
        terminated: terminated.as_slice().unwrap_or_default(),
        truncated: truncated.as_slice().unwrap_or_default(),
    };
    F::gae(&window, gamma, gamma * lambda, advantages, returns);
    Ok(())
}

/// Discounted returns that go on with the value function where the window or a truncated episode ends, `[T, N]`.
///
/// G_t = r_t + γ (next_t if end_t or t = T − 1, else G_{t+1})
///
/// # Errors
/// As [`Window::validate`].
pub fn discounted_return<F: Real>(window: &Window<'_, F>, gamma: F) -> Result<Array2<F>> {
    window.validate()?;
    Ok(window.backward(|t, n, following| {
        window.rewards[[t, n]] + gamma * if window.cut(t, n) { window.next(t, n) } else { following }
    }))
}

/// Discounted sums of the rewards in the window alone: [`discounted_return`] with every `next` at 0.
///
/// # Errors
/// As [`Window::validate`].
pub fn discounted_reward<F: Real>(window: &Window<'_, F>, gamma: F) -> Result<Array2<F>> {
    window.validate()?;
    Ok(window.backward(|t, n, following| {
        window.rewards[[t, n]] + gamma * if window.cut(t, n) { F::zero() } else { following }
    }))
}

/// TD(λ) returns (Sutton and Barto 2018, equation 12.3, as a recurrence), `[T, N]`. They equal GAE's returns.
///
/// ```text
/// G_t = r_t + γ next_t                                  if end_t or t = T − 1
/// G_t = r_t + γ ((1 − λ) next_t + λ G_{t+1})            otherwise
/// ```
///
/// # Errors
/// As [`Window::validate`].
pub fn td_lambda<F: Real>(window: &Window<'_, F>, gamma: F, lambda: F) -> Result<Array2<F>> {
    window.validate()?;
    Ok(window.backward(|t, n, following| {
        let next = window.next(t, n);
        let blend = if window.cut(t, n) { next } else { (F::one() - lambda) * next + lambda * following };
        window.rewards[[t, n]] + gamma * blend
    }))
}
