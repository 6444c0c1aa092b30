//! Masked rows, rollouts of an older policy, and the three ways of resetting: the device against the f64 reference, and the
//! reference against itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2, Axis, s};
use wgpo::config::{
    AdaptiveLr, AdvantageKind, AdvantageNorm, FisherForm, KlMeasure, KlPenalty, Ppo, RewardNorm, TrustRegion,
    ValueLoss, ValueNorm,
};
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Batch, Rollout, UpdateStats};
use wgpo::env::Autoreset;
use wgpo::gpu::{Gpu, Slot};
use wgpo::low_level::algo::{AdvantagePlan, Estimator, RolloutBuffers, ValidPlan};
use wgpo::low_level::reference::ppo_update::Rows;
use wgpo::low_level::rng::{Draw, block, normal};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::{ActMode, Agent, Algorithm, Config, GpuLearner, OnPolicy};

fn n(row: usize, column: usize) -> f32 {
    normal(block(23, Draw::Initialisation, row as u32, column as u32, 9)[0])
}

fn heads() -> [Head; 3] {
    [Head::categorical(3), Head::gaussian(2), Head::Categorical { actions: 3, masked: true }]
}

fn spec(head: Head) -> PolicySpec {
    PolicySpec::separate(5, &[33, 17], Activation::Tanh, head)
}

/// Two of three choices or so, for a masked head.
fn allowed(spec: &PolicySpec, rows: usize) -> Option<Array2<bool>> {
    let flag = |(row, choice): (usize, usize)| n(row, 500 + choice) > -0.4 || choice == row % 3;
    spec.head.is_masked().then(|| Array2::from_shape_fn((rows, spec.head.raw_outputs()), flag))
}

/// A seeded batch near the policy's own distribution.
fn batch(spec: &PolicySpec, rows: usize) -> Batch {
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 7).unwrap();
    let obs = Array2::from_shape_fn((rows, spec.obs_dim()), |(row, column)| n(row, column));
    let allowed = allowed(spec, rows);
    let acted = learner.act_masked(obs.view(), allowed.as_ref().map(|a| a.view()), ActMode::Sample).unwrap();
    let logp_old = Array1::from_shape_fn(rows, |row| acted.logp[row] + 0.1 * n(row, 100));
    let values_old = Array1::from_shape_fn(rows, |row| acted.values[row] + 0.3 * n(row, 101));
    let advantages = Array1::from_shape_fn(rows, |row| n(row, 102) + 0.5);
    let returns = &values_old + &advantages;
    Batch { obs, actions: acted.actions, logp_old, advantages, returns, values_old, old_dist: None, valid: None }
}

/// `batch` with a mask that leaves out about two fifths, which hold what no arithmetic survives.
fn spoiled(batch: &Batch) -> Batch {
    let mut batch = batch.clone();
    let valid = Array1::from_shape_fn(batch.rows(), |row| u32::from(n(row, 200) > -0.25));
    for row in (0..batch.rows()).filter(|row| valid[*row] == 0) {
        let garbage = [f32::NAN, f32::INFINITY, 3e38][row % 3];
        batch.obs.row_mut(row).fill(garbage);
        match &mut batch.actions {
            Actions::Discrete(actions) => actions.row_mut(row).fill(u32::MAX),
            Actions::Continuous(actions) => actions.row_mut(row).fill(garbage),
            Actions::Masked { indices, allowed } => {
                indices.row_mut(row).fill(u32::MAX);
                allowed.row_mut(row).fill(row % 2 == 0);
            }
        }
        for column in [&mut batch.logp_old, &mut batch.advantages, &mut batch.returns, &mut batch.values_old] {
            column[row] = garbage;
        }
    }
    batch.valid = Some(valid);
    batch
}

/// `batch` without the masked rows.
fn dense(batch: &Batch) -> Batch {
    let valid = batch.valid.as_ref().unwrap();
    let kept: Vec<usize> = (0..batch.rows()).filter(|row| valid[*row] != 0).collect();
    let column = |values: &Array1<f32>| values.select(Axis(0), &kept);
    Batch {
        obs: batch.obs.select(Axis(0), &kept),
        actions: batch.actions.select(&kept),
        logp_old: column(&batch.logp_old),
        advantages: column(&batch.advantages),
        returns: column(&batch.returns),
        values_old: column(&batch.values_old),
        old_dist: batch.old_dist.as_ref().map(|rows| rows.select(Axis(0), &kept)),
        valid: None,
    }
}

