//! Plans for whoever records them: what the settings ask for is recorded or refused; values of any number of rows come from kept buffers;
//! learners go on from a state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array2, array, s};
use wgpo::checkpoint;
use wgpo::config::{AdvantageKind, ObsNorm, RewardNorm, ValueNorm};
use wgpo::cpu::{BuiltIn, CpuLearner};
use wgpo::data::{Rollout, UpdateStats};
use wgpo::env::Autoreset;
use wgpo::gpu::{Buffer, Gpu, ReadBack};
use wgpo::host::Collector;
use wgpo::low_level::algo::{RolloutBuffers, RolloutRows, TrustRegionUpdate};
use wgpo::policy::{Activation, Input, PolicySpec, initial_parameters_with};
use wgpo::state::LearnerState;
use wgpo::{
    ActMode, Agent, AlgorithmKind, BatchBuffers, Config, Env, Error, GpuLearner, Model, OnPolicy, PpoUpdate,
    RolloutUpdate,
};

fn settings() -> Config {
    Config {
        num_envs: 2,
        num_steps: 6,
        num_minibatches: 2,
        update_epochs: 1,
        ent_coef: 0.0, // TRPO has none
        norm_obs: Some(ObsNorm::sb3()),
        norm_reward: Some(RewardNorm::sb3()),
        norm_value: Some(ValueNorm::rl_games()),
        ..Config::cleanrl()
    }
}

fn spec() -> PolicySpec {
    Env::CartPole.policy(&[5])
}

#[test]
fn values_of_any_number_of_rows_are_those_of_acting() {
    let Some(gpu) = support::gpu(true) else { return };
    for config in [settings(), Config { norm_obs: None, norm_value: None, ..settings() }] {
        let mut learner = GpuLearner::new(&gpu, spec(), config, 3).unwrap();
        let obs = Array2::from_shape_fn((20, 4), |(row, c)| ((row * 4 + c) as f32 * 0.37).sin());
        // Statistics that change numbers.
        learner.act(obs.view(), ActMode::Sample).unwrap();
        let all = learner.act(obs.view(), ActMode::Greedy).unwrap().values;
        let mut ask = |rows: usize| {
            let got = learner.values(obs.slice(s![..rows, ..])).unwrap();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&got.to_vec()), bits(&all.to_vec()[..rows]), "{rows} rows");
        };
        // Growing, and then less than there is room for.
        [3, 1, 2, 5, 20, 4, 17, 1, 2].into_iter().for_each(&mut ask);
        let made = gpu.counts().created;
        // Counts that were not asked for, of sizes that were.
        [18, 3, 19, 4, 2, 1].into_iter().for_each(&mut ask);
        assert_eq!(gpu.counts().created, made, "nothing is made for another row count of a size");
    }
}

#[test]
fn row_counts_by_turns_are_acted_on_without_making_anything() {
    let Some(gpu) = support::gpu(true) else { return };
    let mut learner = GpuLearner::new(&gpu, spec(), settings(), 3).unwrap();
    let obs = Array2::from_elem((4, 4), 0.1);
    let mut by_turns = || {
        for rows in [4, 2] {
            learner.act(obs.slice(s![..rows, ..]), ActMode::Sample).unwrap();
        }
    };
    by_turns();
    let made = gpu.counts().created;
    by_turns();
    assert_eq!(gpu.counts().created, made);
}

fn rollout(learner: &mut dyn OnPolicy) -> Rollout {
    let config = learner.config().clone();
    let mut envs = Collector::of(config.num_envs, 2, |_| BuiltIn::new(Env::CartPole)).unwrap();
    let mut rollout = envs.collect(learner, config.num_steps).unwrap().0;
    (rollout.terminated[[2, 0]], rollout.truncated[[3, 1]]) = (1, 1);
    rollout.final_values = Some(Array2::from_elem((config.num_steps, config.num_envs), 0.4));
    rollout
}

