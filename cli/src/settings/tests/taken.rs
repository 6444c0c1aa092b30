//! What a file is taken for.

use super::{file, message};
use crate::args::preset::Preset;
use crate::settings::presets::policy;
use wgpo::config::{AdaptiveLr, AdvantageKind, KlHinge, KlPenalty, Ppo};
use wgpo::env::Env;
use wgpo::{Algorithm, AlgorithmKind, Config};

#[test]
fn a_preset_brings_its_deviation() {
    let policy = |preset| policy(preset, AlgorithmKind::Ppo, Env::Pendulum).unwrap();
    assert_eq!(policy(Preset::Published("rsl_rl")).head.std(), Some(&wgpo::policy::Std::SCALAR));
    assert_eq!(policy(Preset::Published("cleanrl")).head.std(), Some(&wgpo::policy::Std::default()));
    let of = |preset, kind| super::super::presets::policy(preset, kind, Env::Pendulum).unwrap();
    for (preset, std) in [("cleanrl", wgpo::policy::Std::SAC_CLEANRL), ("sb3", wgpo::policy::Std::SAC)] {
        let (preset, kind) = (Preset::Published(preset), AlgorithmKind::Sac);
        let config = crate::settings::presets::of_task(preset, kind, Env::Pendulum).unwrap();
        let fitted = config.fitted(of(preset, kind));
        assert_eq!(fitted.head.std(), Some(&std));
        // An actor without a deviation has none of a preset.
        assert_eq!(of(preset, AlgorithmKind::Td3).head.std(), Some(&wgpo::policy::Std::FREE));
    }
}

#[test]
fn a_file_replaces_what_it_names() {
    let config = file("learning_rate = 1\ntarget_kl = 0.02\nmax_grad_norm = \"off\"\nnorm_adv = \"batch\"").unwrap();
    let expected = Config {
        algorithm: Algorithm::Ppo(Ppo { target_kl: Some(0.02), ..Ppo::cleanrl() }),
        learning_rate: 1.0,
        max_grad_norm: None,
        norm_adv: wgpo::config::AdvantageNorm::Batch,
        ..Config::cleanrl()
    };
    assert_eq!(config, expected);
    assert_eq!(file("preset = \"sb3\"").unwrap(), Config::sb3());
    // Choices with a number in them, written in one line or as a table.
    let config = file("ent_coef_schedule = { linear = { to = 0.0 } }\n[value_loss.huber]\ndelta = 1.5").unwrap();
    let expected = Config {
        ent_coef_schedule: wgpo::config::Anneal::Linear { to: 0.0 },
        value_loss: wgpo::config::ValueLoss::Huber { delta: 1.5 },
        ..Config::cleanrl()
    };
    assert_eq!(config, expected);
    let config = file("preset = \"rllib-penalty\"\nvalue_loss = \"plain\"\n[init]\nlog_std = -1.0").unwrap();
    assert_eq!((config.value_loss, config.init.log_std), (wgpo::config::ValueLoss::Plain, -1.0));
}

#[test]
fn a_file_says_its_algorithm() {
    assert_eq!(file("algorithm = \"trpo\"").unwrap(), Config::trpo_sb3_contrib());
    assert_eq!(file("algorithm = \"npg\"").unwrap(), Config::npg());
    assert_eq!(file("algorithm = \"ppo_penalty\"").unwrap(), Config::ppo_penalty());
    assert_eq!(file("algorithm = \"a2c\"\npreset = \"sb3\"").unwrap(), Config::a2c());
    let trpo = file("preset = \"baselines\"\n[trust_region]\nmax_kl = 0.02").unwrap();
    let expected = wgpo::config::TrustRegion { max_kl: 0.02, ..wgpo::config::TrustRegion::baselines() };
    assert_eq!(trpo, Config { algorithm: Algorithm::Trpo(expected), ..Config::trpo_baselines() });
    assert!(message("algorithm = \"trpo\"\npreset = \"cleanrl\"").contains("must be \"sb3-contrib\" or"));
}

