//! SAC where actions are choices, on the CPU: learners against the reference's update, draws, states, what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use ndarray::{Array1, Array2};
use wgpo::config::{Replay, Sac};
use wgpo::cpu::{CpuOffPolicy, CpuTrainer};
use wgpo::data::{Actions, TransitionBatch};
use wgpo::low_level::reference::critics::Critics;
use wgpo::low_level::reference::flat_mlp::FlatMlp;
use wgpo::low_level::reference::optim::{Adam, AdamSettings};
use wgpo::low_level::reference::sac_choices::{log_softmax, sac_choices_update};
use wgpo::low_level::reference::sac_update::{SacSettings, SacState};
use wgpo::low_level::reference::squashed_sample::SquashSettings;
use wgpo::low_level::reference::transitions::Transitions;
use wgpo::low_level::rng::{Draw, below, block};
use wgpo::policy::{Branch, Head, PolicySpec};
use wgpo::{ActMode, Agent, AlgorithmKind, Config, Env, OffPolicy, Trainer};

const SEED: u64 = 31;
const ENVS: usize = 2;

fn config() -> Config {
    let replay = Replay {
        buffer_size: 64,
        batch_size: 9,
        learning_starts: 8,
        train_frequency: 4,
        gradient_steps: 2,
        n_steps: 2,
        compact: false,
        exploration_hold: 1,
    };
    let own = Sac { replay, policy_frequency: 2, tau: 0.25, alpha_lr: 1e-2, ..Sac::sb3() };
    Config { num_envs: ENVS, num_steps: 10, learning_rate: 1e-2, ..Config::sac_sb3() }.with_algorithm(own)
}

fn spec() -> PolicySpec {
    Env::CartPole.policy_for(AlgorithmKind::Sac, &[9, 7])
}

fn batch(first: usize) -> TransitionBatch {
    let (rows, wave) = (6, |k: usize| (0.9 * k as f32).sin());
    let matrix = |first: usize| Array2::from_shape_fn((rows, 4), |(row, column)| wave(first + 7 * row + 3 * column));
    TransitionBatch {
        obs: matrix(first),
        actions: Actions::Discrete(Array2::from_shape_fn((rows, 1), |(row, _)| (row % 2) as u32)),
        rewards: Array1::from_shape_fn(rows, |row| wave(first + 2 + row)),
        next_obs: matrix(first + 3),
        terminated: Array1::from_shape_fn(rows, |row| u32::from(row == 2)),
        discounts: Array1::from_elem(rows, 0.9),
        next_noise: None,
        noise: None,
    }
}