/// The usual networks behind a trunk, once described by the constructor and once by hand: another name and a shape of observations change no bit,
/// on the CPU and on the device, and files keep both.
#[test]
fn a_trunk_by_another_name_and_a_shape_of_observations_change_no_bit() {
    let Some(gpu) = support::gpu(true) else { return };
    let usual = PolicySpec::mlp(4, &[6], &[5], &[3], Activation::Tanh, Env::CartPole.head());
    let mut named = PolicySpec { obs_shape: vec![2, 2], ..usual.clone() };
    named.branches[0].name = "torso".to_owned();
    for branch in &mut named.branches[1..] {
        branch.input = Input::Branch("torso".to_owned());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learner.safetensors");
    for algorithm in [AlgorithmKind::Ppo, AlgorithmKind::Trpo] {
        let config = settings().with_algorithm(algorithm);
        let mut both = Vec::new();
        for spec in [&usual, &named] {
            let device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 3).unwrap();
            let cpu = CpuLearner::<f32>::new(spec.clone(), config.clone(), 3).unwrap();
            let learners: [Box<dyn OnPolicy>; 2] = [Box::new(device), Box::new(cpu)];
            let states = learners.map(|mut learner| {
                let rollout = rollout(learner.as_mut());
                learner.update(&rollout).unwrap();
                let state = learner.state().unwrap();
                checkpoint::save_learner(&path, spec, &config, &state).unwrap();
                let saved = checkpoint::load_learner(&path).unwrap();
                assert_eq!((&saved.spec, &saved.state), (spec, &state));
                state
            });
            both.push(states);
        }
        assert_eq!(both[0], both[1], "{algorithm:?}");
    }
}

/// An embedder's one call does what the learner does, bit by bit, under settings that ask for everything.
#[test]
fn one_call_records_all_that_the_settings_ask_for() {
    let Some(gpu) = support::gpu(true) else { return };
    let trpo = settings().with_algorithm(AlgorithmKind::Trpo);
    for (config, autoreset) in [
        (Config { advantage: AdvantageKind::VTRACE, ..settings() }, Autoreset::Disabled),
        (settings(), Autoreset::NextStep),
        (trpo, Autoreset::SameStep),
    ] {
        let mut learner = GpuLearner::new(&gpu, spec(), config.clone(), 3).unwrap();
        // With next-step resets the first environment's first row is a filler, as its fourth is.
        let ended_before = (autoreset == Autoreset::NextStep).then(|| array![1, 0]);
        let rollout = Rollout { autoreset, ended_before, ..rollout(&mut learner) };
        let start = learner.state().unwrap();
        let mut model = Model::new(&gpu, &spec(), &config, &vec![0.0; spec().layout().len()], 3).unwrap();
        model.set_state(&gpu, &start).unwrap();
        let want = learner.update(&rollout).unwrap();

        let floats = |array: &Array2<f32>| gpu.upload("floats", &array.iter().copied().collect::<Vec<_>>()).unwrap();
        let flags = |array: &Array2<u32>| gpu.upload("flags", &array.iter().copied().collect::<Vec<_>>()).unwrap();
        let buffers = RolloutBuffers {
            steps: 6,
            envs: 2,
            rewards: floats(&rollout.rewards),
            values: floats(&rollout.values),
            final_values: floats(rollout.final_values.as_ref().unwrap()),
            terminated: flags(&rollout.terminated),
            truncated: flags(&rollout.truncated),
            log_rhos: None,
            valid: None,
        };
        let acted = RolloutRows {
            obs: floats(&rollout.obs),
            actions: gpu.upload("actions", &rollout.actions.words()).unwrap(),
            logp: gpu.upload("logp", &rollout.logp.to_vec()).unwrap(),
        };
        let ended = rollout.ended_before.as_ref().map(|ended| gpu.upload("ended_before", &ended.to_vec()).unwrap());
        let update = RolloutUpdate::new(&gpu, &model, &config, &buffers, &acted, autoreset, ended.as_ref()).unwrap();
        let statistics = wgpo::gpu::ReadBack::new(&gpu, "statistics", update.statistics_len()).unwrap();
        let rate = config.learning_rate;
        let slot = model.push_schedule(&gpu, &config, 0).unwrap();
        let mut encoder = gpu.encoder("embedder");
        update.record(&gpu, &mut encoder, slot);
        update.record_statistics(&mut encoder, &statistics, 0).unwrap();
        gpu.submit(encoder).unwrap();
        model.count_update(12);
        let got = update.finish(&statistics.fetch(&gpu).unwrap(), rate).unwrap();
        assert_eq!(got.last().value_loss.to_bits(), want.last().value_loss.to_bits());
        assert_eq!(model.state(&gpu).unwrap(), learner.state().unwrap());
        assert!(update.batch().valid.is_some() == (autoreset != Autoreset::SameStep));

        // Statistics of other settings than the model's are nobody's.
        let other = Config { norm_value: None, ..config };
        let error = RolloutUpdate::new(&gpu, &model, &other, &buffers, &acted, autoreset, None).unwrap_err();
        assert!(error.to_string().contains("norm_value: is not what the model was made with"), "{error}");
    }
}

