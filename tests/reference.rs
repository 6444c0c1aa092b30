//! The oracle checked by itself: finite differences of its gradients in f64, and identities that need no other program.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wgpo::config::Ppo;
use wgpo::config::{AdvantageNorm, KlDirection, KlHinge, KlPenalty, KlStop, ValueLoss};
use wgpo::cpu::{CpuLearner, CpuTrainer, evaluate};
use wgpo::data::{Actions, Batch};
use wgpo::env::Env;
use wgpo::low_level::reference::actor_critic::ActorCritic;
use wgpo::low_level::reference::advantage_gae::{
    Window, advantage_gae, advantage_gae_into, discounted_return, td_lambda,
};
use wgpo::low_level::reference::advantage_k_step::advantage_k_step;
use wgpo::low_level::reference::advantage_normalize::advantage_normalize;
use wgpo::low_level::reference::fisher::fisher_vector_product;
use wgpo::low_level::reference::loss_ppo::{Targets, loss_ppo};
use wgpo::low_level::reference::optim::Adam;
use wgpo::low_level::reference::ppo_update::{Order, Rows, minibatch_gradient, ppo_update};
use wgpo::low_level::reference::{head, head_actions};
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std, StdLimit, StdType, initial_parameters};
use wgpo::trainer::Trainer;
use wgpo::{ActMode, Agent, Algorithm, Config, OnPolicy, SaveTrainer};

fn random(rng: &mut StdRng, shape: (usize, usize)) -> Array2<f64> {
    Array2::from_shape_fn(shape, |_| rng.random_range(-1.0..1.0))
}

fn heads() -> Vec<Head> {
    let (floor, clamp) = (StdLimit::SoftFloor { log_std: -0.2 }, StdLimit::Clamp { low: -0.5, high: 0.5 });
    let (plain, tanh) = (StdLimit::Clamp { low: -0.1, high: 0.6 }, StdLimit::Tanh { low: -1.5, high: 0.7 });
    vec![
        Head::categorical(1),
        Head::categorical(5),
        Head::multi_discrete(vec![2, 1, 4]),
        Head::bernoulli(1),
        Head::bernoulli(3),
        Head::gaussian(1),
        Head::gaussian(3),
        Head::Gaussian { dims: 2, std: Std { from_state: true, ..Std::FREE }, bounds: None },
        // Random rows are within ±1: on both sides of these limits.
        Head::Gaussian { dims: 2, std: Std { from_state: true, ..Std::FREE.limited(floor) }, bounds: None },
        Head::Gaussian { dims: 2, std: Std::FREE.limited(clamp), bounds: None },
        Head::Gaussian { dims: 2, std: Std { from_state: true, ..Std::FREE.limited(tanh) }, bounds: None },
        Head::Gaussian { dims: 2, std: Std::SCALAR.limited(plain), bounds: None },
        Head::TanhGaussian { dims: 1, std: Std::default(), bounds: Bounds::uniform(1, -1.0, 1.0) },
        Head::TanhGaussian { dims: 1, std: Std::SCALAR.limited(plain), bounds: Bounds::uniform(1, -1.0, 1.0) },
        Head::TanhGaussian {
            dims: 2,
            std: Std { from_state: true, ..Std::FREE.limited(floor) },
            bounds: Bounds::uniform(2, -2.0, 1.0),
        },
        Head::TanhGaussian { dims: 2, std: Std::FREE.limited(tanh), bounds: Bounds::uniform(2, -2.0, 1.0) },
        Head::Beta { dims: 1, bounds: Bounds::uniform(1, 0.0, 1.0) },
        Head::Beta { dims: 3, bounds: Bounds::uniform(3, -1.0, 2.0) },
    ]
}

