//! Pendulum-v1.

use super::Real;
use super::env::{EnvAction, Outcome};
use super::numpy::Scalar;
use std::f64::consts::PI;

/// θ = −π + 2π u (word 0), θ̇ = −1 + 2 u (word 1).
pub fn start(u: [f32; 4]) -> Vec<f32> {
    let pi = std::f32::consts::PI;
    vec![-pi + 2.0 * pi * u[0], -1.0 + 2.0 * u[1]]
}

/// (cos θ, sin θ, θ̇).
pub fn observe<F: Real>(state: &[F]) -> Vec<F> {
    vec![state[0].cos(), state[0].sin(), state[1]]
}

/// State (θ, θ̇), torque u clipped to ±2:
///
/// ```text
/// reward = −(wrap(θ)² + 0.1 θ̇² + 0.001 u²)                            (of the state before the step)
/// θ̇ ← clip(θ̇ + (15 sin θ + 3 u) · 0.05, ±8);   θ ← θ + 0.05 θ̇          (the new velocity); never terminal
/// ```
///
/// Gymnasium's state is f64; a torque is f32, and so are, under NumPy 2, the products 3 u and 0.001 u² (under NumPy 1.26 none was).
/// They are so here, whatever F is, unless the torque is in f64 ([`EnvAction::Double`]).
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let n = F::of;
    let (&[theta, theta_dot], Some(torque)) = (state, action.scalar()) else { return None };
    let u = torque.clip(-2.0, 2.0);
    let (push, price) = (Scalar::weak(3.0) * u, Scalar::weak(0.001) * (u * u));
    let turn = n(2.0 * PI);
    let rest = (theta + n(PI)) % turn; // has the sign of what it is the rest of
    let wrapped = if rest < F::zero() { rest + turn } else { rest } - n(PI);
    let reward = -(wrapped * wrapped + n(0.1) * (theta_dot * theta_dot) + n(price.value()));
    let speed = theta_dot + (n(15.0) * theta.sin() + n(push.value())) * n(0.05);
    let speed = num_traits::clamp(speed, n(-8.0), n(8.0));
    Some(Outcome { state: vec![theta + n(0.05) * speed, speed], reward, terminated: false })
}
