//! Acrobot-v1.

use super::Real;
use super::env::{EnvAction, Outcome};
use std::f64::consts::{FRAC_PI_2, PI};

/// −0.1 + 0.2 u, word i for number i.
pub fn start(u: [f32; 4]) -> Vec<f32> {
    u.iter().map(|u| -0.1 + 0.2 * u).collect()
}

/// (cos θ1, sin θ1, cos θ2, sin θ2, θ̇1, θ̇2).
pub fn observe<F: Real>(state: &[F]) -> Vec<F> {
    vec![state[0].cos(), state[0].sin(), state[1].cos(), state[1].sin(), state[2], state[3]]
}

/// Derivatives of (θ1, θ2, θ̇1, θ̇2): the equations of Sutton and Barto's book, in which all masses, lengths and moments
/// of inertia are 1, centres of mass lie at 0.5 and g = 9.8.
fn slope<F: Real>(state: [F; 4], torque: F) -> [F; 4] {
    let n = F::of;
    let [theta1, theta2, speed1, speed2] = state;
    let d1 = n(0.25) + (n(1.25) + theta2.cos()) + n(1.0) + n(1.0);
    let d2 = n(0.25) + n(0.5) * theta2.cos() + n(1.0);
    let phi2 = n(0.5 * 9.8) * (theta1 + theta2 - n(FRAC_PI_2)).cos();
    let phi1 = -n(0.5) * (speed2 * speed2) * theta2.sin() - speed2 * speed1 * theta2.sin()
        + n(1.5 * 9.8) * (theta1 - n(FRAC_PI_2)).cos()
        + phi2;
    let acc2 = (torque + d2 / d1 * phi1 - n(0.5) * (speed1 * speed1) * theta2.sin() - phi2) / (n(1.25) - d2 * d2 / d1);
    [speed1, speed2, -(d2 * acc2 + phi1) / d1, acc2]
}

/// An angle moved by whole turns into [−π, π].
fn wrap<F: Real>(angle: F) -> F {
    let turn = F::of(2.0 * PI);
    let mut angle = angle;
    while angle > F::of(PI) {
        angle -= turn;
    }
    while angle < F::of(-PI) {
        angle += turn;
    }
    angle
}

/// Sutton 1996 with Gymnasium's numbers, state (θ1, θ2, θ̇1, θ̇2), torque −1, 0 or 1:
///
/// ```text
/// one classical Runge-Kutta step of 0.2;  angles wrapped into [−π, π], velocities clipped to ±4π and ±9π
/// terminal: −cos θ1 − cos(θ1 + θ2) > 1;   reward −1, and 0 on a terminal step
/// ```
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let n = F::of;
    let (&[a, b, c, d], EnvAction::Index(index @ 0..=2)) = (state, action) else { return None };
    let start = [a, b, c, d];
    if !start.iter().all(|value| value.is_finite()) {
        return None; // no number of turns wraps it
    }
    let torque = n(f64::from(index) - 1.0);
    let along = |slope: [F; 4], time: f64| std::array::from_fn(|i| start[i] + n(time) * slope[i]);
    let k1 = slope(start, torque);
    let k2 = slope(along(k1, 0.1), torque);
    let k3 = slope(along(k2, 0.1), torque);
    let k4 = slope(along(k3, 0.2), torque);
    let moved: [F; 4] =
        std::array::from_fn(|i| start[i] + n(0.2 / 6.0) * (k1[i] + n(2.0) * k2[i] + n(2.0) * k3[i] + k4[i]));
    let limit = |value: F, most: f64| num_traits::clamp(value, n(-most), n(most));
    let state = vec![wrap(moved[0]), wrap(moved[1]), limit(moved[2], 4.0 * PI), limit(moved[3], 9.0 * PI)];
    let terminated = -state[0].cos() - (state[0] + state[1]).cos() > F::one();
    let reward = if terminated { F::zero() } else { -F::one() };
    Some(Outcome { state, reward, terminated })
}
