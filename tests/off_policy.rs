//! Off-policy learning on the CPU: whole trainers against the updates of the reference in f64, states, options, ends and errors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use ndarray::{Array1, Array2, s};
use wgpo::agent::OffPolicy;
use wgpo::config::{Dqn, Replay, Sac, Td3, TdLoss};
use wgpo::cpu::{CpuOffPolicy, CpuTrainer};
use wgpo::data::{Actions, EnvStep, UpdateStats};
use wgpo::low_level::reference::Real;
use wgpo::low_level::reference::critics::Critics;
use wgpo::low_level::reference::dqn_update::{DqnSettings, DqnState, dqn_update};
use wgpo::low_level::reference::flat_mlp::FlatMlp;
use wgpo::low_level::reference::optim::{Adam, AdamSettings};
use wgpo::low_level::reference::q_network::QNetwork;
use wgpo::low_level::reference::sac_update::{SacSettings, SacState, sac_update};
use wgpo::low_level::reference::squashed_sample::SquashSettings;
use wgpo::low_level::reference::td_target::polyak;
use wgpo::low_level::reference::td3_update::{Td3Settings, Td3State, td3_update};
use wgpo::low_level::reference::transitions::Transitions;
use wgpo::low_level::reference::vec_env::VecEnv;
use wgpo::low_level::rng::{Draw, below, block, normal_f64, uniform};
use wgpo::policy::{Activation, PolicySpec, Std, StdLimit};
use wgpo::state::{LearnerState, OffPolicyState, ReplayState};
use wgpo::{ActMode, Agent, AlgorithmKind, Config, Env, SaveTrainer, Trainer};

const KINDS: [AlgorithmKind; 4] = [AlgorithmKind::Dqn, AlgorithmKind::Ddpg, AlgorithmKind::Td3, AlgorithmKind::Sac];
const SEED: u64 = 77;
const ENVS: usize = 2;

fn env(kind: AlgorithmKind) -> Env {
    if kind == AlgorithmKind::Dqn { Env::CartPole } else { Env::Pendulum }
}

fn spec(kind: AlgorithmKind) -> PolicySpec {
    PolicySpec { activation: Activation::Relu, ..kind.fitted(env(kind).policy(&[9, 7])) }
}

/// A ring of 13 places that is written over soon, and three gradient steps after every second step of the two environments.
fn config(kind: AlgorithmKind) -> Config {
    let replay = Replay {
        buffer_size: 27,
        batch_size: 11,
        learning_starts: 6,
        train_frequency: 4,
        gradient_steps: 3,
        n_steps: 3,
        compact: false,
        exploration_hold: 2,
    };
    let config = match kind {
        AlgorithmKind::Dqn => {
            let own = Dqn { replay, target_network_frequency: 2, tau: 0.25, exploration_fraction: 0.5, ..Dqn::sb3() };
            Config::dqn_sb3().with_algorithm(own)
        }
        AlgorithmKind::Ddpg => Config::ddpg_sb3().with_algorithm(wgpo::Algorithm::Ddpg(Td3 {
            replay,
            policy_frequency: 2,
            exploration_noise: 0.1,
            ..Td3::ddpg_sb3()
        })),
        AlgorithmKind::Td3 => Config::td3_sb3().with_algorithm(Td3 { replay, exploration_noise: 0.1, ..Td3::sb3() }),
        _ => {
            let own = Sac { replay, policy_frequency: 2, target_network_frequency: 3, tau: 0.25, ..Sac::sb3() };
            Config::sac_sb3().with_algorithm(own)
        }
    };
    Config {
        num_envs: ENVS,
        num_steps: 15,
        total_timesteps: 120,
        learning_rate: 1e-2,
        max_grad_norm: Some(0.5),
        ..config
    }
}

fn trainer(kind: AlgorithmKind, config: Config) -> CpuTrainer {
    CpuTrainer::new(env(kind), spec(kind), config, SEED).unwrap()
}

fn own(state: &LearnerState) -> &OffPolicyState {
    state.off_policy.as_ref().unwrap()
}

/// One step of all environments with the actions of `learner`.
fn step<F: Real>(learner: &mut CpuOffPolicy<F>, envs: &mut VecEnv) -> EnvStep {
    let acted = learner.act(envs.obs().view(), ActMode::Sample).unwrap();
    let step = envs.step(&acted.env_actions).unwrap();
    EnvStep {
        obs: acted.obs,
        actions: acted.actions,
        rewards: step.rewards,
        next_obs: step.final_obs,
        terminated: step.terminated,
        truncated: step.truncated,
    }
}

