//! Plans for whoever records them: what the settings ask for is recorded or refused; values of any number of rows come from kept buffers;
//! learners go on from a state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

#[path = "support/gpu.rs"]
mod support;

use ndarray::{Array2, array, s};
use wgpo::algo::{
    BatchBuffers, GpuLearner, Model, PpoUpdate, RolloutBuffers, RolloutRows, RolloutUpdate, TrustRegionUpdate,
};
use wgpo::cpu::BuiltIn;
use wgpo::data::Rollout;
use wgpo::gpu::Gpu;
use wgpo::host::Collector;
use wgpo::policy::{PolicySpec, initial_parameters_with};
use wgpo::{
    ActMode, AdvantageKind, Agent, Algorithm, Autoreset, Config, Env, Error, ObsNorm, OnPolicy, RewardNorm, ValueNorm,
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

/// An embedder's one call does what the learner does, bit by bit, under settings that ask for everything.
#[test]
fn one_call_records_all_that_the_settings_ask_for() {
    let Some(gpu) = support::gpu(true) else { return };
    let trpo = Config { algorithm: Algorithm::Trpo, ..settings() };
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
        for algorithm in [Algorithm::Ppo, Algorithm::Trpo] {
            let config = Config { algorithm, ..config.clone() };
            let start = initial_parameters_with(&spec(), &config.init, 3);
            let model = Model::new(&gpu, &spec(), &config, &start, 3).unwrap();
            let outcome = match algorithm {
                Algorithm::Trpo => TrustRegionUpdate::new(&gpu, &model, &config, &rows(&gpu), None).map(drop),
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
