//! Environments, one at a time; the mathematics of each is in its own file, and [`super::vec_env`] has many side by side.

use super::{
    Real, env_acrobot, env_bandit_bounded, env_bandit_bumps, env_bandit_sparse, env_cartpole, env_mountain_car,
    env_pendulum, numpy::Scalar,
};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::rng::{Draw, block, uniform};

/// One environment's action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EnvAction {
    /// A choice.
    Index(u32),
    /// A torque or a force; what is out of range is the environment's affair.
    Float(f32),
    /// The same in f64, in which Gymnasium then computes what it computes with it.
    Double(f64),
}

impl EnvAction {
    /// A torque or a force with its precision.
    pub(super) fn scalar(self) -> Option<Scalar> {
        match self {
            Self::Index(_) => None,
            Self::Float(value) => Some(Scalar::single(value)),
            Self::Double(value) => Some(Scalar::double(value)),
        }
    }
}

/// What one step did, without a time limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<F> {
    /// The physical state after the step, [`Env::state_dim`] numbers.
    pub state: Vec<F>,
    /// The reward.
    pub reward: F,
    /// Whether the state is terminal.
    pub terminated: bool,
}

/// The mathematics of one environment; each has a file of its own, `env_*.rs`.
struct Oracle<F> {
    start: fn([f32; 4]) -> Vec<f32>,
    observe: fn(&[F]) -> Vec<F>,
    step: fn(&[F], EnvAction) -> Option<Outcome<F>>,
}

fn oracle<F: Real>(env: Env) -> Oracle<F> {
    macro_rules! of {
        ($module:ident) => {
            Oracle { start: $module::start, observe: $module::observe, step: $module::step }
        };
    }
    match env {
        Env::CartPole => of!(env_cartpole),
        Env::Pendulum => of!(env_pendulum),
        Env::Acrobot => of!(env_acrobot),
        Env::MountainCar => of!(env_mountain_car),
        Env::BanditBounded => of!(env_bandit_bounded),
        Env::BanditSparse => of!(env_bandit_sparse),
        Env::BanditBumps => of!(env_bandit_bumps),
    }
}

/// One step from `state`; the formulas stand at the `step` of each environment's module.
///
/// # Errors
/// [`Error::Shape`] if `state` has another length; [`Error::Value`] for an action of the wrong kind or out of range.
pub fn step<F: Real>(env: Env, state: &[F], action: EnvAction) -> Result<Outcome<F>> {
    if state.len() != env.state_dim() {
        return Err(Error::shape("state", &[state.len()], &[env.state_dim()]));
    }
    let finite = action.scalar().is_none_or(|value| value.value().is_finite());
    (oracle(env).step)(state, action).filter(|_| finite).ok_or_else(|| Error::Value {
        tensor: "action".into(),
        index: 0,
        value: format!("{action:?}"),
        expected: format!("an action of {}", env.name()),
    })
}

/// The observation of a physical state of [`Env::state_dim`] numbers.
pub fn observe<F: Real>(env: Env, state: &[F]) -> Vec<F> {
    (oracle(env).observe)(state)
}

/// The start state of environment `index` at environment step `at`, from the four uniforms of the draw (reset, index, at).
pub fn start(env: Env, seed: u64, index: u32, at: u64) -> Vec<f32> {
    (oracle::<f32>(env).start)(block(seed, Draw::Reset, index, 0, at).map(uniform))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_suit_an_environment_is_an_error() {
        assert!(matches!(step(Env::Acrobot, &[0.0_f32; 3], EnvAction::Index(1)), Err(Error::Shape { .. })));
        for action in [EnvAction::Index(3), EnvAction::Float(1.0)] {
            assert!(matches!(step(Env::Acrobot, &[0.0_f32; 4], action), Err(Error::Value { .. })));
        }
        for action in [EnvAction::Index(0), EnvAction::Float(f32::NAN)] {
            assert!(matches!(step(Env::MountainCar, &[0.0_f32; 2], action), Err(Error::Value { .. })));
        }
    }
}