/// A learner that is made from a state is the one that was saved: its numbers, its draws and its next update, bit by bit.
#[test]
fn a_learner_goes_on_from_a_state() {
    let Some(gpu) = support::gpu(true) else { return };
    let mut first = GpuLearner::new(&gpu, spec(), settings(), 3).unwrap();
    let window = rollout(&mut first);
    first.update(&window).unwrap();
    let state = first.state().unwrap();
    let mut second = GpuLearner::from_state(&gpu, spec(), settings(), &state).unwrap();
    let bits = |learner: &GpuLearner| learner.parameters().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!((bits(&second), second.state().unwrap()), (bits(&first), state.clone()));
    let (one, other) = (rollout(&mut first), rollout(&mut second));
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    // As text, in which a number that is none equals itself.
    assert_eq!(format!("{:?}", first.update(&one).unwrap()), format!("{:?}", second.update(&other).unwrap()));
    let after = second.state().unwrap();
    assert_eq!((bits(&second), &after), (bits(&first), &first.state().unwrap()));
    assert_ne!(after.parameters, state.parameters, "it has learnt");

    // Of another policy, or with numbers that are none: refused, and nothing is changed.
    let mut short = state.clone();
    short.exp_avg.pop();
    let mut bad = state.clone();
    bad.exp_avg_sq[2] = f32::NAN;
    let other = GpuLearner::new(&gpu, Env::CartPole.policy(&[6]), settings(), 3).unwrap().state().unwrap();
    for wrong in [short, bad, other] {
        let error = GpuLearner::from_state(&gpu, spec(), settings(), &wrong).unwrap_err();
        assert!(matches!(error, Error::Shape { .. } | Error::Value { .. }), "{error}");
        assert_eq!(second.set_state(&wrong).unwrap_err().to_string(), error.to_string());
        assert_eq!(second.state().unwrap(), after);
    }
}

fn rows(gpu: &Gpu) -> BatchBuffers {
    let floats = |label: &str, len: u64| gpu.buffer::<f32>(label, len).unwrap();
    BatchBuffers {
        rows: 4,
        obs: floats("obs", 16),
        actions: gpu.buffer("actions", 4).unwrap(),
        logp_old: floats("logp_old", 4),
        advantages: floats("advantages", 4),
        returns: floats("returns", 4),
        values_old: floats("values_old", 4),
        old_dist: None,
        valid: None,
    }
}