fn cases() -> Vec<(&'static str, Config)> {
    let ppo =
        Config { update_epochs: 2, num_minibatches: 4, learning_rate: 1e-3, anneal_lr: false, ..Config::cleanrl() };
    let region =
        TrustRegion { cg_iterations: 6, cg_tolerance: 1e-6, cg_absolute_tolerance: None, ..TrustRegion::sb3_contrib() };
    let trpo = Config {
        algorithm: Algorithm::Trpo(region),
        update_epochs: 2,
        num_minibatches: 2,
        minibatch_size: None,
        ..Config::trpo_sb3_contrib()
    };
    let penalty = Config { update_epochs: 2, num_minibatches: 4, anneal_lr: false, ..Config::ppo_penalty() };
    let rate = AdaptiveLr { target_kl: 0.004, ..AdaptiveLr::default() };
    vec![
        ("ppo", ppo.clone()),
        ("ppo, batch scope", Config { norm_adv: AdvantageNorm::Batch, value_loss: ValueLoss::Plain, ..ppo.clone() }),
        (
            "ppo, early stop",
            Config {
                algorithm: Algorithm::Ppo(Ppo { target_kl: Some(0.012), ..Ppo::cleanrl() }),
                update_epochs: 6,
                ..ppo.clone()
            },
        ),
        ("ppo-penalty", penalty.clone()),
        (
            "ppo-penalty, tight",
            Config {
                algorithm: Algorithm::PpoPenalty(Ppo {
                    kl_penalty: Some(KlPenalty { target_kl: 1e-4, ..KlPenalty::adaptive() }),
                    ..Ppo::cleanrl()
                }),
                learning_rate: 3e-3,
                ..penalty.clone()
            },
        ),
        (
            "ppo-penalty, by the last minibatch",
            Config {
                algorithm: Algorithm::PpoPenalty(Ppo {
                    kl_penalty: Some(KlPenalty {
                        target_kl: 1e-4,
                        measure: KlMeasure::LastMinibatch,
                        ..KlPenalty::adaptive()
                    }),
                    ..Ppo::cleanrl()
                }),
                learning_rate: 3e-3,
                ..penalty
            },
        ),
        (
            "learning rate by KL",
            Config { algorithm: Algorithm::Ppo(Ppo { adaptive_lr: Some(rate), ..Ppo::cleanrl() }), ..ppo.clone() },
        ),
        ("normalised", Config { norm_value: Some(ValueNorm { clip: None, ..ValueNorm::rl_games() }), ..ppo }),
        ("a2c", Config { num_minibatches: 1, norm_adv: AdvantageNorm::Minibatch, ..Config::a2c() }),
        ("trpo", trpo.clone()),
        (
            "trpo, every third row, empirical",
            Config {
                algorithm: Algorithm::Trpo(TrustRegion {
                    fisher_subsample: 3,
                    fisher: FisherForm::Empirical,
                    ..region
                }),
                ..trpo.clone()
            },
        ),
        (
            "trpo on a third of the rows",
            Config {
                algorithm: Algorithm::Trpo(TrustRegion { subsample: 3, fisher_subsample: 2, ..region }),
                ..trpo.clone()
            },
        ),
        (
            "trpo's direction, a fixed step",
            Config { algorithm: Algorithm::Npg(TrustRegion { step_size: Some(0.05), ..region }), ..trpo },
        ),
    ]
}

/// ‖got − want‖ / ‖want − start‖.
fn step_error(start: &[f32], got: &[f32], want: &[f32]) -> f64 {
    let norm = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
    };
    norm(got, want) / norm(want, start)
}

fn compare(name: &str, got: &UpdateStats, want: &UpdateStats) {
    assert_eq!(
        (got.minibatches.len(), got.optimizer_steps, got.skipped_steps, got.stopped_early, got.kl_coef),
        (want.minibatches.len(), want.optimizer_steps, want.skipped_steps, want.stopped_early, want.kl_coef),
        "{name}"
    );
    let near = |field: &str, g: f64, w: f64| {
        assert!(
            (g - w).abs() <= 1e-4 * (1.0 + w.abs()) || (g.is_nan() && w.is_nan()),
            "{name}: {field} is {g}, not {w}"
        );
    };
    // Divergences are small against the log-probabilities that they are differences of: a row's rounding is some 1e-6.
    let small = |field: &str, g: f64, w: f64| {
        assert!(
            (g - w).abs() <= 1e-5 + 1e-3 * w.abs() || (g.is_nan() && w.is_nan()),
            "{name}: {field} is {g}, not {w}"
        );
    };
    for (g, w) in got.minibatches.iter().zip(&want.minibatches) {
        near("policy_loss", g.policy_loss, w.policy_loss);
        near("value_loss", g.value_loss, w.value_loss);
        near("entropy", g.entropy, w.entropy);
        near("loss", g.loss, w.loss);
        small("kl", g.kl, w.kl);
        small("old_approx_kl", g.old_approx_kl, w.old_approx_kl);
        small("approx_kl_k2", g.approx_kl_k2, w.approx_kl_k2);
        small("approx_kl", g.approx_kl, w.approx_kl);
        near("ratio_min", g.ratio_min, w.ratio_min);
        near("ratio_max", g.ratio_max, w.ratio_max);
        near("grad_norm", g.grad_norm, w.grad_norm);
        assert!((g.clipfrac - w.clipfrac).abs() <= 0.06, "{name}: clipfrac {} not {}", g.clipfrac, w.clipfrac);
        assert_eq!((g.non_finite_rows, g.stepped), (w.non_finite_rows, w.stepped), "{name}");
    }
    near("explained_variance", got.explained_variance, want.explained_variance);
    let rates = (got.learning_rate, want.learning_rate);
    assert!((rates.0 - rates.1).abs() <= 1e-6 * rates.1, "{name}: learning_rate is {}, not {}", rates.0, rates.1);
    small("kl", got.kl.unwrap_or(0.0), want.kl.unwrap_or(0.0));
    if let (Some(g), Some(w)) = (&got.trust_region, &want.trust_region) {
        near("surrogate_before", g.surrogate_before, w.surrogate_before);
        near("surrogate_after", g.surrogate_after, w.surrogate_after);
        small("kl_after", g.kl_after, w.kl_after);
        near("gradient_norm", g.gradient_norm, w.gradient_norm);
        near("entropy", g.entropy, w.entropy);
        assert_eq!((g.accepted, g.tries, g.cg_iterations), (w.accepted, w.tries, w.cg_iterations), "{name}");
    }
}

