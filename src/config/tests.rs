use super::*;
use crate::policy::Init;

fn presets() -> [Config; 14] {
    [
        Config::cleanrl(),
        Config::cleanrl_continuous(),
        Config::sb3(),
        Config::ppo_penalty(),
        Config::trpo_sb3_contrib(),
        Config::trpo_baselines(),
        Config::trpo_spinningup(),
        Config::npg(),
        Config::a2c(),
        Config::baselines_ppo2(),
        Config::rsl_rl(),
        Config::spinningup(),
        Config::ten_tricks(),
        Config::rllib_penalty(),
    ]
}

#[test]
fn presets_are_valid_and_derived_sizes_are_cleanrls() {
    for preset in presets() {
        assert!(preset.validate().is_ok());
    }
    let config = Config::cleanrl();
    assert_eq!((config.batch_size(), config.minibatch_rows(512), config.num_updates()), (512, 128, 976));
    // CleanRL's 1 − u/U, to the last bit.
    for update in [0, 1, 7, 500, 975] {
        let progress = config.progress(512 * update, 512);
        assert_eq!(progress, update as f64 / 976.0);
        assert_eq!(config.learning_rate_at(progress), 2.5e-4 * (1.0 - update as f64 / 976.0));
    }
}

#[test]
fn bad_settings_are_named() {
    let bad = Config { clip_coef: 0.0, ..Config::cleanrl() };
    assert_eq!(
        bad.validate().unwrap_err().to_string(),
        format!("config: clip_coef: is 0, must be in (0, {}]", f32::MAX as f64)
    );
    let nan = Config { gamma: f64::NAN, ..Config::cleanrl() };
    assert!(nan.validate().is_err());
}

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
        "trust_region",
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