/// Two steps, of which the second moves the actor and the temperature, by numbers that the test takes out of the state.
#[test]
fn a_learner_is_the_references_update() {
    let (config, spec) = (config(), spec());
    assert_eq!((spec.sizes("policy"), spec.sizes("q1")), (vec![4, 9, 7, 2], vec![4, 9, 7, 2]));
    let mut learner = CpuOffPolicy::<f64>::new(spec.clone(), config.clone(), SEED).unwrap();
    let start = learner.state().unwrap();
    let layout = spec.layout();
    let numbers = |flat: &[f32], name: &str| -> Vec<f64> {
        let layers = layout.layers(name).iter();
        let of_layer = |layer: &wgpo::policy::LayerRange| {
            let weights = layer.inputs * layer.outputs;
            [&flat[layer.weight..layer.weight + weights], &flat[layer.bias..layer.bias + layer.outputs]].concat()
        };
        layers.flat_map(of_layer).map(f64::from).collect()
    };
    let net = FlatMlp::new(vec![4, 9, 7, 2], spec.activation).unwrap();
    let both = || Branch::CRITICS.map(|name| numbers(&start.parameters, name)).to_vec();
    let mut state = SacState {
        critics: Critics { online: both(), targets: both(), adam: vec![Adam::new(net.len()); 2] },
        policy: numbers(&start.parameters, "policy"),
        policy_adam: Adam::new(net.len()),
        log_alpha: vec![0.0],
        alpha_adam: Adam::new(1),
    };
    for k in 0..2 {
        let own = config.sac().unwrap();
        let settings = SacSettings {
            squash: SquashSettings { log_std_min: 0.0, log_std_max: 0.0, log_std_tanh: false, epsilon: 0.0 },
            target_entropy: Some(0.89 * 2.0_f64.ln()),
            adam: AdamSettings::new(&config, 0..0),
            q_lr: config.learning_rate,
            policy_lr: own.policy_lr,
            alpha_lr: own.alpha_lr,
            moves_policy: k == 1,
        };
        let given = batch(10 + 50 * k);
        let wide = |array: &Array2<f32>| array.mapv(f64::from);
        let (obs, next_obs) = (wide(&given.obs), wide(&given.next_obs));
        let (rewards, discounts) = (given.rewards.mapv(f64::from), given.discounts.mapv(f64::from));
        let transitions = Transitions {
            obs: obs.view(),
            next_obs: next_obs.view(),
            rewards: rewards.view(),
            terminated: given.terminated.view(),
            discounts: discounts.view(),
        };
        let indices = given.actions.indices().unwrap().column(0).to_owned();
        let seen = sac_choices_update([&net, &net], &settings, &mut state, &transitions, indices.view()).unwrap();
        state.critics.follow(own.tau).unwrap();
        let stats = learner.learn_batch(&given).unwrap();
        assert_eq!(stats.last().value_loss, seen.critics.loss);
        assert_eq!(seen.actor.is_some(), k == 1);
        if let Some(actor) = seen.actor {
            assert_eq!(stats.last().policy_loss, actor.loss);
            assert_eq!(stats.last().entropy, -actor.log_prob.mean().unwrap());
            assert!(actor.loss.is_finite() && stats.last().entropy > 0.0);
        }
        assert_eq!(stats.off_policy.unwrap().alpha, Some(state.log_alpha[0].exp()));
    }
    let after = learner.state().unwrap();
    let narrow = |values: &[f64]| values.iter().map(|value| *value as f32).map(f64::from).collect::<Vec<_>>();
    assert_eq!(numbers(&after.parameters, "policy"), narrow(&state.policy));
    for (index, name) in Branch::CRITICS.into_iter().enumerate() {
        assert_eq!(numbers(&after.parameters, name), narrow(&state.critics.online[index]));
        let targets = &after.off_policy.as_ref().unwrap().targets;
        assert_eq!(numbers(targets, name), narrow(&state.critics.targets[index]));
    }
}

/// Any choice before learning starts, then draws of the distribution, whose logarithm comes with them; the values are the least of both critics at the
/// greedy choice.
#[test]
fn it_explores_by_its_own_distribution() {
    let (config, spec) = (config(), spec());
    let mut learner = CpuOffPolicy::<f64>::new(spec.clone(), config, SEED).unwrap();
    let obs = Array2::from_shape_fn((400, 4), |(row, i)| (row as f32 * 0.31 + i as f32).sin());
    let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
    for (row, index) in acted.actions.indices().unwrap().column(0).iter().enumerate() {
        assert_eq!(*index, below(block(SEED, Draw::Exploration, row as u32, 0, 0), 2));
    }
    assert!(acted.logp.iter().all(|logp| *logp == 0.0));
    let mut state = learner.state().unwrap();
    state.env_steps = 8;
    learner.set_state(&state).unwrap();
    let (mut ones, mut expected) = ([0.0; 2], [0.0; 2]);
    let net = FlatMlp::new(vec![4, 9, 7, 2], spec.activation).unwrap();
    let layout = spec.layout();
    let table = |name: &str| {
        let own: Vec<f64> = layout
            .layers(name)
            .iter()
            .flat_map(|layer| {
                let weights = layer.inputs * layer.outputs;
                let all = [layer.weight..layer.weight + weights, layer.bias..layer.bias + layer.outputs];
                all.into_iter().flat_map(|at| state.parameters[at].to_vec()).collect::<Vec<_>>()
            })
            .map(f64::from)
            .collect();
        net.with(&own).unwrap().forward(obs.mapv(f64::from).view()).unwrap().output().to_owned()
    };
    let (logp, q) = (log_softmax(table("policy").view()), [table("q1"), table("q2")]);
    for _ in 0..20 {
        let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
        for (row, index) in acted.actions.indices().unwrap().column(0).iter().enumerate() {
            assert!((f64::from(acted.logp[row]) - logp[[row, *index as usize]]).abs() < 1e-6);
            ones[usize::from(row < 200)] += f64::from(*index);
            expected[usize::from(row < 200)] += logp[[row, 1]].exp();
        }
    }
    // 4,000 draws of a deviation of at most a half: 32, four of them.
    assert!(ones.iter().zip(expected).all(|(got, want)| (got - want).abs() < 128.0), "{ones:?} {expected:?}");
    let greedy = learner.act(obs.view(), ActMode::Greedy).unwrap();
    let values = learner.values(obs.view()).unwrap();
    for (row, index) in greedy.actions.indices().unwrap().column(0).iter().enumerate() {
        let best = usize::from(logp[[row, 1]] > logp[[row, 0]]);
        assert_eq!(*index as usize, best);
        assert!((f64::from(values[row]) - q[0][[row, best]].min(q[1][[row, best]])).abs() < 1e-6);
    }
}