/// Adam and conjugate gradients amplify rounding, see the tests of plain updates.
fn limit(name: &str) -> f64 {
    if name.starts_with("trpo") { 1e-3 } else { 1e-4 }
}

#[test]
fn the_device_leaves_out_what_the_reference_drops() {
    let Some(gpu) = support::gpu(true) else { return };
    for head in heads() {
        let spec = spec(head);
        let batch = spoiled(&batch(&spec, 130));
        for (name, config) in cases() {
            let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
            let start = device.parameters().unwrap();
            for round in 0..2 {
                let want = oracle.update_batch(&batch, None).unwrap();
                let got = device.update_batch(&batch, None).unwrap();
                let error = step_error(&start, &device.parameters().unwrap(), &oracle.parameters().unwrap());
                println!("{name}, {}: round {round}: step error {error:.1e}", spec.head.name());
                assert!(error < limit(name), "{name}: step error {error}");
                compare(name, &got, &want);
            }
        }
    }
    gpu.healthy().unwrap();
}

/// One minibatch of all rows, in the order that they have.
fn update(learner: &mut dyn OnPolicy, batch: &Batch) -> (UpdateStats, Vec<f32>) {
    let epochs = learner.config().update_epochs as u32;
    let order: Vec<u32> = (0..epochs).flat_map(|_| 0..batch.rows() as u32).collect();
    let stats = learner.update_batch(batch, Some(&order)).unwrap();
    (stats, learner.parameters().unwrap())
}

#[test]
fn padding_changes_nothing() {
    let gpu = support::gpu(false);
    for head in heads() {
        let spec = spec(head);
        let padded = spoiled(&batch(&spec, 130));
        let dense = dense(&padded);
        // Which rows the Fisher matrix looks at is a matter of the rows' places.
        for (name, config) in cases()
            .into_iter()
            .filter(|(_, config)| config.trust_region().is_none_or(|region| region.fisher_subsample == 1))
        {
            let config = Config { num_minibatches: 1, minibatch_size: None, ..config };
            let start = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap().parameters().unwrap();
            let cpu =
                |batch: &Batch| update(&mut CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap(), batch);
            let (want, to) = cpu(&dense);
            let (got, padded_to) = cpu(&padded);
            assert!(step_error(&start, &padded_to, &to) < 1e-6, "{name}");
            compare(name, &got, &want);
            let Some(gpu) = &gpu else { continue };
            let device =
                |batch: &Batch| update(&mut GpuLearner::new(gpu, spec.clone(), config.clone(), 7).unwrap(), batch);
            let (want, to) = device(&dense);
            let (got, padded_to) = device(&padded);
            let error = step_error(&start, &padded_to, &to);
            println!("{name}, {}: padded against dense on the device: {error:.1e}", spec.head.name());
            assert!(error < limit(name), "{name}: {error}");
            compare(name, &got, &want);
        }
    }
}

#[test]
fn a_minibatch_without_a_row_that_counts_steps_with_gradient_0() {
    let Some(gpu) = support::gpu(true) else { return };
    let spec = spec(Head::categorical(3));
    let mut batch = batch(&spec, 24);
    // The second of three minibatches is padding.
    let valid = Array1::from_shape_fn(24, |row| u32::from(!(8..16).contains(&row)));
    batch.obs.slice_mut(s![8..16, ..]).fill(f32::NAN);
    batch.valid = Some(valid);
    for (name, config) in cases().into_iter().filter(|(_, config)| config.update_epochs == 2) {
        let config = Config { minibatch_size: Some(8), ..config };
        let order: Vec<u32> = (0..config.order_epochs()).flat_map(|_| 0..24).collect();
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
        let mut device = GpuLearner::new(&gpu, spec.clone(), config, 7).unwrap();
        let start = device.parameters().unwrap();
        let want = oracle.update_batch(&batch, Some(&order)).unwrap();
        let got = device.update_batch(&batch, Some(&order)).unwrap();
        let empty = &want.minibatches[1];
        assert_eq!((empty.loss, empty.grad_norm, empty.stepped, want.optimizer_steps), (0.0, 0.0, true, 6), "{name}");
        compare(name, &got, &want);
        let error = step_error(&start, &device.parameters().unwrap(), &oracle.parameters().unwrap());
        assert!(error < limit(name), "{name}: {error}");
    }
}

