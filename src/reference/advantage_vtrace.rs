//! Advantages and value targets of rollouts that another policy may have recorded.

use super::Real;
use super::advantage_gae::Window;
use crate::data::check_shape;
use crate::error::Result;
use ndarray::{Array2, ArrayView2};

/// The limits of the ratios in V-trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VtraceBars<F> {
    /// ρ̄: which value function is aimed at.
    pub rho_bar: F,
    /// c̄: how fast.
    pub c_bar: F,
    /// Of the policy's advantages.
    pub pg_rho_bar: F,
}

/// V-trace's value targets and advantages (Espeholt et al. 2018, equation 1, with c multiplied by λ as in remark 2), as
/// `(pg_advantages, vs)`, both `[T, N]`; `log_rhos` is log π(a) − log μ(a) `[T, N]`, μ the policy that acted.
///
/// ```text
/// ρ_t = min(rho_bar, exp(log_rhos_t)),   c_t = λ min(c_bar, exp(log_rhos_t))
/// δ_t = ρ_t (r_t + γ next_t − V(s_t))
/// vs_t = V(s_t) + δ_t + γ c_t (1 − end_t) (vs_{t+1} − V(s_{t+1})),   0 beyond the window
/// after_t = next_t if end_t or t = T − 1, else vs_{t+1}
/// pg_advantages_t = min(pg_rho_bar, exp(log_rhos_t)) (r_t + γ after_t − V(s_t))
/// ```
///
/// # Errors
/// As [`Window::validate`], and [`crate::Error::Shape`] for `log_rhos`.
pub fn vtrace<F: Real>(
    window: &Window<'_, F>,
    log_rhos: ArrayView2<'_, F>,
    gamma: F,
    lambda: F,
    bars: VtraceBars<F>,
) -> Result<(Array2<F>, Array2<F>)> {
    let beyond = recurrence(window, log_rhos, gamma, lambda, bars.rho_bar, bars.c_bar)?;
    let vs = &beyond + &window.state_values();
    let advantages = Array2::from_shape_fn(window.dim(), |(t, n)| {
        let after = if window.cut(t, n) { window.next(t, n) } else { vs[[t + 1, n]] };
        let weight = capped(log_rhos[[t, n]].exp(), bars.pg_rho_bar);
        weight * (window.rewards[[t, n]] + gamma * after - window.values[[t, n]])
    });
    Ok((advantages, vs))
}

/// GAE with clipped ratios, PufferLib's "puff" advantage, as (advantages, returns), both `[T, N]`.
///
/// ```text
/// δ_t = min(rho_clip, exp(log_rhos_t)) (r_t + γ next_t − V(s_t))
/// A_t = δ_t + γ λ (1 − end_t) min(c_clip, exp(log_rhos_t)) A_{t+1},   A_T = 0
/// returns = A + V
/// ```
///
/// # Errors
/// As [`vtrace`].
pub fn puff<F: Real>(
    window: &Window<'_, F>,
    log_rhos: ArrayView2<'_, F>,
    gamma: F,
    lambda: F,
    rho_clip: F,
    c_clip: F,
) -> Result<(Array2<F>, Array2<F>)> {
    let advantages = recurrence(window, log_rhos, gamma, lambda, rho_clip, c_clip)?;
    let returns = &advantages + &window.state_values();
    Ok((advantages, returns))
}

/// What both have in common: A_t = ρ_t (r_t + γ next_t − V(s_t)) + γ λ (1 − end_t) c_t A_{t+1}.
fn recurrence<F: Real>(
    window: &Window<'_, F>,
    log_rhos: ArrayView2<'_, F>,
    gamma: F,
    lambda: F,
    rho_bar: F,
    c_bar: F,
) -> Result<Array2<F>> {
    window.validate()?;
    let (steps, envs) = window.dim();
    check_shape("log_rhos", log_rhos.shape(), &[steps, envs])?;
    Ok(window.backward(|t, n, following| {
        let ratio = log_rhos[[t, n]].exp();
        let error = window.rewards[[t, n]] + gamma * window.next(t, n) - window.values[[t, n]];
        let delta = capped(ratio, rho_bar) * error;
        // What lies beyond an end need not even be a number.
        if window.end(t, n) { delta } else { delta + gamma * lambda * capped(ratio, c_bar) * following }
    }))
}

/// A ratio that is at most `bar`. NaN stays NaN, which `min` would swallow.
fn capped<F: Real>(ratio: F, bar: F) -> F {
    if ratio > bar { bar } else { ratio }
}

#[cfg(test)]
mod tests {
    use super::super::advantage_gae::advantage_gae;
    use super::*;
    use crate::rng::{Draw, block, normal};

    /// A window of 9 × 3 with both kinds of ends, and log-ratios.
    fn case(check: impl Fn(&Window<'_, f64>, &Array2<f64>)) {
        let draw =
            |t: usize, n: usize, what| f64::from(normal(block(4, Draw::Initialisation, t as u32, n as u32, what)[0]));
        let array = |steps: usize, what| Array2::from_shape_fn((steps, 3), |(t, n)| draw(t, n, what));
        let flags = |what| Array2::from_shape_fn((9, 3), |(t, n)| u32::from(draw(t, n, what) > 1.0));
        let (terminated, truncated) = (flags(5), flags(6));
        assert!(terminated.sum() > 0 && truncated.sum() > 0);
        check(
            &Window {
                rewards: array(9, 1).view(),
                values: array(10, 2).view(),
                final_values: array(9, 3).view(),
                terminated: terminated.view(),
                truncated: truncated.view(),
            },
            &array(9, 4),
        );
    }

    const BARS: VtraceBars<f64> = VtraceBars { rho_bar: 1.0, c_bar: 1.0, pg_rho_bar: 1.0 };

    #[test]
    fn on_policy_both_are_gae() {
        case(|window, _| {
            let same = Array2::zeros((9, 3));
            let (gae, returns) = advantage_gae(window, 0.97, 0.9).unwrap();
            assert_eq!(puff(window, same.view(), 0.97, 0.9, 1.0, 2.0).unwrap(), (gae.clone(), returns.clone()));
            let (_, vs) = vtrace(window, same.view(), 0.97, 0.9, BARS).unwrap();
            assert_eq!(vs, returns);
            // V-trace's advantages look one step ahead to vs: GAE where λ is 1.
            let (gae, _) = advantage_gae(window, 0.97, 1.0).unwrap();
            let (advantages, _) = vtrace(window, same.view(), 0.97, 1.0, BARS).unwrap();
            assert!((&advantages - &gae).iter().all(|d| d.abs() < 1e-12));
        });
    }

    #[test]
    fn ratios_are_clipped_from_above_only() {
        case(|window, log_rhos| {
            let clipped = log_rhos.mapv(|x| x.min(0.0));
            let whole = vtrace(window, log_rhos.view(), 0.97, 0.9, BARS).unwrap();
            assert_eq!(whole, vtrace(window, clipped.view(), 0.97, 0.9, BARS).unwrap());
            assert_ne!(whole, vtrace(window, Array2::zeros((9, 3)).view(), 0.97, 0.9, BARS).unwrap());
            assert!(vtrace(window, Array2::zeros((8, 3)).view(), 0.97, 0.9, BARS).is_err());
        });
    }
}
