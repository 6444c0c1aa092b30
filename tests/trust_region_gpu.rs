//! TRPO and NPG on the device against the f64 reference: products, directions, decisions, counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2};
use wgpo::config::{Acceptance, FisherForm, KlDirection, TrustRegion};
use wgpo::cpu::CpuLearner;
use wgpo::data::Batch;
use wgpo::gpu::Gpu;
use wgpo::low_level::algo::{FisherPlan, TrustRegionUpdate};
use wgpo::low_level::reference::fisher::Fisher;
use wgpo::low_level::rng::{Draw, block, normal};
use wgpo::policy::{Activation, Branch, Head, PolicySpec, initial_parameters};
use wgpo::{
    ActMode, Agent, Algorithm, AlgorithmKind, BatchBuffers, Config, Env, GpuLearner, GpuTrainer, Model, OnPolicy,
    SaveTrainer, Trainer,
};

fn random(seed: u64, index: usize) -> f32 {
    normal(block(seed, Draw::Initialisation, 77, 0, index as u64)[0])
}

fn batch(spec: &PolicySpec, rows: usize, seed: u64) -> Batch {
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 7).unwrap();
    let obs = Array2::from_shape_fn((rows, spec.obs_dim()), |(r, c)| random(seed, r * spec.obs_dim() + c));
    let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
    let advantages = Array1::from_shape_fn(rows, |r| random(seed + 1, r) + 0.3);
    let returns = &acted.values + &advantages;
    Batch {
        obs,
        actions: acted.actions,
        logp_old: acted.logp,
        advantages,
        returns,
        values_old: acted.values,
        old_dist: None,
        valid: None,
    }
}

fn specs() -> Vec<PolicySpec> {
    let discrete = Head::categorical(3);
    let continuous = Head::gaussian(2);
    vec![
        PolicySpec::separate(5, &[33, 17], Activation::Tanh, discrete.clone()),
        PolicySpec::separate(4, &[16], Activation::Silu, continuous.clone()),
        PolicySpec::shared(4, &[16, 9], Activation::Tanh, discrete.clone()),
        // As many layers before the branch as in it.
        PolicySpec::shared(4, &[16], Activation::Tanh, discrete),
        PolicySpec::separate(3, &[], Activation::Relu, continuous),
    ]
}

fn config() -> Config {
    Config {
        update_epochs: 2,
        num_minibatches: 2,
        minibatch_size: None,
        anneal_lr: false,
        ..Config::trpo_sb3_contrib()
    }
}

/// cos of the angle between two steps, and the ratio of their lengths.
fn compare_steps(start: &[f32], got: &[f32], want: &[f32], indices: &[usize]) -> (f64, f64) {
    let step = |to: &[f32]| -> Vec<f64> { indices.iter().map(|i| f64::from(to[*i]) - f64::from(start[*i])).collect() };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (got, want) = (step(got), step(want));
    (dot(&got, &want) / (dot(&got, &got) * dot(&want, &want)).sqrt(), (dot(&got, &got) / dot(&want, &want)).sqrt())
}

/// All parameters but the critic's own.
fn of_policy(spec: &PolicySpec) -> Vec<usize> {
    let layout = spec.layout();
    let value = layout.own_range(Branch::VALUE);
    (0..layout.len()).filter(|i| !value.contains(i)).collect()
}

#[test]
fn fisher_products_agree_with_the_reference() {
    for checks in [false, true] {
        let Some(gpu) = support::gpu(checks) else { return };
        for spec in specs() {
            for (rows, every, form) in [
                (1, 1, FisherForm::GaussNewton),
                (67, 1, FisherForm::GaussNewton),
                (67, 5, FisherForm::GaussNewton),
                (67, 2, FisherForm::Empirical),
            ] {
                let batch = batch(&spec, rows, 3);
                let parameters = initial_parameters(&spec, 7);
                let model = Model::new(&gpu, &spec, &config(), &parameters, 7).unwrap();
                let obs = gpu.upload("obs", &batch.obs.iter().copied().collect::<Vec<f32>>()).unwrap();
                let actions = gpu.upload("actions", &batch.actions.words()).unwrap();
                let plan = FisherPlan::new(&gpu, &model, &obs, &actions, rows as u32, every, form).unwrap();
                let v: Vec<f32> = (0..parameters.len()).map(|i| random(9, i)).collect();
                let vector = gpu.upload("v", &v).unwrap();
                let product = gpu.buffer::<f32>("product", v.len() as u64).unwrap();
                let mut calls = plan.prepare().to_vec();
                calls.extend(plan.product(&gpu, &model, &vector, &product).unwrap());
                gpu.run("fvp", &calls, Default::default()).unwrap();
                let got = gpu.read(&product).unwrap();

                let wide: Vec<f64> = parameters.iter().map(|p| f64::from(*p)).collect();
                let (layout, wide_obs) = (spec.layout(), batch.obs.mapv(f64::from));
                let fisher =
                    Fisher::new(&spec, &layout, &wide, wide_obs.view(), &batch.actions, form, every as usize, 0.0)
                        .unwrap();
                let want = fisher.apply(&v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>()).unwrap();
                let largest = want.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
                let worst =
                    got.iter().zip(&want).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0_f64, f64::max) / largest;
                // Four chained products of sums of at most 67 terms, 2^-24 each, and a device's exp: about 1e-6.
                assert!(worst < 5e-6, "{spec:?}, {rows} rows, every {every}, {form:?}: {worst:e}");
            }
        }
        gpu.healthy().unwrap();
    }
}