#[test]
fn without_a_row_to_look_at_the_fisher_matrix_is_damping() {
    let Some(gpu) = support::gpu(true) else { return };
    let spec = spec(Head::gaussian(2));
    let mut batch = batch(&spec, 40);
    batch.valid = Some(Array1::from_shape_fn(40, |row| u32::from(row % 8 != 0)));
    let (name, config) = cases().into_iter().find(|(name, _)| *name == "trpo").unwrap();
    let mut config = config;
    config.trust_region_mut().unwrap().fisher_subsample = 8;
    let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
    let mut device = GpuLearner::new(&gpu, spec, config, 7).unwrap();
    let start = device.parameters().unwrap();
    let (want, got) = (oracle.update_batch(&batch, None).unwrap(), device.update_batch(&batch, None).unwrap());
    assert_eq!(want.trust_region.as_ref().unwrap().cg_iterations, 1, "{name}");
    compare(name, &got, &want);
    assert!(step_error(&start, &device.parameters().unwrap(), &oracle.parameters().unwrap()) < limit(name));
}

#[test]
fn a_mask_of_ones_changes_no_bit() {
    let Some(gpu) = support::gpu(false) else { return };
    let spec = spec(Head::gaussian(2));
    let plain = batch(&spec, 130);
    let masked = Batch { valid: Some(Array1::ones(130)), ..plain.clone() };
    for (name, config) in cases() {
        let run = |batch: &Batch| {
            let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
            let stats = format!("{:?}", device.update_batch(batch, None).unwrap());
            (stats, device.state().unwrap())
        };
        assert_eq!(run(&plain), run(&masked), "{name}");
    }
}

#[test]
fn masks_are_checked() {
    let spec = spec(Head::categorical(3));
    let good = spoiled(&batch(&spec, 20));
    good.validate(&spec).unwrap();
    let message = |batch: Batch| batch.validate(&spec).unwrap_err().to_string();
    assert!(message(Batch { valid: Some(Array1::zeros(20)), ..good.clone() }).contains("none of 20 rows"));
    assert!(message(Batch { valid: Some(Array1::ones(19)), ..good.clone() }).contains("valid"));
    assert!(message(Batch { valid: Some(Array1::from_elem(20, 2)), ..good.clone() }).contains("0 or 1"));
    assert!(message(Batch { valid: None, ..good }).contains("actions"), "garbage in a row that counts");
}

// Rollouts of an older policy.

/// Seeded steps of a policy of its own, with both kinds of ends.
fn rollout(spec: &PolicySpec, steps: usize, envs: usize, actor: u64) -> Rollout {
    let rows = steps * envs;
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), actor).unwrap();
    let obs = Array2::from_shape_fn((rows, spec.obs_dim()), |(row, column)| n(row, column));
    let allowed = allowed(spec, rows);
    let acted = learner.act_masked(obs.view(), allowed.as_ref().map(|a| a.view()), ActMode::Sample).unwrap();
    let window = |columns: usize, steps: usize| Array2::from_shape_fn((steps, envs), |(t, e)| n(t * envs + e, columns));
    let flags = |column| window(column, steps).mapv(|x| u32::from(x > 1.3));
    let mut values = window(301, steps + 1);
    for (value, own) in values.iter_mut().zip(&acted.values) {
        *value = *own;
    }
    Rollout {
        steps,
        envs,
        obs,
        actions: acted.actions,
        logp: acted.logp,
        rewards: window(300, steps),
        values,
        final_values: Some(window(302, steps)),
        terminated: flags(303),
        truncated: flags(304),
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    }
}

fn estimators() -> [AdvantageKind; 4] {
    [
        AdvantageKind::PUFF,
        AdvantageKind::Puff { rho_clip: 1.3, c_clip: 0.9 },
        AdvantageKind::VTRACE,
        AdvantageKind::Vtrace { rho_bar: 1.5, c_bar: 0.8, pg_rho_bar: 2.0 },
    ]
}

#[test]
fn stale_rollouts_are_corrected_alike() {
    let Some(gpu) = support::gpu(true) else { return };
    for head in heads() {
        let spec = spec(head);
        // The actor has other parameters than the learner.
        let stale = rollout(&spec, 26, 5, 8);
        for (advantage, (name, config)) in
            estimators().into_iter().flat_map(|kind| cases().into_iter().map(move |c| (kind, c)))
        {
            if !["ppo", "a2c", "trpo"].contains(&name) {
                continue;
            }
            let config = Config { advantage, ..config };
            let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
            let start = device.parameters().unwrap();
            for round in 0..2 {
                let (want, got) = (oracle.update(&stale).unwrap(), device.update(&stale).unwrap());
                let error = step_error(&start, &device.parameters().unwrap(), &oracle.parameters().unwrap());
                println!("{name}, {}, {advantage:?}: round {round}: step error {error:.1e}", spec.head.name());
                assert!(error < limit(name), "{name}, {advantage:?}: step error {error}");
                compare(name, &got, &want);
            }
            // And it is not what GAE makes of it.
            let mut plain =
                CpuLearner::<f64>::new(spec.clone(), Config { advantage: AdvantageKind::Gae, ..config }, 7).unwrap();
            plain.update(&stale).unwrap();
            plain.update(&stale).unwrap();
            let apart = step_error(&start, &plain.parameters().unwrap(), &oracle.parameters().unwrap());
            assert!(apart > 1e-3, "{name}, {advantage:?}: {apart}");
        }
    }
}

