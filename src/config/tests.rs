use super::*;

fn presets() -> [PpoConfig; 9] {
    [
        PpoConfig::cleanrl(),
        PpoConfig::cleanrl_continuous(),
        PpoConfig::sb3(),
        PpoConfig::ppo_penalty(),
        PpoConfig::trpo_sb3_contrib(),
        PpoConfig::trpo_baselines(),
        PpoConfig::trpo_spinningup(),
        PpoConfig::npg(),
        PpoConfig::a2c(),
    ]
}

#[test]
fn presets_are_valid_and_derived_sizes_are_cleanrls() {
    for preset in presets() {
        assert!(preset.validate().is_ok());
    }
    let config = PpoConfig::cleanrl();
    assert_eq!((config.batch_size(), config.minibatch_rows(512), config.num_updates()), (512, 128, 976));
    assert_eq!(config.learning_rate_at(0), 2.5e-4);
    assert!((config.learning_rate_at(975) - 2.5e-4 / 976.0).abs() < 1e-18);
}

#[test]
fn bad_settings_are_named() {
    let bad = PpoConfig { clip_coef: 0.0, ..PpoConfig::cleanrl() };
    assert_eq!(
        bad.validate().unwrap_err().to_string(),
        format!("config: clip_coef: is 0, must be in (0, {}]", f32::MAX as f64)
    );
    let nan = PpoConfig { gamma: f64::NAN, ..PpoConfig::cleanrl() };
    assert!(nan.validate().is_err());
}

/// A file from before there was a choice of algorithm is PPO's.
#[test]
fn old_files_still_parse_and_new_ones_come_back() {
    for preset in presets() {
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<PpoConfig>(&text).unwrap(), preset);
    }
    let mut old = serde_json::to_value(PpoConfig::cleanrl()).unwrap();
    for field in ["rmsprop_alpha", "rmsprop_eps", "algorithm", "trust_region"] {
        assert!(old.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    assert_eq!(serde_json::from_value::<PpoConfig>(old).unwrap(), PpoConfig::cleanrl());
}

#[test]
fn what_an_algorithm_would_leave_aside_is_refused() {
    let penalty = Some(KlPenalty::adaptive());
    let region = |change: fn(&mut TrustRegion)| {
        let mut config = PpoConfig::npg();
        change(&mut config.trust_region);
        config
    };
    let with = |change: fn(&mut KlPenalty)| {
        let mut penalty = KlPenalty::adaptive();
        change(&mut penalty);
        PpoConfig { kl_penalty: Some(penalty), ..PpoConfig::cleanrl() }
    };
    let rate = Some(AdaptiveLr::default());
    for (field, config) in [
        ("kl_penalty", PpoConfig { kl_penalty: None, ..PpoConfig::ppo_penalty() }),
        ("kl_penalty", PpoConfig { kl_penalty: penalty, ..PpoConfig::a2c() }),
        ("anneal_lr", PpoConfig { adaptive_lr: rate, anneal_lr: true, ..PpoConfig::sb3() }),
        ("adaptive_lr", PpoConfig { adaptive_lr: rate, ..PpoConfig::trpo_baselines() }),
        (
            "adaptive_lr.factor",
            PpoConfig { adaptive_lr: Some(AdaptiveLr { factor: 1.0, ..AdaptiveLr::default() }), ..PpoConfig::sb3() },
        ),
        (
            "adaptive_lr.max",
            PpoConfig { adaptive_lr: Some(AdaptiveLr { max: 1e-6, ..AdaptiveLr::default() }), ..PpoConfig::sb3() },
        ),
        ("update_epochs", PpoConfig { update_epochs: 2, ..PpoConfig::a2c() }),
        ("target_kl", PpoConfig { target_kl: Some(0.1), ..PpoConfig::npg() }),
        ("ent_coef", PpoConfig { ent_coef: 0.1, ..PpoConfig::npg() }),
        ("rmsprop_alpha", PpoConfig { rmsprop_alpha: 1.0, ..PpoConfig::a2c() }),
        ("kl_penalty.kl_coef", with(|penalty| penalty.kl_coef = 0.0)),
        ("kl_penalty.target_kl", with(|penalty| penalty.target_kl = 0.0)),
        ("kl_penalty.hinge.coef", with(|penalty| penalty.hinge = Some(KlHinge { coef: -1.0, factor: 2.0 }))),
        ("trust_region.max_kl", region(|region| region.max_kl = f64::NAN)),
        ("trust_region.damping", region(|region| region.damping = -0.1)),
        ("trust_region.cg_iterations", region(|region| region.cg_iterations = 0)),
        ("trust_region.line_search_factor", region(|region| region.line_search_factor = 1.0)),
        ("trust_region.acceptance.ratio", region(|region| region.acceptance = Acceptance::Ratio(2.0))),
        ("trust_region.fisher_subsample", region(|region| region.fisher_subsample = 0)),
    ] {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.starts_with(&format!("config: {field}: ")), "{field}: {message}");
    }
    let fixed = Some(KlPenalty::fixed(0.0, KlDirection::NewOld));
    assert!(PpoConfig { kl_penalty: fixed, ..PpoConfig::cleanrl() }.validate().is_ok());
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
}
