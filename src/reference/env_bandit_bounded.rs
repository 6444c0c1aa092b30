//! The bandit of bounded support.

use super::Real;
use super::env::{EnvAction, Moved};
use super::few::Few;

/// Always 1.
pub fn start(_: [f32; 4]) -> Few<f32> {
    [1.0].into()
}

/// The state itself.
pub fn observe<F: Real>(state: &[F]) -> Few<F> {
    state.into()
}

/// One step: reward (1 + a)/2 for |a| ≤ 1, else 0. The best action lies at the edge beyond which there is nothing.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Moved<F>> {
    let a = action.scalar()?;
    let a = F::of(a.value());
    let reward = if a.abs() <= F::one() { F::of(0.5) + F::of(0.5) * a } else { F::zero() };
    Some(Moved { state: state.into(), reward, terminated: true })
}
