//! CartPole-v1.

use super::Real;
use super::env::{EnvAction, Outcome};
use std::f64::consts::PI;

/// −0.05 + 0.1 u, word i for number i.
pub fn start(u: [f32; 4]) -> Vec<f32> {
    u.iter().map(|u| -0.05 + 0.1 * u).collect()
}

/// The state itself.
pub fn observe<F: Real>(state: &[F]) -> Vec<F> {
    state.to_vec()
}

/// Barto, Sutton and Anderson 1983, with Gymnasium's numbers, state (x, ẋ, θ, θ̇), force F = ±10:
///
/// ```text
/// temp = (F + 0.05 θ̇² sin θ) / 1.1
/// θ̈ = (9.8 sin θ − cos θ · temp) / (0.5 (4/3 − 0.1 cos²θ / 1.1));   ẍ = temp − 0.05 θ̈ cos θ / 1.1
/// x += 0.02 ẋ;  ẋ += 0.02 ẍ;  θ += 0.02 θ̇;  θ̇ += 0.02 θ̈             (positions with the old velocities)
/// terminal: |x| > 2.4 or |θ| > 12°;  reward 1, on the last step too
/// ```
///
/// Gymnasium's state is f64 from `reset()` on, and it squares first: in f64 one state in 75 has another last bit than here, and of
/// 100,000 observations, which are f32, none was another.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let n = F::of;
    let (&[x, x_dot, theta, theta_dot], EnvAction::Index(index @ (0 | 1))) = (state, action) else { return None };
    let force = if index == 1 { n(10.0) } else { n(-10.0) };
    let (sin, cos) = (theta.sin(), theta.cos());
    let temp = (force + n(0.05) * theta_dot * theta_dot * sin) / n(1.1);
    let theta_acc = (n(9.8) * sin - cos * temp) / (n(0.5) * (n(4.0 / 3.0) - n(0.1) * cos * cos / n(1.1)));
    let x_acc = temp - n(0.05) * theta_acc * cos / n(1.1);
    let tau = n(0.02);
    let state = vec![x + tau * x_dot, x_dot + tau * x_acc, theta + tau * theta_dot, theta_dot + tau * theta_acc];
    let terminated = state[0].abs() > n(2.4) || state[2].abs() > n(12.0 * 2.0 * PI / 360.0);
    Some(Outcome { state, reward: F::one(), terminated })
}
