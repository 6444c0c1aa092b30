//! Off-policy settings: what is refused, what is read, and when something is due.

use super::super::*;
use crate::policy::{Activation, Bounds, Branch, Head, PolicySpec, Std, StdLimit, StdType};
use serde_json::json;

fn dqn(change: impl FnOnce(&mut Dqn)) -> Config {
    let mut config = Config::dqn_cleanrl();
    change(config.dqn_mut().unwrap());
    config
}

fn td3(change: impl FnOnce(&mut Td3)) -> Config {
    let mut config = Config::td3_cleanrl();
    change(config.td3_mut().unwrap());
    config
}

fn sac(change: impl FnOnce(&mut Sac)) -> Config {
    let mut config = Config::sac_cleanrl();
    change(config.sac_mut().unwrap());
    config
}

#[test]
fn settings_out_of_range_are_named() {
    let ddpg = Config::ddpg_cleanrl().with_algorithm(Algorithm::Ddpg(Td3::cleanrl()));
    for (field, config) in [
        ("buffer_size", sac(|own| own.replay.buffer_size = 0)),
        ("buffer_size", Config { num_envs: 10_001, ..Config::dqn_cleanrl() }),
        ("batch_size", sac(|own| own.replay.batch_size = 0)),
        ("train_frequency", sac(|own| own.replay.train_frequency = 0)),
        ("gradient_steps", sac(|own| own.replay.gradient_steps = 0)),
        ("n_steps", sac(|own| own.replay.n_steps = 33)),
        ("target_network_frequency", dqn(|own| own.target_network_frequency = 0)),
        ("tau", dqn(|own| own.tau = 0.0)),
        ("tau", td3(|own| own.tau = 1.1)),
        ("start_e", dqn(|own| own.start_e = 1.5)),
        ("end_e", dqn(|own| own.end_e = -0.1)),
        ("exploration_fraction", dqn(|own| own.exploration_fraction = f64::NAN)),
        ("policy_frequency", td3(|own| own.policy_frequency = 0)),
        ("policy_noise", td3(|own| own.policy_noise = -0.1)),
        ("policy_noise", ddpg),
        ("alpha", sac(|own| own.alpha = 0.0)),
        ("alpha_lr", sac(|own| own.alpha_lr = f64::INFINITY)),
        ("target_entropy", sac(|own| (own.autotune, own.target_entropy) = (false, Some(-1.0)))),
        ("squash_epsilon", sac(|own| own.squash_epsilon = -1e-6)),
        ("gae_lambda", Config { gae_lambda: 0.95, ..Config::sac_sb3() }),
        ("update_epochs", Config { update_epochs: 4, ..Config::sac_sb3() }),
        ("ent_coef", Config { ent_coef: 0.01, ..Config::sac_sb3() }),
        ("norm_obs", Config { norm_obs: Some(ObsNorm::sb3()), ..Config::td3_sb3() }),
        ("optimizer", Config { optimizer: Optimizer::RmsProp, ..Config::td3_sb3() }),
    ] {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.starts_with(&format!("config: {field}: ")), "{field}: {message}");
    }
    sac(|own| (own.autotune, own.alpha) = (false, 0.0)).validate().unwrap();
}

#[test]
fn keys_of_the_other_kind_are_refused() {
    let read = |config: Config, key: &str, value: serde_json::Value| {
        let mut file = serde_json::to_value(config).unwrap();
        file[key] = value;
        serde_json::from_value::<Config>(file).map_err(|error| error.to_string())
    };
    for (config, key, value) in [
        (Config::cleanrl(), "buffer_size", json!(10)),
        (Config::cleanrl(), "tau", json!(0.5)),
        (Config::dqn_sb3(), "policy_lr", json!(0.1)),
        (Config::td3_sb3(), "double", json!(true)),
        (Config::td3_sb3(), "target_network_frequency", json!(2)),
        (Config::sac_sb3(), "policy_noise", json!(0.1)),
        (Config::td3_sb3(), "alpha", json!(0.1)),
    ] {
        let name = config.algorithm.name();
        let message = read(config, key, value).unwrap_err();
        assert!(message.starts_with(&format!("{key}: is set, {name} does not read it")), "{message}");
    }
    // A file has no key that its algorithm leaves aside, and needs all that it reads.
    let file = serde_json::to_value(Config::sac_sb3()).unwrap();
    for key in ["gae_lambda", "num_minibatches", "vf_coef", "rmsprop_alpha", "clip_coef", "double"] {
        assert!(file.get(key).is_none(), "{key}");
    }
    let mut less = file;
    less.as_object_mut().unwrap().remove("alpha_lr");
    assert!(serde_json::from_value::<Config>(less).unwrap_err().to_string().contains("missing field `alpha_lr`"));
}

