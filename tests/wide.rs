//! Categorical rows that are too long for one invocation: acting and whole updates on the device against the f64 reference, up to
//! 262,144 choices, and what stays as it was where rows are short.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2, ArrayView1};
use wgpo::config::{AdvantageNorm, KlPenalty, Ppo, TrustRegion};
use wgpo::cpu::CpuLearner;
use wgpo::data::{Batch, UpdateStats};
use wgpo::gpu::Gpu;
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::low_level::kernels::{is_wide, policy_sample, policy_sample_wide};
use wgpo::low_level::reference::head_categorical::log_softmax;
use wgpo::low_level::rng::{Draw, block, normal, uniform};
use wgpo::policy::{Activation, Bounds, Branch, Head, PolicySpec};
use wgpo::{ActMode, Agent, Algorithm, AlgorithmKind, Config, GpuLearner, OnPolicy};

const MANY: usize = 262_144;

/// Wide in one dimension, in some, in none alone; masked and with bounds.
fn others() -> Vec<Head> {
    vec![
        Head::Categorical { actions: 8_193, masked: true },
        Head::MultiDiscrete { nvec: vec![3, 7_501, 40], masked: true },
        Head::multi_discrete(vec![2_600; 3]),
        Head::Discretised { dims: 2, bins: 4_001, bounds: Bounds::uniform(2, -2.0, 1.0) },
    ]
}

fn n(row: usize, column: usize) -> f32 {
    normal(block(11, Draw::Initialisation, row as u32, column as u32, 9)[0])
}

fn masks(head: &Head, rows: usize) -> Option<Array2<bool>> {
    head.is_masked().then(|| {
        let mut allowed = Array2::from_shape_fn((rows, head.raw_outputs()), |(r, i)| n(r, 500 + i) > -0.4);
        // Nothing in the first dimension of one row.
        allowed.slice_mut(ndarray::s![1, ..head.choices()[0]]).fill(false);
        allowed
    })
}

fn observations(rows: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, 3), |(row, column)| n(row, column))
}

fn policy(head: &Head) -> PolicySpec {
    PolicySpec::separate(3, &[4], Activation::Tanh, head.clone())
}

/// Parameters at which choices differ in their probability.
fn parameters(spec: &PolicySpec) -> Vec<f32> {
    let mut parameters = wgpo::policy::initial_parameters(spec, 7);
    let last = *spec.layout().layers(Branch::POLICY).last().unwrap();
    parameters[last.weight..last.weight + last.outputs * last.inputs]
        .iter_mut()
        .enumerate()
        .for_each(|(i, w)| *w = 0.8 * n(i, 77));
    parameters
}

fn batch(spec: &PolicySpec, rows: usize) -> Batch {
    let mut learner = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 7).unwrap();
    learner.set_parameters(&parameters(spec)).unwrap();
    let (obs, masks) = (observations(rows), masks(&spec.head, rows));
    let acted = learner.act_masked(obs.view(), masks.as_ref().map(|m| m.view()), ActMode::Sample).unwrap();
    let logp_old = Array1::from_shape_fn(rows, |row| acted.logp[row] + 0.1 * n(row, 100));
    let values_old = Array1::from_shape_fn(rows, |row| acted.values[row] + 0.3 * n(row, 101));
    let advantages = Array1::from_shape_fn(rows, |row| n(row, 102) + 0.5);
    let returns = Array1::from_shape_fn(rows, |row| values_old[row] + advantages[row]);
    Batch { obs, actions: acted.actions, logp_old, advantages, returns, values_old, old_dist: None, valid: None }
}

