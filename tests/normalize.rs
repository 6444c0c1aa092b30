//! Running normalisation of observations, rewards and value targets: the device against the CPU, saved and resumed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2, array, s};
use wgpo::config::{EpsPlacement, NormOrder, ObsNorm, ReturnReset, RewardNorm, RewardNormKind, ValueLoss, ValueNorm};
use wgpo::cpu::{CpuLearner, CpuTrainer};
use wgpo::data::{Acted, Actions, Rollout};
use wgpo::gpu::{Gpu, ProductPath, Slot};
use wgpo::low_level::kernels::{policy_normalize, reduce_moments, reduce_running};
use wgpo::low_level::reference::normalize::{Normalizer, RewardScale, Running, scale_step, scale_valid};
use wgpo::low_level::reference::ranks::Ranks;
use wgpo::low_level::reference::vec_env::VecEnv;
use wgpo::policy::{Activation, Head, PolicySpec, initial_parameters};
use wgpo::state::{LearnerState, NormalizerState, RunningMoments};
use wgpo::{ActMode, Agent, AlgorithmKind, Config, Env, GpuLearner, GpuTrainer, OnPolicy, SaveTrainer, Trainer};

const HIDDEN: [usize; 2] = [16, 16];

fn base() -> Config {
    Config {
        num_envs: 5,
        num_steps: 128,
        num_minibatches: 4,
        update_epochs: 2,
        learning_rate: 1e-3,
        anneal_lr: false,
        ..Config::cleanrl()
    }
}

fn everything() -> Config {
    Config {
        norm_obs: Some(ObsNorm::sb3()),
        norm_reward: Some(RewardNorm::sb3()),
        norm_value: Some(ValueNorm::rl_games()),
        ..base()
    }
}

/// Each switch by itself and several together.
fn configs() -> Vec<(&'static str, Env, Config)> {
    let (cart, pendulum) = (Env::CartPole, Env::Pendulum);
    let obs = |norm| Config { norm_obs: Some(norm), ..base() };
    let reward = |norm| Config { norm_reward: Some(norm), ..base() };
    let first = ObsNorm { order: NormOrder::NormalizeFirst, clip: Some(1.5), ..ObsNorm::sb3() };
    let trpo = Config { ent_coef: 0.0, ..everything() }.with_algorithm(AlgorithmKind::Trpo);
    vec![
        ("observations as SB3", cart, obs(ObsNorm::sb3())),
        ("observations as SB3", pendulum, obs(ObsNorm::sb3())),
        ("observations as rsl_rl", pendulum, obs(ObsNorm::rsl_rl())),
        ("observations normalised first", cart, obs(first)),
        ("rewards as SB3", cart, reward(RewardNorm::sb3())),
        ("rewards as CleanRL", cart, reward(RewardNorm::cleanrl())),
        ("rewards as CleanRL", pendulum, reward(RewardNorm::cleanrl())),
        ("rewards as PureJaxRL", pendulum, reward(RewardNorm::purejaxrl())),
        ("observations as Lizhi", cart, obs(ObsNorm::lizhi())),
        ("rewards as Lizhi, scaled", pendulum, reward(RewardNorm::lizhi_scaling())),
        ("rewards as Lizhi, normalised", pendulum, reward(RewardNorm::lizhi_normalization())),
        ("values", cart, Config { norm_value: Some(ValueNorm::rl_games()), ..base() }),
        ("everything", cart, everything()),
        ("everything", pendulum, everything()),
        ("everything, TRPO", pendulum, trpo),
    ]
}

/// ‖got − want‖ / ‖want − start‖.
fn step_error(start: &[f32], got: &[f32], want: &[f32]) -> f64 {
    let norm = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
    };
    norm(got, want) / norm(want, start)
}

/// Largest error of means by deviation and of variances by themselves; counts must be equal.
fn moments_error(got: &NormalizerState, want: &NormalizerState) -> f64 {
    let mut worst = 0.0_f64;
    for (got, want) in [(&got.obs, &want.obs), (&got.reward, &want.reward), (&got.value, &want.value)] {
        let (Some(got), Some(want)) = (got, want) else {
            assert_eq!(got, want);
            continue;
        };
        assert_eq!((got.count, got.initial_count), (want.count, want.initial_count));
        for column in 0..want.mean.len() {
            let off = |a: f64, b: f64, size: f64| (a - b).abs() / size.max(1e-6);
            let size = want.variance[column].sqrt() + want.mean[column].abs();
            worst = worst.max(off(got.mean[column], want.mean[column], size));
            worst = worst.max(off(got.variance[column], want.variance[column], want.variance[column]));
        }
    }
    assert_eq!(got.discounted_returns.len(), want.discounted_returns.len());
    for (got, want) in got.discounted_returns.iter().zip(&want.discounted_returns) {
        worst = worst.max(f64::from((got - want).abs() / (1.0 + want.abs())));
    }
    worst
}

