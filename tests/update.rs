//! Whole updates: the device against the f64 reference, the same bits twice, and what is counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2};
use wgpo::config::{AdvantageNorm, KlStop, Optimizer, Ppo, ValueLoss};
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Batch, UpdateStats};
use wgpo::gpu::{Gpu, GpuOptions, ProductPath};
use wgpo::low_level::rng::{Draw, block, normal, uniform};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::{Agent, Algorithm, Config, Env, GpuLearner, GpuTrainer, OnPolicy, SaveTrainer, Trainer};

/// A seeded batch near the policy's own distribution.
fn batch(spec: &PolicySpec, rows: usize, seed: u64) -> Batch {
    let n = |row: usize, column: usize| normal(block(seed, Draw::Initialisation, row as u32, column as u32, 9)[0]);
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 3).unwrap();
    let obs = Array2::from_shape_fn((rows, spec.obs_dim()), |(row, column)| n(row, column));
    let acted = learner.act(obs.view(), wgpo::ActMode::Sample).unwrap();
    // Ratios near 1, some outside the clip range.
    let logp_old = Array1::from_shape_fn(rows, |row| acted.logp[row] + 0.2 * n(row, 100));
    let values_old = Array1::from_shape_fn(rows, |row| acted.values[row] + 0.3 * n(row, 101));
    let advantages = Array1::from_shape_fn(rows, |row| n(row, 102) + 0.5);
    let returns = Array1::from_shape_fn(rows, |row| values_old[row] + advantages[row]);
    Batch { obs, actions: acted.actions, logp_old, advantages, returns, values_old, old_dist: None, valid: None }
}

/// ‖got − want‖ / ‖want − start‖: the error of the step that the update took, against its length.
fn step_error(start: &[f32], got: &[f32], want: &[f32]) -> f64 {
    let norm = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
    };
    norm(got, want) / norm(want, start)
}

struct Case {
    name: &'static str,
    spec: PolicySpec,
    config: Config,
    rows: usize,
}

fn cases() -> Vec<Case> {
    let discrete = Head::categorical(3);
    let continuous = Head::gaussian(2);
    let base =
        Config { update_epochs: 2, num_minibatches: 4, learning_rate: 1e-3, anneal_lr: false, ..Config::cleanrl() };
    let separate = |head: &Head, activation| PolicySpec::separate(5, &[33, 17], activation, head.clone());
    let deep_trunk = PolicySpec::mlp(4, &[32, 31], &[9], &[7, 5], Activation::Elu, continuous.clone());
    vec![
        Case {
            name: "cleanrl, discrete",
            spec: separate(&discrete, Activation::Tanh),
            config: base.clone(),
            rows: 130,
        },
        Case {
            name: "cleanrl, continuous, dual clip, AdamW",
            spec: separate(&continuous, Activation::Tanh),
            config: Config {
                algorithm: Algorithm::Ppo(Ppo { dual_clip: Some(1.5), ..Ppo::cleanrl() }),
                optimizer: Optimizer::AdamW,
                weight_decay: 0.1,
                ..base.clone()
            },
            rows: 127,
        },
        Case {
            name: "sb3, shared trunk, last minibatch of one",
            spec: PolicySpec::shared(4, &[16, 8], Activation::Tanh, discrete.clone()),
            config: Config {
                minibatch_size: Some(16),
                value_loss: ValueLoss::ClipOnly,
                clip_coef_vf: Some(0.1),
                update_epochs: 2,
                anneal_lr: false,
                ..Config::sb3()
            },
            rows: 65,
        },
        Case {
            name: "deep trunk, GELU by erf, no clip of the gradient, L2 decay",
            spec: PolicySpec { activation: Activation::GeluErf, ..deep_trunk.clone() },
            config: Config {
                max_grad_norm: None,
                weight_decay: 0.01,
                norm_adv: AdvantageNorm::Batch,
                adv_ddof: 0,
                ..base.clone()
            },
            rows: 97,
        },
        Case {
            name: "deep trunk, ELU, no normalisation",
            spec: deep_trunk,
            config: Config { norm_adv: AdvantageNorm::None, value_loss: ValueLoss::Plain, ..base.clone() },
            rows: 64,
        },
        Case {
            name: "linear policy, batch of one",
            spec: PolicySpec::separate(1, &[], Activation::Relu, continuous),
            config: Config { num_minibatches: 1, ..base.clone() },
            rows: 1,
        },
        Case {
            name: "SiLU, a minibatch of several slices",
            spec: separate(&discrete, Activation::Silu),
            config: Config { num_minibatches: 1, update_epochs: 3, ..base },
            rows: 1030,
        },
    ]
}

