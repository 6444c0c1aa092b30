//! The bandit of two bumps.

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

/// One step: reward ½ max(1 − a², 0) + max(1 − 4 (a − 2.5)², 0): a low bump around 0, where a Gaussian policy begins, and one of
/// twice its height around 2.5.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Moved<F>> {
    let a = action.scalar()?;
    let a = F::of(a.value());
    let bump = |x: F| if x.abs() > F::one() { F::zero() } else { F::one() - x * x };
    let reward = F::of(0.5) * bump(a) + bump(F::of(2.0) * (a - F::of(2.5)));
    Some(Moved { state: state.into(), reward, terminated: true })
}