#[test]
fn the_device_and_the_cpu_mean_the_same() {
    let Some(gpu) = support::gpu(false) else { return };
    for (name, env, config) in configs() {
        let spec = env.policy(&HIDDEN);
        let mut device = GpuTrainer::new(&gpu, env, spec.clone(), config.clone(), 21).unwrap();
        let mut cpu = CpuTrainer::new(env, spec, config.clone(), 21).unwrap();
        let mut worst = (0.0_f64, 0.0_f64);
        for window in 0..3 {
            // Every window begins at the same state, so that errors do not grow from one to the next.
            let mut start = device.state().unwrap();
            if window == 0 {
                // Episodes that are cut in the first steps, while the statistics move fast.
                let words = env.state_words();
                for (n, words) in start.env_words.chunks_mut(words).enumerate() {
                    words[words.len() - 1] = env.time_limit() - 1 - n as u32;
                }
                device.set_state(&start).unwrap();
            }
            cpu.set_state(&start).unwrap();
            let (got, want) = (device.iterate().unwrap(), cpu.iterate().unwrap());
            let label = format!("{name}, {}, window {window}", env.name());
            assert_eq!((got.episodes.count, got.episodes.length_sum), (want.episodes.count, want.episodes.length_sum));
            let (a, b) = (device.state().unwrap().learner, cpu.state().unwrap().learner);
            let moments = moments_error(&a.normalizer, &b.normalizer);
            let step = step_error(&start.learner.parameters, &a.parameters, &b.parameters);
            worst = (worst.0.max(moments), worst.1.max(step));
            // Sums of 640 numbers near their deviation; a trajectory of 128 steps drifts by 1e-5 between two f32 runs.
            assert!(moments < 5e-5, "{label}: statistics differ by {moments:e}");
            // As for whole iterations without normalisation (tests/update.rs).
            assert!(step < 2e-4, "{label}: step error {step:e}");
            let (g, w) = (&got.update.minibatches[0], &want.update.minibatches[0]);
            assert!((g.value_loss - w.value_loss).abs() <= 1e-3 * (1.0 + w.value_loss.abs()), "{label}: {g:?} {w:?}");
            // The networks see in the update what they saw when they acted.
            if config.ppo().is_some() {
                for (side, stats) in [("device", g), ("cpu", w)] {
                    let [low, high] = [stats.ratio_min, stats.ratio_max];
                    assert!(low > 1.0 - 1e-5 && high < 1.0 + 1e-5, "{label}: {side}: ratios {low} to {high}");
                }
            }
        }
        println!("{name}, {}: statistics {:.1e}, step {:.1e}", env.name(), worst.0, worst.1);
    }
}

#[test]
fn a_resumed_run_has_the_bits_of_an_uninterrupted_one() {
    let Some(gpu) = support::gpu(false) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    for env in Env::ALL {
        let config = Config { num_steps: 48, ..everything() };
        let device = || -> Box<dyn Trainer> {
            Box::new(GpuTrainer::new(&gpu, env, env.policy(&HIDDEN), config.clone(), 3).unwrap())
        };
        let cpu =
            || -> Box<dyn Trainer> { Box::new(CpuTrainer::new(env, env.policy(&HIDDEN), config.clone(), 3).unwrap()) };
        for make in [&device as &dyn Fn() -> Box<dyn Trainer>, &cpu] {
            let mut whole = make();
            let stats: Vec<_> = (0..4).map(|_| whole.iterate().unwrap()).collect();
            let mut first = make();
            (0..2).for_each(|_| drop(first.iterate().unwrap()));
            first.save(&path).unwrap();
            let mut second = make();
            second.load(&path).unwrap();
            assert_eq!(second.state().unwrap(), first.state().unwrap());
            let resumed: Vec<_> = (0..2).map(|_| second.iterate().unwrap()).collect();
            assert_eq!(format!("{resumed:?}"), format!("{:?}", &stats[2..]), "{}", env.name());
            assert_eq!(second.state().unwrap(), whole.state().unwrap(), "{}", env.name());
            let state = whole.state().unwrap().learner.normalizer;
            assert_eq!(state.obs.unwrap().count, 4 * 48 * 5);
            assert_eq!(state.value.unwrap().count, 4 * 48 * 5);
            // Where every step ends its episode, nothing is carried over.
            assert!(env.time_limit() == 1 || state.discounted_returns.iter().any(|g| *g != 0.0));
        }
    }
}

fn learners(gpu: &Gpu, spec: &PolicySpec, config: &Config) -> [Box<dyn OnPolicy>; 2] {
    [
        Box::new(GpuLearner::new(gpu, spec.clone(), config.clone(), 5).unwrap()),
        Box::new(CpuLearner::<f32>::new(spec.clone(), config.clone(), 5).unwrap()),
    ]
}

fn spec() -> PolicySpec {
    PolicySpec::separate(3, &[8], Activation::Tanh, Head::gaussian(1))
}

