//! Learners that learn off-policy.

use super::state;
use crate::checkpoint::learner::learner_writer;
use crate::checkpoint::writer::Writer;
use crate::checkpoint::{Labels, learner_from_bytes, learner_to_bytes};
use crate::config::{AlgorithmKind, Config, Replay, Sac};
use crate::env::Env;
use crate::policy::PolicySpec;
use crate::state::{LearnerState, OffPolicyState, ReplayState};
use std::path::Path;

fn spec() -> PolicySpec {
    AlgorithmKind::Sac.fitted(Env::Pendulum.policy(&[4]))
}

fn config() -> Config {
    let replay = Replay { buffer_size: 8, ..Sac::sb3().replay };
    Config { num_envs: 2, ..Config::sac_sb3() }.with_algorithm(Sac { replay, ..Sac::sb3() })
}

/// Three places of four, with two environments each.
fn replay() -> ReplayState {
    let numbers = |count: usize, shift: f32| (0..count).map(|i| (i as f32 + shift).sin()).collect::<Vec<_>>();
    ReplayState {
        next_write: 3,
        stored: 3,
        obs: numbers(18, 0.1),
        actions: numbers(6, 0.2).into_iter().map(f32::to_bits).collect(),
        rewards: numbers(6, 0.3),
        next_obs: numbers(18, 0.4),
        terminated: vec![0, 1, 0, 0, 0, 1],
        truncated: vec![1, 1, 0, 0, 1, 0],
    }
}

fn learner(replay: Option<ReplayState>) -> LearnerState {
    let len = spec().layout().len();
    let own = OffPolicyState {
        targets: (0..len).map(|i| (i as f32).cos()).collect(),
        gradient_steps: u64::MAX - 3,
        policy_optimizer_step: 5,
        log_alpha: -1.0 / 3.0,
        alpha_exp_avg: 0.1 + 0.2,
        alpha_exp_avg_sq: f32::MIN_POSITIVE,
        alpha_optimizer_step: 9,
        replay,
    };
    LearnerState { normalizer: Default::default(), search_direction: Vec::new(), off_policy: Some(own), ..state(len) }
}

#[test]
fn all_comes_back_with_transitions_or_without() {
    let full = ReplayState { next_write: 1, stored: 4, ..grown() };
    for replay in [None, Some(replay()), Some(full)] {
        let want = learner(replay);
        let bytes = learner_to_bytes(&spec(), &config(), &want, &Labels::new()).unwrap();
        let got = learner_from_bytes("a learner", &bytes).unwrap();
        assert_eq!((got.spec, got.config, got.state), (spec(), config(), want));
    }
}

/// A place more: all of them.
fn grown() -> ReplayState {
    let mut replay = replay();
    for (numbers, more) in [(&mut replay.obs, 6), (&mut replay.next_obs, 6), (&mut replay.rewards, 2)] {
        numbers.extend(vec![0.5; more]);
    }
    replay.actions.extend([0, 0]);
    replay.terminated.extend([0, 1]);
    replay.truncated.extend([1, 0]);
    replay
}

/// What reading says of a file that was changed.
fn altered(change: impl FnOnce(Writer) -> Writer, without: &str) -> String {
    let name = Path::new("a learner");
    let mut writer = learner_writer(name, &spec(), &config(), &learner(Some(replay()))).unwrap();
    writer.remove(without);
    writer.remove_text(without);
    let bytes = change(writer.text("contents", "learner")).finish(name).unwrap();
    learner_from_bytes("a learner", &bytes).unwrap_err().to_string()
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    for gone in ["target.q2.0.weight", "replay.rewards", "replay.next_write", "policy_optimizer_step", "log_alpha"] {
        let error = altered(|writer| writer, gone);
        assert!(error.contains(gone), "{error}");
    }
    for (key, value) in [("log_alpha", "NaN"), ("alpha_exp_avg_sq", "-1"), ("gradient_steps", "-1")] {
        let error = altered(|writer| writer.text(key, value), "");
        assert!(error.contains(key), "{error}");
    }
    let error = altered(|writer| writer.text("replay.stored", 2), "");
    assert!(error.contains("replay.obs"), "{error}");
    let error = altered(|writer| writer.text("replay.next_write", 2), "");
    assert!(error.contains("replay.next_write"), "{error}");
    let error = altered(|writer| writer.u32("replay.truncated", vec![6], &[0, 0, 2, 0, 0, 0]), "replay.truncated");
    assert!(error.contains("replay.truncated"), "{error}");
}

#[test]
fn what_does_not_fit_is_not_written() {
    let refused = |change: fn(&mut OffPolicyState)| {
        let mut state = learner(Some(replay()));
        change(state.off_policy.as_mut().unwrap());
        learner_to_bytes(&spec(), &config(), &state, &Labels::new()).is_err()
    };
    assert!(!refused(|_| ()));
    assert!(refused(|own| own.targets.truncate(3)));
    assert!(refused(|own| own.replay.as_mut().unwrap().rewards.truncate(3)));
    assert!(refused(|own| own.replay.as_mut().unwrap().next_write = 0));
}