/// A rollout with a given order of its rows: the device as the reference, and neither as with the keyed shuffle.
#[test]
fn a_rollouts_rows_come_in_a_given_order() {
    let gpu = support::gpu(false);
    let spec = spec(heads()[0].clone());
    let own = rollout(&spec, 13, 5, 7);
    for (name, config) in cases().into_iter().filter(|(name, _)| ["ppo", "trpo"].contains(name)) {
        let (rows, epochs) = (65_usize, config.order_epochs());
        let order: Vec<u32> =
            (0..epochs).flat_map(|epoch| (0..rows).map(move |i| ((i * (2 + epoch) + 7) % rows) as u32)).collect();
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
        let mut keyed = oracle.clone();
        let start = oracle.parameters().unwrap();
        let want = oracle.update_in_order(&own, Some(&order)).unwrap();
        keyed.update(&own).unwrap();
        let ours = oracle.parameters().unwrap();
        assert!(step_error(&start, &keyed.parameters().unwrap(), &ours) > 1e-3, "{name}: the order is not read");
        for (bad, words) in [(&order[1..], "has shape"), (&vec![65; epochs * rows][..], "a row below 65")] {
            let before = oracle.state().unwrap();
            let message = oracle.update_in_order(&own, Some(bad)).unwrap_err().to_string();
            assert!(message.contains("\"order\"") && message.contains(words), "{name}: {message}");
            assert!(oracle.state().unwrap() == before);
        }
        let Some(gpu) = &gpu else { continue };
        let mut device = GpuLearner::new(gpu, spec.clone(), config.clone(), 7).unwrap();
        assert!(device.update_in_order(&own, Some(&order[1..])).is_err());
        let got = device.update_in_order(&own, Some(&order)).unwrap();
        let error = step_error(&start, &device.parameters().unwrap(), &ours);
        println!("{name}: step error {error:.1e}");
        assert!(error < limit(name), "{name}: step error {error}");
        compare(name, &got, &want);
        // The plan with an order is not kept for a rollout without one.
        device.update(&own).unwrap();
        let mut after = oracle.clone();
        after.update(&own).unwrap();
        let error = step_error(&ours, &device.parameters().unwrap(), &after.parameters().unwrap());
        assert!(error < 3.0 * limit(name), "{name}: step error {error} after it");
    }
}

#[test]
fn puff_is_gae_on_the_own_policys_rollout() {
    let gpu = support::gpu(false);
    for head in heads() {
        let spec = spec(head);
        let own = rollout(&spec, 26, 5, 7);
        let config = |advantage| Config { advantage, ..cases().remove(0).1 };
        let (gae, puff) = (config(AdvantageKind::Gae), config(AdvantageKind::PUFF));
        let run = |learner: &mut dyn OnPolicy| {
            let start = learner.parameters().unwrap();
            learner.update(&own).unwrap();
            (start, learner.parameters().unwrap())
        };
        let cpu = |config: &Config| run(&mut CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap());
        let ((start, a), (_, b)) = (cpu(&gae), cpu(&puff));
        // The rollout holds f32.
        assert!(step_error(&start, &a, &b) < 1e-5);
        if let Some(gpu) = &gpu {
            let device = |config: &Config| run(&mut GpuLearner::new(gpu, spec.clone(), config.clone(), 7).unwrap());
            let ((start, a), (_, b)) = (device(&gae), device(&puff));
            assert!(step_error(&start, &a, &b) < 1e-4);
        }
    }
}

// The three ways of resetting.

/// One recorded step.
#[derive(Clone, Copy)]
struct Step {
    /// Whence everything else is drawn.
    id: usize,
    terminated: bool,
    truncated: bool,
}

/// Three episodes: truncated after 4 steps, terminated after 3, and 5 steps of one that goes on.
fn episodes() -> [Vec<Step>; 3] {
    let episode = |first: usize, length: usize, terminated: bool, truncated: bool| {
        (0..length)
            .map(|t| {
                let last = t + 1 == length;
                Step { id: first + t, terminated: last && terminated, truncated: last && truncated }
            })
            .collect()
    };
    [episode(0, 4, false, true), episode(10, 3, true, false), episode(20, 5, false, false)]
}

/// V of the observation after step `id`: of the same episode's next step, or of its real last observation.
fn value_after(id: usize) -> f32 {
    n(id + 1, 401)
}