/// A window of Pendulum, as a host feeds it.
fn play(learner: &mut dyn OnPolicy, envs: &mut VecEnv, steps: usize, count: usize) -> Rollout {
    let rows = steps * count;
    let mut rollout = Rollout {
        steps,
        envs: count,
        obs: Array2::zeros((rows, 3)),
        actions: Actions::Continuous(Array2::zeros((rows, 1))),
        logp: Array1::zeros(rows),
        rewards: Array2::zeros((steps, count)),
        values: Array2::zeros((steps + 1, count)),
        final_values: None,
        terminated: Array2::zeros((steps, count)),
        truncated: Array2::zeros((steps, count)),
        valid: None,
        autoreset: wgpo::env::Autoreset::SameStep,
        ended_before: None,
    };
    let mut words = Vec::new();
    for t in 0..steps {
        let Acted { actions, env_actions, logp, values, obs } =
            learner.act(envs.obs().view(), ActMode::Sample).unwrap();
        let step = envs.step(&env_actions).unwrap();
        let own = t * count..(t + 1) * count;
        rollout.obs.slice_mut(s![own.clone(), ..]).assign(&obs);
        words.extend(actions.words());
        rollout.logp.slice_mut(s![own]).assign(&logp);
        rollout.values.row_mut(t).assign(&values);
        rollout.rewards.row_mut(t).assign(&step.rewards);
        rollout.terminated.row_mut(t).assign(&step.terminated);
        rollout.truncated.row_mut(t).assign(&step.truncated);
        if step.truncated.iter().any(|flag| *flag != 0) {
            let own = rollout.final_values.get_or_insert_with(|| Array2::zeros((steps, count)));
            own.row_mut(t).assign(&learner.values(step.final_obs.view()).unwrap());
        }
    }
    rollout.values.row_mut(steps).assign(&learner.values(envs.obs().view()).unwrap());
    rollout.actions = Actions::from_words(&Head::gaussian(1), rows, &words).unwrap();
    rollout
}

/// The trainer and a host that feeds a learner by the documentation do the same.
#[test]
fn a_host_that_feeds_a_learner_gets_what_the_trainer_gets() {
    let (env, config) = (Env::Pendulum, everything());
    let spec = env.policy(&HIDDEN);
    let mut trainer = CpuTrainer::new(env, spec.clone(), config.clone(), 4).unwrap();
    let mut learner = CpuLearner::<f32>::new(spec.clone(), config.clone(), 4).unwrap();
    let mut envs = VecEnv::new(env, config.num_envs, 4).unwrap();
    let start = initial_parameters(&spec, 4);
    for _ in 0..2 {
        trainer.iterate().unwrap();
        let rollout = play(&mut learner, &mut envs, config.num_steps, config.num_envs);
        learner.update(&rollout).unwrap();
        let (got, want) = (learner.state().unwrap(), trainer.state().unwrap().learner);
        assert_eq!(got.normalizer.obs, want.normalizer.obs);
        assert!(moments_error(&got.normalizer, &want.normalizer) < 1e-5);
        // Values are computed in other blocks of rows.
        assert!(step_error(&start, &got.parameters, &want.parameters) < 1e-4);
    }
    // 256 steps: the second window holds the cut at step 200.
    let Some(gpu) = support::gpu(false) else { return };
    let mut device = GpuLearner::new(&gpu, spec.clone(), config.clone(), 4).unwrap();
    let mut envs = VecEnv::new(env, config.num_envs, 4).unwrap();
    for _ in 0..2 {
        let rollout = play(&mut device, &mut envs, config.num_steps, config.num_envs);
        device.update(&rollout).unwrap();
    }
    let (got, want) = (device.state().unwrap(), learner.state().unwrap());
    let (moments, step) =
        (moments_error(&got.normalizer, &want.normalizer), step_error(&start, &got.parameters, &want.parameters));
    println!("a host-fed device after two windows: statistics {moments:.1e}, step {step:.1e}");
    // Two windows without a common start between them: the second one begins with the first one's error.
    assert!(moments < 1e-3 && step < 1e-2, "{moments:e} {step:e}");
}

#[test]
fn acting_greedily_and_judging_leave_the_statistics_alone() {
    let Some(gpu) = support::gpu(false) else { return };
    let frozen = Config { norm_obs: Some(ObsNorm { frozen: true, ..ObsNorm::sb3() }), ..everything() };
    for (config, samples_too) in [(everything(), false), (frozen, true)] {
        for mut learner in learners(&gpu, &spec(), &config) {
            let mut state = learner.state().unwrap();
            state.normalizer.obs = Some(RunningMoments {
                mean: vec![0.5, -1.0, 2.0],
                variance: vec![4.0, 0.25, 1.0],
                count: 100,
                initial_count: 1e-4,
            });
            state.normalizer.value =
                Some(RunningMoments { mean: vec![10.0], variance: vec![4.0], count: 7, initial_count: 1.0 });
            learner.set_state(&state).unwrap();
            let obs = array![[2.5, -1.0, 0.0], [0.5, 0.0, 1e6]];
            let acted = learner.act(obs.view(), ActMode::Greedy).unwrap();
            let want = array![[1.0, 0.0, -2.0], [0.0, 2.0, 10.0]];
            assert!(acted.obs.iter().zip(&want).all(|(g, w): (&f32, &f32)| (g - w).abs() < 1e-6), "{}", acted.obs);
            let values = learner.values(obs.view()).unwrap();
            assert_eq!(values, acted.values);
            // A fresh critic gives about 0, that is the mean; at most ±5 deviations.
            assert!(values.iter().all(|v| (v - 10.0).abs() <= 10.0 + 1e-5), "{values}");
            assert_eq!(learner.state().unwrap(), state, "neither acting greedily nor values change anything");
            learner.act(obs.view(), ActMode::Sample).unwrap();
            let after = learner.state().unwrap().normalizer;
            assert_eq!(after == state.normalizer, samples_too);
            assert_eq!(after.obs.unwrap().count, if samples_too { 100 } else { 102 });
        }
    }
}

