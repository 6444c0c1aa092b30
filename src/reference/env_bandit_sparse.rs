//! The bandit of a hundred arms.

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

/// One step: reward 1 for arm 0, ½ for arms 1 to 9, 0 for the other ninety.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Moved<F>> {
    let EnvAction::Index(arm @ 0..=99) = action else { return None };
    let reward = F::of(match arm {
        0 => 1.0,
        1..=9 => 0.5,
        _ => 0.0,
    });
    Some(Moved { state: state.into(), reward, terminated: true })
}
