//! MountainCarContinuous-v0.

use super::Real;
use super::env::{EnvAction, Outcome};

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
/// v ← clip(v + 0.0015 clip(a, ±1) − 0.0025 cos(3 position), ±0.07);   position ← clip(position + v, −1.2, 0.6)
/// v ← 0 if position = −1.2 and v < 0;   terminal: position ≥ 0.45 and v ≥ 0
/// reward = (100 if terminal) − 0.1 a², with a as it was given, not clipped
/// ```
///
/// Gymnasium keeps its state in f32 and takes the product 3 · position in f32 too, and so do we, whatever F is.
pub fn step<F: Real>(state: &[F], action: EnvAction) -> Option<Outcome<F>> {
    let n = F::of;
    let (&[position, velocity], EnvAction::Float(wanted)) = (state, action) else { return None };
    let force = n(f64::from(wanted.clamp(-1.0, 1.0)));
    let single = |value: F| n(f64::from(value.as_f32()));
    let velocity = velocity + n(0.0015) * force - n(0.0025) * single(n(3.0) * position).cos();
    let velocity = velocity.max(n(-0.07)).min(n(0.07));
    let position = (position + velocity).max(n(-1.2)).min(n(0.6));
    let velocity = if position == n(-1.2) && velocity < F::zero() { F::zero() } else { velocity };
    let terminated = position >= n(0.45) && velocity >= F::zero();
    let wanted = n(f64::from(wanted));
    let reward = if terminated { n(100.0) } else { F::zero() } - n(0.1) * wanted * wanted;
    let state = [position, velocity].map(single).to_vec();
    Some(Outcome { state, reward, terminated })
}
