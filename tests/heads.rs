//! Every head with every algorithm: acting and whole updates, the device against the f64 reference; draws against their
//! distribution; masks and limits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2};
use statrs::distribution::{ChiSquared, ContinuousCDF};
use wgpo::config::{AdvantageNorm, Baseline, Reinforce};
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Batch};
use wgpo::low_level::reference::{head, head_actions};
use wgpo::low_level::rng::{Draw, block, normal, uniform};
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std, StdLimit, StdType};
use wgpo::{ActMode, Agent, AlgorithmKind, Config, GpuLearner, OnPolicy};

const FROM_STATE: Std = Std { from_state: true, ..Std::FREE };

/// Every kind of head, masked and limited ones too.
fn heads() -> Vec<Head> {
    let bounds = |dims: usize| Bounds { low: vec![-2.0; dims], high: (0..dims).map(|d| 1.0 + d as f32).collect() };
    let floor = StdLimit::SoftFloor { log_std: -0.5 };
    let between = StdLimit::Tanh { low: -1.5, high: 0.5 };
    vec![
        Head::categorical(3),
        Head::Categorical { actions: 40, masked: true },
        Head::multi_discrete(vec![3, 2, 5]),
        Head::MultiDiscrete { nvec: vec![2, 35, 3], masked: true },
        Head::bernoulli(4),
        Head::gaussian(2),
        Head::Gaussian { dims: 2, std: FROM_STATE, bounds: Some(bounds(2)) },
        Head::Gaussian { dims: 2, std: Std { from_state: true, ..Std::FREE.limited(floor) }, bounds: None },
        Head::Gaussian { dims: 2, std: Std::FREE.limited(StdLimit::Clamp { low: -1.0, high: 0.1 }), bounds: None },
        Head::Gaussian { dims: 2, std: Std { from_state: true, ..Std::FREE.limited(between) }, bounds: None },
        Head::Gaussian { dims: 2, std: Std::SCALAR, bounds: None },
        Head::Gaussian { dims: 2, std: Std { from_state: true, ..Std::SCALAR }, bounds: None },
        Head::TanhGaussian { dims: 2, std: Std::default(), bounds: bounds(2) },
        Head::TanhGaussian { dims: 1, std: Std::SCALAR, bounds: bounds(1) },
        Head::TanhGaussian { dims: 1, std: FROM_STATE, bounds: bounds(1) },
        Head::TanhGaussian { dims: 2, std: Std::FREE.limited(between), bounds: bounds(2) },
        Head::Beta { dims: 2, bounds: bounds(2) },
        Head::Discretised { dims: 2, bins: 7, bounds: bounds(2) },
    ]
}

fn n(row: usize, column: usize) -> f32 {
    normal(block(11, Draw::Initialisation, row as u32, column as u32, 9)[0])
}

/// Masks that allow two of three choices or so, and nothing in a few dimensions.
fn masks(head: &Head, rows: usize) -> Option<Array2<bool>> {
    head.is_masked().then(|| {
        let mut allowed = Array2::from_shape_fn((rows, head.raw_outputs()), |(r, i)| n(r, 500 + i) > -0.4);
        let first = head.choices()[0];
        for row in (0..rows).step_by(9) {
            allowed.slice_mut(ndarray::s![row, ..first]).fill(false);
        }
        allowed
    })
}

fn observations(rows: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, width), |(row, column)| n(row, column))
}

/// Parameters at which distributions differ from row to row.
fn parameters(spec: &PolicySpec) -> Vec<f32> {
    let layout = spec.layout();
    let mut parameters = wgpo::policy::initial_parameters(spec, 7);
    let last = *layout.layers(wgpo::policy::Branch::POLICY).last().unwrap();
    parameters[last.weight..last.weight + last.outputs * last.inputs].iter_mut().for_each(|w| *w *= 60.0);
    if let Some(log_std) = layout.log_std() {
        let scalar = spec.head.std().is_some_and(|std| std.std_type == StdType::Scalar);
        parameters[log_std..].iter_mut().for_each(|l| *l = if scalar { 0.67 } else { -0.4 });
    }
    parameters
}