fn regions() -> Vec<(&'static str, AlgorithmKind, TrustRegion)> {
    let sb3 = TrustRegion::sb3_contrib();
    // So few iterations that rounding does not decide (conjugate gradients amplify it), and a relative stop that f32 can meet.
    let few = TrustRegion { cg_iterations: 6, cg_tolerance: 1e-6, cg_absolute_tolerance: None, ..sb3 };
    vec![
        ("sb3-contrib", AlgorithmKind::Trpo, few),
        (
            "baselines",
            AlgorithmKind::Trpo,
            TrustRegion { cg_iterations: 6, cg_tolerance: 1e-6, ..TrustRegion::baselines() },
        ),
        (
            "ratio",
            AlgorithmKind::Trpo,
            TrustRegion { acceptance: Acceptance::Ratio(0.1), kl_direction: KlDirection::OldNew, ..few },
        ),
        ("npg", AlgorithmKind::Npg, few),
        ("fixed step", AlgorithmKind::Npg, TrustRegion { step_size: Some(0.03), ..few }),
        ("on a third of the rows", AlgorithmKind::Trpo, TrustRegion { subsample: 3, ..few }),
        ("empirical", AlgorithmKind::Trpo, TrustRegion { fisher: FisherForm::Empirical, ..few }),
    ]
}

#[test]
fn whole_updates_agree_with_the_f64_reference() {
    let Some(gpu) = support::gpu(false) else { return };
    for spec in specs() {
        for (name, algorithm, trust_region) in regions() {
            let config = config().with_algorithm(Algorithm::Trpo(trust_region).renamed(algorithm).unwrap());
            let batch = batch(&spec, 130, 21);
            let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(&gpu, spec.clone(), config, 7).unwrap();
            let start = device.parameters().unwrap();
            let want = oracle.update_batch(&batch, None).unwrap();
            let got = device.update_batch(&batch, None).unwrap();
            let (g, w) = (got.trust_region.clone().unwrap(), want.trust_region.clone().unwrap());
            println!("{name} {:?}: {g:?}", spec.head);
            assert_eq!((g.accepted, g.accepted_try, g.tries), (w.accepted, w.accepted_try, w.tries), "{name}: {w:?}");
            assert!(
                (g.kl_after - w.kl_after).abs() <= 1e-4 * trust_region.max_kl + 1e-3 * w.kl_after,
                "{name}: {g:?} {w:?}"
            );
            assert!((g.gradient_norm - w.gradient_norm).abs() <= 1e-5 * w.gradient_norm);
            assert!((g.surrogate_after - w.surrogate_after).abs() <= 1e-5 * (1.0 + w.surrogate_after.abs()));
            assert!((g.entropy - w.entropy).abs() <= 1e-5 * (1.0 + w.entropy.abs()));
            if algorithm == AlgorithmKind::Trpo && g.accepted {
                assert!(g.kl_after <= trust_region.kl_margin * trust_region.max_kl);
            }
            let (a, b) = (device.parameters().unwrap(), oracle.parameters().unwrap());
            if g.accepted {
                let (cosine, length) = compare_steps(&start, &a, &b, &of_policy(&spec));
                assert!(cosine >= 1.0 - 1e-6, "{name}: cosine {cosine}");
                assert!((length - 1.0).abs() < 1e-3, "{name}: length {length}");
            }
            // The critic: Adam's steps on its own parameters.
            let value: Vec<_> = spec.layout().own_range(Branch::VALUE).collect();
            let (cosine, length) = compare_steps(&start, &a, &b, &value);
            assert!(cosine > 1.0 - 1e-6 && (length - 1.0).abs() < 1e-4, "{name}: critic {cosine} {length}");
            assert_eq!((got.optimizer_steps, got.minibatches.len()), (want.optimizer_steps, want.minibatches.len()));
        }
    }
    gpu.healthy().unwrap();
}