fn compare_stats(name: &str, got: &UpdateStats, want: &UpdateStats) {
    assert_eq!(got.minibatches.len(), want.minibatches.len(), "{name}: minibatches");
    assert_eq!(
        (got.optimizer_steps, got.epochs, got.last_epoch, got.skipped_steps, got.stopped_early),
        (want.optimizer_steps, want.epochs, want.last_epoch, want.skipped_steps, want.stopped_early),
        "{name}"
    );
    for (index, (g, w)) in got.minibatches.iter().zip(&want.minibatches).enumerate() {
        for (field, g, w) in [
            ("policy_loss", g.policy_loss, w.policy_loss),
            ("value_loss", g.value_loss, w.value_loss),
            ("entropy", g.entropy, w.entropy),
            ("loss", g.loss, w.loss),
            ("old_approx_kl", g.old_approx_kl, w.old_approx_kl),
            ("approx_kl_k2", g.approx_kl_k2, w.approx_kl_k2),
            ("approx_kl", g.approx_kl, w.approx_kl),
            ("ratio_min", g.ratio_min, w.ratio_min),
            ("ratio_max", g.ratio_max, w.ratio_max),
            ("grad_norm", g.grad_norm, w.grad_norm),
        ] {
            // Means of terms of magnitude 1; the policy drifts by the step error, about 1e-5, over an update.
            assert!((g - w).abs() <= 3e-5 * (1.0 + w.abs()), "{name}: minibatch {index}: {field} is {g}, not {w}");
        }
        assert!(
            (g.clipfrac - w.clipfrac).abs() <= 0.02,
            "{name}: minibatch {index}: clipfrac {} not {}",
            g.clipfrac,
            w.clipfrac
        );
        assert_eq!((g.non_finite_rows, g.stepped), (w.non_finite_rows, w.stepped), "{name}: minibatch {index}");
    }
    let (g, w) = (got.explained_variance, want.explained_variance);
    assert!(
        (g - w).abs() <= 1e-5 * (1.0 + w.abs()) || (g.is_nan() && w.is_nan()),
        "{name}: explained variance {g}, not {w}"
    );
}

