//! The bandit of two bumps.

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

/// One step: reward ½ max(1 − a², 0) + max(1 − 4 (a − 2.5)², 0): a low bump around 0, where a Gaussian policy begins, and one of
/// twice its height around 2.5.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let a = action.scalar()?;
    let a = F::of(a.value());
    let bump = |x: F| if x.abs() > F::one() { F::zero() } else { F::one() - x * x };
    let reward = F::of(0.5) * bump(a) + bump(F::of(2.0) * (a - F::of(2.5)));
    Some(Outcome { state: state.to_vec(), reward, terminated: true })
}