#[test]
fn a_line_search_that_fails_leaves_the_bits() {
    let Some(gpu) = support::gpu(false) else { return };
    let spec = &specs()[1];
    // No candidate can stay within a thousandth of the KL that the step is scaled to.
    let trust_region = TrustRegion { kl_margin: 1e-3, line_search_steps: 2, ..TrustRegion::sb3_contrib() };
    let config = Config { algorithm: Algorithm::Trpo(trust_region), ..config() };
    let mut device = GpuLearner::new(&gpu, spec.clone(), config, 7).unwrap();
    let before = device.parameters().unwrap();
    let stats = device.update_batch(&batch(spec, 65, 2), None).unwrap().trust_region.unwrap();
    assert_eq!((stats.accepted, stats.tries, stats.accepted_try), (false, 2, None));
    let after = device.parameters().unwrap();
    let bits = |p: &[f32]| of_policy(spec).iter().map(|i| p[*i].to_bits()).collect::<Vec<u32>>();
    assert_eq!(bits(&after), bits(&before));
}

#[test]
fn a_line_search_backtracks_as_the_reference_does() {
    let Some(gpu) = support::gpu(false) else { return };
    let spec = &specs()[0];
    let trust_region = TrustRegion {
        max_kl: 1.0,
        kl_margin: 0.05,
        line_search_factor: 0.7,
        cg_iterations: 5,
        ..TrustRegion::sb3_contrib()
    };
    let config = Config { algorithm: Algorithm::Trpo(trust_region), ..config() };
    let batch = batch(spec, 130, 8);
    let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
    let mut device = GpuLearner::new(&gpu, spec.clone(), config, 7).unwrap();
    let want = oracle.update_batch(&batch, None).unwrap().trust_region.unwrap();
    let got = device.update_batch(&batch, None).unwrap().trust_region.unwrap();
    assert!(want.accepted && want.tries >= 3, "the case must backtrack: {want:?}");
    assert_eq!((got.accepted_try, got.tries), (want.accepted_try, want.tries));
}

#[test]
fn no_advantage_means_no_step() {
    let Some(gpu) = support::gpu(false) else { return };
    for rows in [1, 64] {
        for spec in specs() {
            let mut batch = batch(&spec, rows, 5);
            batch.advantages.fill(0.0);
            let mut device = GpuLearner::new(&gpu, spec.clone(), config(), 7).unwrap();
            let before = device.parameters().unwrap();
            let stats = device.update_batch(&batch, None).unwrap().trust_region.unwrap();
            assert_eq!(
                (stats.accepted, stats.tries, stats.cg_iterations, stats.step_scale),
                (false, 0, 0, 0.0),
                "{stats:?}"
            );
            let after = device.parameters().unwrap();
            assert!(of_policy(&spec).iter().all(|i| after[*i] == before[*i]));
        }
    }
}

fn trainer(gpu: &Gpu, config: Config) -> GpuTrainer {
    let env = Env::CartPole;
    GpuTrainer::new(gpu, env, env.policy(&[16, 16]), config, 3).unwrap()
}