#[test]
fn plans_on_rows_refuse_what_they_would_pass_over() {
    let Some(gpu) = support::gpu(true) else { return };
    let none = Config { norm_obs: None, norm_reward: None, norm_value: None, ..settings() };
    for (field, config) in [
        ("", none.clone()),
        ("norm_reward: is on", Config { norm_reward: Some(RewardNorm::sb3()), ..none.clone() }),
        ("norm_value: is on", Config { norm_value: Some(ValueNorm::rl_games()), ..none }),
    ] {
        for algorithm in [AlgorithmKind::Ppo, AlgorithmKind::Trpo] {
            let config = config.clone().with_algorithm(algorithm);
            let start = initial_parameters_with(&spec(), &config.init, 3);
            let model = Model::new(&gpu, &spec(), &config, &start, 3).unwrap();
            let outcome = match algorithm {
                AlgorithmKind::Trpo => TrustRegionUpdate::new(&gpu, &model, &config, &rows(&gpu), None).map(drop),
                _ => PpoUpdate::new(&gpu, &model, &config, &rows(&gpu), None).map(drop),
            };
            match outcome {
                Ok(()) => assert_eq!(field, "", "{algorithm:?}"),
                Err(error) => {
                    let said = error.to_string();
                    assert!(!field.is_empty() && said.contains(field) && said.contains("RolloutUpdate"), "{said}");
                }
            }
        }
    }
}

/// Eight rows that a gradient does not vanish on.
fn eight_rows(gpu: &Gpu) -> BatchBuffers {
    let floats = |label: &str, count: usize, shift: f32| {
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7 + shift).sin()).collect();
        gpu.upload(label, &values).unwrap()
    };
    BatchBuffers {
        rows: 8,
        obs: floats("obs", 32, 0.0),
        actions: gpu.upload("actions", &[0_u32, 1, 1, 0, 1, 0, 0, 1]).unwrap(),
        logp_old: gpu.upload("logp_old", &[-0.7_f32; 8]).unwrap(),
        advantages: floats("advantages", 8, 1.0),
        returns: floats("returns", 8, 2.0),
        values_old: floats("values_old", 8, 3.0),
        old_dist: None,
        valid: None,
    }
}

/// Turns of gradient and finish, with something in between that is given the gradient.
fn by_turns(gpu: &Gpu, config: &Config, between: &dyn Fn(&Buffer<f32>)) -> (LearnerState, UpdateStats) {
    let model = Model::new(gpu, &spec(), config, &initial_parameters_with(&spec(), &config.init, 3), 3).unwrap();
    let slot = model.push_schedule_for(gpu, config, 0, 8).unwrap();
    let batch = eight_rows(gpu);
    let of_policy =
        config.trust_region().is_some().then(|| TrustRegionUpdate::divided(gpu, &model, config, &batch, None).unwrap());
    let own = of_policy.is_none().then(|| PpoUpdate::divided(gpu, &model, config, &batch, None).unwrap());
    if let Some(plan) = &of_policy {
        let mut encoder = gpu.encoder("policy");
        plan.record_policy(gpu, &mut encoder, slot);
        gpu.submit(encoder).unwrap();
    }
    let turns = own.as_ref().or(of_policy.as_ref().map(TrustRegionUpdate::critic)).unwrap();
    assert_eq!(turns.minibatches(), 4);
    for index in 0..4 {
        let mut encoder = gpu.encoder("gradient");
        turns.record_gradient(gpu, &mut encoder, index, slot).unwrap();
        gpu.submit(encoder).unwrap();
        between(turns.gradient());
        let mut encoder = gpu.encoder("finish");
        turns.record_finish(gpu, &mut encoder, index, slot).unwrap();
        gpu.submit(encoder).unwrap();
    }
    let mut encoder = gpu.encoder("statistics");
    assert!(
        turns.record_gradient(gpu, &mut encoder, 4, slot).unwrap_err().to_string().contains("is 4, the update has 4")
    );
    let len = of_policy.as_ref().map_or(turns.statistics_len(), TrustRegionUpdate::statistics_len);
    let staging = ReadBack::new(gpu, "statistics", len).unwrap();
    match &of_policy {
        Some(plan) => plan.record_statistics(&mut encoder, &staging, 0).unwrap(),
        None => turns.record_statistics(&mut encoder, &staging, 0).unwrap(),
    }
    gpu.submit(encoder).unwrap();
    let words = staging.fetch(gpu).unwrap();
    let stats = of_policy.as_ref().map_or_else(|| turns.finish(&words, 0.1), |plan| plan.finish(&words, 0.1)).unwrap();
    (model.state(gpu).unwrap(), stats)
}