fn config(algorithm: AlgorithmKind) -> Config {
    let base = Config {
        update_epochs: 1,
        num_minibatches: 1,
        minibatch_size: None,
        anneal_lr: false,
        norm_adv: AdvantageNorm::None,
        ..Config::cleanrl()
    };
    match algorithm {
        AlgorithmKind::PpoPenalty => base.with_algorithm(algorithm),
        AlgorithmKind::A2c => Config { num_minibatches: 1, ..Config::a2c() },
        AlgorithmKind::Trpo | AlgorithmKind::Npg => {
            let mut trpo = Config::preset("sb3-contrib", algorithm, true).unwrap();
            trpo.trust_region_mut().unwrap().cg_iterations = 3;
            Config { update_epochs: 1, num_minibatches: 1, minibatch_size: None, norm_adv: AdvantageNorm::None, ..trpo }
        }
        _ => base.with_algorithm(algorithm),
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

/// One update on the device and on the reference, from the same batch.
fn learns_as_the_reference(gpu: &Gpu, head: &Head, rows: usize, algorithm: AlgorithmKind) {
    learns_with(gpu, head, rows, &config(algorithm));
}

/// The same; what the reference says of it.
fn learns_with(gpu: &Gpu, head: &Head, rows: usize, config: &Config) -> UpdateStats {
    let (spec, algorithm) = (policy(head), config.algorithm.kind());
    let name = format!("{} of {} by {}", head.name(), head.raw_outputs(), algorithm.name());
    let (batch, start) = (batch(&spec, rows), parameters(&spec));
    let mut oracle = CpuLearner::<f64>::new(spec.clone(), config.clone(), 7).unwrap();
    let mut device = GpuLearner::new(gpu, spec.clone(), config.clone(), 7).unwrap();
    oracle.set_parameters(&start).unwrap();
    device.set_parameters(&start).unwrap();
    let want = oracle.update_batch(&batch, None).unwrap();
    let got = device.update_batch(&batch, None).unwrap();
    let (got_now, want_now) = (device.parameters().unwrap(), oracle.parameters().unwrap());
    let moved = distance(&want_now, &start);
    let error = distance(&got_now, &want_now) / moved;
    println!("{name}: step {moved:.1e}, error {error:.1e}");
    assert!(moved > 1e-4, "{name} does not move");
    // As in tests/heads.rs: Adam's and RMSProp's first steps divide by a gradient's own size, conjugate gradients amplify by the
    // condition of the Fisher matrix.
    let bound = if algorithm.is_trust_region() { 2e-3 } else { 2e-4 };
    assert!(error < bound, "{name}: error {error}");
    assert_eq!(got.minibatches.len(), want.minibatches.len(), "{name}");
    for (g, w) in got.minibatches.iter().zip(&want.minibatches) {
        for (field, g, w) in
            [("loss", g.loss, w.loss), ("entropy", g.entropy, w.entropy), ("grad_norm", g.grad_norm, w.grad_norm)]
        {
            assert!((g - w).abs() <= 1e-4 * (1.0 + w.abs()), "{name}: {field} is {g}, not {w}");
        }
        assert!((g.kl - w.kl).abs() <= 1e-5 + 1e-3 * w.kl.abs(), "{name}: kl is {}, not {}", g.kl, w.kl);
        assert_eq!((g.non_finite_rows, g.head_hits), (0, w.head_hits), "{name}");
    }
    if let (Some(g), Some(w)) = (&got.trust_region, &want.trust_region) {
        assert_eq!((g.accepted, g.accepted_try, g.head_hits), (w.accepted, w.accepted_try, w.head_hits), "{name}");
        assert!((g.kl_after - w.kl_after).abs() <= 1e-2 * w.kl_after.abs() + 1e-6, "{name}: {g:?} {w:?}");
    }
    want
}

/// From the second minibatch on the policy is not the old one any more: its divergence is not 0 and has a gradient, of rows that do not
/// begin at 0.
#[test]
fn minibatches_of_many_choices_are_held_back_by_their_divergence_as_by_the_reference() {
    let Some(gpu) = support::gpu(true) else { return };
    let base = config(AlgorithmKind::PpoPenalty);
    let penalty = base.kl_penalty().map(|penalty| KlPenalty { kl_coef: 5.0, ..penalty });
    let algorithm = Algorithm::PpoPenalty(Ppo { kl_penalty: penalty, ..Ppo::penalty() });
    let config = Config { algorithm, update_epochs: 2, num_minibatches: 2, learning_rate: 0.03, ..base };
    let stats = learns_with(&gpu, &Head::categorical(7_501), 6, &config);
    let kl: Vec<f64> = stats.minibatches.iter().map(|minibatch| minibatch.kl).collect();
    assert!(kl.len() == 4 && kl[1..].iter().all(|kl| *kl > 5e-4), "{kl:?}");
}

#[test]
fn many_choices_are_learnt_by_ppo_and_a2c_as_by_the_reference() {
    let Some(gpu) = support::gpu(false) else { return };
    for algorithm in [AlgorithmKind::Ppo, AlgorithmKind::PpoPenalty, AlgorithmKind::A2c] {
        learns_as_the_reference(&gpu, &Head::categorical(MANY), 3, algorithm);
    }
}

#[test]
fn many_choices_are_learnt_by_trpo_as_by_the_reference() {
    let Some(gpu) = support::gpu(false) else { return };
    learns_as_the_reference(&gpu, &Head::categorical(MANY), 2, AlgorithmKind::Trpo);
}

#[test]
fn wide_heads_of_every_kind_are_learnt_as_by_the_reference() {
    let Some(gpu) = support::gpu(true) else { return };
    for head in others() {
        assert!(is_wide(&head), "{head:?}");
        for algorithm in [AlgorithmKind::Ppo, AlgorithmKind::PpoPenalty, AlgorithmKind::Trpo] {
            learns_as_the_reference(&gpu, &head, 5, algorithm);
        }
    }
}

/// Whether a uniform lies within what a choice has of the distribution function, except for the rounding that `wgpo check` allows.
fn is_draw(logits: ArrayView1<'_, f64>, word: usize, u: f64) -> bool {
    let p = log_softmax(logits).mapv(f64::exp);
    let before: f64 = p.iter().take(word).sum();
    p[word] > 0.0 && before - 1.1e-5 <= u && u < before + p[word] + 1.1e-5
}

#[test]
fn actions_of_many_choices_are_those_of_the_reference() {
    let Some(gpu) = support::gpu(true) else { return };
    for head in [vec![Head::categorical(MANY)], others()].concat() {
        let (spec, rows) = (policy(&head), 3);
        let mut device = GpuLearner::new(&gpu, spec.clone(), Config::cleanrl(), 5).unwrap();
        let mut oracle = CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 5).unwrap();
        for learner in [&mut device as &mut dyn OnPolicy, &mut oracle] {
            learner.set_parameters(&parameters(&spec)).unwrap();
        }
        let (obs, masks) = (observations(rows), masks(&head, rows));
        let act = |learner: &mut dyn OnPolicy, mode: ActMode| {
            learner.act_masked(obs.view(), masks.as_ref().map(|masks| masks.view()), mode).unwrap()
        };
        let mut equal = 0;
        for mode in [ActMode::Greedy, ActMode::Sample] {
            let (got, want) = (act(&mut device, mode), act(&mut oracle, mode));
            let (taken, expected) = (got.actions.indices().unwrap(), want.actions.indices().unwrap());
            got.actions.validate(&head, rows).unwrap();
            if mode == ActMode::Greedy {
                assert_eq!(taken, expected, "{head:?}");
            }
            equal += taken.iter().zip(expected).filter(|(got, want)| got == want).count();
            for row in 0..rows {
                // Where both took the same action its log-probability is the same.
                if taken.row(row) == expected.row(row) {
                    let (g, w) = (got.logp[row], want.logp[row]);
                    assert!((g - w).abs() < 2e-5 * (1.0 + w.abs()), "{head:?}: {g} {w}");
                }
            }
        }
        // A draw differs only where its uniform is within rounding of an edge; few are.
        assert!(equal * 3 >= 2 * 2 * rows * head.action_dims(), "{head:?}: {equal} actions are equal");
    }
}

/// Draws from the kernel itself, each held against the distribution function; and most probable choices among equals.
#[test]
fn draws_of_many_choices_are_where_their_uniform_is() {
    let Some(gpu) = support::gpu(true) else { return };
    let (rows, seed) = (6, 9_u64);
    let head = Head::categorical(MANY);
    let mut dist: Vec<f32> = (0..rows * MANY).map(|i| n(i / MANY, i % MANY)).collect();
    // One choice has nearly all, the second half has, and all are equal.
    dist[MANY + 200_000] = 40.0;
    dist[2 * MANY + MANY / 2..3 * MANY].iter_mut().for_each(|l| *l += 30.0);
    dist[3 * MANY..4 * MANY].fill(0.5);
    let last = [(4, 131_071), (4, 131_072), (4, 262_143), (5, 300), (5, 44)];
    for (row, i) in last {
        dist[row * MANY + i] = 9.0;
    }
    let ring = PerUpdate::ring(&gpu).unwrap();
    let slot =
        ring.push(&gpu, &PerUpdate { seed_low: seed as u32, policy_step_low: 4, ..PerUpdate::default() }).unwrap();
    let head_outputs = gpu.upload("head_outputs", &dist).unwrap();
    for greedy in [0, 1] {
        let (actions, env_actions) =
            (gpu.buffer("actions", rows as u64).unwrap(), gpu.buffer("env", rows as u64).unwrap());
        let logp = gpu.buffer("logp", rows as u64).unwrap();
        let io = policy_sample_wide::Io {
            head_outputs: &head_outputs,
            actions: &actions,
            logp: &logp,
            env_actions: &env_actions,
        };
        let p = policy_sample_wide::Params { rows: rows as u32, greedy, ..Default::default() };
        let calls = policy_sample_wide::bind(&gpu, &head, &[p], &io, &ring).unwrap();
        gpu.run("draws", &calls, slot).unwrap();
        let (words, logps) = (gpu.read(&actions).unwrap(), gpu.read(&logp).unwrap());
        for row in 0..rows {
            let word = words[row] as usize;
            let logits: Array1<f64> = dist[row * MANY..(row + 1) * MANY].iter().map(|l| f64::from(*l)).collect();
            if greedy == 1 {
                let want = [None, Some(200_000), None, Some(0), Some(131_071), Some(44)][row];
                let first = logits.iter().enumerate().fold(0, |best, (i, l)| if *l > logits[best] { i } else { best });
                assert_eq!(word, want.unwrap_or(first), "row {row}");
            } else {
                let u = f64::from(uniform(block(seed, Draw::Action, row as u32, 0, 4)[0]));
                assert!(is_draw(logits.view(), word, u), "row {row}: {word} for {u}");
            }
            let want = log_softmax(logits.view())[word];
            assert!(
                (f64::from(logps[row]) - want).abs() < 1e-5 * (1.0 + want.abs()),
                "row {row}: {} {want}",
                logps[row]
            );
        }
    }
}

/// A row of more than 65,536 choices is cut into pieces twice and walked at the end: among neighbours of one last piece and of the next that
/// have all of the probability, the choice drawn is exactly that of its uniform.
#[test]
fn neighbours_that_have_all_of_the_probability_are_drawn_exactly() {
    let Some(gpu) = support::gpu(true) else { return };
    let (seed, draws, likely) = (9_u64, 12_u32, 200_001..200_005_usize);
    let head = Head::categorical(MANY);
    let mut dist: Vec<f32> = (0..MANY).map(|i| n(0, i)).collect();
    dist[likely.clone()].fill(25.0);
    let ring = PerUpdate::ring(&gpu).unwrap();
    let slot =
        ring.push(&gpu, &PerUpdate { seed_low: seed as u32, policy_step_low: 4, ..PerUpdate::default() }).unwrap();
    let head_outputs = gpu.upload("head_outputs", &dist).unwrap();
    let count = u64::from(draws);
    let (actions, env_actions) = (gpu.buffer("actions", count).unwrap(), gpu.buffer("env", count).unwrap());
    let logp = gpu.buffer("logp", count).unwrap();
    let io = policy_sample_wide::Io {
        head_outputs: &head_outputs,
        actions: &actions,
        logp: &logp,
        env_actions: &env_actions,
    };
    let params: Vec<_> = (0..draws)
        .map(|i| policy_sample_wide::Params {
            rows: 1,
            step_offset: i,
            actions_offset: i,
            logp_offset: i,
            env_actions_offset: i,
            ..Default::default()
        })
        .collect();
    gpu.run("draws", &policy_sample_wide::bind(&gpu, &head, &params, &io, &ring).unwrap(), slot).unwrap();
    let words = gpu.read(&actions).unwrap();
    let logits: Array1<f64> = dist.iter().map(|l| f64::from(*l)).collect();
    let p = log_softmax(logits.view()).mapv(f64::exp);
    let mut sum = 0.0;
    let ends: Vec<f64> = p
        .iter()
        .map(|p| {
            sum += p;
            sum
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for (i, word) in (0..draws).zip(&words) {
        let u = f64::from(uniform(block(seed, Draw::Action, 0, 0, 4 + u64::from(i))[0]));
        let want = ends.iter().position(|end| *end > u).unwrap();
        // The uniform is not within rounding of an edge.
        assert!(likely.contains(&want) && (u - ends[want]).abs().min((u - ends[want - 1]).abs()) > 1.1e-5, "{u}");
        assert_eq!(*word as usize, want, "draw {i}, for {u}");
        seen.insert(want);
    }
    assert_eq!(seen.len(), likely.len(), "{seen:?}");
}

/// Dispatches and bits of one update.
fn update(gpu: &Gpu, head: &Head, algorithm: AlgorithmKind) -> (u64, Vec<f32>) {
    let spec = policy(head);
    let batch = batch(&spec, 5);
    let mut device = GpuLearner::new(gpu, spec.clone(), config(algorithm), 7).unwrap();
    device.set_parameters(&parameters(&spec)).unwrap();
    let before = gpu.counts().dispatches;
    device.update_batch(&batch, None).unwrap();
    (gpu.counts().dispatches - before, device.parameters().unwrap())
}

#[test]
fn short_rows_have_the_dispatches_that_they_had_and_long_ones_the_same_bits_each_time() {
    let Some(gpu) = support::gpu(false) else { return };
    assert!(!is_wide(&Head::categorical(7_500)) && is_wide(&Head::categorical(7_501)));
    assert!(!is_wide(&Head::gaussian(200)) && !is_wide(&Head::bernoulli(256)));
    for algorithm in [AlgorithmKind::Ppo, AlgorithmKind::PpoPenalty, AlgorithmKind::Trpo] {
        let (few, _) = update(&gpu, &Head::categorical(200), algorithm);
        let (narrow, _) = update(&gpu, &Head::categorical(7_500), algorithm);
        assert_eq!(few, narrow, "{}", algorithm.name());
        let (wide, bits) = update(&gpu, &Head::categorical(7_501), algorithm);
        // A loss takes two more, and so does each divergence one more: the penalty's before the minibatch and at the end, the
        // trust region's at the start and at each candidate; its critic has a loss, too.
        let search = TrustRegion::sb3_contrib().line_search_steps as u64;
        let more = match algorithm {
            AlgorithmKind::Trpo => 2 + 1 + search + 2,
            AlgorithmKind::PpoPenalty => 2 + 2,
            _ => 2,
        };
        assert_eq!(wide, narrow + more, "{}", algorithm.name());
        let (_, again) = update(&gpu, &Head::categorical(7_501), algorithm);
        assert!(bits.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()), "{}", algorithm.name());
    }
}

#[test]
fn what_is_too_much_is_refused_and_says_whose_limit_it_is() {
    let Some(gpu) = support::gpu(false) else { return };
    // WebGPU's 128 MiB hold 128 rows of so many choices.
    let spec = policy(&Head::categorical(MANY));
    let mut device = GpuLearner::new(&gpu, spec, Config::cleanrl(), 7).unwrap();
    let before = device.parameters().unwrap();
    let obs = observations(129);
    let error = device.act(obs.view(), ActMode::Sample).unwrap_err().to_string();
    assert_eq!(
        error,
        "buffer \"policy.1 output\" needs 135266304 for max_storage_buffer_binding_size (bytes), the device allows 134217728"
    );
    assert_eq!(device.parameters().unwrap(), before);

    let ring = PerUpdate::ring(&gpu).unwrap();
    let (a, b) = (gpu.buffer::<f32>("a", 9_000).unwrap(), gpu.buffer::<f32>("b", 1).unwrap());
    let (c, d) = (gpu.buffer::<u32>("c", 1).unwrap(), gpu.buffer::<u32>("d", 1).unwrap());
    let io = policy_sample::Io { head_outputs: &a, actions: &c, logp: &b, env_actions: &d };
    let one = policy_sample::Params { rows: 1, ..Default::default() };
    let error = policy_sample::bind(&gpu, &Head::categorical(9_000), &[one], &io, &ring).unwrap_err().to_string();
    assert_eq!(
        error,
        "policy_sample: a loop over a distribution row of 9000, several times (kernels for such rows end with _wide) needs 72000 for \
         iterations of one invocation, wgpo allows 60000 on every device"
    );
    let io = policy_sample_wide::Io { head_outputs: &a, actions: &c, logp: &b, env_actions: &d };
    let one = policy_sample_wide::Params { rows: 1, ..Default::default() };
    let bind = |head: &Head| policy_sample_wide::bind(&gpu, head, &[one], &io, &ring).unwrap_err().to_string();
    assert_eq!(
        bind(&Head::categorical(1 << 22)),
        "policy_sample_wide: a loop over a 256th of a distribution row of 4194304, seven times needs 114848 for iterations of one \
         invocation, wgpo allows 60000 on every device"
    );
    assert_eq!(bind(&Head::gaussian(2)), "config: head: is gaussian: policy_sample_wide walks rows of choices");
}