#[test]
fn one_update_is_one_submission_and_reads_nothing_back() {
    let Some(gpu) = support::gpu(false) else { return };
    let config = Config { num_envs: 4, num_steps: 32, ..config() };
    let mut trainer = trainer(&gpu, config.clone());
    trainer.iterate().unwrap();
    let before = gpu.counts();
    trainer.iterate().unwrap();
    let spent = gpu.counts() - before;
    println!("{:?} {spent:?}", trainer.dispatches());
    assert_eq!((spent.submissions, spent.readbacks), (1, 1), "the read-back is the statistics, afterwards");
    assert_eq!(spent.created, 0, "no buffer, bind group or pipeline is made per update");

    // One product: per layer a tangent, a weight gradient and (except the first) an input gradient; head and reduction.
    let spec = Env::CartPole.policy(&[64, 64]);
    let model = Model::new(&gpu, &spec, &config, &initial_parameters(&spec, 1), 1).unwrap();
    let rows = 64_u64;
    let batch = BatchBuffers {
        rows: rows as u32,
        obs: gpu.buffer("obs", rows * 4).unwrap(),
        actions: gpu.buffer("actions", rows).unwrap(),
        logp_old: gpu.buffer("logp", rows).unwrap(),
        advantages: gpu.buffer("advantages", rows).unwrap(),
        returns: gpu.buffer("returns", rows).unwrap(),
        values_old: gpu.buffer("values", rows).unwrap(),
        old_dist: None,
        valid: None,
    };
    let plan = TrustRegionUpdate::new(&gpu, &model, &config, &batch, None).unwrap();
    assert_eq!(plan.fisher_dispatches(), 3 + 1 + 3 + 2 + 1);
}

#[test]
fn a_resumed_run_has_the_bits_of_an_uninterrupted_one() {
    let Some(gpu) = support::gpu(false) else { return };
    for cg_warm_start in [false, true] {
        let trust_region = TrustRegion { cg_warm_start, ..TrustRegion::sb3_contrib() };
        let config = Config { algorithm: Algorithm::Trpo(trust_region), num_envs: 4, num_steps: 32, ..config() };
        let mut whole = trainer(&gpu, config.clone());
        let stats: Vec<_> = (0..4).map(|_| whole.iterate().unwrap()).collect();
        let mut first = trainer(&gpu, config.clone());
        for _ in 0..2 {
            first.iterate().unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.safetensors");
        first.save(&path).unwrap();
        let mut second = trainer(&gpu, config);
        second.load(&path).unwrap();
        let resumed: Vec<_> = (0..2).map(|_| second.iterate().unwrap()).collect();
        assert_eq!(format!("{resumed:?}"), format!("{:?}", &stats[2..]));
        assert_eq!(second.state().unwrap(), whole.state().unwrap());
    }
}

#[test]
fn a_batch_of_one_steps_as_the_reference_does() {
    let Some(gpu) = support::gpu(false) else { return };
    for spec in specs() {
        // One row has one direction to go: a single iteration solves for it.
        let trust_region =
            TrustRegion { cg_tolerance: 1e-6, cg_absolute_tolerance: None, ..TrustRegion::sb3_contrib() };
        let config = Config { algorithm: Algorithm::Trpo(trust_region), num_minibatches: 1, ..config() };
        let mut batch = batch(&spec, 1, 31);
        batch.advantages[0] = 0.8;
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
        let mut device = GpuLearner::new(&gpu, spec.clone(), config, 7).unwrap();
        let start = device.parameters().unwrap();
        let want = oracle.update_batch(&batch, None).unwrap().trust_region.unwrap();
        let got = device.update_batch(&batch, None).unwrap().trust_region.unwrap();
        assert_eq!((got.accepted, got.tries), (want.accepted, want.tries), "{got:?} {want:?}");
        assert!(want.accepted);
        let (a, b) = (device.parameters().unwrap(), oracle.parameters().unwrap());
        let (cosine, length) = compare_steps(&start, &a, &b, &of_policy(&spec));
        assert!(cosine >= 1.0 - 1e-6 && (length - 1.0).abs() < 1e-3, "{cosine} {length}");
    }
}

#[test]
fn a_warm_start_forgets_where_there_is_no_gradient() {
    let Some(gpu) = support::gpu(false) else { return };
    let spec = &specs()[0];
    let trust_region = TrustRegion { cg_warm_start: true, ..TrustRegion::sb3_contrib() };
    let config = Config { algorithm: Algorithm::Trpo(trust_region), ..config() };
    let mut batch = batch(spec, 64, 6);
    let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
    let mut oracle = CpuLearner::<f64>::new(spec.clone(), config, 7).unwrap();
    device.update_batch(&batch, None).unwrap();
    oracle.update_batch(&batch, None).unwrap();
    assert!(device.state().unwrap().search_direction.iter().any(|x| *x != 0.0));
    batch.advantages.fill(0.0);
    let stats = device.update_batch(&batch, None).unwrap().trust_region.unwrap();
    oracle.update_batch(&batch, None).unwrap();
    assert!(!stats.accepted);
    let (got, want) = (device.state().unwrap().search_direction, oracle.state().unwrap().search_direction);
    assert_eq!(got, want);
    assert!(got.iter().all(|x| *x == 0.0));
}
