//! Whole updates of PPO with a KL penalty, of PPO with a learning rate by KL and of A2C: the device against the f64 reference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2};
use wgpo::config::{
    AdaptiveLr, AdvantageNorm, KlDirection, KlEstimator, KlHinge, KlPenalty, KlStop, Optimizer, Ppo, RateStep,
};
use wgpo::cpu::CpuLearner;
use wgpo::data::Batch;
use wgpo::low_level::rng::{Draw, block, normal};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::{Agent, Algorithm, Config, GpuLearner, OnPolicy};

/// A seeded batch near the policy's own distribution.
fn batch(spec: &PolicySpec, rows: usize) -> Batch {
    let n = |row: usize, column: usize| normal(block(11, Draw::Initialisation, row as u32, column as u32, 9)[0]);
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 7).unwrap();
    let obs = Array2::from_shape_fn((rows, spec.obs_dim()), |(row, column)| n(row, column));
    let acted = learner.act(obs.view(), wgpo::ActMode::Sample).unwrap();
    let logp_old = Array1::from_shape_fn(rows, |row| acted.logp[row] + 0.1 * n(row, 100));
    let values_old = Array1::from_shape_fn(rows, |row| acted.values[row] + 0.3 * n(row, 101));
    let advantages = Array1::from_shape_fn(rows, |row| n(row, 102) + 0.5);
    let returns = Array1::from_shape_fn(rows, |row| values_old[row] + advantages[row]);
    Batch { obs, actions: acted.actions, logp_old, advantages, returns, values_old, old_dist: None, valid: None }
}

fn cases() -> Vec<(&'static str, Config)> {
    let ppo =
        Config { update_epochs: 3, num_minibatches: 4, learning_rate: 1e-3, anneal_lr: false, ..Config::cleanrl() };
    let base = Config { update_epochs: 3, num_minibatches: 4, anneal_lr: false, ..Config::ppo_penalty() };
    let adaptive = |learning_rate, target_kl| Config {
        algorithm: Algorithm::PpoPenalty(Ppo {
            kl_penalty: Some(KlPenalty { target_kl, ..KlPenalty::adaptive() }),
            ..Ppo::penalty()
        }),
        learning_rate,
        ..base.clone()
    };
    let a2c = Config { num_minibatches: 1, ..Config::a2c() };
    let rate = AdaptiveLr { target_kl: 0.004, ..AdaptiveLr::default() };
    let hinge = Some(KlHinge { coef: 500.0, factor: 0.5 });
    vec![
        ("a2c, rmsprop", a2c.clone()),
        ("a2c, rmsprop, decay", Config { weight_decay: 0.01, ent_coef: 0.01, ..a2c.clone() }),
        (
            "a2c, adam, normalised, minibatches",
            Config { optimizer: Optimizer::Adam, norm_adv: AdvantageNorm::Batch, num_minibatches: 3, ..a2c },
        ),
        ("β doubles", adaptive(3e-3, 1e-4)),
        ("β halves", adaptive(1e-4, 0.05)),
        ("β stays if KL is near its target", adaptive(1e-3, 3e-4)),
        (
            "fixed β with clip",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    kl_penalty: Some(KlPenalty::fixed(0.7, KlDirection::OldNew)),
                    ..Ppo::cleanrl()
                }),
                ..ppo.clone()
            },
        ),
        (
            "fixed β, new‖old, no clip",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    kl_penalty: Some(KlPenalty { clip: false, ..KlPenalty::fixed(2.0, KlDirection::NewOld) }),
                    ..Ppo::cleanrl()
                }),
                ..ppo.clone()
            },
        ),
        (
            "hinge",
            Config {
                algorithm: Algorithm::PpoPenalty(Ppo {
                    kl_penalty: Some(KlPenalty { hinge, target_kl: 0.001, ..KlPenalty::adaptive() }),
                    ..Ppo::cleanrl()
                }),
                learning_rate: 3e-3,
                ..base.clone()
            },
        ),
        (
            "learning rate by KL",
            Config { algorithm: Algorithm::Ppo(Ppo { adaptive_lr: Some(rate), ..Ppo::cleanrl() }), ..ppo.clone() },
        ),
        (
            "learning rate by KL, penalty, early stop",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    adaptive_lr: Some(rate),
                    target_kl: Some(0.012),
                    kl_stop: KlStop::Minibatch,
                    kl_penalty: Some(KlPenalty::fixed(0.3, KlDirection::OldNew)),
                    ..Ppo::cleanrl()
                }),
                update_epochs: 8,
                ..ppo.clone()
            },
        ),
        // This batch's k3 is some 0.005 at the start: rates rise and fall round that.
        (
            "learning rate by k3 of each minibatch",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    adaptive_lr: Some(AdaptiveLr {
                        estimator: KlEstimator::K3,
                        target_kl: 0.007,
                        kl_factor: 1.1,
                        ..rate
                    }),
                    ..Ppo::cleanrl()
                }),
                ..ppo.clone()
            },
        ),
        (
            "skrl: learning rate by each epoch's k3, rising",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    adaptive_lr: Some(AdaptiveLr { target_kl: 0.1, ..AdaptiveLr::skrl() }),
                    ..Ppo::cleanrl()
                }),
                ..ppo.clone()
            },
        ),
        (
            "skrl: learning rate by each epoch's k3, falling, epochs with an early stop",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    adaptive_lr: Some(AdaptiveLr { target_kl: 0.002, ..AdaptiveLr::skrl() }),
                    target_kl: Some(0.008),
                    kl_stop: KlStop::RestOfEpoch,
                    ..Ppo::cleanrl()
                }),
                learning_rate: 3e-3,
                update_epochs: 6,
                ..ppo.clone()
            },
        ),
        (
            "learning rate by each epoch's analytic KL, epochs with an early stop",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    adaptive_lr: Some(AdaptiveLr { step: RateStep::Epoch, ..rate }),
                    target_kl: Some(0.008),
                    kl_stop: KlStop::RestOfEpoch,
                    ..Ppo::cleanrl()
                }),
                learning_rate: 3e-3,
                update_epochs: 6,
                ..ppo.clone()
            },
        ),
        (
            "learning rate by each epoch's k3, update with an early stop",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    adaptive_lr: Some(AdaptiveLr::skrl()),
                    target_kl: Some(0.012),
                    kl_stop: KlStop::Minibatch,
                    ..Ppo::cleanrl()
                }),
                learning_rate: 3e-3,
                update_epochs: 8,
                ..ppo.clone()
            },
        ),
        (
            "epochs with an early stop",
            Config {
                algorithm: Algorithm::Ppo(Ppo {
                    target_kl: Some(0.008),
                    kl_stop: KlStop::RestOfEpoch,
                    ..Ppo::cleanrl()
                }),
                learning_rate: 3e-3,
                update_epochs: 6,
                ..ppo
            },
        ),
    ]
}

