//! The bandit of bounded support.

use super::Real;
use super::env::{EnvAction, Outcome};

/// Always 1.
pub fn start(_: [f32; 4]) -> Vec<f32> {
    vec![1.0]
}

/// The state itself.
pub fn observe<F: Real>(state: &[F]) -> Vec<F> {
    state.to_vec()
}

/// One step: reward (1 + a)/2 for |a| ≤ 1, else 0. The best action lies at the edge beyond which there is nothing.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let a = action.scalar()?;
    let a = F::of(a.value());
    let reward = if a.abs() <= F::one() { F::of(0.5) + F::of(0.5) * a } else { F::zero() };
    Some(Outcome { state: state.to_vec(), reward, terminated: true })
}