fn batch(spec: &PolicySpec, rows: usize) -> Batch {
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 7).unwrap();
    learner.set_parameters(&parameters(spec)).unwrap();
    let (obs, masks) = (observations(rows, spec.obs_dim()), masks(&spec.head, rows));
    let acted = learner.act_masked(obs.view(), masks.as_ref().map(|m| m.view()), ActMode::Sample).unwrap();
    // Not so far that a ratio meets the clamp, and with steps on both sides of the clip.
    let logp_old = Array1::from_shape_fn(rows, |row| acted.logp[row] + 0.1 * n(row, 100));
    let values_old = Array1::from_shape_fn(rows, |row| acted.values[row] + 0.3 * n(row, 101));
    let advantages = Array1::from_shape_fn(rows, |row| n(row, 102) + 0.5);
    let returns = Array1::from_shape_fn(rows, |row| values_old[row] + advantages[row]);
    Batch { obs, actions: acted.actions, logp_old, advantages, returns, values_old, old_dist: None, valid: None }
}

fn config(algorithm: AlgorithmKind) -> Config {
    let base =
        Config { update_epochs: 2, num_minibatches: 2, minibatch_size: None, anneal_lr: false, ..Config::cleanrl() };
    match algorithm {
        AlgorithmKind::PpoPenalty => base.with_algorithm(algorithm),
        AlgorithmKind::A2c => Config { num_minibatches: 1, ..Config::a2c() },
        AlgorithmKind::Trpo | AlgorithmKind::Npg => Config {
            update_epochs: 1,
            num_minibatches: 2,
            minibatch_size: None,
            norm_adv: AdvantageNorm::Batch,
            ..Config::preset("sb3-contrib", algorithm, true).unwrap()
        },
        AlgorithmKind::Reinforce => Config {
            norm_adv: AdvantageNorm::Batch,
            adam_eps: 1e-5,
            ..Config::reinforce_spinningup().with_algorithm(Reinforce { baseline: Baseline::Mean })
        },
        _ => base.with_algorithm(algorithm),
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn every_head_learns_by_every_algorithm_as_the_reference_does() {
    let Some(gpu) = support::gpu(true) else { return };
    for head in heads() {
        let both = PolicySpec::separate(4, &[17], Activation::Tanh, head.clone());
        let batch = batch(&both, 66);
        for algorithm in AlgorithmKind::ON_POLICY {
            let spec = algorithm.fitted(both.clone());
            let name = format!("{head:?} by {}", algorithm.name());
            let config = config(algorithm);
            let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut device = GpuLearner::new(&gpu, spec.clone(), config, 7).unwrap();
            let start = parameters(&spec);
            oracle.set_parameters(&start).unwrap();
            device.set_parameters(&start).unwrap();
            let want = oracle.update_batch(&batch, None).unwrap();
            let got = device.update_batch(&batch, None).unwrap();
            let (got_now, want_now) = (device.parameters().unwrap(), oracle.parameters().unwrap());
            let moved = distance(&want_now, &start);
            let error = distance(&got_now, &want_now) / moved;
            println!("{name}: step {moved:.1e}, error {error:.1e}");
            assert!(moved > 1e-4, "{name} does not move");
            // A first Adam step divides each gradient by its own size: where that is near ε the rounding of a sum of 33 terms
            // counts, as in the test of plain PPO. Conjugate gradients amplify it by the condition of the Fisher matrix.
            let bound = if algorithm.is_trust_region() { 2e-3 } else { 2e-4 };
            assert!(error < bound, "{name}: error {error}");
            assert_eq!(got.minibatches.len(), want.minibatches.len(), "{name}");
            for (g, w) in got.minibatches.iter().zip(&want.minibatches) {
                for (field, g, w) in [
                    ("loss", g.loss, w.loss),
                    ("entropy", g.entropy, w.entropy),
                    ("grad_norm", g.grad_norm, w.grad_norm),
                ] {
                    assert!((g - w).abs() <= 1e-4 * (1.0 + w.abs()), "{name}: {field} is {g}, not {w}");
                }
                // Divergences are small against the log-probabilities that they are differences of: a row's rounding is some 1e-6.
                for (field, g, w) in [("kl", g.kl, w.kl), ("approx_kl", g.approx_kl, w.approx_kl)] {
                    assert!((g - w).abs() <= 1e-5 + 1e-3 * w.abs(), "{name}: {field} is {g}, not {w}");
                }
                assert_eq!((g.non_finite_rows, g.head_hits), (0, w.head_hits), "{name}");
            }
            if let (Some(g), Some(w)) = (&got.trust_region, &want.trust_region) {
                assert_eq!(
                    (g.accepted, g.accepted_try, g.head_hits),
                    (w.accepted, w.accepted_try, w.head_hits),
                    "{name}"
                );
                assert!((g.kl_after - w.kl_after).abs() <= 1e-2 * w.kl_after.abs() + 1e-6, "{name}: {g:?} {w:?}");
            }
        }
    }
}

#[test]
fn every_head_draws_the_same_actions_as_the_reference() {
    let Some(gpu) = support::gpu(false) else { return };
    for head in heads() {
        let spec = PolicySpec::separate(4, &[17], Activation::Tanh, head.clone());
        let mut device = GpuLearner::new(&gpu, spec.clone(), Config::cleanrl(), 5).unwrap();
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 5).unwrap();
        for learner in [&mut device as &mut dyn OnPolicy, &mut oracle] {
            learner.set_parameters(&parameters(&spec)).unwrap();
        }
        for rows in [1, 65] {
            let (obs, masks) = (observations(rows, 4), masks(&head, rows));
            for mode in [ActMode::Sample, ActMode::Greedy] {
                let act = |learner: &mut dyn OnPolicy| {
                    learner.act_masked(obs.view(), masks.as_ref().map(|masks| masks.view()), mode).unwrap()
                };
                let (got, want) = (act(&mut device), act(&mut oracle));
                for (got, want) in [(&got.actions, &want.actions), (&got.env_actions, &want.env_actions)] {
                    match (got, want) {
                        (Actions::Continuous(got), Actions::Continuous(want)) => {
                            let near = |g: &f32, w: &f32| (g - w).abs() < 1e-5 * (1.0 + w.abs());
                            assert!(got.iter().zip(want).all(|(g, w)| near(g, w)), "{head:?}: {got} {want}");
                        }
                        (got, want) => assert_eq!(got, want, "{head:?}"),
                    }
                }
                got.actions.validate(&head, rows).unwrap();
                let near = |g: &f32, w: &f32| (g - w).abs() < 2e-5 * (1.0 + w.abs());
                assert!(
                    got.logp.iter().zip(&want.logp).all(|(g, w)| near(g, w)),
                    "{head:?}: {} {}",
                    got.logp,
                    want.logp
                );
            }
        }
        if let (Some(bounds), false) = (head.bounds(), head.env_is_discrete()) {
            let acted = device.act(observations(65, 4).view(), ActMode::Sample).unwrap();
            let Actions::Continuous(sent) = acted.env_actions else { panic!("{head:?}") };
            let inside = |((_, d), x): ((usize, usize), &f32)| (bounds.of(d).0..=bounds.of(d).1).contains(x);
            assert!(sent.indexed_iter().all(inside), "{head:?}: {sent}");
        }
    }
}

/// Drawn indices of one distribution against its probabilities, by Pearson's test; every seed is fixed, so the result is, too.
#[test]
fn discrete_draws_have_their_distribution() {
    let rows = 4000;
    let masked = Array1::from(vec![true, false, true, true, false]);
    for head in [
        Head::categorical(5),
        Head::Categorical { actions: 5, masked: true },
        Head::multi_discrete(vec![2, 3]),
        Head::bernoulli(5),
        Head::Discretised { dims: 1, bins: 5, bounds: Bounds::uniform(1, -1.0, 1.0) },
    ] {
        let logits: Vec<f64> =
            (0..5).map(|i| 1.5 * f64::from(uniform(block(3, Draw::Reset, i, 0, 0)[0])) - 0.5).collect();
        let mut dist = Array2::from_shape_fn((rows, 5), |(_, i)| logits[i]);
        if head.is_masked() {
            dist.columns_mut()
                .into_iter()
                .zip(&masked)
                .filter(|(_, allowed)| !**allowed)
                .for_each(|(mut column, _)| column.fill(f64::NEG_INFINITY));
        }
        let drawn = head_actions::sample(&head, dist.view(), 99, 3).unwrap();
        let indices = drawn.indices().unwrap();
        let mut first = 0;
        for (d, count) in head.choices().into_iter().enumerate() {
            let weights: Vec<f64> = if matches!(head, Head::Bernoulli { .. }) {
                vec![1.0, logits[d].exp()]
            } else {
                let own = first..first + count;
                first += count;
                own.map(|i| if head.is_masked() && !masked[i] { 0.0 } else { logits[i].exp() }).collect()
            };
            let total: f64 = weights.iter().sum();
            let (mut chi, mut free) = (0.0, -1.0);
            for (index, weight) in weights.iter().enumerate() {
                let seen = indices.column(d).iter().filter(|drawn| **drawn as usize == index).count() as f64;
                let expected = rows as f64 * weight / total;
                if *weight == 0.0 {
                    assert_eq!(seen, 0.0, "{head:?} draws what is forbidden");
                    continue;
                }
                chi += (seen - expected).powi(2) / expected;
                free += 1.0;
            }
            let limit = ChiSquared::new(free).unwrap().inverse_cdf(0.999);
            assert!(
                chi < limit,
                "{head:?}, dimension {d}: χ² {chi:.1} above {limit:.1}, which chance exceeds once in 1000"
            );
        }
    }
}

#[test]
fn a_dimension_without_a_choice_has_no_gradient_and_is_counted() {
    let head = Head::MultiDiscrete { nvec: vec![3, 2], masked: true };
    let spec = PolicySpec::separate(2, &[4], Activation::Tanh, head.clone());
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 7).unwrap();
    let obs = observations(3, 2);
    let mut allowed = Array2::from_elem((3, 5), true);
    allowed.slice_mut(ndarray::s![1, ..3]).fill(false);
    let acted = learner.act_masked(obs.view(), Some(allowed.view()), ActMode::Sample).unwrap();
    acted.actions.validate(&head, 3).unwrap();
    let dist = {
        let mut dist = Array2::<f64>::from_shape_fn((3, 5), |(r, i)| f64::from(n(r, i)));
        head::forbid(&mut dist, &acted.actions).unwrap();
        dist
    };
    assert_eq!(head::hits(&head, dist.view()).unwrap().to_vec(), [0, 1, 0]);
    let ones = Array1::ones(3);
    let gradients = [
        head::log_prob_grad(&head, dist.view(), &acted.actions, ones.view()).unwrap(),
        head::entropy_grad(&head, dist.view(), ones.view()).unwrap(),
    ];
    for gradient in gradients {
        assert!(gradient.iter().all(|g| g.is_finite()));
        assert!(gradient.slice(ndarray::s![1, ..3]).iter().all(|g| *g == 0.0), "{gradient}");
        assert!(gradient.slice(ndarray::s![1, 3..]).iter().any(|g| *g != 0.0), "{gradient}");
    }
    let alone = head::entropy(&head, dist.view()).unwrap()[1];
    let other = head::entropy(&Head::categorical(2), dist.slice(ndarray::s![1..2, 3..])).unwrap()[0];
    assert!((alone - other - 3.0_f64.ln()).abs() < 1e-12, "each of three choices has 1/3");
}

