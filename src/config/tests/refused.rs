//! What validation refuses.

use super::super::*;
use crate::policy::Init;

/// A change of PPO's settings.
fn ppo(change: impl FnOnce(&mut Ppo)) -> Config {
    let mut config = Config::sb3();
    change(config.ppo_mut().unwrap());
    config
}

#[test]
fn what_an_algorithm_would_leave_aside_is_refused() {
    let region = |change: fn(&mut TrustRegion)| {
        let mut config = Config::npg();
        change(config.trust_region_mut().unwrap());
        config
    };
    let with = |penalty| ppo(|ppo| ppo.kl_penalty = Some(penalty));
    let adapt = |adapt| with(KlPenalty { adapt, ..KlPenalty::adaptive() });
    let rate = |rate| ppo(|ppo| ppo.adaptive_lr = Some(rate));
    let linear = Anneal::Linear { to: 0.0 };
    for (field, config) in [
        ("ent_coef_schedule", Config { ent_coef_schedule: linear, ..Config::npg() }),
        ("ent_coef_schedule.to", Config { ent_coef_schedule: Anneal::Linear { to: f64::NAN }, ..Config::sb3() }),
        ("clip_coef_schedule.to", ppo(|ppo| ppo.clip_coef_schedule = Anneal::Linear { to: -0.1 })),
        (
            "clip_coef_schedule",
            Config::ppo_penalty()
                .with_algorithm(Algorithm::PpoPenalty(Ppo { clip_coef_schedule: linear, ..Ppo::penalty() })),
        ),
        ("clip_coef_schedule", Config::a2c().with_algorithm(A2c { clip_coef_schedule: linear, ..A2c::sb3() })),
        ("clip_coef", Config::a2c().with_algorithm(A2c { clip_coef: 0.0, ..A2c::sb3() })),
        ("clip_coef_vf_schedule", Config { clip_coef_vf_schedule: linear, ..Config::cleanrl() }),
        ("value_learning_rate", Config { value_learning_rate: Some(1e-3), ..Config::trpo_baselines() }),
        ("value_learning_rate", Config { value_learning_rate: Some(1e-3), ..Config::rsl_rl() }),
        ("value_learning_rate", Config { learning_rate: 0.0, ..Config::spinningup() }),
        ("value_loss.delta", Config { value_loss: ValueLoss::Huber { delta: 0.0 }, ..Config::sb3() }),
        ("value_loss.max", Config { value_loss: ValueLoss::ClampError { max: -1.0 }, ..Config::sb3() }),
        ("init.log_std", Config { init: Init { log_std: f64::NAN, ..Init::default() }, ..Config::sb3() }),
        ("norm_obs.clip", Config { norm_obs: Some(ObsNorm { clip: Some(0.0), ..ObsNorm::sb3() }), ..Config::sb3() }),
        (
            "norm_reward.gamma",
            Config { norm_reward: Some(RewardNorm { gamma: Some(2.0), ..RewardNorm::sb3() }), ..Config::sb3() },
        ),
        (
            "norm_value.eps",
            Config { norm_value: Some(ValueNorm { eps: -1.0, ..ValueNorm::rl_games() }), ..Config::sb3() },
        ),
        ("kl_penalty.adapt.raise_above", adapt(KlAdaptation { raise_above: 0.5, ..KlAdaptation::PAPER })),
        ("kl_penalty.adapt.raise", adapt(KlAdaptation { raise: 0.9, ..KlAdaptation::PAPER })),
        ("kl_penalty.adapt.lower", adapt(KlAdaptation { lower: 0.0, ..KlAdaptation::PAPER })),
        ("kl_penalty", Config::ppo_penalty().with_algorithm(Algorithm::PpoPenalty(Ppo::cleanrl()))),
        ("dual_clip", Config::cleanrl().with_algorithm(Ppo { dual_clip: Some(2.0), ..Ppo::penalty() })),
        ("anneal_lr", Config { anneal_lr: true, ..rate(AdaptiveLr::default()) }),
        ("adaptive_lr.factor", rate(AdaptiveLr { factor: 1.0, ..AdaptiveLr::default() })),
        ("adaptive_lr.max", rate(AdaptiveLr { max: 1e-6, ..AdaptiveLr::default() })),
        ("adaptive_lr.kl_factor", rate(AdaptiveLr { kl_factor: 0.9, ..AdaptiveLr::skrl() })),
        ("adv_std_floor", Config { adv_std_floor: -1e-4, ..Config::sb3() }),
        ("update_epochs", Config { update_epochs: 2, ..Config::a2c() }),
        ("target_kl", ppo(|ppo| ppo.target_kl = Some(0.0))),
        ("ent_coef", Config { ent_coef: 0.1, ..Config::npg() }),
        ("rmsprop_alpha", Config { rmsprop_alpha: 1.0, ..Config::a2c() }),
        ("kl_penalty.kl_coef", with(KlPenalty { kl_coef: 0.0, ..KlPenalty::adaptive() })),
        ("kl_penalty.target_kl", with(KlPenalty { target_kl: 0.0, ..KlPenalty::adaptive() })),
        (
            "kl_penalty.hinge.coef",
            with(KlPenalty { hinge: Some(KlHinge { coef: -1.0, factor: 2.0 }), ..KlPenalty::adaptive() }),
        ),
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
            Config::trpo_sb3_contrib()
                .with_algorithm(Algorithm::Trpo(TrustRegion { step_size: Some(0.1), ..TrustRegion::default() })),
        ),
    ] {
        let message = config.validate().unwrap_err().to_string();
        assert!(message.starts_with(&format!("config: {field}: ")), "{field}: {message}");
    }
    let fixed = Some(KlPenalty::fixed(0.0, KlDirection::NewOld));
    assert!(Config::cleanrl().with_algorithm(Ppo { kl_penalty: fixed, ..Ppo::cleanrl() }).validate().is_ok());
}