/// A window `[columns of places]`; `None` is filler or padding that holds garbage except for the value of a filler.
fn window(
    spec: &PolicySpec,
    columns: &[Vec<Option<Step>>],
    autoreset: Autoreset,
    fillers: &[(usize, usize, f32)],
) -> Rollout {
    let (steps, envs) = (columns[0].len(), columns.len());
    let at = |t: usize, e: usize| columns[e][t];
    let discrete = spec.head.is_discrete();
    let of = |row: usize| at(row / envs, row % envs);
    // Padding may hold anything; a filler is an observation like others.
    let garbage = if autoreset == Autoreset::Disabled { f32::NAN } else { 0.25 };
    let rows = steps * envs;
    let obs = Array2::from_shape_fn((rows, spec.obs_dim()), |(row, c)| of(row).map_or(garbage, |step| n(step.id, c)));
    let dims = spec.head.action_dims();
    let index = |(row, _): (usize, usize)| of(row).map_or(99, |step| step.id as u32 % 3);
    let indices = Array2::from_shape_fn((rows, dims), index);
    let actions = if spec.head.is_masked() {
        // Which choices are allowed follows from the step.
        let flag = |(row, choice): (usize, usize)| of(row).is_some_and(|step| step.id % 3 == choice || choice == 1);
        Actions::Masked { indices, allowed: Array2::from_shape_fn((rows, 3), flag) }
    } else if discrete {
        Actions::Discrete(indices)
    } else {
        Actions::Continuous(Array2::from_shape_fn((rows, dims), |(row, d)| {
            of(row).map_or(garbage, |step| n(step.id, 410 + d))
        }))
    };
    let per_step = |otherwise: f32, f: &dyn Fn(Step) -> f32| {
        Array2::from_shape_fn((steps, envs), |(t, e)| at(t, e).map_or(otherwise, f))
    };
    let flag =
        |f: &dyn Fn(Step) -> bool| Array2::from_shape_fn((steps, envs), |(t, e)| u32::from(at(t, e).is_some_and(f)));
    let mut values = Array2::from_elem((steps + 1, envs), garbage);
    values.slice_mut(s![..steps, ..]).assign(&per_step(garbage, &|step| n(step.id, 401)));
    for e in 0..envs {
        if let Some(step) = at(steps - 1, e) {
            values[[steps, e]] = value_after(step.id);
        }
    }
    for (t, e, value) in fillers {
        values[[*t, *e]] = *value;
    }
    Rollout {
        steps,
        envs,
        obs,
        actions,
        logp: per_step(garbage, &|step| n(step.id, 402) * 0.1 - 1.5).into_iter().collect(),
        rewards: per_step(if garbage.is_nan() { garbage } else { 0.0 }, &|step| n(step.id, 403)),
        values,
        // With next-step resets nobody reads them.
        final_values: (autoreset != Autoreset::NextStep)
            .then(|| per_step(garbage, &|step| if step.truncated { value_after(step.id) } else { 0.0 })),
        terminated: flag(&|step| step.terminated),
        truncated: flag(&|step| step.truncated),
        valid: None,
        autoreset,
        ended_before: None,
    }
}

/// The same steps as each mode records them, with the identity of each row.
fn recorded(spec: &PolicySpec) -> Vec<(Rollout, Vec<Option<usize>>)> {
    let [a, b, c] = episodes();
    let some = |steps: &[Step]| steps.iter().copied().map(Some).collect::<Vec<_>>();
    let same = vec![[some(&a), some(&b), some(&c)].concat()];
    let next = vec![[some(&a), vec![None], some(&b), vec![None], some(&c)].concat()];
    // The second window of next-step resets begins with the reset.
    let padded = |steps: &[Step]| {
        let mut column = some(steps);
        column.resize(6, None);
        column
    };
    let apart = vec![padded(&a), padded(&b), some(&c).into_iter().chain([None]).collect()];
    let ids = |columns: &[Vec<Option<Step>>]| {
        (0..columns[0].len())
            .flat_map(|t| columns.iter().map(move |column| column[t].map(|step| step.id)))
            .collect::<Vec<_>>()
    };
    let mut disabled = window(spec, &apart, Autoreset::Disabled, &[]);
    // The third episode is cut off before the window's end, which is a truncation.
    disabled.truncated[[4, 2]] = 1;
    disabled.final_values.as_mut().unwrap()[[4, 2]] = value_after(24);
    vec![
        (window(spec, &same, Autoreset::SameStep, &[]), ids(&same)),
        (window(spec, &next, Autoreset::NextStep, &[(4, 0, value_after(3)), (8, 0, value_after(12))]), ids(&next)),
        (disabled, ids(&apart)),
    ]
}

/// The identity of a step, and its advantage.
type BySteps = Vec<(usize, f64)>;

/// Advantages by step, of rows that are steps.
fn by_step(advantages: &[f64], ids: &[Option<usize>]) -> BySteps {
    let mut all: Vec<_> =
        ids.iter().zip(advantages).filter_map(|(id, advantage)| id.map(|id| (id, *advantage))).collect();
    all.sort_by_key(|(id, _)| *id);
    all
}

