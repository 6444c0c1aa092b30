//! Pendulum-v1.

use super::Real;
use super::env::{EnvAction, Outcome};
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
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let n = F::of;
    let (&[theta, theta_dot], EnvAction::Float(torque)) = (state, action) else { return None };
    let u = n(f64::from(torque.clamp(-2.0, 2.0)));
    let turn = n(2.0 * PI);
    let shifted = theta + n(PI);
    let wrapped = shifted - turn * (shifted / turn).floor() - n(PI);
    let reward = -(wrapped * wrapped + n(0.1) * theta_dot * theta_dot + n(0.001) * u * u);
    let speed = theta_dot + (n(15.0) * theta.sin() + n(3.0) * u) * n(0.05);
    let speed = speed.max(n(-8.0)).min(n(8.0));
    Some(Outcome { state: vec![theta + n(0.05) * speed, speed], reward, terminated: false })
}