fn due(config: &Config, steps: u64) -> u64 {
    config.replay().unwrap().due(steps - ENVS as u64, steps)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

/// A trainer does nothing but act, step, store and learn, in that order.
#[test]
fn a_trainer_is_its_parts() {
    for kind in KINDS {
        let config = config(kind);
        let mut trainer = trainer(kind, config.clone());
        let mut learner = CpuOffPolicy::<f32>::new(spec(kind), config.clone(), SEED).unwrap();
        let mut envs = VecEnv::new(env(kind), ENVS, SEED).unwrap();
        for round in 1..=2 {
            let stats = trainer.iterate().unwrap();
            assert_eq!((stats.updates, stats.env_steps), (round, round * 30));
            let mut last = UpdateStats::default();
            for _ in 0..config.num_steps {
                let step = step(&mut learner, &mut envs);
                learner.store(&step).unwrap();
                let count = due(&config, learner.state().unwrap().env_steps);
                if count > 0 {
                    last = learner.learn(count).unwrap();
                }
            }
            let (got, want) = (trainer.state().unwrap(), learner.state().unwrap());
            assert_eq!(got.learner, LearnerState { update: round, ..want }, "{}", kind.name());
            assert_eq!((got.env_words.as_slice(), got.env_step), (envs.words(), 15 * round));
            assert_eq!(stats.update.minibatches, last.minibatches);
            let of_update = stats.update.off_policy.unwrap();
            assert_eq!(of_update.gradient_steps, own(&got.learner).gradient_steps);
            // Multiples of 4 from 8 to 60, three steps at each.
            assert_eq!(of_update.gradient_steps, 3 * (round * 30 / 4 - 1));
            assert_eq!((learner.stored(), own(&got.learner).replay.as_ref().unwrap().stored), (26, 13));
        }
    }
}

/// A transition as the test draws it from a saved ring.
struct Drawn {
    start: usize,
    env: usize,
    last: usize,
    reward: f64,
    discount: f64,
    terminated: u32,
}

/// Row `row` of gradient step `step`, by the words of [`Draw::Replay`].
fn drawn(replay: &ReplayState, row: usize, step: u64, n_steps: usize, gamma: f64) -> Drawn {
    let stored = replay.stored as usize;
    let place = below(block(SEED, Draw::Replay, row as u32, 0, step), (stored * ENVS) as u32) as usize;
    let (start, env) = (place / ENVS, place % ENVS);
    let newest = (replay.next_write as usize + stored - 1) % stored;
    let (mut last, mut reward, mut discount) = (start, 0.0, 1.0);
    for step in 0..n_steps {
        last = (start + step) % stored;
        let at = last * ENVS + env;
        reward += discount * f64::from(replay.rewards[at]);
        discount *= gamma;
        if replay.terminated[at] + replay.truncated[at] > 0 || last == newest {
            break;
        }
    }
    Drawn { start, env, last, reward, discount, terminated: replay.terminated[last * ENVS + env] }
}

/// What the networks of a learner in f64 are, in the reference's own arrays.
enum Oracle {
    Dqn(DqnState<f64>),
    Td3(Td3State<f64>),
    Sac(SacState<f64>),
}

/// The numbers of a branch, in the order of a network by itself.
fn numbers(spec: &PolicySpec, flat: &[f32], name: &str) -> Vec<f64> {
    let layout = spec.layout();
    let of_layer =
        |index: usize| ["weight", "bias"].map(|part| layout.get(&format!("{name}.{index}.{part}")).unwrap().indices());
    let ranges = (0..layout.layers(name).len()).flat_map(of_layer);
    ranges.flat_map(|range| flat[range].to_vec()).map(f64::from).collect()
}

impl Oracle {
    fn new(kind: AlgorithmKind, spec: &PolicySpec, state: &LearnerState) -> Self {
        let of = |name: &str| numbers(spec, &state.parameters, name);
        let (policy, names) = (of("policy"), if kind == AlgorithmKind::Ddpg { vec!["q1"] } else { vec!["q1", "q2"] });
        let policy_adam = Adam::new(policy.len());
        let critics = || {
            let online: Vec<_> = names.iter().map(|name| of(name)).collect();
            Critics { targets: online.clone(), adam: online.iter().map(|q| Adam::new(q.len())).collect(), online }
        };
        match kind {
            AlgorithmKind::Dqn => Self::Dqn(DqnState { q_target: policy.clone(), q: policy, adam: policy_adam }),
            AlgorithmKind::Sac => Self::Sac(SacState {
                critics: critics(),
                policy,
                policy_adam,
                log_alpha: vec![0.0],
                alpha_adam: Adam::new(1),
            }),
            _ => Self::Td3(Td3State {
                critics: critics(),
                policy_target: policy.clone(),
                policy,
                policy_adam,
                updates: 0,
            }),
        }
    }

    /// Gradient step `step` on what `replay` holds.
    fn step(&mut self, spec: &PolicySpec, config: &Config, replay: &ReplayState, step: u64) {
        let own = config.replay().unwrap();
        let (rows, width) = (own.batch_size, spec.obs_dim());
        let all: Vec<_> = (0..rows).map(|row| drawn(replay, row, step, own.n_steps, config.gamma)).collect();
        let of = |numbers: &[f32], places: &dyn Fn(&Drawn) -> usize| {
            Array2::from_shape_fn((rows, width), |(row, i)| {
                f64::from(numbers[(places(&all[row]) * ENVS + all[row].env) * width + i])
            })
        };
        let (obs, next_obs) = (of(&replay.obs, &|drawn| drawn.start), of(&replay.next_obs, &|drawn| drawn.last));
        let rewards: Array1<_> = all.iter().map(|drawn| drawn.reward).collect();
        let terminated: Array1<_> = all.iter().map(|drawn| drawn.terminated).collect();
        let discounts: Array1<_> = all.iter().map(|drawn| drawn.discount).collect();
        let words: Array1<_> = all.iter().map(|drawn| replay.actions[drawn.start * ENVS + drawn.env]).collect();
        let batch = Transitions {
            obs: obs.view(),
            next_obs: next_obs.view(),
            rewards: rewards.view(),
            terminated: terminated.view(),
            discounts: discounts.view(),
        };
        let floats = words.mapv(|word| f64::from(f32::from_bits(word))).insert_axis(ndarray::Axis(1));
        let noise = |first: usize| {
            Array2::from_shape_fn((rows, 1), |(row, _)| {
                normal_f64(block(SEED, Draw::Noise, (first + row) as u32, 0, step)[0])
            })
        };
        let outputs = spec.head.raw_outputs();
        let actor = FlatMlp::new(vec![width, 9, 7, outputs], spec.activation).unwrap();
        let critic = FlatMlp::new(vec![width + 1, 9, 7, 1], spec.activation).unwrap();
        let (adam, nets) = (AdamSettings::new(config, 0..0), [&critic, &actor]);
        let due = |frequency: u64| (step + 1).is_multiple_of(frequency);
        match self {
            Self::Dqn(state) => {
                let own = config.dqn().unwrap();
                let settings = DqnSettings { double: own.double, loss: own.td_loss, adam, lr: config.learning_rate };
                dqn_update(&QNetwork::from(actor), &settings, state, &batch, words.view()).unwrap();
                if due(own.target_network_frequency) {
                    polyak(&mut state.q_target, &state.q, own.tau).unwrap();
                }
            }
            Self::Td3(state) => {
                let own = config.td3().unwrap();
                let settings = Td3Settings {
                    policy_noise: own.policy_noise,
                    noise_clip: own.noise_clip,
                    policy_frequency: own.policy_frequency,
                    tau: own.tau,
                    adam,
                    q_lr: config.learning_rate,
                    policy_lr: own.policy_lr,
                };
                td3_update(nets, &settings, state, &batch, floats.view(), noise(0).view()).unwrap();
            }
            Self::Sac(state) => {
                let own = config.sac().unwrap();
                let settings = SacSettings {
                    squash: squash(spec, own.squash_epsilon),
                    target_entropy: Some(-1.0),
                    adam,
                    q_lr: config.learning_rate,
                    policy_lr: own.policy_lr,
                    alpha_lr: own.alpha_lr,
                    moves_policy: due(own.policy_frequency),
                };
                let noise = [noise(rows), noise(0)];
                let noise = [noise[0].view(), noise[1].view()];
                sac_update(nets, &settings, state, &batch, floats.view(), noise).unwrap();
                if due(own.target_network_frequency) {
                    state.critics.follow(own.tau).unwrap();
                }
            }
        }
    }

    /// That a learner's numbers are these, rounded to f32.
    fn hold(&self, kind: AlgorithmKind, spec: &PolicySpec, state: &LearnerState) {
        let same = |flat: &[f32], name: &str, want: &[f64]| {
            for (got, want) in numbers(spec, flat, name).iter().zip(want) {
                // The learner's order of sums is not the test's only where a library chooses it: some units of f64 through 100 steps of Adam.
                assert!((got - want).abs() <= 1e-6 * want.abs() + 1e-8, "{} {name}: {got} not {want}", kind.name());
            }
        };
        let targets = &own(state).targets;
        let of_critics = |critics: &Critics<f64>| {
            for (index, name) in ["q1", "q2"].into_iter().take(critics.online.len()).enumerate() {
                same(&state.parameters, name, &critics.online[index]);
                same(targets, name, &critics.targets[index]);
                same(&state.exp_avg_sq, name, &critics.adam[index].exp_avg_sq);
                assert_eq!(critics.adam[index].step, state.optimizer_step);
            }
        };
        match self {
            Self::Dqn(dqn) => {
                same(&state.parameters, "policy", &dqn.q);
                same(targets, "policy", &dqn.q_target);
                assert_eq!(state.optimizer_step, dqn.adam.step);
            }
            Self::Td3(td3) => {
                of_critics(&td3.critics);
                same(&state.parameters, "policy", &td3.policy);
                same(targets, "policy", &td3.policy_target);
                assert_eq!(own(state).policy_optimizer_step, td3.policy_adam.step);
            }
            Self::Sac(sac) => {
                of_critics(&sac.critics);
                same(&state.parameters, "policy", &sac.policy);
                assert_eq!(own(state).policy_optimizer_step, sac.policy_adam.step);
                assert_eq!(own(state).log_alpha, sac.log_alpha[0] as f32);
                assert_eq!(sac.log_alpha[0] != 0.0, sac.policy_adam.step > 0, "the temperature moves with the actor");
            }
        }
    }
}

fn squash(spec: &PolicySpec, epsilon: f64) -> SquashSettings {
    let (low, high, log_std_tanh) = match spec.head.std().unwrap().limit {
        StdLimit::Clamp { low, high } => (low, high, false),
        StdLimit::Tanh { low, high } => (low, high, true),
        other => panic!("{other:?}"),
    };
    SquashSettings { log_std_min: low.into(), log_std_max: high.into(), log_std_tanh, epsilon }
}

/// Both limits of log σ, from far below them to far above.
#[test]
fn a_samples_gradients_are_finite_differences() {
    let raw = |i: usize| [-9.0, -2.5, -0.4, 0.1, 0.9, 6.0][i % 6];
    let log_std = Array2::from_shape_fn((6, 2), |(row, d)| raw(row + d));
    let wave = |first: usize| Array2::from_shape_fn((6, 2), |(row, d)| (1.7 * (first + 2 * row + d) as f64).sin());
    let (mean, noise, by_action) = (wave(0), wave(20), wave(40));
    let by_logp = Array1::from_shape_fn(6, |row| (0.9 * row as f64).cos());
    for (log_std_tanh, epsilon) in [(true, 0.0), (true, 1e-6), (false, 0.0)] {
        let settings = SquashSettings { log_std_min: -3.0, log_std_max: 1.0, log_std_tanh, epsilon };
        let sum = |mean: &Array2<f64>, log_std: &Array2<f64>| {
            let sample = settings.sample(mean.view(), log_std.view(), noise.view()).unwrap();
            (&sample.log_prob * &by_logp).sum() + (&sample.action * &by_action).sum()
        };
        let sample = settings.sample(mean.view(), log_std.view(), noise.view()).unwrap();
        let (by_mean, by_log_std) = sample.gradient(by_logp.view(), by_action.view()).unwrap();
        let h = 1e-5;
        for place in ndarray::indices((6, 2)) {
            let moved = |numbers: &Array2<f64>, by: f64| {
                let mut numbers = numbers.clone();
                numbers[place] += by;
                numbers
            };
            let want = (sum(&moved(&mean, h), &log_std) - sum(&moved(&mean, -h), &log_std)) / (2.0 * h);
            assert!((by_mean[place] - want).abs() < 1e-8, "mean at {place:?}: {} not {want}", by_mean[place]);
            let want = (sum(&mean, &moved(&log_std, h)) - sum(&mean, &moved(&log_std, -h))) / (2.0 * h);
            assert!((by_log_std[place] - want).abs() < 1e-8, "log_std at {place:?}: {} not {want}", by_log_std[place]);
            assert_eq!(by_log_std[place] == 0.0, !log_std_tanh && !(-3.0..=1.0).contains(&log_std[place]));
        }
        // CleanRL's formula, at the first number.
        if log_std_tanh {
            let log_sigma: f64 = -3.0 + 0.5 * (1.0 - -3.0) * (log_std[[0, 0]].tanh() + 1.0);
            let u = mean[[0, 0]] + log_sigma.exp() * noise[[0, 0]];
            assert!((sample.pre_squash[[0, 0]] - u).abs() < 1e-12);
        }
    }
}

/// The learner in f64 against the updates themselves, called on batches that this test draws from the saved ring; and in f32 beside it,
/// on the same transitions.
#[test]
fn learners_are_the_references_updates() {
    let softly = spec(AlgorithmKind::Sac);
    let head = softly.head.clone().with_std(Std::SAC_CLEANRL);
    let softly = (AlgorithmKind::Sac, softly.with_head(head));
    for (kind, spec) in KINDS.map(|kind| (kind, spec(kind))).into_iter().chain([softly]) {
        let config = config(kind);
        let mut wide = CpuOffPolicy::<f64>::new(spec.clone(), config.clone(), SEED).unwrap();
        let mut narrow = CpuOffPolicy::<f32>::new(spec.clone(), config.clone(), SEED).unwrap();
        let start = wide.state().unwrap();
        assert_eq!(start, narrow.state().unwrap());
        assert_eq!(own(&start).targets, start.parameters);
        let mut oracle = Oracle::new(kind, &spec, &start);
        let mut envs = VecEnv::new(env(kind), ENVS, SEED).unwrap();
        let mut steps = 0;
        for _ in 0..40 {
            let transitions = step(&mut narrow, &mut envs);
            wide.store(&transitions).unwrap();
            narrow.store(&transitions).unwrap();
            let state = narrow.state().unwrap();
            let count = due(&config, state.env_steps);
            wide.learn(count).unwrap();
            narrow.learn(count).unwrap();
            for _ in 0..count {
                oracle.step(&spec, &config, own(&state).replay.as_ref().unwrap(), steps);
                steps += 1;
            }
            oracle.hold(kind, &spec, &wide.state().unwrap());
        }
        let (a, b) = (narrow.parameters().unwrap(), wide.parameters().unwrap());
        let error = distance(&a, &b) / distance(&b, &start.parameters);
        println!("{}: {steps} steps, error of f32 {error:.1e}", kind.name());
        assert_eq!(steps, 57);
        // 57 steps, each of which adds its gradient's rounding: with a condition of the sums of some 10 and a unit of 6e-8, 57 · 10 · 6e-8.
        assert!(error < 3.4e-5, "{}: {error}", kind.name());
    }
}

#[test]
fn a_resumed_run_has_the_same_bits_with_its_transitions_and_goes_on_without() {
    for kind in KINDS {
        let mut first = trainer(kind, config(kind));
        (0..2).for_each(|_| drop(first.iterate().unwrap()));
        let bytes = first.to_bytes().unwrap();
        let mut second = CpuTrainer::new(env(kind), spec(kind), config(kind), SEED + 1).unwrap();
        second.load_bytes("a trainer", &bytes).unwrap();
        let bare = first.state_without_replay().unwrap();
        let mut third = CpuTrainer::from_state(spec(kind), config(kind), &bare).unwrap();
        assert!(own(&bare.learner).replay.is_none());
        assert_eq!(own(&third.state().unwrap().learner).replay.as_ref().unwrap().stored, 0);
        let stats = first.iterate().unwrap();
        assert_eq!(stats, second.iterate().unwrap(), "{}", kind.name());
        assert_eq!(first.state().unwrap(), second.state().unwrap());
        let other = third.iterate().unwrap();
        assert_eq!((other.env_steps, other.updates), (stats.env_steps, stats.updates));
        assert!(third.state().unwrap().learner.parameters != first.state().unwrap().learner.parameters);
    }
}

/// The observation that followed is the next one of its environment, or at an end, of either kind, the real last one.
#[test]
fn the_ring_has_the_real_last_observations() {
    for (kind, terminates) in [(AlgorithmKind::Dqn, true), (AlgorithmKind::Td3, false)] {
        let mut config = config(kind);
        config.num_steps = 220;
        let replay = config.replay_mut().unwrap();
        (replay.buffer_size, replay.learning_starts) = (1000, 1000);
        let mut trainer = trainer(kind, config);
        let stats = trainer.iterate().unwrap();
        assert!(stats.update.minibatches.is_empty() && stats.episodes.count > 0);
        let state = trainer.state().unwrap().learner;
        let replay = own(&state).replay.clone().unwrap();
        let width = env(kind).obs_dim();
        let row = |numbers: &[f32], place: usize, n: usize| numbers[(place * ENVS + n) * width..][..width].to_vec();
        let mut ends = 0;
        for place in 0..replay.stored as usize - 1 {
            for n in 0..ENVS {
                let at = place * ENVS + n;
                let ended = replay.terminated[at] + replay.truncated[at] > 0;
                let (next, seen) = (row(&replay.next_obs, place, n), row(&replay.obs, place + 1, n));
                assert_eq!(next == seen, !ended, "{} place {place}", kind.name());
                assert_eq!(replay.terminated[at] > 0, ended && terminates);
                if ended && terminates {
                    assert!(next[0].abs() > 2.4 || next[2].abs() > 0.2, "beyond a limit: {next:?}");
                }
                ends += usize::from(ended);
            }
        }
        assert_eq!(ends as u64, stats.episodes.count);
    }
}

/// Every setting that an algorithm reads, one at a time: its change changes the bits. `compact` is about the device's memory and does not.
#[test]
fn every_option_changes_the_bits() {
    fn bits(kind: AlgorithmKind, config: &Config) -> (Vec<f32>, Vec<f32>) {
        let mut trainer = trainer(kind, config.clone());
        (0..2).for_each(|_| drop(trainer.iterate().unwrap()));
        let state = trainer.state().unwrap().learner;
        (state.parameters.clone(), own(&state).targets.clone())
    }
    type Change = (&'static str, fn(&mut Config));
    let shared: [Change; 13] = [
        ("learning_rate", |c| c.learning_rate = 2e-2),
        ("gamma", |c| c.gamma = 0.9),
        ("max_grad_norm", |c| c.max_grad_norm = Some(0.1)),
        ("adam_beta1", |c| c.adam_beta1 = 0.5),
        ("adam_eps", |c| c.adam_eps = 1e-3),
        ("buffer_size", |c| c.replay_mut().unwrap().buffer_size = 24),
        ("batch_size", |c| c.replay_mut().unwrap().batch_size = 12),
        ("learning_starts", |c| c.replay_mut().unwrap().learning_starts = 20),
        ("train_frequency", |c| c.replay_mut().unwrap().train_frequency = 2),
        ("gradient_steps", |c| c.replay_mut().unwrap().gradient_steps = 2),
        ("n_steps", |c| c.replay_mut().unwrap().n_steps = 1),
        ("exploration_hold", |c| c.replay_mut().unwrap().exploration_hold = 3),
        ("weight_decay", |c| c.weight_decay = 0.1),
    ];
    let dqn: [Change; 8] = [
        ("double", |c| c.dqn_mut().unwrap().double = true),
        ("td_loss", |c| c.dqn_mut().unwrap().td_loss = TdLoss::Squared),
        ("target_network_frequency", |c| c.dqn_mut().unwrap().target_network_frequency = 3),
        ("tau", |c| c.dqn_mut().unwrap().tau = 1.0),
        ("start_e", |c| c.dqn_mut().unwrap().start_e = 0.2),
        ("end_e", |c| c.dqn_mut().unwrap().end_e = 0.9),
        ("exploration_fraction", |c| c.dqn_mut().unwrap().exploration_fraction = 0.0),
        ("total_timesteps", |c| c.total_timesteps = 24),
    ];
    let td3: [Change; 4] = [
        ("policy_lr", |c| c.td3_mut().unwrap().policy_lr = 2e-2),
        ("policy_frequency", |c| c.td3_mut().unwrap().policy_frequency = 3),
        ("tau", |c| c.td3_mut().unwrap().tau = 0.5),
        ("exploration_noise", |c| c.td3_mut().unwrap().exploration_noise = 0.3),
    ];
    let of_target: [Change; 2] = [
        ("policy_noise", |c| c.td3_mut().unwrap().policy_noise = 0.4),
        ("noise_clip", |c| c.td3_mut().unwrap().noise_clip = 0.1),
    ];
    let sac: [Change; 9] = [
        ("policy_lr", |c| c.sac_mut().unwrap().policy_lr = 2e-2),
        ("policy_frequency", |c| c.sac_mut().unwrap().policy_frequency = 3),
        ("target_network_frequency", |c| c.sac_mut().unwrap().target_network_frequency = 2),
        ("tau", |c| c.sac_mut().unwrap().tau = 0.5),
        ("alpha", |c| c.sac_mut().unwrap().alpha = 0.5),
        ("autotune", |c| c.sac_mut().unwrap().autotune = false),
        ("alpha_lr", |c| c.sac_mut().unwrap().alpha_lr = 0.1),
        ("target_entropy", |c| c.sac_mut().unwrap().target_entropy = Some(3.0)),
        ("squash_epsilon", |c| c.sac_mut().unwrap().squash_epsilon = 0.0),
    ];
    for kind in KINDS {
        let base = bits(kind, &config(kind));
        let own: Vec<Change> = match kind {
            AlgorithmKind::Dqn => dqn.to_vec(),
            AlgorithmKind::Ddpg => td3.to_vec(),
            AlgorithmKind::Td3 => [td3.as_slice(), of_target.as_slice()].concat(),
            _ => sac.to_vec(),
        };
        for (name, change) in shared.iter().chain(&own) {
            let mut other = config(kind);
            change(&mut other);
            assert!(bits(kind, &other) != base, "{} {name}", kind.name());
        }
        let mut compact = config(kind);
        compact.replay_mut().unwrap().compact = true;
        assert_eq!(bits(kind, &compact), base);
    }
}

/// The draws of exploration are those that `wgpo::low_level::rng` names.
#[test]
fn exploration_draws_its_own_words() {
    let words = |row: usize, step: u64| block(SEED, Draw::Exploration, row as u32, 0, step);
    for kind in KINDS {
        let width = env(kind).obs_dim();
        let obs = Array2::from_shape_fn((ENVS, width), |(row, i)| (row + 3 * i) as f32 * 0.1);
        let mut learner = CpuOffPolicy::<f32>::new(spec(kind), config(kind), SEED).unwrap();
        let mut envs = VecEnv::new(env(kind), ENVS, SEED).unwrap();
        for at in 0..9 {
            let greedy = learner.act(obs.view(), ActMode::Greedy).unwrap();
            let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
            let explores = config(kind).epsilon_at(at * ENVS as u64).unwrap_or(0.0) as f32;
            for row in 0..ENVS {
                let words = words(row, at - at % 2);
                match (&acted.actions, &greedy.actions) {
                    (Actions::Discrete(got), Actions::Discrete(best)) => {
                        let drawn = uniform(words[2]) < explores;
                        assert_eq!(got[[row, 0]], if drawn { below(words, 2) } else { best[[row, 0]] });
                    }
                    (Actions::Continuous(got), _) if at < 3 => assert_eq!(got[[row, 0]], 2.0 * uniform(words[0]) - 1.0),
                    (Actions::Continuous(got), Actions::Continuous(mean)) if kind != AlgorithmKind::Sac => {
                        let noisy = f64::from(mean[[row, 0]]) + 0.1 * normal_f64(words[0]);
                        assert!((f64::from(got[[row, 0]]) - noisy.clamp(-1.0, 1.0)).abs() < 1e-6);
                    }
                    // tanh(mean + σ noise) lies on the noise's side of tanh(mean).
                    (Actions::Continuous(got), Actions::Continuous(mean)) => {
                        assert_eq!(got[[row, 0]] > mean[[row, 0]], normal_f64(words[0]) > 0.0);
                        assert!(acted.logp[row] != 0.0);
                    }
                    _ => panic!("actions of two kinds"),
                }
                let scaled = acted.actions.indices().is_none();
                if let (true, Actions::Continuous(a), Actions::Continuous(torque)) =
                    (scaled, &acted.actions, &acted.env_actions)
                {
                    assert!((torque[[row, 0]] - 2.0 * a[[row, 0]]).abs() < 1e-6);
                }
            }
            let transitions = EnvStep { obs: envs.obs(), ..step(&mut learner.clone(), &mut envs) };
            learner.store(&transitions).unwrap();
        }
        assert_eq!(learner.state().unwrap().policy_step, 9, "greedy actions draw nothing");
        let values = learner.values(obs.view()).unwrap();
        assert!(values.iter().all(|value| value.is_finite()) && values[0] != values[1]);
    }
}

#[test]
fn an_error_changes_nothing() {
    for kind in KINDS {
        let mut trainer = trainer(kind, config(kind));
        trainer.iterate().unwrap();
        let mut state = trainer.state().unwrap();
        // The pole is nowhere, which is found before an action is drawn; the pendulum spins so fast that its reward is beyond f32, which is
        // found when the step is to be stored.
        state.env_words[1] = if kind == AlgorithmKind::Dqn { f32::NAN } else { 1e30 }.to_bits();
        trainer.set_state(&state).unwrap();
        let before = trainer.state().unwrap();
        assert!(trainer.iterate().is_err(), "{}", kind.name());
        let after = trainer.state().unwrap();
        assert_eq!(format!("{after:?}"), format!("{before:?}"), "{}", kind.name());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for kind in KINDS {
        let mut learner = CpuOffPolicy::<f32>::new(spec(kind), config(kind), SEED).unwrap();
        assert!(learner.learn(1).is_err(), "nothing is stored");
        assert_eq!(learner.learn(0).unwrap().minibatches.len(), 0);
        let good = step(&mut learner, &mut VecEnv::new(env(kind), ENVS, SEED).unwrap());
        learner.store(&good).unwrap();
        learner.learn(2).unwrap();
        let before = learner.state().unwrap();
        assert_eq!((before.update, own(&before).gradient_steps, before.env_steps), (1, 2, 2));
        for bad in [
            EnvStep { rewards: Array1::from(vec![0.0, f32::NAN]), ..good.clone() },
            EnvStep { obs: good.obs.slice(s![..1, ..]).to_owned(), ..good.clone() },
            EnvStep { actions: Actions::Continuous(Array2::from_elem((ENVS, 1), 1.5)), ..good.clone() },
        ] {
            assert!(learner.store(&bad).is_err());
        }
        let broken = |change: fn(&mut OffPolicyState)| {
            let mut state = before.clone();
            change(state.off_policy.as_mut().unwrap());
            state
        };
        for bad in [
            broken(|own| own.targets.truncate(3)),
            broken(|own| own.replay.as_mut().unwrap().next_write = 5),
            broken(|own| own.replay.as_mut().unwrap().actions[0] = f32::NAN.to_bits()),
            broken(|own| own.replay.as_mut().unwrap().obs[0] = f32::NAN),
        ] {
            assert!(learner.set_state(&bad).is_err(), "{}", kind.name());
        }
        assert!(learner.act(Array2::zeros((1, 99)).view(), ActMode::Sample).is_err());
        assert_eq!(learner.state().unwrap(), before);
        let on_policy = AlgorithmKind::Ppo;
        assert!(CpuOffPolicy::<f32>::new(env(kind).policy(&[4]), env(kind).tuned_for(on_policy).0, 1).is_err());
        assert!(trainer(kind, config(kind)).rollout().is_err());
    }
    let group =
        CpuTrainer::group(Env::Pendulum, &spec(AlgorithmKind::Sac), &config(AlgorithmKind::Sac), &[SEED, 3]).unwrap();
    let mut first = group.into_iter().next().unwrap();
    assert_eq!(first.iterate().unwrap(), trainer(AlgorithmKind::Sac, config(AlgorithmKind::Sac)).iterate().unwrap());
}

/// Two choices, linear streams, a transition that is worked out by hand: x = 1, x' = 2, reward 0.5, discount 0.9.
#[test]
fn a_dueling_step_is_what_a_hand_finds() {
    let linear = |outputs| FlatMlp::new(vec![1, outputs], Activation::Identity).unwrap();
    let network = QNetwork::dueling(linear(2), linear(1)).unwrap();
    // A = (x + 1, 3 x − 1), V = 0.5 x + 0.25: at 1 A = (2, 2), V = 0.75, so both Q are 0.75.
    let q = vec![1.0, 3.0, 1.0, -1.0, 0.5, 0.25];
    // The target's at 2: A = (0.5, −0.5), V = 1, so Q = (1.5, 0.5). The online network's at 2: A = (3, 5), which chooses the second.
    let q_target = vec![0.25, -0.25, 0.0, 0.0, 0.5, 0.0];
    let (obs, next_obs) = (ndarray::array![[1.0]], ndarray::array![[2.0]]);
    let (rewards, discounts, terminated) = (ndarray::array![0.5], ndarray::array![0.9], ndarray::array![0]);
    let batch = Transitions {
        obs: obs.view(),
        next_obs: next_obs.view(),
        rewards: rewards.view(),
        terminated: terminated.view(),
        discounts: discounts.view(),
    };
    for (double, next) in [(false, 1.5), (true, 0.5)] {
        let adam = AdamSettings::new(&Config { max_grad_norm: None, ..Config::dqn_sb3() }, 0..0);
        let settings = DqnSettings { double, loss: TdLoss::Squared, adam, lr: 0.1 };
        let mut state = DqnState { q: q.clone(), q_target: q_target.clone(), adam: Adam::new(6) };
        let seen = dqn_update(&network, &settings, &mut state, &batch, ndarray::array![1].view()).unwrap();
        let d: f64 = 0.75 - (0.5 + 0.9 * next);
        assert_eq!(seen.q_values[0], 0.75);
        assert!((seen.loss - d * d).abs() < 1e-15);
        // By Q of the second choice 2 d; by A (−d, d), by V 2 d; x is 1, so by weights as by biases.
        for (got, want) in seen.gradient.iter().zip([-d, d, -d, d, 2.0 * d, 2.0 * d]) {
            assert!((got - want).abs() < 1e-15, "{:?}", seen.gradient);
        }
        // A first step of Adam is the rate, against the gradient's sign.
        for ((after, before), by) in state.q.iter().zip(&q).zip(&seen.gradient) {
            assert!((before - after - 0.1 * by.signum()).abs() < 1e-6);
        }
    }
}

/// A trainer with two streams is one network of the same Q, of which the learner knows nothing.
#[test]
fn a_dueling_learner_acts_by_both_streams() {
    let base = config(AlgorithmKind::Dqn);
    let own = Dqn { dueling: true, ..*base.dqn().unwrap() };
    let config = base.with_algorithm(own);
    let spec = config.fitted(Env::CartPole.policy_for(AlgorithmKind::Dqn, &[9, 7]));
    assert_eq!(spec.sizes("value"), [4, 9, 7, 1]);
    let mut learner = CpuOffPolicy::<f64>::new(spec.clone(), config.clone(), SEED).unwrap();
    let mut envs = VecEnv::new(Env::CartPole, ENVS, SEED).unwrap();
    for _ in 0..12 {
        let step = step(&mut learner, &mut envs);
        learner.store(&step).unwrap();
    }
    let before = learner.state().unwrap();
    learner.learn(4).unwrap();
    let state = learner.state().unwrap();
    let layout = spec.layout();
    for name in ["policy", "value"] {
        let own = layout.own_range(name);
        assert!(state.parameters[own.clone()] != before.parameters[own.clone()], "{name} learns");
        assert!(state.off_policy.as_ref().unwrap().targets[own.clone()] != before.parameters[own], "{name} follows");
    }
    let obs = envs.obs();
    let acted = learner.act(obs.view(), ActMode::Greedy).unwrap();
    // By plain sums over the layers.
    let pass = |name: &str, row: usize| {
        let layers = layout.layers(name);
        layers.iter().enumerate().fold(obs.row(row).mapv(f64::from).to_vec(), |input, (index, layer)| {
            let number = |at: usize| f64::from(state.parameters[at]);
            let output = |o: usize| {
                let sum: f64 = (0..layer.inputs).map(|i| number(layer.weight + o * layer.inputs + i) * input[i]).sum();
                let sum = sum + number(layer.bias + o);
                if index + 1 < layers.len() { sum.max(0.0) } else { sum }
            };
            (0..layer.outputs).map(output).collect()
        })
    };
    for row in 0..ENVS {
        let (advantages, value) = (pass("policy", row), pass("value", row)[0]);
        let q: Vec<f64> = advantages.iter().map(|a| value + a - (advantages[0] + advantages[1]) / 2.0).collect();
        let best = usize::from(q[1] > q[0]);
        // The state is f32.
        assert!((f64::from(acted.values[row]) - q[best]).abs() < 1e-5);
        assert_eq!(acted.actions.indices().unwrap()[[row, 0]] as usize, best);
    }
    let restored = CpuOffPolicy::<f32>::from_state(spec.clone(), config.clone(), &state).unwrap();
    assert_eq!(restored.state().unwrap(), state);
    // A policy without the stream, and a stream that nothing asks for.
    let plain = Env::CartPole.policy_for(AlgorithmKind::Dqn, &[9, 7]);
    let refused = CpuOffPolicy::<f32>::new(plain, config.clone(), 1).unwrap_err().to_string();
    assert!(refused.contains("no branch \"value\", which dqn has with dueling"), "{refused}");
    let off = config.clone().with_algorithm(Dqn { dueling: false, ..*config.dqn().unwrap() });
    assert!(CpuOffPolicy::<f32>::new(spec, off, 1).unwrap_err().to_string().contains("\"value\""));
}