fn on_device(gpu: &Gpu, rollout: &Rollout, config: &Config) -> (Vec<u32>, Vec<f64>) {
    let floats = |array: &Array2<f32>| gpu.upload("array", &array.iter().copied().collect::<Vec<_>>()).unwrap();
    let flags = |array: &Array2<u32>| gpu.upload("array", &array.iter().copied().collect::<Vec<_>>()).unwrap();
    let rows = rollout.rows() as u64;
    let buffers = RolloutBuffers {
        steps: rollout.steps as u32,
        envs: rollout.envs as u32,
        rewards: floats(&rollout.rewards),
        values: floats(&rollout.values),
        final_values: rollout.final_values.as_ref().map_or_else(|| gpu.buffer("final_values", rows).unwrap(), floats),
        terminated: flags(&rollout.terminated),
        truncated: flags(&rollout.truncated),
        log_rhos: None,
        valid: rollout.valid.as_ref().map(flags),
    };
    let ended = rollout.ended_before.as_ref().map(|ended| gpu.upload("ended_before", &ended.to_vec()).unwrap());
    let valid = ValidPlan::new(gpu, &buffers, rollout.autoreset, ended.as_ref()).unwrap();
    let plan = AdvantagePlan::new(gpu, &buffers, config.gamma as f32, Estimator::from(config)).unwrap();
    let calls: Vec<_> = valid.calls().iter().chain(plan.calls()).cloned().collect();
    gpu.run("advantages", &calls, Slot::default()).unwrap();
    let advantages = gpu.read(&plan.advantages).unwrap().into_iter().map(f64::from).collect();
    (gpu.read(&valid.valid).unwrap(), advantages)
}

#[test]
fn the_same_steps_in_three_modes_are_the_same_update() {
    let gpu = support::gpu(true);
    for head in heads() {
        let spec = spec(head);
        let config =
            Config { num_minibatches: 1, update_epochs: 3, learning_rate: 1e-3, anneal_lr: false, ..Config::cleanrl() };
        let start = wgpo::policy::initial_parameters(&spec, 7);
        let wide: Vec<f64> = start.iter().map(|p| f64::from(*p)).collect();
        // Advantages and parameters of the first mode.
        let mut first: Option<(BySteps, Vec<f32>)> = None;
        for (rollout, ids) in recorded(&spec) {
            let mode = rollout.autoreset.name();
            rollout.validate(&spec).unwrap();
            let counted: Vec<u32> = ids.iter().map(|id| u32::from(id.is_some())).collect();
            if let Some(valid) = rollout.counted() {
                assert_eq!(valid.into_iter().collect::<Vec<_>>(), counted, "{mode}");
            }
            let rows = Rows::from_rollout(&spec, &config, &wide, &rollout).unwrap();
            let advantages = by_step(&rows.advantages.to_vec(), &ids);
            assert!(advantages.iter().all(|(_, advantage)| advantage.is_finite()), "{mode}");
            let mut cpu = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            cpu.update(&rollout).unwrap();
            let to = cpu.parameters().unwrap();
            let (same, end) = first.get_or_insert_with(|| (advantages.clone(), to.clone()));
            assert_eq!(&advantages, same, "{mode}");
            assert!(step_error(&start, &to, end) < 1e-5, "{mode}");

            let Some(gpu) = &gpu else { continue };
            let (valid, got) = on_device(gpu, &rollout, &config);
            assert_eq!(valid, counted, "{mode}");
            for ((id, got), (_, want)) in by_step(&got, &ids).into_iter().zip(same.iter()) {
                assert!((got - want).abs() < 1e-5, "{mode}: step {id} is {got}, not {want}");
            }
            let mut device = GpuLearner::new(gpu, spec.clone(), config.clone(), 7).unwrap();
            for _ in 0..2 {
                device.update(&rollout).unwrap();
            }
            cpu.update(&rollout).unwrap();
            let error = step_error(&start, &device.parameters().unwrap(), &cpu.parameters().unwrap());
            println!("{mode}, {}: step error {error:.1e}", spec.head.name());
            assert!(error < 1e-4, "{mode}: step error {error}");

            // Running statistics take in transitions only.
            let config = Config {
                num_envs: rollout.envs,
                norm_reward: Some(RewardNorm::sb3()),
                norm_value: Some(ValueNorm::rl_games()),
                ..config.clone()
            };
            let mut cpu = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(gpu, spec.clone(), config, 7).unwrap();
            for _ in 0..2 {
                cpu.update(&rollout).unwrap();
                device.update(&rollout).unwrap();
            }
            let (a, b) = (device.state().unwrap().normalizer, cpu.state().unwrap().normalizer);
            for (a, b) in [(a.reward, b.reward), (a.value, b.value)] {
                let (a, b) = (a.unwrap(), b.unwrap());
                assert_eq!((a.count, b.count), (24, 24), "{mode}: twelve steps, twice");
                assert!((a.mean[0] - b.mean[0]).abs() < 1e-5 && (a.variance[0] - b.variance[0]).abs() < 1e-5, "{mode}");
            }
            let error = step_error(&start, &device.parameters().unwrap(), &cpu.parameters().unwrap());
            assert!(error < 1e-4, "{mode}, normalised: step error {error}");
        }
    }
}