#[test]
fn counts_go_on_beyond_what_an_f32_can_count() {
    let Some(gpu) = support::gpu(false) else { return };
    for count in [(1 << 24) + 1, u64::from(u32::MAX), 1 << 40] {
        for mut learner in learners(&gpu, &spec(), &everything()) {
            let mut state = learner.state().unwrap();
            let moments = |columns| RunningMoments {
                mean: vec![0.0; columns],
                variance: vec![1.0; columns],
                count,
                initial_count: 1e-4,
            };
            state.normalizer.obs = Some(moments(3));
            state.normalizer.value = Some(moments(1));
            learner.set_state(&state).unwrap();
            for more in 1..4 {
                learner.act(array![[1.0, 2.0, 3.0]].view(), ActMode::Sample).unwrap();
                assert_eq!(learner.state().unwrap().normalizer.obs.unwrap().count, count + more);
            }
            let mut envs = VecEnv::new(Env::Pendulum, 5, 1).unwrap();
            let rollout = play(learner.as_mut(), &mut envs, 3, 5);
            learner.update(&rollout).unwrap();
            let after = learner.state().unwrap().normalizer;
            assert_eq!(after.value.unwrap().count, count + 15);
            assert_eq!(after.reward.unwrap().count, 15);
        }
    }
}

#[test]
fn a_state_that_does_not_fit_changes_nothing() {
    let Some(gpu) = support::gpu(false) else { return };
    let refused = |learner: &mut dyn OnPolicy, change: &dyn Fn(&mut LearnerState), words: &str| {
        let before = learner.state().unwrap();
        let mut state = before.clone();
        state.update = 77;
        state.parameters.fill(0.5);
        change(&mut state);
        let error = learner.set_state(&state).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(learner.state().unwrap(), before);
    };
    for mut learner in learners(&gpu, &spec(), &everything()) {
        let learner = learner.as_mut();
        let obs = |state: &mut LearnerState| state.normalizer.obs.clone().unwrap();
        refused(learner, &|s| s.normalizer.obs = Some(RunningMoments::new(2, 0.0)), "normalizer.obs.mean");
        let negative = |s: &mut LearnerState| {
            s.normalizer.obs = Some(RunningMoments { variance: vec![1.0, -1.0, 1.0], ..obs(s) });
        };
        refused(learner, &negative, "a finite number from 0");
        let endless = |s: &mut LearnerState| {
            s.normalizer.obs = Some(RunningMoments { mean: vec![0.0, f64::NAN, 0.0], ..obs(s) });
        };
        refused(learner, &endless, "normalizer.obs.mean");
        refused(learner, &|s| s.normalizer.discounted_returns = vec![0.0; 4], "discounted_returns");
        refused(learner, &|s| s.normalizer.discounted_returns.clear(), "statistics of rewards");
        // A state of a version without statistics.
        let mut state = learner.state().unwrap();
        state.normalizer = NormalizerState::default();
        learner.set_state(&state).unwrap();
        assert_eq!(learner.state().unwrap().normalizer, NormalizerState::new(&everything(), 3));
        // Returns are carried for each environment.
        let mut envs = VecEnv::new(Env::Pendulum, 4, 1).unwrap();
        let rollout = play(learner, &mut envs, 2, 4);
        let before = learner.state().unwrap();
        let error = learner.update(&rollout).unwrap_err().to_string();
        assert!(error.contains("num_envs 5") && error.contains("has 4"), "{error}");
        assert_eq!(learner.state().unwrap(), before);
    }
    for mut learner in learners(&gpu, &spec(), &base()) {
        let change = |s: &mut LearnerState| s.normalizer.obs = Some(RunningMoments::new(3, 1e-4));
        refused(learner.as_mut(), &change, "norm_obs");
    }
}

/// One submission, as without; a dispatch per step and one for the observation after the window; what is off costs nothing.
#[test]
fn dispatches_are_few_and_counted() {
    let Some(gpu) = support::gpu(false) else { return };
    let gpu = gpu.with_products(ProductPath::Staged);
    let env = Env::CartPole;
    let dispatches = |config: Config| {
        let mut trainer = GpuTrainer::new(&gpu, env, env.policy(&HIDDEN), config, 1).unwrap();
        trainer.iterate().unwrap();
        let before = gpu.counts();
        trainer.iterate().unwrap();
        let spent = gpu.counts() - before;
        assert_eq!((spent.submissions, spent.readbacks, spent.created), (1, 1, 0));
        trainer.dispatches()
    };
    let plain = dispatches(Config { num_steps: 32, ..base() });
    let with = dispatches(Config { num_steps: 32, ..everything() });
    // Critic's coefficients and two buffers of values; sums, two for moments, a merge, rewards; moments, merge, returns and old values.
    // Normalised observations want every step apart: actor, draw, environment. What comes before and after the steps is 5 dispatches.
    let by_turns = 5 + 3 * 32;
    assert_eq!(plain.0, 5, "all steps are one dispatch");
    assert_eq!(with, (by_turns + 33 + 3, plain.1 + 5 + 5, plain.2));
}