#[test]
fn what_an_algorithm_would_leave_aside_is_refused() {
    let penalty = Some(KlPenalty::adaptive());
    let region = |change: fn(&mut TrustRegion)| {
        let mut config = Config::npg();
        change(&mut config.trust_region);
        config
    };
    let with = |change: fn(&mut KlPenalty)| {
        let mut penalty = KlPenalty::adaptive();
        change(&mut penalty);
        Config { kl_penalty: Some(penalty), ..Config::cleanrl() }
    };
    let rate = Some(AdaptiveLr::default());
    let linear = Anneal::Linear { to: 0.0 };
    let adapt = |adapt| Config { kl_penalty: Some(KlPenalty { adapt, ..KlPenalty::adaptive() }), ..Config::sb3() };
    for (field, config) in [
        ("ent_coef_schedule", Config { ent_coef_schedule: linear, ..Config::npg() }),
        ("ent_coef_schedule.to", Config { ent_coef_schedule: Anneal::Linear { to: f64::NAN }, ..Config::sb3() }),
        ("clip_coef_schedule.to", Config { clip_coef_schedule: Anneal::Linear { to: -0.1 }, ..Config::sb3() }),
        ("clip_coef_schedule", Config { clip_coef_schedule: linear, ..Config::ppo_penalty() }),
        ("clip_coef_vf_schedule", Config { clip_coef_vf_schedule: linear, ..Config::cleanrl() }),
        ("value_learning_rate", Config { value_learning_rate: Some(1e-3), ..Config::trpo_baselines() }),
        ("value_learning_rate", Config { value_learning_rate: Some(1e-3), ..Config::rsl_rl() }),
        ("value_learning_rate", Config { learning_rate: 0.0, ..Config::spinningup() }),
        ("value_loss.delta", Config { value_loss: ValueLoss::Huber { delta: 0.0 }, ..Config::sb3() }),
        ("value_loss.max", Config { value_loss: ValueLoss::ClampError { max: -1.0 }, ..Config::sb3() }),
        ("init.log_std", Config { init: Init { log_std: f64::NAN, ..Init::default() }, ..Config::sb3() }),
        ("kl_penalty.adapt.raise_above", adapt(KlAdaptation { raise_above: 0.5, ..KlAdaptation::PAPER })),
        ("kl_penalty.adapt.raise", adapt(KlAdaptation { raise: 0.9, ..KlAdaptation::PAPER })),
        ("kl_penalty.adapt.lower", adapt(KlAdaptation { lower: 0.0, ..KlAdaptation::PAPER })),
        ("kl_penalty", Config { kl_penalty: None, ..Config::ppo_penalty() }),
        ("kl_penalty", Config { kl_penalty: penalty, ..Config::a2c() }),
        ("anneal_lr", Config { adaptive_lr: rate, anneal_lr: true, ..Config::sb3() }),
        ("adaptive_lr", Config { adaptive_lr: rate, ..Config::trpo_baselines() }),
        (
            "adaptive_lr.factor",
            Config { adaptive_lr: Some(AdaptiveLr { factor: 1.0, ..AdaptiveLr::default() }), ..Config::sb3() },
        ),
        (
            "adaptive_lr.max",
            Config { adaptive_lr: Some(AdaptiveLr { max: 1e-6, ..AdaptiveLr::default() }), ..Config::sb3() },
        ),
        (
            "adaptive_lr.kl_factor",
            Config { adaptive_lr: Some(AdaptiveLr { kl_factor: 0.9, ..AdaptiveLr::skrl() }), ..Config::sb3() },
        ),
        ("adv_std_floor", Config { adv_std_floor: -1e-4, ..Config::sb3() }),
        ("update_epochs", Config { update_epochs: 2, ..Config::a2c() }),
        ("target_kl", Config { target_kl: Some(0.1), ..Config::npg() }),
        ("ent_coef", Config { ent_coef: 0.1, ..Config::npg() }),
        ("rmsprop_alpha", Config { rmsprop_alpha: 1.0, ..Config::a2c() }),
        ("kl_penalty.kl_coef", with(|penalty| penalty.kl_coef = 0.0)),
        ("kl_penalty.target_kl", with(|penalty| penalty.target_kl = 0.0)),
        ("kl_penalty.hinge.coef", with(|penalty| penalty.hinge = Some(KlHinge { coef: -1.0, factor: 2.0 }))),
        ("trust_region.max_kl", region(|region| region.max_kl = f64::NAN)),
        ("trust_region.damping", region(|region| region.damping = -0.1)),
        ("trust_region.cg_iterations", region(|region| region.cg_iterations = 0)),
        ("trust_region.line_search_factor", region(|region| region.line_search_factor = 1.0)),
        ("trust_region.acceptance.ratio", region(|region| region.acceptance = Acceptance::Ratio(2.0))),
        ("trust_region.fisher_subsample", region(|region| region.fisher_subsample = 0)),
        ("trust_region.subsample", region(|region| region.subsample = 0)),
        ("trust_region.subsample", region(|region| region.subsample = 1 << 32)),
        ("trust_region.fisher_subsample", region(|region| region.fisher_subsample = (1 << 32) + 1)),
        ("trust_region.step_size", region(|region| region.step_size = Some(0.0))),
        ("trust_region.step_size", region(|region| region.step_size = Some(f64::NAN))),
        (
            "trust_region.step_size",
            Config {
                trust_region: TrustRegion { step_size: Some(0.1), ..TrustRegion::default() },
                ..Config::trpo_sb3_contrib()
            },
        ),
    ] {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.starts_with(&format!("config: {field}: ")), "{field}: {message}");
    }
    let fixed = Some(KlPenalty::fixed(0.0, KlDirection::NewOld));
    assert!(Config { kl_penalty: fixed, ..Config::cleanrl() }.validate().is_ok());
}