#[test]
fn a_resumed_run_has_the_same_bits() {
    let make = || CpuTrainer::new(Env::CartPole, spec(), config(), SEED).unwrap();
    let mut whole = make();
    (0..4).for_each(|_| drop(whole.iterate().unwrap()));
    let mut first = make();
    (0..2).for_each(|_| drop(first.iterate().unwrap()));
    let mut second = CpuTrainer::from_state(spec(), config(), &first.state().unwrap()).unwrap();
    (0..2).for_each(|_| drop(second.iterate().unwrap()));
    let (got, want) = (second.state().unwrap(), whole.state().unwrap());
    assert_eq!(format!("{got:?}"), format!("{want:?}"));
    let own = want.learner.off_policy.unwrap();
    assert!(
        own.gradient_steps > 20 && own.log_alpha != 0.0 && own.alpha_optimizer_step == own.gradient_steps as u32 / 2
    );
    assert!(want.learner.parameters.iter().all(|number| number.is_finite()));
}

#[test]
fn what_it_cannot_have_is_said() {
    let refused = |spec: PolicySpec, config: Config| CpuOffPolicy::<f32>::new(spec, config, 1).unwrap_err().to_string();
    let masked = spec().with_head(Head::Categorical { actions: 2, masked: true });
    let message = refused(masked, config());
    assert!(
        message.contains("sac takes tanh_gaussian (floats within bounds) or categorical without masks"),
        "{message}"
    );
    let beta = PolicySpec::separate(4, &[5], wgpo::policy::Activation::Relu, Head::bernoulli(2));
    assert!(refused(AlgorithmKind::Sac.fitted(beta), config()).contains("head"));
    assert!(refused(spec(), Config::td3_sb3()).contains("td3 takes tanh_gaussian"));
    assert!(refused(spec(), Config::dqn_sb3()).contains("have 2 critics, dqn has 0"));
    let message = wgpo::cpu::CpuLearner::<f32>::new(spec(), Config::cleanrl(), 1).unwrap_err().to_string();
    assert!(message.contains("\"q1\" of choices, ppo has no such critic"), "{message}");
    let narrow = spec().with_hidden("q2", &[3]).validate().unwrap_err().to_string();
    assert!(narrow.contains("both the same, and 2 outputs"), "{narrow}");
    // The defaults of the temperature's target.
    let own = Sac::sb3();
    assert_eq!(own.target_entropy_of(&Head::categorical(5)), Some(0.89 * 5.0_f64.ln()));
    assert_eq!(Sac { autotune: false, ..own }.target_entropy_of(&Head::categorical(5)), None);
}
