mod files;
mod off_policy;
mod refused;

use super::*;

fn presets() -> [Config; 22] {
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
        Config::dqn_cleanrl(),
        Config::dqn_sb3(),
        Config::ddpg_cleanrl(),
        Config::ddpg_sb3(),
        Config::td3_cleanrl(),
        Config::td3_sb3(),
        Config::sac_cleanrl(),
        Config::sac_sb3(),
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
    let bad = Config::cleanrl().with_algorithm(Ppo { clip_coef: 0.0, ..Ppo::cleanrl() });
    assert_eq!(
        bad.validate().unwrap_err().to_string(),
        format!("config: clip_coef: is 0, must be in (0, {}]", f32::MAX as f64)
    );
    let nan = Config { gamma: f64::NAN, ..Config::cleanrl() };
    assert!(nan.validate().is_err());
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
        algorithm: Algorithm::Ppo(Ppo { clip_coef_schedule: Anneal::Linear { to: 0.0 }, ..Ppo::cleanrl() }),
        num_envs: 2,
        num_steps: 5,
        total_timesteps: 40,
        ent_coef: 0.02,
        ent_coef_schedule: Anneal::Linear { to: 0.01 },
        ..Config::cleanrl()
    };
    config.validate().unwrap();
    assert_eq!(config.num_updates(), 4);
    for (update, ent_coef, clip_coef) in
        [(0, 0.02, 0.2), (2, 0.015, 0.1), (3, 0.0125, 0.05), (4, 0.01, 0.0), (9, 0.01, 0.0)]
    {
        let update = config.progress(10 * update, 10);
        assert!((config.ent_coef_at(update) - ent_coef).abs() < 1e-15, "{update}");
        assert!((config.clip_coef_at(update).unwrap() - clip_coef).abs() < 1e-15, "{update}");
        // The value's range follows where it has none of its own.
        assert_eq!(config.clip_coef_vf_at(update), config.clip_coef_at(update));
        let now = config.at_progress(update);
        now.validate().unwrap();
        let range = now.ppo().map(|ppo| ppo.clip_coef);
        assert_eq!((now.ent_coef, range), (config.ent_coef_at(update), config.clip_coef_at(update)));
        assert_eq!((now.ent_coef_at(0.7), now.clip_coef_at(0.7)), (now.ent_coef, range));
    }
    let own = Config {
        clip_coef_vf: Some(0.4),
        clip_coef_vf_schedule: Anneal::Linear { to: 0.8 },
        value_loss: ValueLoss::ClipOnly,
        ..config.clone()
    };
    own.validate().unwrap();
    let near = |got: Option<f64>, want: f64| (got.unwrap() - want).abs() < 1e-15;
    assert!(near(own.clip_coef_vf_at(0.25), 0.5) && near(own.value_limit_at(0.5), 0.6));
    assert_eq!(Config { value_loss: ValueLoss::Huber { delta: 3.0 }, ..own.clone() }.value_limit_at(0.5), Some(3.0));
    assert_eq!(Config { value_loss: ValueLoss::ClampError { max: 7.0 }, ..own }.value_limit_at(0.5), Some(7.0));
    let plain = Config::cleanrl();
    assert_eq!(plain.at_progress(0.5), plain);
    // A2C has a range for its value and a schedule for that; a trust region has neither.
    let a2c = Config { value_loss: ValueLoss::ClipMax, total_timesteps: 80, ..Config::a2c() }
        .with_algorithm(A2c { clip_coef_schedule: Anneal::Linear { to: 0.0 }, ..A2c::sb3() });
    a2c.validate().unwrap();
    assert_eq!((a2c.value_limit_at(0.5), a2c.at_progress(0.5).value_limit_at(0.9)), (Some(0.1), Some(0.1)));
    let trpo = Config::trpo_baselines();
    assert_eq!((trpo.clip_coef_at(0.5), trpo.value_limit_at(0.5), trpo.at_progress(0.5)), (None, None, trpo));
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
    for algorithm in AlgorithmKind::ALL {
        assert!(Preset::names(algorithm).contains(&Preset::usual(algorithm)));
        for name in Preset::names(algorithm) {
            for discrete in [false, true] {
                let preset = Preset::named(name, algorithm, discrete).unwrap();
                preset.config.validate().unwrap();
                assert_eq!(preset.config.algorithm.kind(), algorithm);
                assert!(Preset::algorithm_of(name).is_some());
            }
        }
    }
    assert_eq!(Config::preset("sb3", AlgorithmKind::A2c, true).unwrap(), Config::a2c());
    let message = Config::preset("best", AlgorithmKind::Ppo, true).unwrap_err().to_string();
    assert!(message.starts_with("config: preset: is \"best\", must be \"cleanrl\" or \"sb3\" or"), "{message}");
}
