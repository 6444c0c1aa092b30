//! Fisher products, conjugate gradients and whole trust-region updates of the reference, by identity.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use nalgebra::{DMatrix, DVector};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use wgpo::config::{
    Acceptance, AdaptiveLr, AdvantageNorm, FisherForm, KlDirection, KlHinge, KlMeasure, KlPenalty, Ppo, TrustRegion,
};
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Batch};
use wgpo::low_level::reference::actor_critic::ActorCritic;
use wgpo::low_level::reference::cg::{CgSettings, conjugate_gradient};
use wgpo::low_level::reference::fisher::{Fisher, fisher_vector_product};
use wgpo::low_level::reference::optim::Adam;
use wgpo::low_level::reference::ppo_update::{Order, Rows, minibatch_gradient, ppo_update};
use wgpo::low_level::reference::trpo_update::{mean_kl, policy_step, trpo_update};
use wgpo::low_level::reference::{head, head_actions};
use wgpo::policy::{Activation, Branch, Head, PolicySpec, initial_parameters};
use wgpo::{Agent, Algorithm, AlgorithmKind, Config, OnPolicy, SaveAgent};

fn specs() -> Vec<PolicySpec> {
    let mut specs = Vec::new();
    for head in [Head::categorical(3), Head::gaussian(2)] {
        for (trunk, activation) in [(vec![], Activation::Tanh), (vec![5, 4], Activation::Silu)] {
            let (policy_hidden, value_hidden) = (vec![6], if trunk.is_empty() { vec![4] } else { vec![] });
            specs.push(PolicySpec::mlp(3, &trunk, &policy_hidden, &value_hidden, activation, head.clone()));
        }
    }
    specs
}

fn numbers(rng: &mut StdRng, len: usize, size: f64) -> Vec<f64> {
    (0..len).map(|_| rng.random_range(-size..size)).collect()
}

/// Larger than an initialisation, so that no gradient is nearly zero.
fn weights(rng: &mut StdRng, spec: &PolicySpec) -> Vec<f64> {
    initial_parameters(spec, 3).into_iter().map(|p| f64::from(p) + rng.random_range(-0.3..0.3)).collect()
}

fn matrix(rng: &mut StdRng, rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |_| rng.random_range(-1.5..1.5))
}