#[test]
fn kl_decides_the_penalty_and_the_rate() {
    let penalty = KlPenalty::adaptive();
    for (kl, next) in [(0.016, 6.0), (0.015, 3.0), (0.01, 3.0), (0.007, 3.0), (0.006, 1.5), (0.0, 1.5), (f64::NAN, 3.0)]
    {
        assert_eq!(penalty.next_kl_coef(3.0, kl), next, "{kl}");
        assert_eq!(KlPenalty { adaptive: false, ..penalty }.next_kl_coef(3.0, kl), 3.0);
    }
    assert_eq!(penalty.next_kl_coef(KlPenalty::MAX_KL_COEF, 1.0), KlPenalty::MAX_KL_COEF);
    assert_eq!(penalty.next_kl_coef(KlPenalty::MIN_KL_COEF, 0.0), KlPenalty::MIN_KL_COEF);
    let rate = AdaptiveLr::default();
    for (kl, next) in [(0.021, 2e-3), (0.02, 3e-3), (0.005, 3e-3), (0.004, 4.5e-3), (0.0, 3e-3), (f64::NAN, 3e-3)] {
        assert!((rate.next(3e-3, kl) - next).abs() < 1e-15, "{kl}");
    }
    assert_eq!((rate.next(9e-3, 1e-3), rate.next(1.2e-5, 1.0)), (1e-2, 1e-5));
    // skrl's scheduler: 0 is a low KL, too, and its limits are other ones.
    let rate = AdaptiveLr::skrl();
    for (kl, next) in [(0.0161, 2e-3), (0.016, 3e-3), (0.004, 3e-3), (0.0039, 4.5e-3), (0.0, 4.5e-3), (f64::NAN, 3e-3)]
    {
        assert!((rate.next(3e-3, kl) - next).abs() < 1e-15, "{kl}");
    }
    assert_eq!((rate.next(9e-3, 0.0), rate.next(1.2e-6, 1.0)), (1e-2, 1e-6));
    let near = AdaptiveLr { kl_factor: 1.0, ..rate };
    assert!(near.next(3e-3, 0.0081) < 3e-3 && near.next(3e-3, 0.0079) > 3e-3 && near.next(3e-3, 0.008) == 3e-3);
    let minibatch = crate::data::MinibatchStats { kl: 0.1, approx_kl: 0.2, ..Default::default() };
    assert_eq!((AdaptiveLr::default().kl(&minibatch), rate.kl(&minibatch)), (0.1, 0.2));
}

#[test]
fn rllibs_rule_has_its_own_limits_and_factors() {
    let penalty = KlPenalty { adapt: KlAdaptation::RLLIB, ..KlPenalty::adaptive() };
    for (kl, next) in [(0.021, 0.3), (0.02, 0.2), (0.005, 0.2), (0.004, 0.1), (f64::NAN, 0.2)] {
        assert!((penalty.next_kl_coef(0.2, kl) - next).abs() < 1e-15, "{kl}");
    }
}