#[test]
fn when_returns_begin_anew() {
    // Steps 1 (terminated) and 3 (truncated) of one environment; γ = ½.
    let (rewards, fell, late) = ([1.0, 2.0, 4.0, 8.0, 16.0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]);
    for (reset, want) in [
        (ReturnReset::AfterDone, [1.0, 2.5, 4.0, 10.0, 16.0]),
        (ReturnReset::AtTermination, [1.0, 2.0, 5.0, 10.5, 21.25]),
        (ReturnReset::AtDone, [1.0, 2.0, 5.0, 8.0, 20.0]),
        (ReturnReset::AtTerminationAfterDone, [1.0, 2.0, 4.0, 10.0, 16.0]),
    ] {
        let norm = RewardNorm { reset, clip: None, ..RewardNorm::sb3() };
        let mut state = RewardScale { running: Running::new(1, 0.0), carried: array![0.0] };
        let mut seen: Vec<f64> = Vec::new();
        for t in 0..5 {
            let now = (array![rewards[t]], array![fell[t]], array![late[t]]);
            let (scaled, g) = scale_step(&norm, 0.5, &mut state, now.0.view(), now.1.view(), now.2.view());
            seen.push(g[0]);
            // Divided by the deviation of all G up to this step, and by no later one.
            let mean = seen.iter().sum::<f64>() / seen.len() as f64;
            let variance = seen.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / seen.len() as f64;
            assert!((scaled[0] - rewards[t] / (variance + 1e-8).sqrt()).abs() < 1e-6 * scaled[0].abs());
        }
        assert_eq!(seen, want, "{reset:?}");
    }
}

/// Step 1 is left out. Its reward is in no sum, but where its episode ends there, so does the sum.
#[test]
fn an_episode_that_ends_in_a_row_that_does_not_count_ends_its_sum() {
    let rewards = [1.0, f64::NAN, 4.0];
    for (reset, fell, late, want) in [
        (ReturnReset::AfterDone, 1, 0, [1.0, 0.0, 4.0]),
        (ReturnReset::AfterDone, 0, 1, [1.0, 0.0, 4.0]),
        (ReturnReset::AtTermination, 1, 0, [1.0, 0.0, 4.0]),
        (ReturnReset::AtTermination, 0, 1, [1.0, 0.0, 4.5]),
        (ReturnReset::AtDone, 0, 1, [1.0, 0.0, 4.0]),
        (ReturnReset::AtDone, 0, 0, [1.0, 0.0, 4.5]),
        (ReturnReset::AtTerminationAfterDone, 1, 0, [1.0, 0.0, 4.0]),
        (ReturnReset::AtTerminationAfterDone, 0, 1, [1.0, 0.0, 4.0]),
        (ReturnReset::AtTerminationAfterDone, 0, 0, [1.0, 0.0, 4.5]),
    ] {
        let norm = RewardNorm { reset, clip: None, ..RewardNorm::sb3() };
        let mut state = RewardScale { running: Running::new(1, 0.0), carried: array![0.0] };
        let seen =
            [(0, 0, 1), (fell, late, 0), (0, 0, 1)].into_iter().zip(rewards).map(|((fell, late, valid), reward)| {
                let flags = (array![fell], array![late], array![valid]);
                let valid = Some(flags.2.view());
                scale_valid(&norm, 0.5, &mut state, array![reward].view(), flags.0.view(), flags.1.view(), valid).1[0]
            });
        assert_eq!(seen.collect::<Vec<f64>>(), want, "{reset:?}");
        assert!(state.running.mean[0].is_finite());
    }
}

#[test]
fn values_go_there_and_back() {
    let norm = ValueNorm { clip: None, initial_count: 0.0, eps: 0.0, eps_placement: EpsPlacement::InsideRoot };
    let config = Config { norm_value: Some(norm), ..base() };
    let mut normalizer = Normalizer::<f64>::new(&config, 3, &NormalizerState::default()).unwrap();
    let (mut returns, mut old) = (array![10.0, 20.0, 30.0, 60.0], array![30.0, 30.0, 49.0, 11.0]);
    // Before the first returns: mean 0 and variance 1.
    assert_eq!(normalizer.values(old.clone()), old);
    normalizer.targets(&mut returns, &mut old, None, &Ranks::ALONE).unwrap();
    let deviation = 350.0_f64.sqrt();
    let close = |got: &Array1<f64>, want: Array1<f64>| got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 1e-12);
    assert!(close(&returns, array![-20.0, -10.0, 0.0, 30.0] / deviation));
    assert!(close(&old, array![0.0, 0.0, 19.0, -19.0] / deviation));
    assert!(close(&normalizer.values(old.clone()), array![30.0, 30.0, 49.0, 11.0]));
    assert!(close(&normalizer.values(array![0.0]), array![30.0]));
}