#[test]
fn a_window_may_begin_with_the_reset() {
    let gpu = support::gpu(true);
    let spec = spec(Head::categorical(3));
    let config = Config::cleanrl();
    let wide: Vec<f64> = wgpo::policy::initial_parameters(&spec, 7).iter().map(|p| f64::from(*p)).collect();
    let (whole, ids) = recorded(&spec).remove(1);
    let want = Rows::from_rollout(&spec, &config, &wide, &whole).unwrap().advantages;
    // From the first filler on.
    let from = 4;
    let cut = |array: &Array2<f32>| array.slice(s![from.., ..]).to_owned();
    let flags = |array: &Array2<u32>| array.slice(s![from.., ..]).to_owned();
    let Actions::Discrete(actions) = &whole.actions else { panic!() };
    let rest = Rollout {
        steps: whole.steps - from,
        obs: cut(&whole.obs),
        actions: Actions::Discrete(flags(actions)),
        logp: whole.logp.slice(s![from..]).to_owned(),
        rewards: cut(&whole.rewards),
        values: cut(&whole.values),
        final_values: whole.final_values.as_ref().map(cut),
        terminated: flags(&whole.terminated),
        truncated: flags(&whole.truncated),
        ended_before: Some(Array1::ones(1)),
        ..whole.clone()
    };
    rest.validate(&spec).unwrap();
    let rows = Rows::from_rollout(&spec, &config, &wide, &rest).unwrap();
    let counted: Vec<u32> = ids[from..].iter().map(|id| u32::from(id.is_some())).collect();
    assert_eq!(rows.valid.unwrap().to_vec(), counted);
    for (row, _) in counted.iter().enumerate().filter(|(_, valid)| **valid == 1) {
        assert_eq!(rows.advantages[row], want[from + row]);
    }
    if let Some(gpu) = &gpu {
        assert_eq!(on_device(gpu, &rest, &config).0, counted);
    }
    // Without the flag the filler would be a transition, with an action that no policy has.
    let wrong = Rollout { ended_before: None, ..rest.clone() };
    assert!(wrong.validate(&spec).unwrap_err().to_string().contains("actions"));
    // A reset ends nothing.
    let mut wrong = rest;
    wrong.truncated[[0, 0]] = 1;
    assert!(wrong.validate(&spec).unwrap_err().to_string().contains("the reset after an end"));
}

/// A rollout's change, and what it is for.
type Case<'a> = (&'a str, &'a dyn Fn(&mut Rollout));

/// Zeros that nobody meant would pass for the values of worthless states.
#[test]
fn a_truncated_step_without_its_final_value_is_named() {
    let spec = spec(Head::categorical(3));
    let config = Config { num_minibatches: 1, update_epochs: 1, ..Config::cleanrl() };
    let mut whole = rollout(&spec, 5, 3, 7);
    (whole.terminated, whole.truncated) = (Array2::zeros((5, 3)), Array2::zeros((5, 3)));
    let without = |change: &dyn Fn(&mut Rollout)| {
        let mut rollout = Rollout { final_values: None, ..whole.clone() };
        change(&mut rollout);
        rollout
    };
    let cut = |rollout: &mut Rollout| rollout.truncated[[2, 1]] = 1;
    let unneeded: [Case<'_>; 4] = [
        ("nothing is truncated", &|_| ()),
        ("terminated wins", &|r| {
            cut(r);
            r.terminated[[2, 1]] = 1;
        }),
        ("the filler's value stands for it", &|r| {
            cut(r);
            r.autoreset = Autoreset::NextStep;
        }),
        ("padding", &|r| {
            cut(r);
            r.terminated[[1, 1]] = 1;
            r.autoreset = Autoreset::Disabled;
        }),
    ];
    let new = |seed| CpuLearner::<f32>::new(spec.clone(), config.clone(), seed).unwrap();
    for (why, change) in unneeded {
        let (none, mut some) = (without(change), without(change));
        some.final_values = Some(Array2::from_elem((5, 3), 0.5));
        let (mut a, mut b) = (new(1), new(1));
        let stats = (a.update(&none).expect(why), b.update(&some).expect(why));
        assert_eq!((stats.0, a.state().unwrap()), (stats.1, b.state().unwrap()), "{why}");
    }
    let needed: [Case<'_>; 3] = [
        ("same step", &cut),
        ("disabled", &|r| {
            cut(r);
            r.autoreset = Autoreset::Disabled;
        }),
        // A row that is left out still takes part in the advantages of those before it.
        ("masked out", &|r| {
            cut(r);
            let mut valid = Array2::ones((5, 3));
            valid[[2, 1]] = 0;
            r.valid = Some(valid);
        }),
    ];
    let gpu = support::gpu(true);
    for (why, change) in needed {
        let rollout = without(change);
        let words = "\"final_values\"[7] is absent, expected V of the real last observation, as \"truncated\" is 1 at step 2 of \
                     environment 1";
        let mut learners: Vec<Box<dyn OnPolicy>> = vec![Box::new(new(1))];
        if let Some(gpu) = &gpu {
            learners.push(Box::new(GpuLearner::new(gpu, spec.clone(), config.clone(), 1).unwrap()));
        }
        for mut learner in learners {
            let before = learner.state().unwrap();
            assert_eq!(learner.update(&rollout).unwrap_err().to_string(), words, "{why}");
            assert_eq!(learner.state().unwrap(), before, "{why}");
        }
        let parameters = vec![0.0; spec.layout().len()];
        assert!(Rows::<f64>::from_rollout(&spec, &config, &parameters, &rollout).is_err(), "{why}");
    }
}