/// Of versions that had neither exploration that lasts nor dueling networks.
#[test]
fn files_without_the_newer_keys_are_read() {
    for config in [Config::dqn_cleanrl(), Config::ddpg_sb3(), Config::td3_cleanrl(), Config::sac_sb3()] {
        let mut keys = serde_json::to_value(&config).unwrap();
        let keys_of = keys.as_object_mut().unwrap();
        assert!(keys_of.remove("exploration_hold").is_some());
        keys_of.remove("dueling");
        assert_eq!(serde_json::from_value::<Config>(keys).unwrap(), config);
    }
}

#[test]
fn gradient_steps_come_due_at_multiples() {
    let replay = Replay { learning_starts: 10, train_frequency: 4, gradient_steps: 3, ..Sac::sb3().replay };
    let steps = |envs: u64| (0..8).map(|step| replay.due(step * envs, (step + 1) * envs)).collect::<Vec<_>>();
    // After 4, 8, …, 32 environment steps.
    assert_eq!(steps(4), [0, 0, 3, 3, 3, 3, 3, 3]);
    // 6, 12, …: beyond 10 the multiples 12, 16, 20, 24, 28 and 32, 36 and 40, …
    assert_eq!(steps(6), [0, 3, 3, 6, 3, 6, 3, 6]);
    // Of those before `learning_starts` none is made up for.
    assert_eq!(replay.due(0, 12), 3);
    assert_eq!((replay.places(3), replay.places(0)), (333_333, 0));
}

#[test]
fn epsilon_falls_in_a_line() {
    let config = Config { total_timesteps: 1000, ..dqn(|own| (own.end_e, own.exploration_fraction) = (0.2, 0.5)) };
    let at = |steps| config.epsilon_at(steps).unwrap();
    assert_eq!((at(0), at(500), at(501), at(u64::MAX)), (1.0, 0.2, 0.2, 0.2));
    assert!((at(250) - 0.6).abs() < 1e-15);
    let at_once = Config { total_timesteps: 1000, ..dqn(|own| own.exploration_fraction = 0.0) };
    assert_eq!((at_once.epsilon_at(0), Config::cleanrl().epsilon_at(0)), (Some(0.05), None));
}

/// Limits of SAC's log σ that it can learn stay; others become the usual ones.
#[test]
fn a_deviation_that_suits_stays() {
    let gaussian = Head::Gaussian { dims: 2, std: Std::default(), bounds: Some(Bounds::uniform(2, -2.0, 2.0)) };
    let floats = PolicySpec::separate(3, &[8, 4], Activation::Relu, gaussian);
    let sac = Config::sac_sb3();
    for (std, fitted) in [
        (Std::SAC_CLEANRL, Std::SAC_CLEANRL),
        (
            Std::SAC.limited(StdLimit::Clamp { low: -3.0, high: 1.0 }),
            Std::SAC.limited(StdLimit::Clamp { low: -3.0, high: 1.0 }),
        ),
        (Std::SAC.limited(StdLimit::Free), Std::SAC),
        (Std::FREE.limited(Std::SAC_CLEANRL.limit), Std::SAC),
        (Std { std_type: StdType::Scalar, ..Std::SAC }, Std::SAC),
    ] {
        let with_std = floats.clone().with_head(floats.head.clone().with_std(std));
        let (own, other) = (AlgorithmKind::Sac.fitted(with_std.clone()), AlgorithmKind::Td3.fitted(with_std));
        assert_eq!((own.head.std(), other.head.std()), (Some(&fitted), Some(&Std::FREE)));
        sac.check_branches(&own).unwrap();
        let asked = own.clone().with_head(own.head.with_std(std));
        assert_eq!(sac.check_branches(&asked).is_ok(), std == fitted, "{std:?}");
    }
}