#[test]
fn a_bad_head_or_mask_is_refused_before_anything_changes() {
    let bounds = |low: f32, high: f32| Bounds::uniform(1, low, high);
    for head in [
        Head::categorical(0),
        Head::multi_discrete(vec![3, 0]),
        Head::multi_discrete(vec![2; 257]),
        Head::bernoulli(0),
        Head::Discretised { dims: 1, bins: 1, bounds: bounds(0.0, 1.0) },
        Head::Beta { dims: 2, bounds: bounds(0.0, 1.0) },
        Head::Beta { dims: 1, bounds: bounds(1.0, 1.0) },
        Head::TanhGaussian { dims: 1, std: Std::default(), bounds: bounds(f32::NAN, 1.0) },
        Head::Gaussian { dims: 1, std: Std::FREE.limited(StdLimit::Clamp { low: 1.0, high: 0.0 }), bounds: None },
        Head::Gaussian { dims: 1, std: Std::FREE.limited(StdLimit::Tanh { low: 1.0, high: 1.0 }), bounds: None },
        Head::Gaussian { dims: 1, std: Std::FREE.limited(StdLimit::Tanh { low: f32::NAN, high: 1.0 }), bounds: None },
        Head::Gaussian { dims: 1, std: Std::FREE.limited(StdLimit::Tanh { low: -5.0, high: 41.0 }), bounds: None },
        Head::Gaussian { dims: 1, std: Std::SCALAR.limited(StdLimit::Tanh { low: -5.0, high: 2.0 }), bounds: None },
        // A plain deviation may be trained to 0 and below.
        Head::Gaussian { dims: 1, std: Std::SCALAR.limited(StdLimit::Free), bounds: None },
        Head::Gaussian { dims: 1, std: Std::SCALAR.limited(StdLimit::default()), bounds: None },
    ] {
        assert!(matches!(head.validate(), Err(wgpo::Error::Config { .. })), "{head:?}");
    }
    let spec = PolicySpec::separate(2, &[4], Activation::Tanh, Head::categorical(3));
    let mut learner = CpuLearner::<f32>::new(spec, Config::cleanrl(), 7).unwrap();
    let before = learner.state().unwrap();
    let all = Array2::from_elem((3, 3), true);
    assert!(learner.act_masked(observations(3, 2).view(), Some(all.view()), ActMode::Sample).is_err());
    assert_eq!(learner.state().unwrap(), before);
    let masked = Head::Categorical { actions: 3, masked: true };
    let mut allowed = Array2::from_elem((1, 3), true);
    allowed[[0, 1]] = false;
    let forbidden = Actions::Masked { indices: Array2::from_elem((1, 1), 1), allowed };
    assert!(matches!(forbidden.validate(&masked, 1), Err(wgpo::Error::Value { .. })));
    assert!(Actions::Discrete(Array2::zeros((1, 1))).validate(&masked, 1).is_err(), "without its mask");
}