#[test]
fn schedules_go_by_steps() {
    let config = Config {
        num_envs: 2,
        num_steps: 5,
        total_timesteps: 40,
        ent_coef: 0.02,
        ent_coef_schedule: Anneal::Linear { to: 0.01 },
        clip_coef_schedule: Anneal::Linear { to: 0.0 },
        ..Config::cleanrl()
    };
    config.validate().unwrap();
    assert_eq!(config.num_updates(), 4);
    for (update, ent_coef, clip_coef) in
        [(0, 0.02, 0.2), (2, 0.015, 0.1), (3, 0.0125, 0.05), (4, 0.01, 0.0), (9, 0.01, 0.0)]
    {
        let update = config.progress(10 * update, 10);
        assert!((config.ent_coef_at(update) - ent_coef).abs() < 1e-15, "{update}");
        assert!((config.clip_coef_at(update) - clip_coef).abs() < 1e-15, "{update}");
        // The value's range follows where it has none of its own.
        assert_eq!(config.clip_coef_vf_at(update), config.clip_coef_at(update));
        let now = config.at_progress(update);
        now.validate().unwrap();
        assert_eq!((now.ent_coef, now.clip_coef), (config.ent_coef_at(update), config.clip_coef_at(update)));
        assert_eq!((now.ent_coef_at(0.7), now.clip_coef_at(0.7)), (now.ent_coef, now.clip_coef));
    }
    let own = Config {
        clip_coef_vf: Some(0.4),
        clip_coef_vf_schedule: Anneal::Linear { to: 0.8 },
        value_loss: ValueLoss::ClipOnly,
        ..config.clone()
    };
    own.validate().unwrap();
    assert!((own.clip_coef_vf_at(0.25) - 0.5).abs() < 1e-15 && (own.value_limit_at(0.5) - 0.6).abs() < 1e-15);
    assert_eq!(Config { value_loss: ValueLoss::Huber { delta: 3.0 }, ..own.clone() }.value_limit_at(0.5), 3.0);
    assert_eq!(Config { value_loss: ValueLoss::ClampError { max: 7.0 }, ..own }.value_limit_at(0.5), 7.0);
    let plain = Config::cleanrl();
    assert_eq!(plain.at_progress(0.5), plain);
}

/// Windows of any size: what is done, not how many updates it took.
#[test]
fn progress_is_what_is_done() {
    // The configured sizes have no part in it.
    let config = Config { total_timesteps: 80, ..Config::cleanrl() };
    let chain = |windows: &[usize]| {
        let mut steps = 0;
        let at = windows.iter().map(|rows| {
            let progress = config.progress(steps, *rows);
            steps += *rows as u64;
            progress
        });
        at.collect::<Vec<f64>>()
    };
    let near = |a: Vec<f64>, b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15);
    assert!(near(chain(&[8, 8, 16, 16, 32, 8]), &[0.0, 0.1, 0.2, 0.4, 0.6, 1.0]));
    assert!(near(chain(&[32, 16, 8, 8, 8, 8, 8]), &[0.0, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0]));
    // What does not fit any more: the last whole update is at (U − 1)/U as in CleanRL, one more is within the run still.
    assert!(near(chain(&[30, 30, 30, 30]), &[0.0, 0.5, 0.75, 1.0]));
    // More than the whole run at once has the full rate.
    assert!(near(chain(&[512, 512]), &[0.0, 1.0]));
    assert_eq!(config.progress(u64::MAX, usize::MAX), 1.0);
    let endless = Config { total_timesteps: u64::MAX, ..config };
    assert!(endless.progress(1 << 63, 512) > 0.49 && endless.progress(1 << 63, 512) < 0.51);
    // It never goes back, whatever the windows.
    let mut last = 0.0;
    let mut steps = 0;
    for (i, rows) in (0..40).map(|i| (i, 1 + (i * 7) % 13)) {
        let progress = Config { total_timesteps: 230, ..Config::cleanrl() }.progress(steps, rows);
        assert!(progress >= last, "{i}: {progress} after {last}");
        (last, steps) = (progress, steps + rows as u64);
    }
    assert_eq!(last, 1.0);
}

#[test]
fn presets_have_names() {
    for algorithm in Algorithm::ALL {
        assert!(Preset::names(algorithm).contains(&Preset::usual(algorithm)));
        for name in Preset::names(algorithm) {
            for discrete in [false, true] {
                let preset = Preset::named(name, algorithm, discrete).unwrap();
                preset.config.validate().unwrap();
                assert_eq!(preset.config.algorithm, algorithm);
                assert!(Preset::algorithm_of(name).is_some());
            }
        }
    }
    assert_eq!(Config::preset("sb3", Algorithm::A2c, true).unwrap(), Config::a2c());
    let message = Config::preset("best", Algorithm::Ppo, true).unwrap_err().to_string();
    assert!(message.starts_with("config: preset: is \"best\", must be \"cleanrl\" or \"sb3\" or"), "{message}");
}