#[test]
fn whole_updates_agree_with_the_f64_reference() {
    for checks in [false, true] {
        let Some(gpu) = support::gpu(checks) else { return };
        for case in cases() {
            let batch = batch(&case.spec, case.rows, 11);
            let mut oracle = CpuLearner::<f64>::new(case.spec.clone(), case.config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(&gpu, case.spec.clone(), case.config.clone(), 7).unwrap();
            let start = device.parameters().unwrap();
            for round in 0..2 {
                let want = oracle.update_batch(&batch, None).unwrap();
                let got = device.update_batch(&batch, None).unwrap();
                let error = step_error(&start, &device.parameters().unwrap(), &oracle.parameters().unwrap());
                println!("{}: round {round}: step error {error:.1e}", case.name);
                // Adam divides by √v: an element whose gradient is near ε = 1e-5 moves by lr · δg/ε, and δg is about
                // 2^-24 · √rows · 0.5. Over all elements that is well below a ten-thousandth of the step.
                assert!(error < 1e-4, "{}: step error {error}", case.name);
                compare_stats(case.name, &got, &want);
            }
        }
        gpu.healthy().unwrap();
    }
}

#[test]
fn an_order_of_the_callers_is_followed() {
    let Some(gpu) = support::gpu(false) else { return };
    let case = cases().swap_remove(0);
    let batch = batch(&case.spec, case.rows, 5);
    // Reversed in the first epoch, rotated in the second.
    let rows = case.rows as u32;
    let order: Vec<u32> = (0..rows).rev().chain((0..rows).map(|row| (row + 40) % rows)).collect();
    let mut oracle = CpuLearner::<f64>::new(case.spec.clone(), case.config.clone(), 7).unwrap();
    let mut device = GpuLearner::new(&gpu, case.spec.clone(), case.config.clone(), 7).unwrap();
    let start = device.parameters().unwrap();
    let want = oracle.update_batch(&batch, Some(&order)).unwrap();
    let got = device.update_batch(&batch, Some(&order)).unwrap();
    assert!(step_error(&start, &device.parameters().unwrap(), &oracle.parameters().unwrap()) < 1e-4);
    compare_stats("order", &got, &want);
    let wrong: Vec<u32> = order.iter().map(|row| row + 1).collect();
    let before = device.state().unwrap();
    assert!(device.update_batch(&batch, Some(&wrong)).unwrap_err().to_string().contains("a row below 130"));
    assert_eq!(device.state().unwrap(), before);
}

#[test]
fn early_stops_end_the_update_at_the_same_minibatch() {
    let Some(gpu) = support::gpu(false) else { return };
    for kl_stop in [KlStop::Minibatch, KlStop::Epoch] {
        let spec = PolicySpec::separate(5, &[16], Activation::Tanh, Head::categorical(3));
        let config = Config {
            algorithm: Algorithm::Ppo(Ppo { kl_stop, target_kl: Some(0.05), ..Ppo::cleanrl() }),
            update_epochs: 8,
            learning_rate: 0.01,
            anneal_lr: false,
            ..Config::cleanrl()
        };
        let batch = batch(&spec, 100, 2);
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
        let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
        let (got, want) = (device.update_batch(&batch, None).unwrap(), oracle.update_batch(&batch, None).unwrap());
        assert!(want.stopped_early && want.optimizer_steps < 32, "the case must stop: {} steps", want.optimizer_steps);
        compare_stats("early stop", &got, &want);
        assert_eq!(device.state().unwrap().optimizer_step, oracle.state().unwrap().optimizer_step);
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    let Some(gpu) = support::gpu(false) else { return };
    let spec = PolicySpec::separate(3, &[8], Activation::Relu, Head::gaussian(1));
    let config = Config { num_minibatches: 1, update_epochs: 2, vf_coef: 1e3, ..Config::cleanrl() };
    let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 1).unwrap();
    let mut batch = batch(&spec, 10, 3);
    // Finite, but its square and its gradient are not.
    batch.returns[4] = 3e38;
    let before = device.state().unwrap();
    let stats = device.update_batch(&batch, None).unwrap();
    let after = device.state().unwrap();
    assert_eq!((stats.optimizer_steps, stats.skipped_steps), (0, 2));
    assert_eq!(stats.minibatches[0].non_finite_rows, 1);
    assert_eq!(
        (after.parameters, after.exp_avg, after.exp_avg_sq),
        (before.parameters, before.exp_avg, before.exp_avg_sq)
    );
    assert_eq!(after.optimizer_step, 0);
}

/// A gradient whose squares, and a value loss whose sum over rows, are beyond f32 while norm and mean are not: by both tails of a step.
#[test]
fn squares_and_sums_beyond_f32_are_as_in_f64() {
    let Some(gpu) = support::gpu(false) else { return };
    let spec = PolicySpec::separate(3, &[8], Activation::Tanh, Head::gaussian(1));
    let mut batch = batch(&spec, 10, 3);
    batch.returns.mapv_inplace(|x| 1e19 + 1e18 * x);
    for grad_clip in [wgpo::config::GradClip::Joint, wgpo::config::GradClip::Separate] {
        let config = Config {
            num_minibatches: 1,
            update_epochs: 2,
            vf_coef: 3.0,
            anneal_lr: false,
            value_loss: ValueLoss::Plain,
            grad_clip,
            ..Config::cleanrl()
        };
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
        let start = oracle.state().unwrap().parameters;
        let want = oracle.update_batch(&batch, None).unwrap();
        let (plain, fused) = (gpu.with_products(ProductPath::Plain), gpu.with_products(ProductPath::Fused));
        let sides: [(&str, Box<dyn OnPolicy>); 4] = [
            ("device", Box::new(GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap())),
            ("device, plain kernels", Box::new(GpuLearner::new(&plain, spec.clone(), config.clone(), 7).unwrap())),
            ("device, fused kernels", Box::new(GpuLearner::new(&fused, spec.clone(), config.clone(), 7).unwrap())),
            ("cpu", Box::new(CpuLearner::<f32>::new(spec.clone(), config.clone(), 7).unwrap())),
        ];
        for (side, mut learner) in sides {
            let got = learner.update_batch(&batch, None).unwrap();
            assert_eq!((got.optimizer_steps, got.skipped_steps, got.not_finite()), (2, 0, None), "{side}");
            let same = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-5;
            for (got, want) in got.minibatches.iter().zip(&want.minibatches) {
                assert!(want.grad_norm > 2e19 && want.value_loss > 4e37 && got.rows == 10, "{want:?}");
                assert!(
                    same(got.grad_norm, want.grad_norm) && same(got.value_loss, want.value_loss),
                    "{side}: {got:?} {want:?}"
                );
                assert!(same(got.loss, want.loss), "{side}: {got:?} {want:?}");
            }
            let step = step_error(&start, &learner.state().unwrap().parameters, &oracle.state().unwrap().parameters);
            assert!(step < 1e-4, "{side}: {step:e}");
        }
    }
    // Beyond f32 itself: said, by both.
    batch.returns.fill(1e20);
    let config = Config { num_minibatches: 1, update_epochs: 1, value_loss: ValueLoss::Plain, ..Config::cleanrl() };
    let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
    let mut cpu = CpuLearner::<f32>::new(spec, config, 7).unwrap();
    for stats in [device.update_batch(&batch, None).unwrap(), cpu.update_batch(&batch, None).unwrap()] {
        assert_eq!(stats.not_finite().as_deref(), Some("value_loss is inf in minibatch 0"), "{stats:?}");
    }
}

/// A statistic of a minibatch.
type Field = fn(&wgpo::data::MinibatchStats) -> f64;

/// Minibatches of 9 rows and of 1, and some without a row that counts: means are those of all rows together.
#[test]
fn reported_means_are_over_rows() {
    let Some(gpu) = support::gpu(false) else { return };
    let spec = PolicySpec::separate(3, &[8], Activation::Tanh, Head::gaussian(1));
    let mut batch = batch(&spec, 10, 3);
    batch.returns[9] = 100.0;
    let order: Vec<u32> = (0..10).collect();
    let config = |minibatch_size| Config {
        minibatch_size: Some(minibatch_size),
        update_epochs: 1,
        learning_rate: 0.0,
        anneal_lr: false,
        norm_adv: AdvantageNorm::None,
        value_loss: ValueLoss::Plain,
        ..Config::cleanrl()
    };
    let sides = |config: Config| -> [(&str, Box<dyn OnPolicy>); 4] {
        let (plain, fused) = (gpu.with_products(ProductPath::Plain), gpu.with_products(ProductPath::Fused));
        [
            ("device", Box::new(GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap())),
            ("device, plain kernels", Box::new(GpuLearner::new(&plain, spec.clone(), config.clone(), 7).unwrap())),
            ("device, fused kernels", Box::new(GpuLearner::new(&fused, spec.clone(), config.clone(), 7).unwrap())),
            ("cpu", Box::new(CpuLearner::<f32>::new(spec.clone(), config, 7).unwrap())),
        ]
    };
    let masks = [vec![1; 10], vec![1, 1, 0, 0, 0, 0, 1, 1, 1, 0], vec![0, 0, 0, 1, 1, 1, 0, 0, 0, 1]];
    for (mask, rows) in masks.into_iter().zip([
        [[9, 1, 0, 0], [3, 3, 3, 1]],
        [[5, 0, 0, 0], [2, 0, 3, 0]],
        [[3, 1, 0, 0], [0, 3, 0, 1]],
    ]) {
        let counted: u32 = mask.iter().sum();
        let valid = mask.contains(&0).then(|| Array1::from(mask.clone()));
        let batch = Batch { valid, ..batch.clone() };
        let whole =
            CpuLearner::<f64>::new(spec.clone(), config(10), 7).unwrap().update_batch(&batch, Some(&order)).unwrap();
        let whole = whole.minibatches[0];
        assert_eq!(whole.rows, counted);
        for (size, rows) in [9, 3].into_iter().zip(rows) {
            for (side, mut learner) in sides(config(size)) {
                let stats = learner.update_batch(&batch, Some(&order)).unwrap();
                let label = format!("{side}, minibatches of {size}, mask {mask:?}");
                let got: Vec<u32> = stats.minibatches.iter().map(|minibatch| minibatch.rows).collect();
                assert_eq!(got, rows[..10_usize.div_ceil(size)], "{label}");
                let fields: [(&str, Field); 8] = [
                    ("policy_loss", |m| m.policy_loss),
                    ("value_loss", |m| m.value_loss),
                    ("entropy", |m| m.entropy),
                    ("loss", |m| m.loss),
                    ("old_approx_kl", |m| m.old_approx_kl),
                    ("approx_kl_k2", |m| m.approx_kl_k2),
                    ("approx_kl", |m| m.approx_kl),
                    ("clipfrac", |m| m.clipfrac),
                ];
                for (name, field) in fields {
                    let (got, want) = (stats.mean(field), field(&whole));
                    assert!((got - want).abs() < 2e-6 * (1.0 + want.abs()), "{label}: {name} {got}, not {want}");
                }
                let (least, most) = stats.ratio_range();
                assert!((least - whole.ratio_min).abs() < 1e-5 && (most - whole.ratio_max).abs() < 1e-5, "{label}");
            }
        }
    }
}

#[test]
fn the_same_update_twice_gives_the_same_bits() {
    let Some(gpu) = support::gpu(false) else { return };
    for case in cases() {
        let batch = batch(&case.spec, case.rows, 4);
        let run = || {
            let mut device = GpuLearner::new(&gpu, case.spec.clone(), case.config.clone(), 7).unwrap();
            let stats = format!("{:?}", device.update_batch(&batch, None).unwrap());
            (stats, device.state().unwrap())
        };
        assert_eq!(run(), run(), "{}", case.name);
    }
}

fn trainer(gpu: &Gpu, env: Env) -> GpuTrainer {
    let config =
        Config { num_envs: 5, num_steps: 33, update_epochs: 2, total_timesteps: 5 * 33 * 8, ..Config::cleanrl() };
    GpuTrainer::new(gpu, env, env.policy(&[16, 16]), config, 21).unwrap()
}

#[test]
fn a_resumed_run_has_the_bits_of_an_uninterrupted_one() {
    let Some(gpu) = support::gpu(false) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.safetensors");
    for env in Env::ALL {
        let mut whole = trainer(&gpu, env);
        let stats: Vec<_> = (0..6).map(|_| whole.iterate().unwrap()).collect();
        let mut first = trainer(&gpu, env);
        for _ in 0..3 {
            first.iterate().unwrap();
        }
        first.save(&path).unwrap();
        let mut second = trainer(&gpu, env);
        second.load(&path).unwrap();
        let resumed: Vec<_> = (0..3).map(|_| second.iterate().unwrap()).collect();
        assert_eq!(format!("{resumed:?}"), format!("{:?}", &stats[3..]), "{}", env.name());
        assert_eq!(second.state().unwrap(), whole.state().unwrap(), "{}", env.name());
    }
}

#[test]
fn the_device_rolls_out_what_the_reference_rolls_out() {
    let Some(gpu) = support::gpu(false) else { return };
    for env in Env::ALL {
        let mut device = trainer(&gpu, env);
        let config = device.learner().config().clone();
        let mut cpu = wgpo::cpu::CpuTrainer::new(env, env.policy(&[16, 16]), config, 21).unwrap();
        let (got, want) = (device.iterate().unwrap(), cpu.iterate().unwrap());
        assert_eq!(got.env_steps, want.env_steps);
        assert_eq!((got.episodes.count, got.episodes.length_sum), (want.episodes.count, want.episodes.length_sum));
        assert!(
            (got.episodes.return_sum - want.episodes.return_sum).abs() <= 1e-4 * (1.0 + want.episodes.return_sum.abs())
        );
        compare_stats(env.name(), &got.update, &want.update);
        let (a, b) = (device.learner().parameters().unwrap(), cpu.learner().parameters().unwrap());
        let start = wgpo::policy::initial_parameters(&env.policy(&[16, 16]), 21);
        let error = step_error(&start, &a, &b);
        assert!(error < 2e-4, "{}: step error {error} between two f32 runs", env.name());
    }
}

#[test]
fn one_update_is_one_submission_without_a_read_back_inside() {
    let Some(gpu) = support::gpu(false) else { return };
    let gpu = gpu.with_products(ProductPath::Staged);
    let cartpole = Env::CartPole.policy(&[64, 64]);
    let pendulum = Env::Pendulum.policy(&[64, 64]);
    // What the other heads, the switches and the masks need is not paid for by those that have none of them: these are the
    // numbers from before there were any. A Gaussian's log_std costs no dispatch.
    for (env, spec) in [(Env::CartPole, cartpole), (Env::Pendulum, pendulum)] {
        let config = Config { num_envs: 4, num_steps: 64, ..Config::cleanrl() };
        let mut trainer = GpuTrainer::new(&gpu, env, spec, config, 1).unwrap();
        trainer.iterate().unwrap();
        let before = gpu.counts();
        trainer.iterate().unwrap();
        let spent = gpu.counts() - before;
        let (rollout, advantage, update) = trainer.dispatches();
        println!("dispatches: rollout {rollout}, advantages {advantage}, update {update}; {spent:?}");
        assert_eq!((spent.submissions, spent.readbacks), (1, 1), "the read-back is the statistics, afterwards");
        assert_eq!(spent.created, 0, "no buffer, bind group or pipeline is made per update");
        assert_eq!(spent.dispatches, (rollout + advantage + update) as u64);
        // 4 for explained variance; per epoch 3 gathers and 3 for the advantages; per minibatch, policy and value together, 3
        // forward, 1 loss, 3 weight and 2 input gradients, 1 reduction, 1 decision, 1 Adam.
        assert_eq!((advantage, update), (1, 4 + 4 * (6 + 4 * 12)), "{}", env.name());
    }
}

#[test]
fn a_minibatch_step_is_few_dispatches() {
    if support::gpu(false).is_none() {
        return;
    }
    // Plain: 6 forward, loss and statistics, 6 weight and 4 input gradients, reduction, 2 clip, Adam.
    for (hidden, want) in [([64, 64], [22, 12, 12, 4]), ([65, 64], [22, 12, 12, 12])] {
        for (products, want) in ProductPath::ALL.into_iter().zip(want) {
            let gpu = Gpu::new(&GpuOptions { allow_software: true, products, ..GpuOptions::default() }).unwrap();
            let config = Config { num_envs: 4, num_steps: 64, ..Config::cleanrl() };
            let trainer = GpuTrainer::new(&gpu, Env::CartPole, Env::CartPole.policy(&hidden), config, 1).unwrap();
            // What an update has besides its 16 minibatches, as above.
            let (_, _, update) = trainer.dispatches();
            assert_eq!(update, 4 + 4 * (6 + 4 * want), "{products:?}, {hidden:?}");
        }
    }
}

#[test]
fn acting_agrees_with_the_reference() {
    let Some(gpu) = support::gpu(false) else { return };
    for head in [Head::categorical(4), Head::gaussian(3)] {
        let spec = PolicySpec::separate(6, &[32], Activation::Tanh, head);
        let mut device = GpuLearner::new(&gpu, spec.clone(), Config::cleanrl(), 5).unwrap();
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 5).unwrap();
        for rows in [1, 65] {
            let obs = Array2::from_shape_fn((rows, 6), |(r, c)| {
                uniform(block(1, Draw::Initialisation, r as u32, c as u32, 0)[0])
            });
            for mode in [wgpo::ActMode::Sample, wgpo::ActMode::Greedy] {
                let (got, want) = (device.act(obs.view(), mode).unwrap(), oracle.act(obs.view(), mode).unwrap());
                match (&got.actions, &want.actions) {
                    (Actions::Discrete(got), Actions::Discrete(want)) => assert_eq!(got, want),
                    (Actions::Continuous(got), Actions::Continuous(want)) => {
                        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-5), "{got} {want}");
                    }
                    other => panic!("different kinds of action: {other:?}"),
                }
                assert!(got.logp.iter().zip(&want.logp).all(|(g, w)| (g - w).abs() < 1e-5));
                assert!(got.values.iter().zip(&want.values).all(|(g, w)| (g - w).abs() < 1e-5));
            }
        }
    }
}