/// The same rows by the plan that is recorded at once.
fn at_once(gpu: &Gpu, config: &Config) -> (LearnerState, UpdateStats) {
    let model = Model::new(gpu, &spec(), config, &initial_parameters_with(&spec(), &config.init, 3), 3).unwrap();
    let slot = model.push_schedule_for(gpu, config, 0, 8).unwrap();
    let (batch, mut encoder) = (eight_rows(gpu), gpu.encoder("at once"));
    let finished = |stats: UpdateStats| (model.state(gpu).unwrap(), stats);
    if config.trust_region().is_some() {
        let plan = TrustRegionUpdate::new(gpu, &model, config, &batch, None).unwrap();
        plan.record(gpu, &mut encoder, slot);
        let staging = ReadBack::new(gpu, "statistics", plan.statistics_len()).unwrap();
        plan.record_statistics(&mut encoder, &staging, 0).unwrap();
        gpu.submit(encoder).unwrap();
        return finished(plan.finish(&staging.fetch(gpu).unwrap(), 0.1).unwrap());
    }
    let plan = PpoUpdate::new(gpu, &model, config, &batch, None).unwrap();
    plan.record(gpu, &mut encoder, slot);
    let staging = ReadBack::new(gpu, "statistics", plan.statistics_len()).unwrap();
    plan.record_statistics(&mut encoder, &staging, 0).unwrap();
    let refused = plan.record_gradient(gpu, &mut encoder, 0, slot).unwrap_err().to_string();
    assert!(refused.contains("not by divided"), "{refused}");
    gpu.submit(encoder).unwrap();
    finished(plan.finish(&staging.fetch(gpu).unwrap(), 0.1).unwrap())
}

/// With nothing between gradient and step an update has the bits that it has at once. What is put there is what is clipped, counted and
/// stepped along: a gradient of 0 moves nothing, and its norm is 0.
#[test]
fn something_may_stand_between_gradient_and_step() {
    let Some(gpu) = support::gpu(true) else { return };
    // Four minibatches either way.
    let cut = |config: Config| {
        let update_epochs = if config.algorithm.kind() == AlgorithmKind::A2c { 1 } else { 2 };
        Config { num_envs: 2, num_steps: 4, num_minibatches: 4 / update_epochs, update_epochs, ..config }
    };
    let penalty = Config::ppo_penalty();
    let trpo = Config { ent_coef: 0.0, ..Config::cleanrl() }.with_algorithm(AlgorithmKind::Trpo);
    for config in [Config::cleanrl(), penalty, Config::a2c(), trpo].map(cut) {
        let name = config.algorithm.name();
        let whole = at_once(&gpu, &config);
        assert_eq!(by_turns(&gpu, &config, &|_| ()), whole, "{name}");
        assert!(whole.1.minibatches.iter().all(|minibatch| minibatch.grad_norm > 0.0), "{name}");
        let none = |gradient: &Buffer<f32>| gpu.write(gradient, 0, &vec![0.0; gradient.len() as usize]).unwrap();
        let (state, stats) = by_turns(&gpu, &config, &none);
        assert!(stats.minibatches.iter().all(|minibatch| minibatch.stepped && minibatch.grad_norm == 0.0), "{name}");
        assert!(state.exp_avg.iter().chain(&state.exp_avg_sq).all(|moment| *moment == 0.0), "{name}");
        if config.trust_region().is_none() {
            assert_eq!(state.parameters, initial_parameters_with(&spec(), &config.init, 3), "{name}");
        }
    }
}