#[test]
fn the_family_agrees_with_the_f64_reference() {
    let Some(gpu) = support::gpu(true) else { return };
    let mut betas = Vec::new();
    for head in [Head::categorical(3), Head::gaussian(2)] {
        let spec = PolicySpec::separate(5, &[33, 17], Activation::Tanh, head);
        let batch = batch(&spec, 130);
        for (name, config) in cases() {
            let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
            let start = device.parameters().unwrap();
            for round in 0..2 {
                let want = oracle.update_batch(&batch, None).unwrap();
                let got = device.update_batch(&batch, None).unwrap();
                let (a, b) = (device.state().unwrap(), oracle.state().unwrap());
                let norm = |a: &[f32], b: &[f32]| {
                    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
                };
                let error = norm(&a.parameters, &b.parameters) / norm(&b.parameters, &start);
                println!(
                    "{name}: round {round}: step error {error:.1e}, KL {:?}, β {:?}, lr {:.2e}, {} steps",
                    want.kl, want.kl_coef, want.learning_rate, want.optimizer_steps
                );
                // As in the test of plain PPO: roundings of gradients near Adam's ε.
                assert!(error < 1e-4, "{name}: step error {error}");
                assert_eq!(
                    (got.optimizer_steps, got.epochs, got.stopped_early, got.minibatches.len()),
                    (want.optimizer_steps, want.epochs, want.stopped_early, want.minibatches.len()),
                    "{name}"
                );
                for (g, w) in got.minibatches.iter().zip(&want.minibatches) {
                    for (field, g, w) in [
                        ("policy_loss", g.policy_loss, w.policy_loss),
                        ("loss", g.loss, w.loss),
                        ("kl", g.kl, w.kl),
                        ("approx_kl", g.approx_kl, w.approx_kl),
                        ("grad_norm", g.grad_norm, w.grad_norm),
                    ] {
                        assert!((g - w).abs() <= 3e-5 * (1.0 + w.abs()), "{name}: {field} is {g}, not {w}");
                    }
                    assert!(
                        (g.clipfrac - w.clipfrac).abs() <= 0.02,
                        "{name}: clipfrac {} not {}",
                        g.clipfrac,
                        w.clipfrac
                    );
                    assert_eq!((g.non_finite_rows, g.stepped), (0, w.stepped), "{name}");
                }
                assert_eq!(want.stopped_early, name.ends_with("early stop"), "{name}");
                let over = want.minibatches.iter().any(|minibatch| minibatch.kl > 0.0005);
                assert!(over || name != "hinge", "the hinge must be reached");
                let near = |g: f64, w: f64| (g - w).abs() <= 1e-3 * w.abs() + 1e-7;
                assert_eq!((got.kl.is_some(), got.kl_coef.is_some()), (want.kl.is_some(), want.kl_coef.is_some()));
                assert!(near(got.kl.unwrap_or(0.0), want.kl.unwrap_or(0.0)), "{name}: {:?} not {:?}", got.kl, want.kl);
                assert_eq!(got.kl_coef, want.kl_coef, "{name}");
                assert!(near(got.learning_rate, want.learning_rate), "{name}: {}", got.learning_rate);
                assert_eq!(a.kl_coef, b.kl_coef, "{name}");
                assert!(near(a.learning_rate.into(), b.learning_rate.into()), "{name}");
                if name.starts_with('β') && round == 0 {
                    betas.push(want.kl_coef.unwrap());
                }
            }
        }
    }
    for beta in [0.5, 1.0, 2.0] {
        assert!(betas.contains(&beta), "no case ends with β {beta}: {betas:?}");
    }
    gpu.healthy().unwrap();
}

#[test]
fn kl_coef_and_learning_rate_survive_a_restart() {
    let Some(gpu) = support::gpu(false) else { return };
    let spec = PolicySpec::separate(5, &[16], Activation::Tanh, Head::categorical(3));
    let batch = batch(&spec, 64);
    for (_, config) in cases() {
        let mut whole = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
        whole.update_batch(&batch, None).unwrap();
        let mut resumed = GpuLearner::new(&gpu, spec.clone(), config, 7).unwrap();
        resumed.set_state(&whole.state().unwrap()).unwrap();
        let (a, b) = (whole.update_batch(&batch, None).unwrap(), resumed.update_batch(&batch, None).unwrap());
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        assert_eq!(whole.state().unwrap(), resumed.state().unwrap());
    }
}