#[test]
fn policies_are_fitted_and_others_refused() {
    let bounds = || Bounds::uniform(2, -2.0, 2.0);
    let gaussian = Head::Gaussian { dims: 2, std: Std::default(), bounds: Some(bounds()) };
    let floats = PolicySpec::separate(3, &[8, 4], Activation::Relu, gaussian);
    let choices = PolicySpec::separate(3, &[8, 4], Activation::Relu, Head::categorical(5));
    let of = |kind: AlgorithmKind| Config::preset("sb3", kind, true).unwrap();
    for (kind, spec, branches, outputs) in [
        (AlgorithmKind::Dqn, &choices, ["policy"].as_slice(), 5),
        (AlgorithmKind::Ddpg, &floats, &["policy", "q1"], 2),
        (AlgorithmKind::Td3, &floats, &["policy", "q1", "q2"], 2),
        (AlgorithmKind::Sac, &floats, &["policy", "q1", "q2"], 4),
    ] {
        let fitted = kind.fitted(spec.clone());
        fitted.validate().unwrap();
        of(kind).check_branches(&fitted).unwrap();
        assert_eq!(fitted.branches.iter().map(|branch| branch.name.as_str()).collect::<Vec<_>>(), branches);
        assert_eq!(fitted.sizes(Branch::POLICY), [3, 8, 4, outputs]);
        assert!(branches[1..].iter().all(|name| fitted.sizes(name) == [5, 8, 4, 1]));
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<PolicySpec>(&text).unwrap(), fitted);
        // As it comes, it is not this algorithm's; and its fitted form is no other's.
        assert!(of(kind).check_branches(spec).is_err() && Config::sb3().check_branches(&fitted).is_err());
        for other in AlgorithmKind::OFF_POLICY.into_iter().filter(|other| *other != kind) {
            assert!(of(other).check_branches(&fitted).is_err(), "{kind:?} {other:?}");
        }
        assert!(of(kind).expect_on_policy().is_err() && of(kind).expect_replay().is_ok());
    }
    let dueling = dqn(|own| own.dueling = true);
    let fitted = dueling.fitted(choices.clone());
    assert_eq!(fitted, choices);
    assert_eq!(dueling.fitted(AlgorithmKind::Dqn.fitted(choices.clone())), fitted);
    fitted.validate().and_then(|()| dueling.check_branches(&fitted)).unwrap();
    assert!(dueling.check_branches(&AlgorithmKind::Dqn.fitted(fitted)).is_err());
    assert_eq!(of(AlgorithmKind::Td3).fitted(floats.clone()), AlgorithmKind::Td3.fitted(floats.clone()));
    let shared = PolicySpec::shared(3, &[8], Activation::Relu, Head::categorical(5));
    assert!(dueling.check_branches(&shared).unwrap_err().to_string().contains("share no layers"));
    let soft = Std { from_state: true, std_type: StdType::Log, limit: StdLimit::default() };
    let sac = AlgorithmKind::Sac.fitted(floats.clone());
    let softly = sac.clone().with_head(Head::TanhGaussian { dims: 2, std: soft, bounds: bounds() });
    assert!(of(AlgorithmKind::Sac).check_branches(&softly).unwrap_err().to_string().contains("head.std"));
    // Branches that no learner takes.
    let broken = |change: fn(&mut PolicySpec)| {
        let mut spec = sac.clone();
        change(&mut spec);
        spec.validate().unwrap_err().to_string()
    };
    assert!(broken(|spec| spec.branches.swap(1, 2)).contains("\"q1\" does, and then \"q2\""));
    assert!(broken(|spec| spec.branches.swap(0, 1)).contains("behind \"policy\""));
    assert!(broken(|spec| *spec = spec.clone().with_hidden("q2", &[8])).contains("has widths"));
    assert!(broken(|spec| spec.head = Head::categorical(4)).contains("which a categorical head has not"));
}
