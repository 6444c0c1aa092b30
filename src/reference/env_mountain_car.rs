//! MountainCarContinuous-v0.

use super::Real;
use super::env::{EnvAction, Outcome};
use super::numpy::Scalar;

/// Position −0.6 + 0.2 u (word 0), velocity 0.
pub fn start(u: [f32; 4]) -> Vec<f32> {
    vec![-0.6 + 0.2 * u[0], 0.0]
}

/// The state itself.
pub fn observe<F: Real>(state: &[F]) -> Vec<F> {
    state.to_vec()
}

/// Moore 1990 with Gymnasium's numbers, state (position, velocity), force a:
///
/// ```text
/// v ← clip(v + (0.0015 clip(a, ±1) − 0.0025 cos(3 position)), ±0.07);   position ← clip(position + v, −1.2, 0.6)
/// v ← 0 if position = −1.2 and v < 0;   terminal: position ≥ 0.45 and v ≥ 0
/// reward = (100 if terminal) − 0.1 a², with a as it was given, not clipped
/// ```
///
/// Gymnasium keeps its state in f32, and rounds as NumPy does. Here it is NumPy 2: where state and action are f32,
///
/// ```text
/// 3 · position, 0.0015 a, the difference of the two forces, v and position     each rounded to f32, constants too
/// 0.0015 (±1), where a was clipped, 0.0025 cos(…), the reward                  in f64
/// ```
///
/// and whatever F is, so are the numbers here. A state that f32 does not hold is one of `reset()`, which draws in f64 and
/// shows f32: the step from it is in f64 except for the force. So is a step by a force in f64 ([`EnvAction::Double`]), except for 3 · position.
/// Under NumPy 1.26 only the new state is rounded, and the two versions part within a few steps.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let (&[position, velocity], Some(wanted)) = (state, action.scalar()) else { return None };
    let of_reset = [position, velocity].iter().any(|value| f64::from(value.as_f32()) != value.as_f64());
    let own = |value: F| if of_reset { Scalar::double(value.as_f64()) } else { Scalar::single(value.as_f32()) };
    let (position, velocity, weak) = (own(position), own(velocity), Scalar::weak);
    let force = wanted.within(-1.0, 1.0);
    let slope = weak(0.0025 * (weak(3.0) * position).value().cos());
    let velocity = (velocity + (force * weak(0.0015) - slope)).within(-0.07, 0.07);
    let position = (position + velocity).within(-1.2, 0.6);
    let stopped = position.equals(weak(-1.2)) && weak(0.0).above(velocity);
    let velocity = if stopped { weak(0.0) } else { velocity };
    let terminated = position.reaches(weak(0.45)) && velocity.reaches(weak(0.0));
    let price = wanted.value() * wanted.value() * 0.1;
    let reward = F::of(if terminated { 100.0 } else { 0.0 } - price);
    let state = [position, velocity].map(|value| F::of(f64::from(value.value() as f32))).to_vec();
    Some(Outcome { state, reward, terminated })
}
