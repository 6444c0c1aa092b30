//! Advantages from k rewards and a bootstrap.

use super::Real;
use super::advantage_gae::Window;
use crate::error::{Error, Result};
use ndarray::Array2;

/// The k-step advantage Â^(k) (Schulman et al. 2016, equation 15) and its value targets, both `[T, N]`.
///
/// ```text
/// m_t = the smallest m ≥ 1 with m = k, or end_{t+m−1}, or t + m = T
/// A_t = Σ_{i<m_t} γ^i r_{t+i} + γ^{m_t} next_{t+m_t−1} − V(s_t)
/// returns = A + V
/// ```
///
/// k = 1 equals GAE with λ = 0, and k ≥ T equals λ = 1.
///
/// # Errors
/// As [`Window::validate`]; [`Error::Config`] if `k` is 0.
pub fn advantage_k_step<F: Real>(window: &Window<'_, F>, k: usize, gamma: F) -> Result<(Array2<F>, Array2<F>)> {
    window.validate()?;
    if k == 0 {
        return Err(Error::config("k", "is 0, must be at least 1"));
    }
    let returns = Array2::from_shape_fn(window.dim(), |(t, n)| {
        let (mut sum, mut discount, mut last) = (F::zero(), F::one(), t);
        loop {
            sum += discount * window.rewards[[last, n]];
            discount *= gamma;
            if last + 1 - t == k || window.cut(last, n) {
                return sum + discount * window.next(last, n);
            }
            last += 1;
        }
    });
    let advantages = &returns - &window.state_values();
    Ok((advantages, returns))
}