#[test]
fn numbers_are_taken_as_people_write_them() {
    let config =
        file("total_timesteps = 1e6\nnum_envs = 8.0\nlearning_rate = 1\nadv_ddof = 0.0\nmax_grad_norm = 1").unwrap();
    assert_eq!((config.total_timesteps, config.num_envs, config.adv_ddof), (1_000_000, 8, 0));
    assert_eq!((config.learning_rate, config.max_grad_norm), (1.0, Some(1.0)));
    assert_eq!(file("total_timesteps = 1_000_000\nnum_envs = 0x10").unwrap().num_envs, 16);
    assert_eq!(file("total_timesteps = 18446744073709551615").unwrap().total_timesteps, u64::MAX);
    for (text, norm) in [
        ("true", wgpo::config::AdvantageNorm::Minibatch),
        ("false", wgpo::config::AdvantageNorm::None),
        ("\"off\"", wgpo::config::AdvantageNorm::None),
        ("\"batch\"", wgpo::config::AdvantageNorm::Batch),
    ] {
        assert_eq!(file(&format!("norm_adv = {text}")).unwrap().norm_adv, norm);
    }
}

#[test]
fn tables_may_be_partial_and_off() {
    let with = |text: &str| file(text).unwrap();
    let penalty = |change: fn(&mut KlPenalty)| {
        let mut penalty = KlPenalty::adaptive();
        change(&mut penalty);
        Some(penalty)
    };
    assert_eq!(with("[kl_penalty]").kl_penalty(), penalty(|_| {}));
    assert_eq!(with("[kl_penalty]\nkl_coef = 0.5").kl_penalty(), penalty(|penalty| penalty.kl_coef = 0.5));
    assert_eq!(with("[kl_penalty.adapt]\nraise = 3").kl_penalty(), penalty(|penalty| penalty.adapt.raise = 3.0));
    assert_eq!(
        with("[kl_penalty.hinge]").kl_penalty(),
        penalty(|penalty| penalty.hinge = Some(KlHinge { coef: 1000.0, factor: 2.0 }))
    );
    assert_eq!(with("[kl_penalty]\nhinge = \"off\"").kl_penalty(), penalty(|_| {}));
    assert_eq!(with("anneal_lr = false\n[adaptive_lr]").adaptive_lr(), Some(AdaptiveLr::default()));
    let rate = Some(AdaptiveLr { max: 1.0, ..AdaptiveLr::default() });
    assert_eq!(with("anneal_lr = false\nadaptive_lr = { max = 1 }").adaptive_lr(), rate);
    // Over a preset's own table, the preset's numbers stay.
    let rllib = with("preset = \"rllib-penalty\"\n[kl_penalty]\nkl_coef = 0.3").kl_penalty().unwrap();
    assert_eq!((rllib.kl_coef, rllib.clip, rllib.adapt), (0.3, true, wgpo::config::KlAdaptation::RLLIB));
    assert_eq!(with("preset = \"rllib-penalty\"\nkl_penalty = \"off\"").kl_penalty(), None);
    // In a table that the preset does not have, and in one that it has.
    assert_eq!(with("[norm_obs]\nclip = \"off\"").norm_obs.unwrap().clip, None);
    assert_eq!(with("[norm_reward]\ngamma = \"off\"\nclip = \"off\"").norm_reward.unwrap().gamma, None);
    assert_eq!(with("norm_obs = \"off\"").norm_obs, None);
    let region = with("algorithm = \"trpo\"\ntrust_region.cg_absolute_tolerance = \"off\"");
    assert_eq!(region.trust_region().unwrap().cg_absolute_tolerance, None);
    assert_eq!(with("clip_coef_schedule = \"off\"").algorithm.clip().unwrap().1, wgpo::config::Anneal::None);
    assert_eq!(with("advantage = \"vtrace\"").advantage, AdvantageKind::VTRACE);
    // The same choice again keeps what it has.
    let clamped = with("preset = \"rllib-penalty\"\nvalue_loss = { clamp_error = {} }").value_loss;
    assert_eq!(clamped, wgpo::config::ValueLoss::ClampError { max: 10.0 });
}