/// Numbers within ±1; deviations from 0.5 to 2.
fn rows_of(rng: &mut StdRng, head: &Head, rows: usize) -> Array2<f64> {
    let mut all = random(rng, (rows, head.width()));
    if head.std().is_some_and(|std| std.std_type == StdType::Scalar) {
        all.slice_mut(s![.., head.action_dims()..]).mapv_inplace(|x| 1.25 + 0.75 * x);
    }
    all
}

fn some_actions(rng: &mut StdRng, head: &Head, rows: usize) -> Actions {
    match head.choices() {
        choices if !choices.is_empty() => {
            let indices = |(_, d): (usize, usize)| rng.random_range(0..choices[d] as u32);
            Actions::Discrete(Array2::from_shape_fn((rows, choices.len()), indices))
        }
        _ if matches!(head, Head::Beta { .. }) => {
            Actions::Continuous(random(rng, (rows, head.action_dims())).mapv(|x| (0.5 + 0.49 * x) as f32))
        }
        _ => Actions::Continuous(random(rng, (rows, head.action_dims())).mapv(|x| x as f32)),
    }
}

/// Central difference of `f` at `x` along every element.
fn differences(x: &Array2<f64>, f: impl Fn(ArrayView2<'_, f64>) -> f64) -> Array2<f64> {
    let h = 1e-5;
    Array2::from_shape_fn(x.dim(), |place| {
        let at = |d: f64| {
            let mut moved = x.clone();
            moved[place] += d;
            f(moved.view())
        };
        (at(h) - at(-h)) / (2.0 * h)
    })
}

/// h² times a third derivative, and rounding over h.
fn close(got: &Array2<f64>, want: &Array2<f64>, what: &str) {
    let worst = (got - want).iter().fold(0.0_f64, |worst, d| worst.max(d.abs()));
    assert!(worst < 1e-8, "{what}: off by {worst:e}");
}

#[test]
fn gradients_of_heads_are_finite_differences() {
    let rng = &mut StdRng::seed_from_u64(1);
    for head in heads() {
        let (new, old) = (rows_of(rng, &head, 6), rows_of(rng, &head, 6));
        let w: Array1<f64> = (0..6).map(|_| rng.random_range(-2.0..2.0)).collect();
        let actions = some_actions(rng, &head, 6);
        let old = old.view();
        let sum = |q: wgpo::Result<Array1<f64>>| (q.unwrap() * &w).sum();
        let want = differences(&new, |x| sum(head::log_prob(&head, x, &actions)));
        close(&head::log_prob_grad(&head, new.view(), &actions, w.view()).unwrap(), &want, "log_prob");
        let want = differences(&new, |x| sum(head::entropy(&head, x)));
        close(&head::entropy_grad(&head, new.view(), w.view()).unwrap(), &want, "entropy");
        let want = differences(&new, |x| sum(head::kl(&head, old, x)));
        close(&head::kl_old_new_grad(&head, old, new.view(), w.view()).unwrap(), &want, "KL(old‖new)");
        let want = differences(&new, |x| sum(head::kl(&head, x, old)));
        close(&head::kl_new_old_grad(&head, old, new.view(), w.view()).unwrap(), &want, "KL(new‖old)");
    }
}

#[test]
fn the_fisher_product_is_the_derivative_of_the_kl_gradient() {
    let rng = &mut StdRng::seed_from_u64(2);
    for head in heads() {
        let (dist, tangent) = (rows_of(rng, &head, 4), random(rng, (4, head.width())));
        let ones = Array1::ones(4);
        let gradient = |d: f64| {
            let moved = &dist + &tangent * d;
            head::kl_old_new_grad(&head, dist.view(), moved.view(), ones.view()).unwrap()
        };
        let want = (gradient(1e-5) - gradient(-1e-5)) / 2e-5;
        close(&head::fisher_vector(&head, dist.view(), tangent.view()).unwrap(), &want, "Fisher");
    }
}

#[test]
fn kl_of_a_distribution_with_itself_is_zero_and_flat() {
    let rng = &mut StdRng::seed_from_u64(3);
    for head in heads() {
        let dist = rows_of(rng, &head, 5);
        let other = rows_of(rng, &head, 5);
        let (dist, ones) = (dist.view(), Array1::ones(5));
        assert!(head::kl(&head, dist, dist).unwrap().iter().all(|kl| *kl == 0.0));
        for gradient in [
            head::kl_old_new_grad(&head, dist, dist, ones.view()),
            head::kl_new_old_grad(&head, dist, dist, ones.view()),
        ] {
            assert!(gradient.unwrap().iter().all(|d| d.abs() < 1e-15));
        }
        assert!(head::kl(&head, dist, other.view()).unwrap().iter().all(|kl| *kl >= 0.0));
    }
}

#[test]
fn draws_follow_the_distribution() {
    let rows = 20_000;
    let head = Head::categorical(3);
    let p = [0.2_f64, 0.5, 0.3];
    let dist = Array2::from_shape_fn((rows, 3), |(_, j)| p[j].ln() + 7.0);
    let Actions::Discrete(drawn) = head_actions::sample(&head, dist.view(), 5, 9).unwrap() else { panic!() };
    for (j, p) in p.iter().enumerate() {
        let share = drawn.iter().filter(|a| **a == j as u32).count() as f64 / rows as f64;
        // Five standard deviations.
        assert!((share - p).abs() < 5.0 * (p * (1.0 - p) / rows as f64).sqrt(), "{j}: {share}");
    }
    let head = Head::gaussian(2);
    let dist = Array2::from_shape_fn((rows, 4), |(_, j)| [1.0, -2.0, 0.5_f64.ln(), 2.0_f64.ln()][j]);
    let Actions::Continuous(drawn) = head_actions::sample(&head, dist.view(), 5, 9).unwrap() else { panic!() };
    for (d, (mean, std)) in [(1.0, 0.5), (-2.0, 2.0)].into_iter().enumerate() {
        let column = drawn.column(d).mapv(f64::from);
        let error = 5.0 * std / f64::sqrt(rows as f64);
        assert!((column.mean().unwrap() - mean).abs() < error && (column.std(0.0) - std).abs() < error, "{d}");
    }
}

fn spec(trunk: bool, activation: Activation, head: Head) -> PolicySpec {
    let (trunk, value_hidden): (&[usize], &[usize]) = if trunk { (&[5, 4], &[]) } else { (&[], &[4, 5]) };
    PolicySpec::mlp(3, trunk, &[6], value_hidden, activation, head)
}

fn batch(rng: &mut StdRng, spec: &PolicySpec, rows: usize) -> Batch {
    let column = |rng: &mut StdRng, low: f32, high: f32| (0..rows).map(|_| rng.random_range(low..high)).collect();
    Batch {
        obs: random(rng, (rows, spec.obs_dim())).mapv(|x| x as f32),
        actions: some_actions(rng, &spec.head, rows),
        logp_old: column(rng, -3.0, -0.5),
        advantages: column(rng, -1.0, 1.0),
        returns: column(rng, -1.0, 1.0),
        values_old: column(rng, -1.0, 1.0),
        old_dist: None,
        valid: None,
    }
}

fn wide(spec: &PolicySpec) -> Vec<f64> {
    // Larger than an initialisation, so that no gradient is nearly zero.
    let rng = &mut StdRng::seed_from_u64(11);
    initial_parameters(spec, 3).into_iter().map(|p| f64::from(p) + rng.random_range(-0.3..0.3)).collect()
}

#[test]
fn gradients_of_the_whole_loss_are_finite_differences() {
    let rng = &mut StdRng::seed_from_u64(4);
    for (index, activation) in Activation::ALL.into_iter().enumerate() {
        for trunk in [false, true] {
            let head = heads()[1 + index % 3].clone();
            let spec = spec(trunk, activation, head);
            let layout = spec.layout();
            let config = Config {
                algorithm: Algorithm::Ppo(Ppo { dual_clip: (index % 2 == 0).then_some(1.5), ..Ppo::cleanrl() }),
                value_loss: [ValueLoss::Plain, ValueLoss::ClipMax, ValueLoss::ClipOnly][index % 3],
                ent_coef: 0.1,
                ..Config::cleanrl()
            };
            let rows = Rows::<f64>::from_batch(&batch(rng, &spec, 7));
            let parameters = wide(&spec);
            let (_, gradient) = minibatch_gradient(&spec, &layout, &config, &parameters, &rows).unwrap();
            let flat = Array2::from_shape_vec((1, parameters.len()), parameters).unwrap();
            let want = differences(&flat, |x| {
                minibatch_gradient(&spec, &layout, &config, x.as_slice().unwrap(), &rows).unwrap().0.stats.loss
            });
            let got = Array2::from_shape_vec((1, gradient.len()), gradient).unwrap();
            // A difference may straddle a kink (ReLU, clip edges); with 1e-5 it does not for these numbers.
            close(&got, &want, &format!("{activation:?}, trunk {trunk}"));
        }
    }
}

/// Arrays of a random window.
struct Arrays {
    rewards: Array2<f64>,
    values: Array2<f64>,
    final_values: Array2<f64>,
    terminated: Array2<u32>,
    truncated: Array2<u32>,
}

impl Arrays {
    fn random(seed: u64, steps: usize, envs: usize, ends: f64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let mut flags = || Array2::from_shape_fn((steps, envs), |_| u32::from(rng.random_bool(ends)));
        let (terminated, truncated) = (flags(), flags());
        Self {
            rewards: random(rng, (steps, envs)),
            values: random(rng, (steps + 1, envs)),
            final_values: random(rng, (steps, envs)),
            terminated,
            truncated,
        }
    }

    fn window(&self) -> Window<'_, f64> {
        Window {
            rewards: self.rewards.view(),
            values: self.values.view(),
            final_values: self.final_values.view(),
            terminated: self.terminated.view(),
            truncated: self.truncated.view(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn estimators_agree_with_each_other(seed: u64, steps in 1_usize..40, envs in 1_usize..5, ends in 0.0..0.4) {
        let arrays = Arrays::random(seed, steps, envs, ends);
        let window = arrays.window();
        let same = |a: &Array2<f64>, b: &Array2<f64>| (a - b).iter().all(|d| d.abs() < 1e-12);
        let (one_step, _) = advantage_gae(&window, 0.9, 0.0).unwrap();
        let (all_steps, returns) = advantage_gae(&window, 0.9, 1.0).unwrap();
        prop_assert!(same(&one_step, &advantage_k_step(&window, 1, 0.9).unwrap().0));
        prop_assert!(same(&all_steps, &advantage_k_step(&window, steps, 0.9).unwrap().0));
        prop_assert!(same(&returns, &discounted_return(&window, 0.9).unwrap()));
        let (_, returns) = advantage_gae(&window, 0.9, 0.7).unwrap();
        prop_assert!(same(&returns, &td_lambda(&window, 0.9, 0.7).unwrap()));
        for t in 0..steps {
            for n in 0..envs {
                let delta = window.rewards[[t, n]] + 0.9 * window.next(t, n) - window.values[[t, n]];
                prop_assert!((one_step[[t, n]] - delta).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn normalised_advantages_have_mean_zero_and_deviation_one(seed: u64, rows in 2_usize..300, ddof in 0_u32..2) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let a: Array1<f64> = (0..rows).map(|_| 1e6 + rng.random_range(-1.0..1.0)).collect();
        let normal = advantage_normalize(a.view(), ddof, 0.0, 0.0).unwrap();
        prop_assert!(normal.mean().unwrap().abs() < 1e-8);
        prop_assert!((normal.std(f64::from(ddof)) - 1.0).abs() < 1e-8);
    }
}

#[test]
fn normalising_is_safe_at_one_row_and_without_spread() {
    let one = Array1::from(vec![3.0_f64]);
    assert_eq!(advantage_normalize(one.view(), 1, 1e-8, 0.0).unwrap(), one);
    let flat = Array1::from(vec![3.0_f64; 5]);
    // A floor divides small spreads by itself, and leaves others alone: RLlib's max(std, 1e-4).
    let pair = Array1::from(vec![1.0_f64, 1.0 + 2e-6]);
    let floored = advantage_normalize(pair.view(), 0, 0.0, 1e-4).unwrap();
    assert!((floored[1] - 1e-2).abs() < 1e-9 && (floored[0] + 1e-2).abs() < 1e-9);
    let wide = Array1::from(vec![1.0_f64, 3.0]);
    assert_eq!(advantage_normalize(wide.view(), 0, 0.0, 1e-4).unwrap(), Array1::from(vec![-1.0, 1.0]));
    for eps in [0.0, 1e-8] {
        assert_eq!(advantage_normalize(flat.view(), 1, eps, 0.0).unwrap(), Array1::<f64>::zeros(5));
    }
    assert!(advantage_normalize(flat.view(), 2, 0.0, 0.0).is_err());
}

#[test]
fn bad_shapes_are_errors() {
    let arrays = Arrays::random(1, 4, 2, 0.2);
    let short = Arrays::random(1, 3, 2, 0.2);
    let window = Window { values: short.values.view(), ..arrays.window() };
    assert_eq!(
        advantage_gae(&window, 0.9, 0.9).unwrap_err().to_string(),
        "\"values\" has shape [4, 2], expected [5, 2]"
    );
    let spec = spec(false, Activation::Tanh, Head::categorical(3));
    let mut learner = CpuLearner::<f32>::new(spec.clone(), Config::cleanrl(), 1).unwrap();
    let before = learner.state().unwrap();
    assert!(learner.act(Array2::zeros((2, 4)).view(), ActMode::Sample).is_err());
    assert!(learner.act(Array2::from_elem((2, 3), f32::NAN).view(), ActMode::Sample).is_err());
    let good = batch(&mut StdRng::seed_from_u64(1), &spec, 4);
    assert!(learner.update_batch(&good, Some(&[0; 15])).is_err());
    assert!(learner.update_batch(&good, Some(&[4; 16])).is_err());
    let bad = Batch { advantages: Array1::zeros(3), ..good };
    assert!(learner.update_batch(&bad, None).is_err());
    assert!(learner.set_parameters(&[0.0]).is_err());
    assert_eq!(learner.state().unwrap(), before, "an error has changed nothing");
}

#[test]
fn the_loss_does_not_depend_on_the_order_of_rows_and_parts_add_up() {
    let rng = &mut StdRng::seed_from_u64(6);
    let spec = spec(true, Activation::Tanh, Head::gaussian(2));
    let (layout, config, parameters) = (spec.layout(), Config::cleanrl(), wide(&spec));
    // More than one block of rows.
    let rows = Rows::<f64>::from_batch(&batch(rng, &spec, 600));
    let run = |rows: &Rows<f64>| {
        let (loss, gradient) = minibatch_gradient(&spec, &layout, &config, &parameters, rows).unwrap();
        (loss.stats.loss, gradient)
    };
    let (loss, gradient) = run(&rows);
    let reversed: Vec<u32> = (0..600).rev().collect();
    let (loss_reversed, gradient_reversed) = run(&rows.gather(&reversed));
    let (first, second) = (run(&rows.gather(&reversed[..200])), run(&rows.gather(&reversed[200..])));
    assert!((loss - loss_reversed).abs() < 1e-12);
    assert!((loss - (first.0 + 2.0 * second.0) / 3.0).abs() < 1e-12);
    for (i, g) in gradient.iter().enumerate() {
        assert!((g - gradient_reversed[i]).abs() < 1e-12);
        assert!((g - (first.1[i] + 2.0 * second.1[i]) / 3.0).abs() < 1e-12);
    }
}

/// 9,000 rows are more blocks than parts of the sum over rows.
#[test]
fn threads_do_not_change_a_bit() {
    let rng = &mut StdRng::seed_from_u64(7);
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for (shared, head, count) in
        [(false, Head::categorical(4), 1000), (true, Head::gaussian(2), 1000), (false, Head::gaussian(2), 9000)]
    {
        let spec = spec(shared, Activation::Tanh, head);
        let rows = Rows::<f32>::from_batch(&batch(rng, &spec, count));
        let (parameters, layout) = (initial_parameters(&spec, 1), spec.layout());
        let gradient = || minibatch_gradient(&spec, &layout, &Config::cleanrl(), &parameters, &rows).unwrap();
        let [one, three] = [1, 3].map(|threads| on(threads).install(gradient));
        assert_eq!((one.0.stats, one.1), (three.0.stats, three.1));
        let product = || fisher_vector_product(&spec, &parameters, rows.obs.view(), 0.1, &parameters).unwrap();
        assert_eq!(on(1).install(product), on(3).install(product));
        let config = Config { num_minibatches: 2, update_epochs: 2, ..Config::cleanrl() };
        let update = || {
            let (mut parameters, mut adam) = (parameters.clone(), Adam::new(parameters.len()));
            let order = Order::Keyed { seed: 1, update: 0 };
            let stats = ppo_update(&spec, &config, 1e-3, &mut parameters, &mut adam, &rows, order).unwrap();
            (stats.minibatches, parameters, adam)
        };
        assert_eq!(on(1).install(update), on(3).install(update));
    }
    // Environments that are not whole lines of cache.
    for envs in [1, 15, 16, 17, 100, 1037] {
        let mut some = |steps| random(rng, (steps, envs)).mapv(|x| x as f32);
        let (rewards, values, last) = (some(5), some(6), some(5));
        let flags = some(5).mapv(|x| u32::from(x > 0.7));
        let window = Window {
            rewards: rewards.view(),
            values: values.view(),
            final_values: last.view(),
            terminated: flags.view(),
            truncated: flags.view(),
        };
        let estimate = || advantage_gae(&window, 0.9, 0.8).unwrap();
        let want = on(1).install(estimate);
        assert_eq!(want, on(3).install(estimate));
        // Columns of memory in place of rows, and results that are not in one piece.
        let reversed = |array: &Array2<f32>| Array2::from_shape_fn(array.t().dim(), |(n, t)| array[[t, n]]);
        let (rewards, values) = (reversed(&rewards), reversed(&values));
        let strided = Window { rewards: rewards.t(), values: values.t(), ..window };
        let (mut advantages, mut returns) = (Array2::zeros((envs, 5)), Array2::from_elem((5, envs), f32::NAN));
        let (a, goals) = (advantages.view_mut().reversed_axes(), returns.view_mut());
        advantage_gae_into(&strided, 0.9, 0.8, a, goals).unwrap();
        assert_eq!((advantages.t(), returns.view()), (want.0.view(), want.1.view()));
        assert!(advantage_gae_into(&strided, 0.9, 0.8, advantages.view_mut(), returns.view_mut()).is_err());
    }
}

/// Forward, loss and backward block by block are what they are one after the other over all rows.
#[test]
fn blocks_of_a_minibatch_add_up_to_the_whole() {
    let rng = &mut StdRng::seed_from_u64(12);
    // The KL is far beyond where the hinge begins.
    let penalty = KlPenalty {
        target_kl: 1e-4,
        hinge: Some(KlHinge { coef: 5.0, factor: 2.0 }),
        ..KlPenalty::fixed(0.3, KlDirection::NewOld)
    };
    let hinge =
        Config { algorithm: Algorithm::Ppo(Ppo { kl_penalty: Some(penalty), ..Ppo::cleanrl() }), ..Config::cleanrl() };
    for (index, head) in heads().into_iter().enumerate() {
        let spec = spec(index % 2 == 0, Activation::Tanh, head);
        let (layout, parameters) = (spec.layout(), wide(&spec));
        let mut rows = Rows::<f64>::from_batch(&batch(rng, &spec, 600));
        let networks = ActorCritic::new(&spec, &layout, &parameters).unwrap();
        let tape = networks.forward(rows.obs.view()).unwrap();
        rows.old_dist = Some(&tape.dist + &random(rng, tape.dist.dim()) * 0.1);
        for config in [Config::cleanrl(), hinge.clone()] {
            let targets = Targets {
                actions: &rows.actions,
                logp_old: rows.logp_old.view(),
                advantages: rows.advantages.view(),
                returns: rows.returns.view(),
                values_old: rows.values_old.view(),
                old_dist: rows.old_dist.as_ref().map(|rows| rows.view()),
            };
            let want = loss_ppo(&spec.head, &config, tape.dist.view(), tape.values.view(), &targets).unwrap();
            let want_gradient = networks.backward(&tape, want.d_dist.view(), want.d_values.view()).unwrap();
            let (got, gradient) = minibatch_gradient(&spec, &layout, &config, &parameters, &rows).unwrap();
            assert!((got.stats.loss - want.stats.loss).abs() < 1e-12, "{} {}", got.stats.loss, want.stats.loss);
            assert!(
                (got.stats.kl - want.stats.kl).abs() < 1e-12
                    && (got.stats.clipfrac - want.stats.clipfrac).abs() < 1e-12
            );
            assert_eq!((got.stats.ratio_min, got.stats.ratio_max), (want.stats.ratio_min, want.stats.ratio_max));
            close(&got.d_dist, &want.d_dist, "d_dist");
            assert!(gradient.iter().zip(&want_gradient).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", spec.head);
            // And the loss's rows are those of the functions one by one.
            let logp = head::log_prob(&spec.head, tape.dist.view(), &rows.actions).unwrap();
            let entropy = head::entropy(&spec.head, tape.dist.view()).unwrap();
            assert!((got.stats.entropy - entropy.mean().unwrap()).abs() < 1e-12);
            let k1 = -(&logp - &rows.logp_old).mapv(|d| d.clamp(-20.0, 20.0)).mean().unwrap();
            assert!((got.stats.old_approx_kl - k1).abs() < 1e-12);
        }
    }
}

#[test]
fn kl_stops_the_update() {
    let rng = &mut StdRng::seed_from_u64(8);
    let spec = spec(false, Activation::Tanh, Head::gaussian(2));
    let rows = Rows::<f64>::from_batch(&batch(rng, &spec, 20));
    let run = |kl_stop| {
        let config = Config {
            algorithm: Algorithm::Ppo(Ppo { target_kl: Some(1e-3), kl_stop, ..Ppo::cleanrl() }),
            minibatch_size: Some(5),
            ..Config::cleanrl()
        };
        let (mut parameters, mut adam) = (wide(&spec), Adam::new(spec.layout().len()));
        let order = Order::Keyed { seed: 1, update: 0 };
        let stats = ppo_update(&spec, &config, 0.01, &mut parameters, &mut adam, &rows, order).unwrap();
        (stats, parameters != wide(&spec))
    };
    // The stored log-probabilities are random, so the first minibatch is over the limit.
    let (stats, moved) = run(KlStop::Minibatch);
    assert_eq!((stats.minibatches.len(), stats.optimizer_steps, stats.epochs, stats.stopped_early), (1, 0, 1, true));
    assert_eq!(stats.last_epoch, 0);
    assert!(!moved && !stats.minibatches[0].stepped);
    let (stats, moved) = run(KlStop::Epoch);
    assert_eq!((stats.minibatches.len(), stats.optimizer_steps, stats.epochs, stats.stopped_early), (4, 4, 1, true));
    assert_eq!(stats.last_epoch, 0);
    assert!(moved);
    // Every epoch is begun, and ended by its first minibatch.
    let (stats, moved) = run(KlStop::RestOfEpoch);
    assert_eq!((stats.minibatches.len(), stats.optimizer_steps, stats.epochs, stats.stopped_early), (4, 0, 4, true));
    assert_eq!(stats.last_epoch, 3);
    assert!(!moved);
}

#[test]
fn a_gradient_that_overflows_is_skipped_and_counted() {
    let spec = spec(false, Activation::Tanh, Head::gaussian(2));
    let good = batch(&mut StdRng::seed_from_u64(9), &spec, 8);
    let bad = Batch { returns: Array1::from_elem(8, 3e38), ..good };
    let config = Config { norm_adv: AdvantageNorm::None, vf_coef: 1e3, ..Config::cleanrl() };
    let mut learner = CpuLearner::<f32>::new(spec, config, 1).unwrap();
    let before = learner.state().unwrap();
    let stats = learner.update_batch(&bad, None).unwrap();
    assert_eq!((stats.optimizer_steps, stats.skipped_steps), (0, 16));
    let after = learner.state().unwrap();
    assert_eq!((after.parameters, after.exp_avg, after.optimizer_step), (before.parameters, before.exp_avg, 0));
}

fn trainer(env: Env) -> CpuTrainer {
    let (tuned, hidden) = env.tuned();
    let config = Config { num_envs: 3, num_steps: 90, total_timesteps: 6 * 270, ..tuned };
    CpuTrainer::new(env, env.policy(&hidden), config, 42).unwrap()
}

#[test]
fn a_run_that_stopped_and_resumed_has_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    for env in Env::ALL {
        let path = folder.path().join(env.name());
        let mut whole = trainer(env);
        let all: Vec<_> = (0..6).map(|_| whole.iterate().unwrap()).collect();
        let mut first = trainer(env);
        for _ in 0..3 {
            first.iterate().unwrap();
        }
        // Evaluation between the two leaves no trace.
        evaluate(first.learner_mut(), env, 3, 7, ActMode::Greedy).unwrap();
        first.save(&path).unwrap();
        let mut second = trainer(env);
        second.load(&path).unwrap();
        for want in &all[3..] {
            // Debug text, as NaN is not equal to itself.
            assert_eq!(format!("{:?}", second.iterate().unwrap()), format!("{want:?}"));
        }
        assert_eq!(second.state().unwrap(), whole.state().unwrap());
    }
}

#[test]
fn a_trainers_first_ratios_are_one() {
    let mut trainer = trainer(Env::Pendulum);
    let first = trainer.iterate().unwrap().update.minibatches[0];
    assert!((first.ratio_min - 1.0).abs() < 1e-5 && (first.ratio_max - 1.0).abs() < 1e-5);
}

#[test]
fn the_actors_columns_are_raw_outputs_then_log_std() {
    let spec = spec(true, Activation::Silu, Head::gaussian(2));
    let (layout, mut parameters) = (spec.layout(), wide(&spec));
    let start = layout.log_std().unwrap();
    parameters[start..].copy_from_slice(&[0.25, -0.5]);
    let networks = ActorCritic::new(&spec, &layout, &parameters).unwrap();
    let obs = random(&mut StdRng::seed_from_u64(10), (300, 3));
    let tape = networks.forward(obs.view()).unwrap();
    assert!(tape.dist.axis_iter(Axis(0)).all(|row| row[2] == 0.25 && row[3] == -0.5));
    assert_eq!(networks.distribution(obs.view()).unwrap(), tape.dist);
    assert_eq!(networks.values(obs.view()).unwrap(), tape.values);
}