#[test]
fn an_order_that_repeats_rows_normalises_as_the_reference_does() {
    let Some(gpu) = support::gpu(false) else { return };
    let case = cases().swap_remove(3);
    assert_eq!(case.config.norm_adv, AdvantageNorm::Batch);
    let batch = batch(&case.spec, case.rows, 5);
    // Half of the rows twice in each epoch.
    let order: Vec<u32> = (0..2 * case.rows as u32).map(|place| place % (case.rows as u32 / 2)).collect();
    let mut oracle = CpuLearner::<f64>::new(case.spec.clone(), case.config.clone(), 7).unwrap();
    let mut device = GpuLearner::new(&gpu, case.spec.clone(), case.config.clone(), 7).unwrap();
    let start = device.parameters().unwrap();
    let want = oracle.update_batch(&batch, Some(&order)).unwrap();
    let got = device.update_batch(&batch, Some(&order)).unwrap();
    compare_stats("repeated rows", &got, &want);
    assert!(step_error(&start, &device.parameters().unwrap(), &oracle.parameters().unwrap()) < 1e-4);
}

#[test]
fn what_cannot_run_everywhere_is_refused_before_it_runs() {
    use wgpo::low_level::kernels::{mlp_backward_weight, mlp_forward};
    let Some(gpu) = support::gpu(false) else { return };
    let long = 70_000_u32;
    let (a, b) = (gpu.buffer::<f32>("a", 70_001).unwrap(), gpu.buffer::<f32>("b", 70_001).unwrap());
    let c = gpu.buffer::<f32>("c", 70_001).unwrap();
    let params = mlp_forward::Params {
        rows: 1,
        inputs: long,
        outputs: 1,
        bias: long,
        input_stride: long,
        output_stride: 1,
        ..Default::default()
    };
    let io = mlp_forward::Io { parameters: &a, input: &b, output: &c };
    let identity = Activation::Identity;
    let error = mlp_forward::bind(&gpu, identity, identity, &[params], &io).unwrap_err().to_string();
    assert_eq!(
        error,
        "mlp_forward: a loop over inputs 70000 needs 91875 for iterations of one invocation, wgpo allows 60000 on every device"
    );

    // More workgroups than one dimension has: the padded grid's last ones must not write.
    let rows = 65_537_u32;
    let ones = gpu.upload("ones", &vec![1.0_f32; rows as usize]).unwrap();
    let mark = 7.5_f32;
    let partials = gpu.upload("partials", &vec![mark; 2 * rows as usize + 64]).unwrap();
    let params = mlp_backward_weight::Params {
        rows,
        inputs: 1,
        outputs: 1,
        bias: 1,
        input_stride: 1,
        d_output_stride: 1,
        slice_rows: 1,
        partial_stride: 2,
        ..Default::default()
    };
    let io = mlp_backward_weight::Io { d_output: &ones, input: &ones, partials: &partials };
    let calls = mlp_backward_weight::bind(&gpu, identity, &[params], &io).unwrap();
    gpu.run("padded", &calls, Default::default()).unwrap();
    let read = gpu.read(&partials).unwrap();
    assert!(read[..2 * rows as usize].iter().all(|sum| *sum == 1.0));
    assert!(read[2 * rows as usize..].iter().all(|word| *word == mark));
}

#[test]
fn a_model_made_for_other_decays_is_refused() {
    use wgpo::{BatchBuffers, Model, PpoUpdate};
    let Some(gpu) = support::gpu(false) else { return };
    let spec = PolicySpec::separate(2, &[4], Activation::Tanh, Head::categorical(2));
    let config = Config::cleanrl();
    let start = wgpo::policy::initial_parameters(&spec, 1);
    let model = Model::new(&gpu, &spec, &config, &start, 1).unwrap();
    let batch = BatchBuffers {
        rows: 8,
        obs: gpu.buffer("obs", 16).unwrap(),
        actions: gpu.buffer("actions", 8).unwrap(),
        logp_old: gpu.buffer("logp", 8).unwrap(),
        advantages: gpu.buffer("advantages", 8).unwrap(),
        returns: gpu.buffer("returns", 8).unwrap(),
        values_old: gpu.buffer("values", 8).unwrap(),
        old_dist: None,
        valid: None,
    };
    let other = Config { adam_beta2: 0.99, ..config };
    assert!(
        PpoUpdate::new(&gpu, &model, &other, &batch, None).unwrap_err().to_string().contains("the model was made for")
    );
}
