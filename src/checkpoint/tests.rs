//! What the tests of files share.

use crate::config::{Config, Ppo};
use crate::data::{Actions, Autoreset, Rollout};
use crate::env::Env;
use crate::policy::{Activation, Head, PolicySpec};
use crate::state::{LearnerState, TrainerState};
use ndarray::{Array1, array};

mod bytes;
mod learner;
mod off_policy;
mod rollout;

fn spec() -> PolicySpec {
    PolicySpec::mlp(3, &[5], &[4], &[], Activation::Relu, Head::gaussian(2))
}

fn normalizer() -> crate::state::NormalizerState {
    let moments = |columns: usize, count| crate::state::RunningMoments {
        mean: (0..columns).map(|i| i as f64 / 3.0).collect(),
        variance: (0..columns).map(|i| 1.0 / (i + 3) as f64).collect(),
        count,
        initial_count: 1e-4,
    };
    crate::state::NormalizerState {
        obs: Some(moments(3, (1 << 40) + 1)),
        reward: Some(moments(1, u64::MAX)),
        discounted_returns: vec![0.1, -0.2, 0.3],
        value: Some(moments(1, 0)),
    }
}

fn state(len: usize) -> LearnerState {
    LearnerState {
        parameters: (0..len).map(|i| i as f32 * 0.1 - 1.0).collect(),
        exp_avg: (0..len).map(|i| -(i as f32)).collect(),
        exp_avg_sq: (0..len).map(|i| i as f32).collect(),
        optimizer_step: 7,
        update: u64::MAX,
        env_steps: u64::MAX - 2,
        policy_step: 1 << 40,
        seed: u64::MAX - 1,
        kl_coef: 0.1 + 0.2,
        learning_rate: 1.0 / 3.0,
        search_direction: (0..len).map(|i| i as f32 * 0.01).collect(),
        normalizer: normalizer(),
        off_policy: None,
    }
}

fn config() -> Config {
    let ppo = Ppo { target_kl: Some(1.0 / 3.0), ..Ppo::sb3() };
    Config { num_envs: 3, learning_rate: 0.1 + 0.2, ..Config::sb3() }.with_algorithm(ppo)
}

fn trainer_state() -> TrainerState {
    let words = 3 * Env::Pendulum.state_words();
    TrainerState {
        learner: state(spec().layout().len()),
        env: Some(Env::Pendulum),
        env_words: (0..words as u32).map(|i| u32::MAX - i).collect(),
        env_step: 12,
    }
}

fn rollout() -> Rollout {
    Rollout {
        steps: 2,
        envs: 1,
        obs: array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        actions: Actions::Continuous(array![[0.5, -0.5], [1.5, 2.5]]),
        logp: Array1::from(vec![-1.0, -2.0]),
        rewards: array![[1.0], [2.0]],
        values: array![[0.1], [0.2], [0.3]],
        final_values: Some(array![[0.0], [0.7]]),
        terminated: array![[1], [0]],
        truncated: array![[0], [1]],
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    }
}