#[test]
fn settings_out_of_range_are_named() {
    let obs = |change: fn(&mut ObsNorm)| {
        let mut norm = ObsNorm::sb3();
        change(&mut norm);
        Config { norm_obs: Some(norm), ..base() }
    };
    let reward = |norm: RewardNorm| Config { norm_reward: Some(norm), ..base() };
    for (config, field) in [
        (obs(|norm| norm.eps = -1.0), "norm_obs.eps"),
        (obs(|norm| norm.clip = Some(0.0)), "norm_obs.clip"),
        (obs(|norm| norm.initial_count = f64::NAN), "norm_obs.initial_count"),
        (reward(RewardNorm { gamma: Some(1.5), ..RewardNorm::sb3() }), "norm_reward.gamma"),
        (Config { norm_value: Some(ValueNorm { eps: -1.0, ..ValueNorm::rl_games() }), ..base() }, "norm_value.eps"),
    ] {
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
    // Absent in a file means off, and what is on comes back.
    let text = serde_json::to_string(&base()).unwrap();
    assert!(!text.contains("norm_value") && !text.contains("norm_obs") && !text.contains("norm_reward"));
    let text = serde_json::to_string(&everything()).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), everything());
}

/// Numbers far from 0 that drift by less than an f32 there can say: 10⁴ + noise of deviation ½ + 1e-8 a row, as f32. In units of
/// 2⁻¹⁰, which is what f32 has there, they are whole, so that sums of them are exact.
struct Drift {
    state: u64,
    row: u64,
}

impl Drift {
    fn new() -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, row: 0 }
    }

    fn draw(&mut self) -> f32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let parts = [0, 16, 32, 48].map(|shift| ((self.state >> shift) & 0xffff) as f64 / 65536.0);
        self.row += 1;
        (1e4 + parts.iter().sum::<f64>() - 2.0 + 1e-8 * self.row as f64) as f32
    }
}

/// Sums of whole numbers: what mean and variance are.
#[derive(Default)]
struct Exact {
    count: i128,
    sum: i128,
    squares: i128,
}

impl Exact {
    fn push(&mut self, x: f32) {
        let units = (f64::from(x) - 1e4) * 1024.0;
        assert_eq!(units, units.round());
        (self.count, self.sum, self.squares) =
            (self.count + 1, self.sum + units as i128, self.squares + units as i128 * units as i128);
    }

    fn moments(&self) -> (f64, f64) {
        let variance = (self.squares * self.count - self.sum * self.sum) as f64 / (self.count * self.count) as f64;
        (1e4 + self.sum as f64 / self.count as f64 / 1024.0, variance / (1024.0 * 1024.0))
    }
}

/// (error of the mean by the deviation, error of the variance by itself), both below 1e-6.
fn exact_enough(label: &str, got: (f64, f64), want: (f64, f64)) {
    let (mean, variance) = ((got.0 - want.0).abs() / want.1.sqrt(), (got.1 / want.1 - 1.0).abs());
    println!("{label}: mean {mean:.1e} deviations, variance {variance:.1e}");
    assert!(mean < 1e-6 && variance < 1e-6, "{label}: {got:?}, not {want:?}");
}

#[test]
fn ten_million_rows_on_the_cpu_are_what_f64_gives() {
    let (mut running, mut exact, mut drift) = (Running::new(1, 0.0), Exact::default(), Drift::new());
    // Row by row, as one environment gives them, and in batches.
    for rows in std::iter::repeat_n(1, 1_000_000).chain(std::iter::repeat_n(1000, 9000)) {
        let batch = Array2::from_shape_simple_fn((rows, 1), || drift.draw());
        batch.iter().for_each(|x| exact.push(*x));
        running.merge(batch.view());
    }
    assert_eq!(running.count, 10_000_000);
    exact_enough("10⁷ rows", (running.mean[0], running.variance[0]), exact.moments());
}

#[test]
fn a_million_rows_on_the_device_are_what_f64_gives() {
    let Some(gpu) = support::gpu(false) else { return };
    let (mut drift, mut exact) = (Drift::new(), Exact::default());
    let data: Vec<f32> = (0..1_000_000).map(|_| drift.draw()).collect();
    data.iter().for_each(|x| exact.push(*x));
    let statistics = gpu.upload("obs_statistics", &reduce_running::words(0.0, 1.0, 0, 0.0)).unwrap();
    let (obs, nothing) = (gpu.buffer("obs", 62_500).unwrap(), gpu.buffer("nothing", 1).unwrap());
    let params = policy_normalize::Params { rows: 62_500, obs_dim: 1, update: 1, eps: 1e-8, ..Default::default() };
    for part in data.chunks(62_500) {
        let raw_obs = gpu.upload("raw_obs", part).unwrap();
        let io =
            policy_normalize::Io { raw_obs: &raw_obs, obs_statistics: &statistics, obs: &obs, final_obs: &nothing };
        gpu.run("obs", &policy_normalize::bind(&gpu, &[params], &io).unwrap(), Slot::default()).unwrap();
    }
    let words = gpu.read(&statistics).unwrap();
    assert_eq!(words[4], 1_000_000);
    exact_enough("10⁶ rows in batches", reduce_running::moments(&words), exact.moments());
    // What the last batch looks like is the same.
    let (mean, variance) = exact.moments();
    for (x, y) in data[937_500..].iter().zip(gpu.read(&obs).unwrap()) {
        let want = (f64::from(*x) - mean) / variance.sqrt();
        assert!((f64::from(y) - want).abs() < 2e-6, "{x}: {y}, not {want}");
    }
}

