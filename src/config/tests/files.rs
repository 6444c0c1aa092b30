//! The form in files.

use super::super::*;
use super::presets;
use serde_json::{Value, json};

/// A file from before there was a choice of algorithm is PPO's.
#[test]
fn old_files_still_parse_and_new_ones_come_back() {
    for preset in presets() {
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), preset);
    }
    let mut old = serde_json::to_value(Config::cleanrl()).unwrap();
    for field in [
        "minibatch_rest",
        "shuffle",
        "adv_std_floor",
        "rmsprop_alpha",
        "rmsprop_eps",
        "algorithm",
        "ent_coef_schedule",
        "clip_coef_schedule",
        "clip_coef_vf_schedule",
        "grad_clip",
        "grad_clip_formula",
        "adam_eps_placement",
        "init",
    ] {
        assert!(old.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    // Minibatches were rounded up then.
    let before = Config { minibatch_rest: MinibatchRest::RoundUp, ..Config::cleanrl() };
    assert_eq!(serde_json::from_value::<Config>(old).unwrap(), before);
    let mut old = serde_json::to_value(AdaptiveLr::default()).unwrap();
    for field in ["kl_factor", "step", "estimator"] {
        assert!(old.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    assert_eq!(serde_json::from_value::<AdaptiveLr>(old).unwrap(), AdaptiveLr::default());
    // Tables that have grown since.
    for (preset, table, fields) in [
        (Config::npg(), "trust_region", ["subsample"].as_slice()),
        (Config::ppo_penalty(), "kl_penalty", &["adapt", "measure"]),
    ] {
        let mut old = serde_json::to_value(&preset).unwrap();
        for field in fields {
            assert!(old[table].as_object_mut().unwrap().remove(*field).is_some(), "{field}");
        }
        assert_eq!(serde_json::from_value::<Config>(old).unwrap(), preset);
    }
}

/// What the version before wrote: every key of every algorithm, whatever it was.
#[test]
fn a_file_with_the_keys_of_all_algorithms_is_read() {
    let every = |config: &Config| {
        let mut all = serde_json::to_value(Config::sb3()).unwrap();
        all["trust_region"] = serde_json::to_value(TrustRegion::sb3_contrib()).unwrap();
        // What is off in the preset has no key there.
        for key in ["minibatch_size", "max_grad_norm"] {
            all.as_object_mut().unwrap().remove(key);
        }
        for (key, value) in serde_json::to_value(config).unwrap().as_object().unwrap() {
            all[key] = value.clone();
        }
        all
    };
    // Off-policy algorithms are of a later version.
    for preset in presets().into_iter().filter(|preset| preset.replay().is_none()) {
        assert_eq!(serde_json::from_value::<Config>(every(&preset)).unwrap(), preset);
    }
    // A file of today has those of its own algorithm.
    let has = |config: Config, key: &str| serde_json::to_value(config).unwrap().get(key).is_some();
    assert!(has(Config::cleanrl(), "clip_coef") && has(Config::cleanrl(), "kl_stop"));
    assert!(has(Config::a2c(), "clip_coef") && !has(Config::a2c(), "kl_stop"));
    assert!(has(Config::npg(), "trust_region") && !has(Config::npg(), "clip_coef"));
    assert!(!has(Config::cleanrl(), "trust_region") && !has(Config::ppo_penalty(), "trust_region"));
}

#[test]
fn what_another_algorithm_does_is_refused() {
    let read = |config: Config, key: &str, value: Value| {
        let mut file = serde_json::to_value(config).unwrap();
        file[key] = value;
        serde_json::from_value::<Config>(file).map_err(|error| error.to_string())
    };
    let penalty = || json!(KlPenalty::adaptive());
    for (config, key, value, said) in [
        (Config::a2c(), "kl_penalty", penalty(), "kl_penalty: is set, a2c has no such penalty"),
        (Config::npg(), "kl_penalty", penalty(), "kl_penalty: is set, npg has no such penalty"),
        (
            Config::trpo_baselines(),
            "adaptive_lr",
            json!(AdaptiveLr::default()),
            "adaptive_lr: is set, trpo does not adapt its learning rate",
        ),
        (Config::npg(), "target_kl", json!(0.1), "target_kl: is set, npg does not stop early"),
        (Config::a2c(), "dual_clip", json!(2.0), "dual_clip: is set, a2c does not clip the ratio"),
        (
            Config::npg(),
            "clip_coef_schedule",
            json!(Anneal::Linear { to: 0.0 }),
            "clip_coef_schedule: is set, but nothing is clipped by clip_coef",
        ),
    ] {
        assert!(read(config, key, value).unwrap_err().starts_with(said), "{said}");
    }
    // A key that its own algorithm cannot do without, one that nobody knows, and one that may not be off.
    let mut file = serde_json::to_value(Config::sb3()).unwrap();
    file.as_object_mut().unwrap().remove("kl_stop");
    assert!(serde_json::from_value::<Config>(file).unwrap_err().to_string().contains("missing field `kl_stop`"));
    assert!(read(Config::sb3(), "klstop", json!(1)).unwrap_err().contains("unknown field `klstop`"));
    assert!(read(Config::sb3(), "clip_coef", Value::Null).is_err());
}