/// rsl_rl's deviation: a plain parameter that begins at 1 and is called `std` in files. At 0 and below it has the least deviation of
/// its range and no gradient, on both sides; nothing becomes NaN.
#[test]
fn a_plain_deviation_at_zero_and_below_is_clamped() {
    let head = Head::Gaussian { dims: 3, std: Std::SCALAR, bounds: None };
    let spec = PolicySpec::separate(2, &[5], Activation::Tanh, head.clone());
    let layout = spec.layout();
    let at = layout.get("std").unwrap().offset;
    assert!(layout.get("log_std").is_none());
    let start = wgpo::policy::initial_parameters(&spec, 3);
    assert_eq!(start[at..], [1.0; 3]);
    let halved = wgpo::policy::Init { log_std: 0.5_f64.ln(), ..Default::default() };
    assert_eq!(wgpo::policy::initial_parameters_with(&spec, &halved, 3)[at..], [0.5; 3]);
    for (text, want) in [
        (r#"{"std_type": "scalar"}"#, Std::SCALAR),
        (r#"{"std_type": "scalar", "from_state": true}"#, Std { from_state: true, ..Std::SCALAR }),
        ("{}", Std::default()),
        (r#"{"limit": "free"}"#, Std::FREE),
    ] {
        assert_eq!(serde_json::from_str::<Std>(text).unwrap(), want, "{text}");
        assert_eq!(serde_json::from_str::<Std>(&serde_json::to_string(&want).unwrap()).unwrap(), want);
    }

    let config = Config { update_epochs: 3, num_minibatches: 1, anneal_lr: false, ..Config::cleanrl() };
    let mut sides: Vec<Box<dyn OnPolicy>> = vec![
        Box::new(CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap()),
        Box::new(CpuLearner::<f32>::new(spec.clone(), config.clone(), 7).unwrap()),
    ];
    let gpu = support::gpu(true);
    if let Some(gpu) = &gpu {
        sides.push(Box::new(GpuLearner::new(gpu, spec.clone(), config, 7).unwrap()));
    }
    for learner in &mut sides {
        let mut parameters = start.clone();
        parameters[at..].copy_from_slice(&[0.0, -3.0, 0.8]);
        learner.set_parameters(&parameters).unwrap();
        let obs = observations(40, 2);
        let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
        let Actions::Continuous(actions) = &acted.actions else { panic!() };
        let batch = Batch {
            obs,
            actions: acted.actions.clone(),
            logp_old: acted.logp.clone(),
            advantages: Array1::from_shape_fn(40, |row| n(row, 102)),
            returns: &acted.values + 0.5,
            values_old: acted.values.clone(),
            old_dist: None,
            valid: None,
        };
        assert!(actions.iter().chain(&acted.logp).all(|x| x.is_finite()));
        let stats = learner.update_batch(&batch, None).unwrap();
        for minibatch in &stats.minibatches {
            assert_eq!((minibatch.non_finite_rows, minibatch.head_hits), (0, 80), "two of three dimensions, 40 rows");
        }
        let entropy = 3.0 * 1.418_938_533 + 2.0 * 1e-6_f64.ln() + 0.8_f64.ln();
        assert!((stats.minibatches[0].entropy - entropy).abs() < 1e-4, "{} {entropy}", stats.minibatches[0].entropy);
        let now = learner.parameters().unwrap();
        assert_eq!(now[at..at + 2], [0.0, -3.0], "beyond the range there is no gradient");
        assert!(now[at + 2].is_finite() && now[at + 2] != 0.8);
    }
}
