//! The bandit of a hundred arms.

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

/// One step: reward 1 for arm 0, ½ for arms 1 to 9, 0 for the other ninety.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let EnvAction::Index(arm @ 0..=99) = action else { return None };
    let reward = F::of(match arm {
        0 => 1.0,
        1..=9 => 0.5,
        _ => 0.0,
    });
    Some(Outcome { state: state.to_vec(), reward, terminated: true })
}