/// Rows whose actions are the policy's own and whose ratios are 1.
fn rows(rng: &mut StdRng, spec: &PolicySpec, parameters: &[f64], count: usize) -> Rows<f64> {
    let layout = spec.layout();
    let obs = matrix(rng, count, spec.obs_dim()).mapv(|x| f64::from(x as f32));
    let dist = ActorCritic::new(spec, &layout, parameters).unwrap().distribution(obs.view()).unwrap();
    let actions = head_actions::sample(&spec.head, dist.view(), rng.random(), 0).unwrap();
    let column = |rng: &mut StdRng| Array1::from(numbers(rng, count, 1.0));
    Rows {
        logp_old: head::log_prob(&spec.head, dist.view(), &actions).unwrap(),
        actions,
        obs,
        advantages: column(rng),
        returns: column(rng),
        values_old: column(rng),
        old_dist: None,
        valid: None,
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn fisher_is_symmetric_and_positive_semi_definite() {
    let rng = &mut StdRng::seed_from_u64(1);
    for spec in specs() {
        let (layout, parameters) = (spec.layout(), weights(rng, &spec));
        let rows = rows(rng, &spec, &parameters, 9);
        for form in [FisherForm::GaussNewton, FisherForm::Empirical] {
            let fisher =
                Fisher::new(&spec, &layout, &parameters, rows.obs.view(), &rows.actions, form, 2, 0.0).unwrap();
            assert_eq!(fisher.rows(), 5);
            for _ in 0..1000 {
                let (u, v) = (numbers(rng, layout.len(), 1.0), numbers(rng, layout.len(), 1.0));
                let (fu, fv) = (fisher.apply(&u).unwrap(), fisher.apply(&v).unwrap());
                let (a, b) = (dot(&u, &fv), dot(&v, &fu));
                assert!((a - b).abs() <= 1e-12 * (norm(&u) * norm(&fv)), "{form:?}: {a} and {b}");
                assert!(dot(&v, &fv) >= 0.0);
                assert!(fv[layout.own_range(Branch::VALUE)].iter().all(|x| *x == 0.0), "nothing of the critic");
            }
        }
    }
}

/// Gradient of mean KL between the policy at `parameters` and the distributions `old`, by the parameters.
fn kl_gradient(
    spec: &PolicySpec,
    parameters: &[f64],
    obs: &Array2<f64>,
    old: &Array2<f64>,
    direction: KlDirection,
) -> Vec<f64> {
    let layout = spec.layout();
    let networks = ActorCritic::new(spec, &layout, parameters).unwrap();
    let tape = networks.forward_policy(obs.view()).unwrap();
    let w = Array1::from_elem(obs.nrows(), 1.0 / obs.nrows() as f64);
    let gradient = match direction {
        KlDirection::OldNew => head::kl_old_new_grad(&spec.head, old.view(), tape.dist.view(), w.view()),
        KlDirection::NewOld => head::kl_new_old_grad(&spec.head, old.view(), tape.dist.view(), w.view()),
    };
    networks.backward_policy(&tape, gradient.unwrap().view()).unwrap()
}

/// The Gauss–Newton form is the Hessian of the mean KL at the policy itself, either way round.
#[test]
fn fisher_is_the_hessian_of_the_mean_kl() {
    let rng = &mut StdRng::seed_from_u64(2);
    for spec in specs() {
        let (layout, parameters) = (spec.layout(), weights(rng, &spec));
        let obs = matrix(rng, 300, spec.obs_dim());
        let old = ActorCritic::new(&spec, &layout, &parameters).unwrap().distribution(obs.view()).unwrap();
        for _ in 0..5 {
            let v = numbers(rng, layout.len(), 1.0);
            let product = fisher_vector_product(&spec, &parameters, obs.view(), 0.25, &v).unwrap();
            for direction in [KlDirection::OldNew, KlDirection::NewOld] {
                let step = 1e-5;
                let at = |sign: f64| {
                    let moved: Vec<f64> = parameters.iter().zip(&v).map(|(p, v)| p + sign * step * v).collect();
                    kl_gradient(&spec, &moved, &obs, &old, direction)
                };
                let (above, below) = (at(1.0), at(-1.0));
                let hessian: Vec<f64> =
                    (0..v.len()).map(|i| (above[i] - below[i]) / (2.0 * step) + 0.25 * v[i]).collect();
                let off: Vec<f64> = product.iter().zip(&hessian).map(|(a, b)| a - b).collect();
                // Central differences of step 1e-5: truncation 1e-10, rounding 1e-11.
                assert!(norm(&off) <= 1e-8 * norm(&product), "{direction:?}: {}", norm(&off) / norm(&product));
            }
        }
    }
}

/// E over the policy's own actions of the empirical form is the Gauss–Newton form, for one observation exactly.
#[test]
fn the_empirical_form_is_the_fisher_matrix_in_the_mean() {
    let rng = &mut StdRng::seed_from_u64(3);
    let spec = specs().remove(0);
    let (layout, parameters) = (spec.layout(), weights(rng, &spec));
    let obs = matrix(rng, 1, spec.obs_dim());
    let dist = ActorCritic::new(&spec, &layout, &parameters).unwrap().distribution(obs.view()).unwrap();
    let v = numbers(rng, layout.len(), 1.0);
    let mut mean = vec![0.0; layout.len()];
    for action in 0..3 {
        let actions = Actions::Discrete(Array2::from_elem((1, 1), action));
        let p = head::log_prob(&spec.head, dist.view(), &actions).unwrap()[0].exp();
        let form = FisherForm::Empirical;
        let fisher = Fisher::new(&spec, &layout, &parameters, obs.view(), &actions, form, 1, 0.0).unwrap();
        mean.iter_mut().zip(fisher.apply(&v).unwrap()).for_each(|(mean, x)| *mean += p * x);
    }
    let want = fisher_vector_product(&spec, &parameters, obs.view(), 0.0, &v).unwrap();
    let off: Vec<f64> = mean.iter().zip(&want).map(|(a, b)| a - b).collect();
    assert!(norm(&off) <= 1e-12 * norm(&want));
}

/// With all weights 0 the hidden units say nothing: F has rank 2 of many. The product is right and the solve stays finite.
#[test]
fn a_rank_deficient_net_is_no_trouble() {
    let spec = PolicySpec::separate(3, &[6], Activation::Relu, Head::categorical(3));
    let (layout, rng) = (spec.layout(), &mut StdRng::seed_from_u64(4));
    let parameters = vec![0.0; layout.len()];
    let obs = matrix(rng, 20, 3);
    let v = numbers(rng, layout.len(), 1.0);
    let product = fisher_vector_product(&spec, &parameters, obs.view(), 0.0, &v).unwrap();
    let bias = layout.get("policy.1.bias").unwrap().indices();
    let mean = v[bias.clone()].iter().sum::<f64>() / 3.0;
    for (index, x) in product.iter().enumerate() {
        // M of three equal probabilities: (v − mean v) / 3.
        let want = if bias.contains(&index) { (v[index] - mean) / 3.0 } else { 0.0 };
        assert!((x - want).abs() < 1e-15, "{index}: {x}, {want}");
    }
    let settings = CgSettings { iterations: 20, tolerance: 1e-20, absolute_tolerance: 0.0 };
    // Without damping: solvable for what F can give, and for anything else at least without NaN.
    for (damping, b, most) in [(0.0, &product, 2), (0.1, &v, 3), (0.0, &v, 20)] {
        let apply = |v: &[f64]| fisher_vector_product(&spec, &parameters, obs.view(), damping, v);
        let (x, report) = conjugate_gradient(apply, b, None, &settings).unwrap();
        assert!(x.iter().all(|x| x.is_finite()) && report.iterations <= most, "{report:?}");
    }
}

const PATIENT: CgSettings = CgSettings { iterations: 1000, tolerance: 1e-24, absolute_tolerance: 0.0 };

#[test]
fn conjugate_gradients_on_the_identity_take_one_step() {
    let b = numbers(&mut StdRng::seed_from_u64(5), 37, 1.0);
    for scale in [1e-3, 1.0, 8.0] {
        let apply = |v: &[f64]| Ok(v.iter().map(|x| scale * x).collect());
        let (x, report) = conjugate_gradient(apply, &b, None, &PATIENT).unwrap();
        assert_eq!(report.iterations, 1);
        assert!(x.iter().zip(&b).all(|(x, b)| (scale * x - b).abs() < 1e-14));
        let (same, report) = conjugate_gradient(apply, &b, Some(&x), &PATIENT).unwrap();
        assert_eq!((same, report.iterations), (x, 0), "a solution to start with needs no step");
    }
}

#[test]
fn conjugate_gradients_agree_with_a_dense_solve() {
    let rng = &mut StdRng::seed_from_u64(6);
    for exponent in 0..=6 {
        for size in [1, 2, 30] {
            let condition = 10.0_f64.powi(exponent);
            let q = DMatrix::from_fn(size, size, |_, _| rng.random_range(-1.0..1.0)).qr().q();
            // Eigenvalues spread evenly in the logarithm from 1 to the condition number.
            let values = DVector::from_fn(size, |i, _| condition.powf(i as f64 / (size - 1).max(1) as f64));
            let a = &q * DMatrix::from_diagonal(&values) * q.transpose();
            let a = 0.5 * (&a + a.transpose());
            let b = DVector::from_vec(numbers(rng, size, 1.0));
            let want = a.clone().cholesky().unwrap().solve(&b);
            let apply = |v: &[f64]| Ok((&a * DVector::from_column_slice(v)).as_slice().to_vec());
            for start in [None, Some(numbers(rng, size, 1.0))] {
                let (x, report) = conjugate_gradient(apply, b.as_slice(), start.as_deref(), &PATIENT).unwrap();
                let off = (DVector::from_vec(x) - &want).norm() / want.norm();
                // ‖r‖ ≤ 1e-12 ‖b‖, and a residual is an error of at most `condition` times it; the solve has its own.
                assert!(off <= 4e-12 * condition, "condition {condition}, {size}: {off:e}");
                assert!(!report.negative_curvature);
                let last = report.residuals[report.residuals.len() - 1];
                assert!(last <= 1e-24 * b.norm_squared() && report.residuals.len() == report.iterations as usize + 1);
            }
        }
    }
}

#[test]
fn conjugate_gradients_are_defined_where_they_could_divide_by_zero() {
    let settings = CgSettings { iterations: 10, tolerance: 0.0, absolute_tolerance: 0.0 };
    let diagonal = |d: [f64; 3]| move |v: &[f64]| Ok(v.iter().zip(d).map(|(v, d)| d * v).collect::<Vec<f64>>());
    // No right-hand side.
    let (x, report) = conjugate_gradient(diagonal([1.0; 3]), &[0.0; 3], Some(&[1.0; 3]), &settings).unwrap();
    assert_eq!((x, report.iterations, report.residuals), (vec![0.0; 3], 0, vec![0.0]));
    // A residual of exactly 0 ends it although the tolerance is 0.
    let (x, report) = conjugate_gradient(diagonal([2.0; 3]), &[1.0, 2.0, 4.0], None, &settings).unwrap();
    assert_eq!((x, report.residuals[1], report.iterations), (vec![0.5, 1.0, 2.0], 0.0, 1));
    // Negative, zero and undefined curvature leave x as it was.
    for bad in [-1.0, 0.0, f64::NAN] {
        let (x, report) = conjugate_gradient(diagonal([bad; 3]), &[1.0, 2.0, 4.0], None, &settings).unwrap();
        assert_eq!((x, report.iterations, report.negative_curvature), (vec![0.0; 3], 0, true));
    }
    let (x, report) = conjugate_gradient(diagonal([1.0, 2.0, -1.0]), &[1.0, 1.0, 0.1], None, &settings).unwrap();
    assert!(report.negative_curvature && report.iterations > 0 && x.iter().all(|x| x.is_finite()));
    // Stop tests: the absolute one is strict, the relative one is by ‖b‖².
    let absolute = CgSettings { absolute_tolerance: 1e-4, ..settings };
    assert_eq!(conjugate_gradient(diagonal([1.0; 3]), &[9e-3, 0.0, 0.0], None, &absolute).unwrap().1.iterations, 0);
    let relative = CgSettings { tolerance: 1e-4, ..settings };
    let tiny = conjugate_gradient(diagonal([1.0, 2.0, 3.0]), &[1e-12; 3], None, &relative).unwrap().1;
    assert!(tiny.iterations > 0, "a small right-hand side is as hard as a large one");
}

fn trpo(region: TrustRegion) -> Config {
    Config {
        algorithm: Algorithm::Trpo(region),
        norm_adv: AdvantageNorm::None,
        update_epochs: 2,
        minibatch_size: Some(16),
        ..Config::trpo_sb3_contrib()
    }
}

fn acceptances() -> [Acceptance; 3] {
    [Acceptance::Improves, Acceptance::NotWorse, Acceptance::Ratio(0.1)]
}

#[test]
fn an_accepted_step_improves_within_the_trust_region() {
    let rng = &mut StdRng::seed_from_u64(7);
    for spec in specs() {
        let (layout, parameters) = (spec.layout(), weights(rng, &spec));
        let rows = rows(rng, &spec, &parameters, 60);
        for direction in [KlDirection::OldNew, KlDirection::NewOld] {
            for acceptance in acceptances() {
                let region =
                    TrustRegion { acceptance, kl_direction: direction, kl_margin: 1.5, ..TrustRegion::sb3_contrib() };
                let step = policy_step(&spec, &layout, &trpo(region), &parameters, &rows, None).unwrap();
                let stats = &step.stats;
                assert!(stats.accepted && stats.kl_after <= 0.015 && stats.surrogate_after > stats.surrogate_before);
                assert_eq!((stats.tries, stats.accepted_try), (step.tries.len() as u32, Some(stats.tries - 1)));
                // What the step is, taken again from its parts.
                let dist =
                    |p: &[f64]| ActorCritic::new(&spec, &layout, p).unwrap().distribution(rows.obs.view()).unwrap();
                let kl = mean_kl(&spec.head, direction, dist(&parameters).view(), dist(&step.parameters).view());
                assert!((kl.unwrap() - stats.kl_after).abs() < 1e-15 && stats.kl_before.abs() < 1e-15);
                assert!(
                    (stats.expected_improvement - stats.step_scale * dot(&step.gradient, &step.direction)).abs()
                        < 1e-12
                );
                // Exactly solved, the direction's length is the trust region's: ½ scale² xᵀFx = max_kl.
                assert!((0.5 * stats.step_scale.powi(2) * stats.quadratic_form - 0.01).abs() < 1e-12);
                let range = layout.own_range(Branch::VALUE);
                assert_eq!(bits(&step.parameters[range.clone()]), bits(&parameters[range]), "the critic waits");
            }
        }
    }
}

#[test]
fn a_line_search_may_backtrack_or_fail() {
    let rng = &mut StdRng::seed_from_u64(8);
    let spec = specs().remove(2);
    let (layout, parameters) = (spec.layout(), weights(rng, &spec));
    let rows = rows(rng, &spec, &parameters, 40);
    let far = TrustRegion { max_kl: 4.0, damping: 1e-3, line_search_factor: 0.6, ..TrustRegion::sb3_contrib() };
    let step = policy_step(&spec, &layout, &trpo(far), &parameters, &rows, None).unwrap();
    assert!(step.stats.accepted && step.stats.tries >= 3, "{:?}", step.stats);
    let last = step.tries.len() - 1;
    for (index, tried) in step.tries.iter().enumerate() {
        let good = tried.kl <= 4.0 && tried.surrogate > step.stats.surrogate_before;
        assert_eq!(good, index == last, "{index}: {tried:?}");
    }
    for acceptance in acceptances() {
        let region = TrustRegion { line_search_steps: last, acceptance, ..far };
        let mut after = parameters.clone();
        let mut adam = Adam::new(after.len());
        let order: Vec<u32> = (0..80).map(|i| i % 40).collect();
        let config = trpo(region);
        let order = Order::Given(&order);
        let stats = trpo_update(&spec, &config, 1e-2, &mut after, &mut adam, &mut vec![], &rows, order).unwrap();
        let step = stats.trust_region.unwrap();
        assert_eq!((step.accepted, step.accepted_try, step.tries), (false, None, last as u32));
        assert_eq!((step.kl_after, step.surrogate_after), (step.kl_before, step.surrogate_before));
        let range = layout.own_range(Branch::VALUE);
        for index in 0..after.len() {
            let same = after[index].to_bits() == parameters[index].to_bits();
            assert_eq!(same, !range.contains(&index), "{index}: the policy stays bit for bit, the critic learns");
        }
        assert_eq!((stats.optimizer_steps, stats.epochs), (6, 2));
        assert!(stats.minibatches[5].value_loss < stats.minibatches[2].value_loss + 1.0);
    }
}

/// Nothing to learn: no gradient, hence no step, and no NaN anywhere.
#[test]
fn equal_advantages_are_no_step() {
    let rng = &mut StdRng::seed_from_u64(9);
    for spec in specs() {
        let (layout, parameters) = (spec.layout(), weights(rng, &spec));
        let none = Rows { advantages: Array1::zeros(12), ..rows(rng, &spec, &parameters, 12) };
        for algorithm in [AlgorithmKind::Trpo, AlgorithmKind::Npg] {
            for cg_absolute_tolerance in [None, Some(1e-10)] {
                let region = TrustRegion { cg_absolute_tolerance, ..TrustRegion::sb3_contrib() };
                let config = trpo(region).with_algorithm(Algorithm::Trpo(region).renamed(algorithm).unwrap());
                let step = policy_step(&spec, &layout, &config, &parameters, &none, None).unwrap();
                assert_eq!(bits(&step.parameters), bits(&parameters));
                assert_eq!((step.stats.tries, step.stats.cg_iterations, step.stats.accepted), (0, 0, false));
                assert_eq!((step.stats.step_scale, step.stats.gradient_norm), (0.0, 0.0));
                assert!(step.direction.iter().all(|x| *x == 0.0));
            }
        }
    }
}

#[test]
fn a_batch_of_one_is_an_update() {
    let rng = &mut StdRng::seed_from_u64(10);
    for spec in specs() {
        for config in [
            Config::trpo_sb3_contrib(),
            Config::trpo_baselines(),
            Config::trpo_spinningup(),
            Config::npg(),
            Config::ppo_penalty(),
            Config::a2c(),
        ] {
            let start = initial_parameters(&spec, 1).iter().map(|p| f64::from(*p)).collect::<Vec<_>>();
            let one = rows(rng, &spec, &start, 1);
            let batch = batch(&one);
            let mut learner = CpuLearner::<f64>::new(spec.clone(), config, 1).unwrap();
            let stats = learner.update_batch(&batch, None).unwrap();
            assert_eq!(stats.skipped_steps, 0);
            assert!(learner.parameters().unwrap().iter().all(|p| p.is_finite()));
            assert_eq!(stats.trust_region.is_some(), learner.config().trust_region().is_some());
            if let Some(step) = stats.trust_region {
                assert!(step.accepted && step.kl_after.is_finite(), "{step:?}");
            }
        }
    }
}

fn batch(rows: &Rows<f64>) -> Batch {
    let narrow = |column: &Array1<f64>| column.mapv(|x| x as f32);
    Batch {
        obs: rows.obs.mapv(|x| x as f32),
        actions: rows.actions.clone(),
        logp_old: narrow(&rows.logp_old),
        advantages: narrow(&rows.advantages),
        returns: narrow(&rows.returns),
        values_old: narrow(&rows.values_old),
        old_dist: None,
        valid: None,
    }
}

#[test]
fn the_natural_gradient_takes_the_full_step() {
    let rng = &mut StdRng::seed_from_u64(11);
    let spec = specs().remove(3);
    let (layout, parameters) = (spec.layout(), weights(rng, &spec));
    let rows = rows(rng, &spec, &parameters, 40);
    let npg = |region| trpo(region).with_algorithm(Algorithm::Npg(region));
    let region = TrustRegion { max_kl: 4.0, ..TrustRegion::default() };
    let config = npg(region);
    let step = policy_step(&spec, &layout, &config, &parameters, &rows, None).unwrap();
    assert_eq!((step.stats.accepted_try, step.stats.tries), (Some(0), 1));
    for ((after, before), x) in step.parameters.iter().zip(&parameters).zip(&step.direction) {
        assert_eq!(*after, before + step.stats.step_scale * x);
    }
    // A Fisher matrix of every third row is another matrix of the same gradient.
    let every = npg(TrustRegion { fisher_subsample: 3, ..region });
    let other = policy_step(&spec, &layout, &every, &parameters, &rows, None).unwrap();
    assert_eq!(other.gradient, step.gradient);
    assert_ne!(other.direction, step.direction);
}

/// Tianshou's: θ + step_size · x, however far that is, and nothing else is another.
#[test]
fn a_fixed_step_is_that_multiple_of_the_direction() {
    let rng = &mut StdRng::seed_from_u64(21);
    for spec in specs() {
        let (layout, parameters) = (spec.layout(), weights(rng, &spec));
        let rows = rows(rng, &spec, &parameters, 40);
        let npg = |region| trpo(region).with_algorithm(Algorithm::Npg(region));
        let scaled = npg(TrustRegion::default());
        let want = policy_step(&spec, &layout, &scaled, &parameters, &rows, None).unwrap();
        for size in [1e-3, 0.5, 7.0] {
            let config = npg(TrustRegion { step_size: Some(size), ..TrustRegion::default() });
            config.validate().unwrap();
            let step = policy_step(&spec, &layout, &config, &parameters, &rows, None).unwrap();
            assert_eq!((step.stats.step_scale, step.stats.tries, step.stats.accepted), (size, 1, true));
            assert_eq!((&step.direction, &step.gradient), (&want.direction, &want.gradient));
            for ((after, before), x) in step.parameters.iter().zip(&parameters).zip(&step.direction) {
                assert_eq!(*after, before + size * x);
            }
            let slope = dot(&step.gradient, &step.direction);
            assert!((step.stats.expected_improvement - size * slope).abs() < 1e-12);
        }
    }
}

/// sb3-contrib's `sub_sampling_factor`: the policy's step is that of a part of the rows, the critic's that of all.
#[test]
fn a_part_of_the_rows_makes_the_whole_step_of_the_policy() {
    let rng = &mut StdRng::seed_from_u64(22);
    let spec = specs().remove(0);
    let (layout, parameters) = (spec.layout(), weights(rng, &spec));
    let rows = rows(rng, &spec, &parameters, 50);
    let of = |region| Config { norm_adv: AdvantageNorm::Batch, ..trpo(region) };
    let base = of(TrustRegion::default());
    let subsample = |subsample| of(TrustRegion { subsample, ..TrustRegion::default() });
    let run = |config: &Config, rows: &Rows<f64>, order: Order<'_>| {
        let (mut after, mut adam, mut direction) = (parameters.clone(), Adam::new(parameters.len()), vec![]);
        let stats = trpo_update(&spec, config, 1e-2, &mut after, &mut adam, &mut direction, rows, order).unwrap();
        (after, stats.trust_region.unwrap())
    };
    let value = layout.own_range(Branch::VALUE);
    let config = subsample(4);
    assert_eq!((base.order_epochs(), config.order_epochs()), (2, 3));
    let keyed = |update| Order::Keyed { seed: 5, update };
    let (whole, _) = run(&base, &rows, keyed(0));
    let (got, stats) = run(&config, &rows, keyed(0));
    // 13 of 50 rows, normalised among themselves, in gradient, Fisher matrix and line search: as if there were no others.
    let shuffle = wgpo::low_level::reference::batch_shuffle::BatchShuffle::new(50, 5, config.update_epochs as u32, 0);
    let drawn: Vec<u32> = (0..13).map(|index| shuffle.source(index)).collect();
    let part = rows.gather(&drawn);
    let (want, want_stats) = run(&base, &part, keyed(0));
    assert_eq!(stats, want_stats);
    assert_eq!(bits(&got[..value.start]), bits(&want[..value.start]));
    assert_eq!(bits(&got[value.clone()]), bits(&whole[value.clone()]), "the critic has all rows");
    assert_ne!(got[..value.start], whole[..value.start]);
    // Other rows in another update, and those of a given order.
    assert_ne!(run(&config, &rows, keyed(1)).0[..value.start], got[..value.start]);
    let mut order: Vec<u32> = (0..100).map(|index| index % 50).collect();
    assert!(
        trpo_update(
            &spec,
            &config,
            1e-2,
            &mut parameters.clone(),
            &mut Adam::new(parameters.len()),
            &mut vec![],
            &rows,
            Order::Given(&order)
        )
        .is_err(),
        "an order has the policy's permutation, too"
    );
    order.extend(drawn.iter().copied().chain((0..50).filter(|row| !drawn.contains(row))));
    assert_eq!(run(&config, &rows, Order::Given(&order)).1, want_stats);
    // `fisher_subsample` counts among them.
    let both = of(TrustRegion { fisher_subsample: 3, subsample: 4, ..TrustRegion::default() });
    let of_part = of(TrustRegion { fisher_subsample: 3, ..TrustRegion::default() });
    assert_eq!(run(&both, &rows, keyed(0)).1, run(&of_part, &part, keyed(0)).1);
    // Where none of them counts there is no step.
    let mut masked = rows.clone();
    masked.valid = Some(Array1::from_shape_fn(50, |row| u32::from(!drawn.contains(&(row as u32)))));
    let (after, stats) = run(&subsample(4), &masked, keyed(0));
    assert_eq!((stats.accepted, stats.tries, stats.residuals), (false, 0, vec![0.0]));
    assert_eq!(bits(&after[..value.start]), bits(&parameters[..value.start]));
}

/// A learner that starts warm needs fewer iterations, and one that is saved and restored goes on with the same bits.
#[test]
fn a_warm_start_is_part_of_the_state() {
    let rng = &mut StdRng::seed_from_u64(12);
    let spec = specs().remove(0);
    let region = TrustRegion { cg_tolerance: 1e-4, cg_iterations: 50, ..TrustRegion::spinningup() };
    let start: Vec<f64> = initial_parameters(&spec, 5).iter().map(|p| f64::from(*p)).collect();
    let batch = batch(&rows(rng, &spec, &start, 64));
    let mut iterations = Vec::new();
    for cg_warm_start in [false, true] {
        let config = trpo(TrustRegion { cg_warm_start, max_kl: 1e-5, ..region });
        let mut learner = CpuLearner::<f32>::new(spec.clone(), config.clone(), 5).unwrap();
        learner.update_batch(&batch, None).unwrap();
        let state = learner.state().unwrap();
        assert_eq!(state.search_direction.is_empty(), !cg_warm_start);
        let mut restored = CpuLearner::<f32>::new(spec.clone(), config, 6).unwrap();
        restored.set_state(&state).unwrap();
        let stats = learner.update_batch(&batch, None).unwrap();
        iterations.push(stats.trust_region.as_ref().unwrap().cg_iterations);
        assert_eq!(restored.update_batch(&batch, None).unwrap(), stats);
        assert_eq!(restored.state().unwrap(), learner.state().unwrap());
    }
    assert!(iterations[1] < iterations[0], "{iterations:?}");
}

/// Central differences of `f` at `x`.
fn differences(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    (0..x.len())
        .map(|i| {
            let at = |change: f64| {
                let mut moved = x.to_vec();
                moved[i] += change;
                f(&moved)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        })
        .collect()
}

/// The loss with either penalty, with and without hinge and clip, and the plain policy gradient's.
#[test]
fn gradients_of_the_other_losses_are_finite_differences() {
    let rng = &mut StdRng::seed_from_u64(13);
    let mut configs = vec![Config { ent_coef: 0.05, ..Config::a2c() }];
    for direction in [KlDirection::OldNew, KlDirection::NewOld] {
        for (clip, hinge) in [(false, None), (true, Some(KlHinge { coef: 10.0, factor: 2.0 }))] {
            let penalty = KlPenalty { direction, clip, hinge, kl_coef: 0.7, ..KlPenalty::adaptive() };
            configs.push(Config {
                algorithm: Algorithm::PpoPenalty(Ppo { kl_penalty: Some(penalty), ..Ppo::penalty() }),
                ..Config::ppo_penalty()
            });
        }
    }
    for spec in specs() {
        let layout = spec.layout();
        for config in &configs {
            let old = weights(rng, &spec);
            let mut rows = rows(rng, &spec, &old, 6);
            let dist = ActorCritic::new(&spec, &layout, &old).unwrap().distribution(rows.obs.view()).unwrap();
            rows.old_dist = Some(dist);
            let new: Vec<f64> = old.iter().map(|p| p + rng.random_range(-0.5..0.5)).collect();
            let loss = |p: &[f64]| minibatch_gradient(&spec, &layout, config, p, &rows).unwrap().0.stats;
            let (got, gradient) = minibatch_gradient(&spec, &layout, config, &new, &rows).unwrap();
            if let Some(penalty) = &config.kl_penalty() {
                assert!(got.stats.kl > 2.0 * penalty.target_kl, "the hinge is on");
            }
            let want = differences(&new, |p| loss(p).loss);
            let off: Vec<f64> = gradient.iter().zip(&want).map(|(a, b)| a - b).collect();
            assert!(norm(&off) <= 1e-7 * norm(&want).max(1.0), "{config:?}: {:e}", norm(&off));
            // Without its old distributions a KL cannot be had.
            let without = Rows { old_dist: None, ..rows.clone() };
            let refused = minibatch_gradient(&spec, &layout, config, &new, &without).is_err();
            assert_eq!(refused, config.kl_penalty().is_some());
        }
    }
}

/// β is adapted once per update, is what the next one uses, and is saved.
#[test]
fn kl_coef_follows_the_kl() {
    let rng = &mut StdRng::seed_from_u64(14);
    let spec = specs().remove(0);
    let start: Vec<f64> = initial_parameters(&spec, 5).iter().map(|p| f64::from(*p)).collect();
    let batch = batch(&rows(rng, &spec, &start, 64));
    // No step at all halves it; a wild one doubles it; a fixed one stays.
    for (learning_rate, adaptive, factor) in [(0.0, true, 0.5), (0.1, true, 2.0), (0.1, false, 1.0)] {
        let penalty = KlPenalty { kl_coef: 0.3, adaptive, ..KlPenalty::adaptive() };
        let config = Config {
            algorithm: Algorithm::PpoPenalty(Ppo { kl_penalty: Some(penalty), ..Ppo::penalty() }),
            learning_rate,
            update_epochs: 3,
            num_minibatches: 2,
            ..Config::ppo_penalty()
        };
        let mut learner = CpuLearner::<f32>::new(spec.clone(), config.clone(), 5).unwrap();
        let stats = learner.update_batch(&batch, None).unwrap();
        assert!((stats.kl_coef.unwrap() - 0.3 * factor).abs() < 1e-12, "{stats:?}");
        assert!(stats.kl.unwrap() >= -1e-6 && stats.minibatches[0].kl.abs() < 1e-6);
        let state = learner.state().unwrap();
        assert_eq!(state.kl_coef, if adaptive { (0.3 * factor) as f32 } else { 0.0 });
        let folder = std::env::temp_dir().join(format!("wgpo-kl-coef-{}", std::process::id()));
        learner.save(&folder).unwrap();
        let mut restored = CpuLearner::<f32>::new(spec.clone(), config, 6).unwrap();
        restored.load(&folder).unwrap();
        std::fs::remove_file(&folder).unwrap();
        let (mut next, mut same) =
            (learner.update_batch(&batch, None).unwrap(), restored.update_batch(&batch, None).unwrap());
        (next.explained_variance, same.explained_variance) = (0.0, 0.0);
        assert_eq!(next, same);
        let second = next.kl_coef.unwrap();
        let ratio = second / (0.3 * factor);
        assert!([0.5, 1.0, 2.0].iter().any(|want| (ratio - want).abs() < 1e-6), "{second}");
    }
}

/// RLlib's: β goes by the last minibatch, before its step.
#[test]
fn kl_coef_follows_the_last_minibatch_where_asked() {
    let rng = &mut StdRng::seed_from_u64(23);
    let spec = specs().remove(0);
    let start: Vec<f64> = initial_parameters(&spec, 5).iter().map(|p| f64::from(*p)).collect();
    let batch = batch(&rows(rng, &spec, &start, 64));
    let with = |measure, target_kl| Config {
        algorithm: Algorithm::PpoPenalty(Ppo {
            kl_penalty: Some(KlPenalty { measure, target_kl, kl_coef: 0.3, ..KlPenalty::adaptive() }),
            ..Ppo::penalty()
        }),
        learning_rate: 3e-3,
        update_epochs: 1,
        num_minibatches: 4,
        ..Config::ppo_penalty()
    };
    let run = |config| CpuLearner::<f64>::new(spec.clone(), config, 5).unwrap().update_batch(&batch, None).unwrap();
    let (last, all) = (run(with(KlMeasure::LastMinibatch, 0.01)), run(with(KlMeasure::AllRows, 0.01)));
    assert_eq!(last.minibatches, all.minibatches, "it decides nothing but the next β");
    let (met, end) = (last.minibatches[3].kl, all.kl.unwrap());
    assert_eq!(last.kl, Some(met));
    assert!(met > 1e-6 && end > 1.1 * met, "the last step moved, too: {met:e} {end:e}");
    // By the one β falls, by the other it does not.
    let target = 1.51 * met;
    let factor = |measure| run(with(measure, target)).kl_coef.unwrap() / 0.3;
    let rule = |kl: f64| {
        if kl > 1.5 * target {
            2.0
        } else if kl < target / 1.5 {
            0.5
        } else {
            1.0
        }
    };
    assert!(rule(met) == 0.5 && rule(end) >= 1.0);
    assert!((factor(KlMeasure::LastMinibatch) - rule(met)).abs() < 1e-12);
    assert!((factor(KlMeasure::AllRows) - rule(end)).abs() < 1e-12);
    // A last minibatch without a row that counts says nothing: it is the one before.
    let mut masked = batch.clone();
    let order: Vec<u32> = (0..64).collect();
    masked.valid = Some(Array1::from_shape_fn(64, |row| u32::from(row < 48)));
    let config = with(KlMeasure::LastMinibatch, 0.01);
    let mut learner = CpuLearner::<f64>::new(spec.clone(), config, 5).unwrap();
    let stats = learner.update_batch(&masked, Some(&order)).unwrap();
    assert_eq!((stats.minibatches[3].kl, stats.kl), (0.0, Some(stats.minibatches[2].kl)));
    assert!(stats.kl.unwrap() > 0.0);
}

/// With β 0 and the clip, the penalty changes nothing; and a given old policy is used in place of the start's.
#[test]
fn a_penalty_of_zero_is_no_penalty() {
    let rng = &mut StdRng::seed_from_u64(15);
    let spec = specs().remove(1);
    let start = weights(rng, &spec);
    let mut rows = rows(rng, &spec, &start, 32);
    let run = |config: &Config, rows: &Rows<f64>| {
        let (mut parameters, mut adam) = (start.clone(), Adam::new(start.len()));
        let order = Order::Keyed { seed: 1, update: 0 };
        let stats = ppo_update(&spec, config, 1e-2, &mut parameters, &mut adam, rows, order).unwrap();
        (parameters, stats)
    };
    let plain = Config::cleanrl();
    let fixed = |beta| {
        let penalty = Some(KlPenalty::fixed(beta, KlDirection::NewOld));
        plain.clone().with_algorithm(Ppo { kl_penalty: penalty, ..Ppo::cleanrl() })
    };
    let (want, _) = run(&plain, &rows);
    let (got, stats) = run(&fixed(0.0), &rows);
    assert_eq!(got, want);
    assert_eq!(stats.kl_coef, Some(0.0));
    let (tight, tight_stats) = run(&fixed(100.0), &rows);
    assert!(tight_stats.kl.unwrap() < 0.2 * stats.kl.unwrap(), "a heavy penalty holds the policy back");
    assert_ne!(tight, want);
    let layout = spec.layout();
    let dist = ActorCritic::new(&spec, &layout, &start).unwrap().distribution(rows.obs.view()).unwrap();
    rows.old_dist = Some(dist.clone());
    assert_eq!(run(&fixed(100.0), &rows).0, tight, "the policy at the start is the old one");
    rows.old_dist = Some(dist + 0.1);
    assert_ne!(run(&fixed(100.0), &rows).0, tight);
}

#[test]
fn the_learning_rate_follows_the_kl() {
    let rng = &mut StdRng::seed_from_u64(16);
    let spec = specs().remove(2);
    let start: Vec<f64> = initial_parameters(&spec, 5).iter().map(|p| f64::from(*p)).collect();
    let batch = batch(&rows(rng, &spec, &start, 64));
    let rate = AdaptiveLr::default();
    for learning_rate in [1e-5, 1e-2] {
        let config = Config {
            algorithm: Algorithm::Ppo(Ppo { adaptive_lr: Some(rate), ..Ppo::cleanrl() }),
            learning_rate,
            anneal_lr: false,
            ..Config::cleanrl()
        };
        let mut learner = CpuLearner::<f32>::new(spec.clone(), config, 5).unwrap();
        let mut last = learning_rate;
        for _ in 0..3 {
            let stats = learner.update_batch(&batch, None).unwrap();
            let want = stats.minibatches.iter().fold(last, |lr, minibatch| rate.next(lr, minibatch.kl));
            assert!((stats.learning_rate - want).abs() <= 1e-7 * want);
            assert_eq!(learner.state().unwrap().learning_rate, stats.learning_rate as f32);
            last = f64::from(stats.learning_rate as f32);
        }
        assert!(last > 1e-5 && (learning_rate < 1e-2 || last < 1e-2), "{last}");
    }
}

/// The plain policy gradient is the clipped surrogate's at ratio 1, and one pass is one step per minibatch.
#[test]
fn a2c_is_the_surrogate_at_ratio_one() {
    let rng = &mut StdRng::seed_from_u64(17);
    for spec in specs() {
        let (layout, parameters) = (spec.layout(), weights(rng, &spec));
        let rows = rows(rng, &spec, &parameters, 20);
        let a2c = Config::a2c();
        let ppo = a2c.clone().with_algorithm(AlgorithmKind::Ppo);
        let gradient = |config| minibatch_gradient(&spec, &layout, config, &parameters, &rows).unwrap();
        let ((loss, got), (_, want)) = (gradient(&a2c), gradient(&ppo));
        assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-14));
        let logp = rows.logp_old.view();
        let mean = (&logp * &rows.advantages).mean_axis(Axis(0)).unwrap().into_scalar();
        assert!((loss.stats.policy_loss + mean).abs() < 1e-14);
        let mut learner = CpuLearner::<f64>::new(spec.clone(), a2c, 1).unwrap();
        let stats = learner.update_batch(&batch(&rows), None).unwrap();
        assert_eq!((stats.optimizer_steps, stats.epochs), (1, 1));
        assert!(learner.state().unwrap().exp_avg.iter().all(|m| *m == 0.0), "RMSProp has no first moment");
    }
}

/// An infinite gradient is no step, and nothing becomes NaN.
#[test]
fn an_update_without_numbers_changes_nothing() {
    let rng = &mut StdRng::seed_from_u64(18);
    let spec = specs().remove(0);
    let (layout, parameters) = (spec.layout(), weights(rng, &spec));
    let mut rows = rows(rng, &spec, &parameters, 10);
    rows.advantages[3] = f64::INFINITY;
    let step = policy_step(&spec, &layout, &trpo(TrustRegion::default()), &parameters, &rows, None).unwrap();
    assert_eq!(bits(&step.parameters), bits(&parameters));
    assert!(!step.stats.accepted && step.stats.step_scale == 0.0);
    assert_eq!(ArrayView1::from(&step.parameters).iter().filter(|p| p.is_nan()).count(), 0);
}