/// Rows one at a time behind a history of 10⁷ at 10⁴ deviations, by both kernels that merge: in f32 nothing would move.
#[test]
fn a_long_history_on_the_device_goes_on() {
    let Some(gpu) = support::gpu(false) else { return };
    let before =
        RunningMoments { mean: vec![2e4 / 3.0], variance: vec![1.0 / 3.0], count: 10_000_000, initial_count: 1e-4 };
    let start = reduce_running::words(before.mean[0], before.variance[0], before.count, before.initial_count);
    let mut drift = Drift::new();
    let data: Vec<f32> = (0..4000).map(|_| drift.draw() - 3333.0).collect();
    let (mean, variance) = reduce_running::moments(&start);
    let mut want = Running::from_moments(&RunningMoments { mean: vec![mean], variance: vec![variance], ..before });
    for x in &data {
        want.merge(array![[*x]].view());
    }
    let want_pair = (want.mean[0], want.variance[0]);
    let moved = (want_pair.0 - mean).abs() / variance.sqrt();
    assert!(moved > 1e-5 && moved < 1e-3, "{moved}");

    let rows = data.len() as u32;
    let raw_obs = gpu.upload("raw_obs", &data).unwrap();
    let statistic = gpu.upload("statistic", &start).unwrap();
    let moments = gpu.buffer("moments", rows.into()).unwrap();
    let io = reduce_moments::Io {
        minuend: &raw_obs,
        subtrahend: &raw_obs,
        marks: &raw_obs,
        partials: &gpu.buffer("partials", reduce_moments::partials(rows, 1)).unwrap(),
        moments: &moments,
    };
    let params = reduce_moments::Params { rows, segment: 1, stride: 1, ..Default::default() };
    let mut calls = reduce_moments::bind(&gpu, &[params], &io).unwrap();
    let coefficients = gpu.buffer("coefficients", rows.into()).unwrap();
    let io = reduce_running::Io { moments: &moments, statistic: &statistic, coefficients: &coefficients };
    let params = reduce_running::Params { segments: rows, center: 1, eps: 1e-8, ..Default::default() };
    calls.extend(reduce_running::bind(&gpu, &[params], &io).unwrap());
    gpu.run("rewards", &calls, Slot::default()).unwrap();
    let got = reduce_running::moments(&gpu.read(&statistic).unwrap());
    exact_enough("reduce_running", got, want_pair);
    let [shift, scale, rest, zero] = gpu.read(&coefficients).unwrap()[rows as usize - 1].map(f64::from);
    assert!(
        (shift + rest - want_pair.0).abs() < 1e-6 && (scale / want_pair.1.sqrt() - 1.0).abs() < 1e-6 && zero == 0.0
    );

    let statistics = gpu.upload("obs_statistics", &start).unwrap();
    let (obs, nothing) = (gpu.buffer("obs", 1).unwrap(), gpu.buffer("nothing", 1).unwrap());
    let params = policy_normalize::Params { rows: 1, obs_dim: 1, update: 1, eps: 1e-8, ..Default::default() };
    let mut want = Running::from_moments(&RunningMoments { mean: vec![mean], variance: vec![variance], ..before });
    for x in &data[..300] {
        let row = gpu.upload("raw_obs", &[*x]).unwrap();
        let io = policy_normalize::Io { raw_obs: &row, obs_statistics: &statistics, obs: &obs, final_obs: &nothing };
        gpu.run("obs", &policy_normalize::bind(&gpu, &[params], &io).unwrap(), Slot::default()).unwrap();
        want.merge(array![[*x]].view());
    }
    let got = reduce_running::moments(&gpu.read(&statistics).unwrap());
    exact_enough("policy_normalize", got, (want.mean[0], want.variance[0]));
    // What a row moved is known to 1e-3 of itself, too.
    assert!(((got.0 - mean) / (want.mean[0] - mean) - 1.0).abs() < 1e-3);
}

/// A window of one environment whose every step ends an episode, so that returns are rewards.
fn one_by_one(rewards: &[f32]) -> Rollout {
    let steps = rewards.len();
    Rollout {
        steps,
        envs: 1,
        obs: Array2::zeros((steps, 3)),
        actions: Actions::Continuous(Array2::zeros((steps, 1))),
        logp: Array1::from_elem(steps, -0.918_938_5),
        rewards: Array2::from_shape_vec((steps, 1), rewards.to_vec()).unwrap(),
        values: Array2::zeros((steps + 1, 1)),
        final_values: None,
        terminated: Array2::ones((steps, 1)),
        truncated: Array2::zeros((steps, 1)),
        valid: None,
        autoreset: wgpo::env::Autoreset::SameStep,
        ended_before: None,
    }
}

/// Small spreads on large means and squares near the end of f32, in rewards and in value targets.
#[test]
fn large_numbers_are_normalised_as_in_f64() {
    let Some(gpu) = support::gpu(false) else { return };
    let mut drift = Drift::new();
    let mut noise = || f64::from(drift.draw()) - 1e4;
    let near: Vec<f32> = (0..64).map(|_| (1e7 + (3.0 * noise()).round().abs()) as f32).collect();
    let far: Vec<f32> = (0..64).map(|_| (4e18 * noise()) as f32).collect();
    let spec = PolicySpec::separate(3, &[], Activation::Tanh, Head::gaussian(1));
    for (name, rewards) in [("spread 1 on 1e7", &near), ("near 3e18", &far)] {
        for (kind, initial_count) in [(RewardNormKind::Rewards, 0.0), (RewardNormKind::Returns, 1e-4)] {
            let norm = RewardNorm { kind, clip: None, initial_count, ..RewardNorm::sb3() };
            let mut state = RewardScale { running: Running::new(1, initial_count), carried: array![0.0] };
            let (one, none) = (array![1], array![0]);
            let scaled: Vec<f64> = rewards
                .iter()
                .map(|r| {
                    scale_step(&norm, 0.99, &mut state, array![f64::from(*r)].view(), one.view(), none.view()).0[0]
                })
                .collect();
            let want = scaled.iter().map(|r| 0.5 * r * r).sum::<f64>() / 64.0;
            let of_rewards = Config { norm_reward: Some(norm), norm_value: None, ..Config::cleanrl() };
            check_one(&gpu, &spec, of_rewards, rewards, want, &|state| state.reward.clone(), &state.running, name);
        }
        let norm = ValueNorm { clip: None, initial_count: 0.0, ..ValueNorm::rl_games() };
        let mut running = Running::new(1, 0.0);
        running.merge(ndarray::ArrayView2::from_shape((64, 1), rewards).unwrap());
        let variance = running.variance[0];
        let targets = rewards.iter().map(|r| (f64::from(*r) - running.mean[0]).powi(2) / variance).sum::<f64>() / 64.0;
        let of_targets = Config { norm_value: Some(norm), ..Config::cleanrl() };
        check_one(&gpu, &spec, of_targets, rewards, 0.5 * targets, &|state| state.value.clone(), &running, name);
    }
}

/// Deviations beyond 1.8e19 have a variance beyond f32: such an update steps nowhere, on both sides, and says so. A clip hides nothing.
#[test]
fn what_the_statistics_cannot_take_is_refused() {
    let Some(gpu) = support::gpu(false) else { return };
    let mut drift = Drift::new();
    let rewards: Vec<f32> = (0..64).map(|_| (1e21 * (f64::from(drift.draw()) - 1e4)) as f32).collect();
    let spec = PolicySpec::separate(3, &[], Activation::Tanh, Head::gaussian(1));
    let reward = Config { norm_reward: Some(RewardNorm::cleanrl()), ..Config::cleanrl() };
    let value = Config { norm_value: Some(ValueNorm::rl_games()), ..Config::cleanrl() };
    for config in [reward, value] {
        let config = Config { num_envs: 1, num_steps: 64, num_minibatches: 1, update_epochs: 2, ..config };
        for mut learner in learners(&gpu, &spec, &config) {
            let before = learner.state().unwrap().parameters;
            let stats = learner.update(&one_by_one(&rewards)).unwrap();
            assert_eq!((stats.optimizer_steps, stats.skipped_steps), (0, 2), "{stats:?}");
            assert_eq!(learner.state().unwrap().parameters, before);
        }
    }
}

/// A count that is full stays so.
#[test]
fn counts_end_at_the_largest() {
    let Some(gpu) = support::gpu(false) else { return };
    for mut learner in learners(&gpu, &spec(), &everything()) {
        let mut state = learner.state().unwrap();
        state.normalizer.obs = Some(RunningMoments { count: u64::MAX - 1, ..RunningMoments::new(3, 1e-4) });
        learner.set_state(&state).unwrap();
        for _ in 0..3 {
            learner.act(array![[1.0, 2.0, 3.0]].view(), ActMode::Sample).unwrap();
        }
        assert_eq!(learner.state().unwrap().normalizer.obs.unwrap().count, u64::MAX);
    }
}

fn check_one(
    gpu: &Gpu,
    spec: &PolicySpec,
    config: Config,
    rewards: &[f32],
    value_loss: f64,
    part: &dyn Fn(&NormalizerState) -> Option<RunningMoments>,
    want: &Running,
    name: &str,
) {
    let config = Config {
        num_envs: 1,
        num_steps: 64,
        num_minibatches: 1,
        update_epochs: 1,
        learning_rate: 1e-9,
        anneal_lr: false,
        value_loss: ValueLoss::Plain,
        ..config
    };
    for (side, mut learner) in ["device", "cpu"].into_iter().zip(learners(gpu, spec, &config)) {
        let stats = learner.update(&one_by_one(rewards)).unwrap();
        let got = part(&learner.state().unwrap().normalizer).unwrap();
        exact_enough(&format!("{name}, {side}"), (got.mean[0], got.variance[0]), (want.mean[0], want.variance[0]));
        let loss = stats.minibatches[0].value_loss;
        assert!((loss / value_loss - 1.0).abs() < 1e-5, "{name}, {side}: value_loss {loss}, not {value_loss}");
    }
}
