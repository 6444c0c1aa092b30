//! Environments of one's own: the three modes of resetting against windows written by hand, truncation, episodes, threads, faults, masks,
//! and the built-in environments through the same trait.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, ArrayView2, array};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wgpo::config::{ObsNorm, RewardNorm, ValueNorm};
use wgpo::cpu::BuiltIn;
use wgpo::cpu::{CpuLearner, CpuTrainer, evaluate};
use wgpo::data::{Actions, Rollout};
use wgpo::env::Autoreset;
use wgpo::host::{
    Collector, EnvResult, HostAction, HostEnv, HostStep, HostTrainer, RolloutRecorder, Spaces, Start, StepOutcome,
};
use wgpo::policy::Head;
use wgpo::solved::evaluation_seed;
use wgpo::state::EpisodeStats;
use wgpo::{ActMode, Agent, Config, Env, Error, GpuLearner, OnPolicy, SaveTrainer, Trainer, train};

/// Counts: episode e of environment n shows 100 (n + 1) + 10 e + step. It ends after so many steps as its number asks, by a terminal state
/// or a limit. What may go wrong does so when told.
#[derive(Clone)]
struct Counter {
    number: f32,
    episode: f32,
    step: u32,
    length: u32,
    terminates: bool,
    /// In which of all calls of `step` it fails, and how.
    fault: Option<(u32, Fault)>,
    calls: Arc<AtomicU32>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Error,
    Panic,
    Nan,
    Reward,
}

impl Counter {
    fn new(index: usize, length: u32, terminates: bool) -> Self {
        let number = 100.0 * (index + 1) as f32;
        Self { number, episode: -1.0, step: 0, length, terminates, fault: None, calls: Arc::default() }
    }

    fn seen(&self) -> f32 {
        self.number + 10.0 * self.episode + self.step as f32
    }
}

impl HostEnv for Counter {
    fn spaces(&self) -> Spaces {
        Spaces::discrete(1, 2)
    }

    fn reset(&mut self, _: &Start, obs: &mut [f32]) -> EnvResult<()> {
        self.episode += 1.0;
        self.step = 0;
        obs[0] = self.seen();
        Ok(())
    }

    fn step(&mut self, _: HostAction<'_>, obs: &mut [f32]) -> EnvResult<HostStep> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.step += 1;
        obs[0] = self.seen();
        let mut reward = self.seen() / 1000.0;
        match self.fault.filter(|(at, _)| *at == call).map(|(_, fault)| fault) {
            Some(Fault::Error) => return Err("the arm is stuck".into()),
            Some(Fault::Panic) => panic!("the arm is off"),
            Some(Fault::Nan) => obs[0] = f32::NAN,
            Some(Fault::Reward) => reward = f32::INFINITY,
            None => (),
        }
        let ends = self.step == self.length;
        Ok(HostStep { reward, terminated: ends && self.terminates, truncated: ends && !self.terminates })
    }
}

/// One is truncated after 2 steps, again and again; the other terminates after 3.
fn counters() -> Collector {
    Collector::of(2, 1, |index| Counter::new(index, 2 + index as u32, index == 1)).unwrap()
}

fn config(envs: usize, steps: usize) -> Config {
    Config { num_envs: envs, num_steps: steps, num_minibatches: 2, ..Config::cleanrl() }
}

fn learner(spaces: &Spaces, config: &Config) -> CpuLearner<f32> {
    CpuLearner::new(spaces.policy(&[4]), config.clone(), 3).unwrap()
}

/// What a learner thinks of observations given one by one.
fn values(learner: &mut dyn OnPolicy, obs: &[f32]) -> Vec<f32> {
    obs.iter().map(|seen| learner.values(array![[*seen]].view()).unwrap()[0]).collect()
}

fn near(got: impl IntoIterator<Item = f32>, want: &[f32]) {
    let got: Vec<f32> = got.into_iter().collect();
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        // The same sums of 4 tanh in batches of another size: a few units in the last place.
        assert!((got - want).abs() <= 1e-6 * want.abs().max(1.0), "{got} {want}");
    }
}

#[test]
fn each_mode_of_resetting_records_what_it_says() {
    // Written by hand: observations, rewards × 1000, and flags of six steps, (environment 0, environment 1) each.
    let same = (
        [[100, 200], [101, 201], [110, 202], [111, 210], [120, 211], [121, 212]],
        [[101, 201], [102, 202], [111, 203], [112, 211], [121, 212], [122, 213]],
        [[0, 0], [1, 0], [0, 2], [1, 0], [0, 0], [1, 2]],
        [130, 220],
    );
    let next = (
        [[100, 200], [101, 201], [102, 202], [110, 203], [111, 210], [112, 211]],
        [[101, 201], [102, 202], [0, 203], [111, 0], [112, 211], [0, 212]],
        [[0, 0], [1, 0], [0, 2], [0, 0], [1, 0], [0, 0]],
        [120, 212],
    );
    let disabled = (
        [[100, 200], [101, 201], [102, 202], [102, 203], [102, 203], [102, 203]],
        [[101, 201], [102, 202], [0, 203], [0, 0], [0, 0], [0, 0]],
        [[0, 0], [1, 0], [0, 2], [0, 0], [0, 0], [0, 0]],
        [102, 203],
    );
    for (autoreset, (obs, rewards, flags, after)) in
        [(Autoreset::SameStep, same), (Autoreset::NextStep, next), (Autoreset::Disabled, disabled)]
    {
        let mut envs = counters().with_autoreset(autoreset);
        let mut learner = learner(envs.spaces(), &config(2, 6));
        let (rollout, episodes) = envs.collect(&mut learner, 6).unwrap();
        let mode = autoreset.name();
        assert_eq!(rollout.obs.iter().map(|x| *x as i32).collect::<Vec<_>>(), obs.concat(), "{mode}");
        let thousandths = rollout.rewards.iter().map(|x| (x * 1000.0).round() as i32);
        assert_eq!(thousandths.collect::<Vec<_>>(), rewards.concat(), "{mode}");
        let ends = rollout.truncated.iter().zip(&rollout.terminated).map(|(cut, over)| cut + 2 * over);
        assert_eq!(ends.collect::<Vec<_>>(), flags.concat(), "{mode}");
        assert_eq!((rollout.autoreset, rollout.steps, rollout.envs), (autoreset, 6, 2));
        rollout.validate(learner.spec()).unwrap();

        // V of everything that was seen, and behind the window.
        let floats = |all: &[i32]| all.iter().map(|x| *x as f32).collect::<Vec<_>>();
        let want = values(&mut learner, &floats(&[obs.concat(), after.to_vec()].concat()));
        near(rollout.values.iter().copied(), &want);
        // What stands behind a truncation: V of the real last observation, where that is not the next row.
        match autoreset {
            Autoreset::NextStep => {
                assert!(rollout.final_values.is_none());
                let last = rollout.last_values().unwrap();
                near([last[[1, 0]], last[[4, 0]]], &values(&mut learner, &[102.0, 112.0]));
            }
            Autoreset::SameStep => {
                let all = rollout.final_values.as_ref().unwrap();
                near([all[[1, 0]], all[[3, 0]], all[[5, 0]]], &values(&mut learner, &[102.0, 112.0, 122.0]));
                assert_eq!(all.iter().filter(|value| **value != 0.0).count(), 3);
            }
            Autoreset::Disabled => {
                let all = rollout.final_values.as_ref().unwrap();
                near([all[[1, 0]]], &values(&mut learner, &[102.0]));
            }
        }
        // Episodes: their returns and lengths, to rounding of rewards in f32.
        let (count, total, length) = match autoreset {
            Autoreset::SameStep => (5, 0.203 + 0.223 + 0.243 + 0.606 + 0.636, 12.0),
            Autoreset::NextStep => (3, 0.203 + 0.223 + 0.606, 7.0),
            Autoreset::Disabled => (2, 0.203 + 0.606, 5.0),
        };
        assert_eq!((episodes.count, episodes.length_sum), (count, length), "{mode}");
        assert!((episodes.return_sum - total).abs() < 1e-6, "{mode}: {}", episodes.return_sum);
        assert!((episodes.return_min - 0.203).abs() < 1e-7);

        // The second window goes on where the first ended; with disabled resets, anew.
        learner.update(&rollout).unwrap();
        let (second, _) = envs.collect(&mut learner, 2).unwrap();
        let first_row: Vec<i32> = second.obs.iter().take(2).map(|x| *x as i32).collect();
        assert_eq!(first_row, if autoreset == Autoreset::Disabled { vec![110, 210] } else { after.to_vec() }, "{mode}");
        let before = second.ended_before.as_ref().map(|ended| ended.to_vec());
        assert_eq!(before, (autoreset == Autoreset::NextStep).then(|| vec![0, 0]), "{mode}");
        let (third, _) = envs.collect(&mut learner, 4).unwrap();
        if autoreset == Autoreset::NextStep {
            // Steps 6 and 7 were [120, 121] and [212 → 213: over, reset]; the third window begins with a reset of environment 0.
            assert_eq!(third.ended_before.as_ref().unwrap().to_vec(), vec![1, 0]);
            assert_eq!(third.obs[[0, 0]] as i32, 122);
            assert_eq!(third.rewards[[0, 0]], 0.0);
        }
        learner.update(&second).unwrap();
        learner.update(&third).unwrap();
    }
}

/// The advantages bootstrap where an episode was cut off and not where it was over.
#[test]
fn a_truncated_episode_is_worth_what_would_have_come() {
    let mut advantages = Vec::new();
    for terminates in [false, true] {
        let mut envs = Collector::of(1, 1, |index| Counter::new(index, 3, terminates)).unwrap();
        let config = Config { num_minibatches: 1, ..config(1, 3) };
        let mut learner = learner(envs.spaces(), &config);
        let (rollout, _) = envs.collect(&mut learner, 3).unwrap();
        let next = if terminates { 0.0 } else { values(&mut learner, &[103.0])[0] };
        // δ of the last step: r + γ V(real last) − V.
        let want = rollout.rewards[[2, 0]] + 0.99 * next - rollout.values[[2, 0]];
        let parameters = learner.parameters().unwrap();
        let rows = wgpo::low_level::reference::ppo_update::Rows::<f32>::from_rollout(
            learner.spec(),
            &config,
            &parameters,
            &rollout,
        );
        near([rows.as_ref().unwrap().advantages[2]], &[want]);
        advantages.push(rows.unwrap().advantages[2]);
    }
    assert!((advantages[0] - advantages[1]).abs() > 1e-3, "the test must be able to tell: {advantages:?}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let run = |threads: usize| {
        let config = Config { norm_obs: Some(ObsNorm::sb3()), ..config(7, 40) };
        let envs = Collector::of(7, 5, |_| BuiltIn::new(Env::CartPole)).unwrap().with_threads(threads).unwrap();
        let learner = learner(envs.spaces(), &config);
        let mut trainer = HostTrainer::new(learner, envs).unwrap();
        let stats: Vec<_> = (0..3).map(|_| trainer.iterate().unwrap()).collect();
        (stats, trainer.state().unwrap())
    };
    let one = run(1);
    assert!(one.0.iter().map(|stats| stats.episodes.count).sum::<u64>() > 5);
    assert_eq!(one, run(4));
    assert_eq!(one, run(0));
}

/// The same rollouts and the same learning as by the trainer for the built-in environments.
#[test]
fn built_in_environments_do_the_same_through_the_trait() {
    for env in [Env::CartPole, Env::Pendulum] {
        let norms = (Some(ObsNorm::sb3()), Some(RewardNorm::sb3()), Some(ValueNorm::rl_games()));
        let (norm_obs, norm_reward, norm_value) = if env == Env::Pendulum { norms } else { (None, None, None) };
        // Pendulum's episodes have 200 steps: the second window holds their end.
        let config = Config { norm_obs, norm_reward, norm_value, update_epochs: 2, ..config(4, 120) };
        let spec = env.policy(&[33]);
        let mut trainer = CpuTrainer::new(env, spec.clone(), config.clone(), 9).unwrap();
        let envs = Collector::of(4, 9, |_| BuiltIn::new(env)).unwrap();
        let mut own = HostTrainer::new(CpuLearner::<f32>::new(spec, config.clone(), 9).unwrap(), envs).unwrap();
        for _ in 0..3 {
            let (got, want) = (own.iterate().unwrap(), trainer.iterate().unwrap());
            assert_eq!((got.env_steps, got.updates), (want.env_steps, want.updates));
            assert_eq!((got.episodes.count, got.episodes.length_sum), (want.episodes.count, want.episodes.length_sum));
            // Returns are summed in f64 here and in f32 there: 200 roundings of sums below 2,000.
            let close = |a: f64, b: f64| a == b || (a - b).abs() < 200.0 * 2000.0 * f64::from(f32::EPSILON);
            assert!(close(got.episodes.return_min, want.episodes.return_min), "{got:?} {want:?}");
            assert_eq!(got.update, want.update, "{env:?}");
        }
        let (got, want) = (own.state().unwrap(), trainer.state().unwrap());
        assert_eq!(got.learner, want.learner, "{env:?}");
        assert_eq!(got.env_step, want.env_step);
        // And so does an evaluation, on start states that no training of that seed has.
        let mut test = Collector::of(10, 4, |_| BuiltIn::new(env)).unwrap();
        let want = evaluate(own.learner_mut(), env, 10, evaluation_seed(4), ActMode::Greedy).unwrap();
        for _ in 0..2 {
            let got = test.evaluate(own.learner_mut(), 10, ActMode::Greedy).unwrap();
            assert_eq!((got.count, got.length_sum), (10, want.length_sum));
            assert!((got.return_sum / want.return_sum - 1.0).abs() < 1e-5);
        }
    }
}

/// The quick episodes of one environment are not counted in place of the slow ones of another.
#[test]
fn an_evaluation_gives_each_environment_its_share() {
    let mut envs = Collector::of(3, 1, |index| Counter::new(index, [1, 2, 50][index], true)).unwrap();
    let mut learner = learner(envs.spaces(), &config(3, 4));
    let before = learner.state().unwrap();
    let stats = envs.evaluate(&mut learner, 7, ActMode::Greedy).unwrap();
    assert_eq!((stats.count, stats.length_sum), (7, f64::from(3 + 2 * 2 + 2 * 50)));
    assert_eq!(learner.state().unwrap(), before);
    assert_eq!(envs.evaluate(&mut learner, 0, ActMode::Greedy).unwrap(), EpisodeStats::NONE);
}

#[test]
fn a_time_limit_truncates() {
    struct Endless;
    impl HostEnv for Endless {
        fn spaces(&self) -> Spaces {
            Spaces::bounded(1, &[-1.0], &[1.0])
        }
        fn reset(&mut self, start: &Start, obs: &mut [f32]) -> EnvResult<()> {
            obs[0] = start.uniforms()[0];
            Ok(())
        }
        fn step(&mut self, action: HostAction<'_>, obs: &mut [f32]) -> EnvResult<HostStep> {
            assert!(action.indices.is_empty() && action.floats[0].abs() <= 1.0);
            obs[0] += action.floats[0];
            Ok(HostStep { reward: 1.0, ..HostStep::default() })
        }
        fn time_limit(&self) -> Option<u32> {
            Some(5)
        }
    }
    let mut envs = Collector::of(2, 1, |_| Endless).unwrap();
    let mut learner = learner(envs.spaces(), &config(2, 12));
    let (rollout, episodes) = envs.collect(&mut learner, 12).unwrap();
    let cut: Vec<usize> = (0..12).filter(|t| rollout.truncated[[*t, 0]] == 1).collect();
    assert_eq!((cut, rollout.terminated.sum()), (vec![4, 9], 0));
    assert_eq!((episodes.count, episodes.mean_return(), episodes.mean_length()), (4, Some(5.0), Some(5.0)));
    // Start states are the environment's and the episode's own.
    let starts =
        [[0, 0], [0, 1], [5, 0], [5, 1], [10, 0], [10, 1]].map(|[t, n]: [usize; 2]| rollout.obs[[2 * t + n, 0]]);
    assert!((1..6).all(|i| (0..i).all(|j| starts[i] != starts[j])), "{starts:?}");
}

#[test]
fn a_fault_of_an_environment_is_an_error_that_names_it() {
    for (fault, words) in [
        (Fault::Error, "environment 1, after 3 steps: step failed: the arm is stuck"),
        (Fault::Panic, "environment 1, after 3 steps: step panicked: the arm is off"),
        (Fault::Nan, "environment 1, after 3 steps: step gave obs[0] = NaN, expected a finite number"),
        (Fault::Reward, "environment 1, after 3 steps: step gave the reward inf, expected a finite number"),
    ] {
        for threads in [1, 3] {
            let make = |index: usize| {
                let mut env = Counter::new(index, 10, true);
                // The others, too, but a step later or with a higher index.
                env.fault = Some((if index == 0 { 4 } else { 3 }, fault));
                env
            };
            let config = config(3, 8);
            let envs = Collector::of(3, 1, make).unwrap().with_threads(threads).unwrap();
            let learner = learner(envs.spaces(), &config);
            let mut trainer = HostTrainer::new(learner, envs).unwrap();
            let error = trainer.iterate().unwrap_err();
            assert!(matches!(error, Error::Environment { env: 1, step: 3, .. }), "{error:?}");
            assert_eq!(error.to_string(), words);
            assert_eq!(trainer.learner().state().unwrap().update, 0);
            // Environment 0 has its own a window later, in the step after the reset, which is at 5: the fault counts as a step, too.
            let again = trainer.iterate().unwrap_err().to_string();
            assert!(again.starts_with("environment 0, after 5 steps"), "{again}");
            let stats = trainer.iterate().unwrap();
            assert_eq!((stats.updates, stats.env_steps), (1, 24));
            // Nothing of the broken windows is left in the episodes: 8 of 10 steps are none yet.
            assert_eq!(stats.episodes.count, 0);
            assert_eq!(trainer.iterate().unwrap().episodes.mean_length(), Some(10.0));
        }
    }
}

/// Cannot begin at one step; its episodes have two.
struct Picky {
    fails: u64,
    left: u32,
}

impl HostEnv for Picky {
    fn spaces(&self) -> Spaces {
        Spaces::discrete(1, 2)
    }

    fn reset(&mut self, start: &Start, obs: &mut [f32]) -> EnvResult<()> {
        if start.step == self.fails {
            return Err("no such maze".into());
        }
        self.left = 2;
        obs[0] = 1.0;
        Ok(())
    }

    fn step(&mut self, _: HostAction<'_>, _: &mut [f32]) -> EnvResult<HostStep> {
        self.left -= 1;
        Ok(HostStep { reward: 1.0, terminated: self.left == 0, truncated: false })
    }
}

/// A start that fails is handed out once: at the very first reset, at that of a window, and inside a step.
#[test]
fn a_start_that_fails_is_not_drawn_again() {
    for (autoreset, fails, after) in [
        (Autoreset::SameStep, 0, 0),
        (Autoreset::SameStep, 2, 1),
        (Autoreset::NextStep, 3, 2),
        (Autoreset::Disabled, 4, 4),
        // The last step that there is.
        (Autoreset::SameStep, u64::MAX - 1, u64::MAX - 1),
    ] {
        let mut envs = Collector::of(2, 1, |_| Picky { fails, left: 0 }).unwrap().with_autoreset(autoreset);
        if fails > 4 {
            envs.restart(fails);
        }
        let mut learner = learner(envs.spaces(), &config(2, 4));
        let faults: Vec<_> = (0..4).filter_map(|_| envs.collect(&mut learner, 4).err()).collect();
        let words = format!("environment 0, after {after} steps: reset failed: no such maze");
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [words], "{autoreset:?} {fails}");
    }
}

/// Choice i of three is allowed where (what is shown + i) is not a multiple of 3.
struct Masked(u32);

impl HostEnv for Masked {
    fn spaces(&self) -> Spaces {
        Spaces::masked(1, 3)
    }

    fn reset(&mut self, start: &Start, obs: &mut [f32]) -> EnvResult<()> {
        self.0 = (start.seed() % 7) as u32;
        obs[0] = self.0 as f32;
        Ok(())
    }

    fn step(&mut self, action: HostAction<'_>, obs: &mut [f32]) -> EnvResult<HostStep> {
        if (self.0 + action.indices[0]).is_multiple_of(3) {
            return Err("a choice that is not allowed".into());
        }
        self.0 += 1;
        obs[0] = self.0 as f32;
        Ok(HostStep { reward: action.indices[0] as f32, terminated: self.0 > 9, truncated: false })
    }

    fn allowed(&self, choices: &mut [bool]) {
        assert!(choices.iter().all(|flag| *flag));
        choices[((3 - self.0 % 3) % 3) as usize] = false;
    }
}

#[test]
fn masks_reach_the_policy_and_the_rollout() {
    let gpu = support::gpu(true);
    for autoreset in Autoreset::ALL {
        let config = Config { update_epochs: 1, ..config(4, 16) };
        let mut learners: Vec<Box<dyn OnPolicy>> = vec![Box::new(learner(&Masked(0).spaces(), &config))];
        if let Some(gpu) = gpu.as_ref().filter(|_| autoreset == Autoreset::NextStep) {
            learners.push(Box::new(GpuLearner::new(gpu, Masked(0).spaces().policy(&[4]), config.clone(), 3).unwrap()));
        }
        for mut learner in learners {
            let mut envs = Collector::of(4, 2, |_| Masked(0)).unwrap().with_autoreset(autoreset);
            let (rollout, episodes) = envs.collect(learner.as_mut(), 16).unwrap();
            assert!(episodes.count > 3);
            let counted = rollout.counted().map(|rows| rows.into_iter().collect::<Vec<_>>());
            let Actions::Masked { allowed, .. } = &rollout.actions else { panic!("no masks in {:?}", rollout.actions) };
            for (row, (flags, obs)) in allowed.rows().into_iter().zip(rollout.obs.column(0)).enumerate() {
                let idle = counted.as_ref().is_some_and(|rows| rows[row] == 0);
                let want = |i: usize| idle || !(*obs as usize + i).is_multiple_of(3);
                assert_eq!(flags.to_vec(), [want(0), want(1), want(2)], "{autoreset:?} row {row}");
            }
            learner.update(&rollout).unwrap();
        }
    }
    // A policy without masks would do what is not allowed.
    let spec = Masked(0).spaces().policy(&[4]).with_head(Head::categorical(3));
    let mut plain = CpuLearner::<f32>::new(spec, config(4, 16), 3).unwrap();
    let error = Collector::of(4, 2, |_| Masked(0)).unwrap().collect(&mut plain, 16).unwrap_err();
    assert!(error.to_string().contains("has no masks, the environment allows some choices only"), "{error}");
}

#[test]
fn the_device_learns_in_them_too() {
    let Some(gpu) = support::gpu(true) else { return };
    let config = Config { update_epochs: 1, norm_obs: Some(ObsNorm::sb3()), ..config(2, 6) };
    let run = |learner: &mut dyn OnPolicy| {
        let mut envs = counters();
        let windows: Vec<Rollout> = (0..2)
            .map(|_| {
                let (rollout, _) = envs.collect(learner, 6).unwrap();
                learner.update(&rollout).unwrap();
                rollout
            })
            .collect();
        windows
    };
    let spec = counters().spaces().policy(&[4]);
    let device = run(&mut GpuLearner::new(&gpu, spec.clone(), config.clone(), 3).unwrap());
    let host = run(&mut CpuLearner::<f32>::new(spec, config, 3).unwrap());
    for (device, host) in device.iter().zip(&host) {
        // What the environments did follows from their seeds; what the learners thought agrees to rounding.
        assert_eq!((&device.rewards, &device.truncated), (&host.rewards, &host.truncated));
        assert_eq!(device.actions, host.actions);
        let (a, b) = (device.last_values().unwrap(), host.last_values().unwrap());
        for (a, b) in
            device.obs.iter().chain(&device.values).chain(&a).zip(host.obs.iter().chain(&host.values).chain(&b))
        {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}

#[test]
fn a_recorder_refuses_what_is_out_of_turn() {
    let spec = Spaces::discrete(1, 2).policy(&[4]);
    let mut learner = CpuLearner::<f32>::new(spec.clone(), config(1, 1), 3).unwrap();
    let mut recorder = RolloutRecorder::new(&spec, 1, 1, Autoreset::NextStep).unwrap();
    let obs = array![[0.5_f32]];
    let outcome = |reward: &'static [f32], cut: &'static [bool]| StepOutcome {
        rewards: reward,
        terminated: &[false],
        truncated: cut,
        last_obs: ArrayView2::from(&[[0.5_f32]]),
    };
    let good = outcome(&[1.0], &[true]);
    let said = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert!(said(recorder.outcome(&mut learner, &good)).contains("before it was asked for actions"));
    assert!(said(recorder.finish(&mut learner, obs.view()).map(drop)).contains("has 0 of the 1 steps"));
    let wide = array![[0.5_f32, 0.5]];
    assert!(said(recorder.act(&mut learner, wide.view(), None).map(drop)).contains("\"obs\" has shape [1, 2]"));
    recorder.act(&mut learner, obs.view(), None).unwrap();
    assert!(said(recorder.act(&mut learner, obs.view(), None).map(drop)).contains("before the outcome"));
    assert!(said(recorder.set_steps(3)).contains("cannot become 3"));
    assert!(said(recorder.outcome(&mut learner, &outcome(&[f32::NAN], &[true]))).contains("\"rewards\"[0] is NaN"));
    assert!(said(recorder.outcome(&mut learner, &outcome(&[], &[true]))).contains("\"rewards\" has shape [0]"));
    recorder.outcome(&mut learner, &good).unwrap();
    assert!(said(recorder.act(&mut learner, obs.view(), None).map(drop)).contains("finish it"));
    recorder.finish(&mut learner, obs.view()).unwrap();
    // The next step is the reset, which ends nothing.
    recorder.act(&mut learner, obs.view(), None).unwrap();
    assert!(said(recorder.outcome(&mut learner, &good)).contains("this step only resets"));
    assert_eq!(recorder.idle(), [true]);
    recorder.outcome(&mut learner, &outcome(&[7.0], &[false])).unwrap();
    let (rollout, episodes) = recorder.finish(&mut learner, obs.view()).unwrap();
    assert_eq!((rollout.rewards[[0, 0]], rollout.ended_before), (0.0, Some(Array1::ones(1))));
    assert_eq!(episodes, EpisodeStats::NONE);

    // No window, and none that has addresses.
    const MOST: usize = usize::MAX;
    for (steps, envs) in
        [(0, 1), (1, 0), (MOST, 1), (MOST / 2, 3), (1, MOST), (MOST, MOST), (2, MOST / 2), (1, MOST / 8)]
    {
        let error = RolloutRecorder::new(&spec, steps, envs, Autoreset::SameStep).unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{steps} {envs}: {error}");
    }
    // Addresses, but no machine's memory: a 256th of 2⁶⁴ rows.
    for (steps, envs) in [(1, MOST / 256), (MOST / 256, 1), (MOST >> 36, 1 << 28)] {
        let error = RolloutRecorder::new(&spec, steps, envs, Autoreset::SameStep).unwrap_err();
        assert!(matches!(error, Error::Memory { .. }), "{steps} {envs}: {error}");
    }
    let error = recorder.set_steps(MOST / 256).unwrap_err();
    assert!(error.to_string().starts_with("a window of 72057594037927935 steps of 1 environments needs "), "{error}");
    assert_eq!((recorder.recorded(), recorder.is_full()), (0, false));
    recorder.act(&mut learner, obs.view(), None).unwrap();
    recorder.set_steps(1).unwrap();
    // Statistics would take the padding in.
    let normalised = Config { norm_obs: Some(ObsNorm::sb3()), ..config(2, 4) };
    let mut learner = CpuLearner::<f32>::new(spec, normalised, 3).unwrap();
    let error = counters().with_autoreset(Autoreset::Disabled).collect(&mut learner, 4).unwrap_err();
    assert!(error.to_string().contains("norm_obs: takes in padding"), "{error}");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    assert!(Collector::new(Vec::new(), 1).unwrap_err().to_string().contains("num_envs: is 0"));
    let mixed: Vec<Box<dyn HostEnv>> = vec![Box::new(Counter::new(0, 1, true)), Box::new(Masked(0))];
    assert!(Collector::new(mixed, 1).unwrap_err().to_string().contains("of environment 1 are"));
    let other = Spaces::discrete(2, 2).policy(&[4]);
    let mut wide = CpuLearner::<f32>::new(other, config(2, 4), 3).unwrap();
    assert!(counters().collect(&mut wide, 4).unwrap_err().to_string().contains("obs_dim: is 2 in the policy"));
    let continuous = Spaces::bounded(1, &[-1.0], &[1.0]).policy(&[4]);
    let mut floats = CpuLearner::<f32>::new(continuous, config(2, 4), 3).unwrap();
    assert!(counters().collect(&mut floats, 4).unwrap_err().to_string().contains("does not suit the environment"));
    let error = HostTrainer::new(learner(counters().spaces(), &config(3, 4)), counters()).unwrap_err();
    assert!(error.to_string().contains("num_envs: is 3, the collector has 2 environments"), "{error}");
    // A window of 2³¹ steps of 2¹⁶ numbers: half a PiB.
    struct Large;
    impl HostEnv for Large {
        fn spaces(&self) -> Spaces {
            Spaces::discrete(1 << 16, 2)
        }
        fn reset(&mut self, _: &Start, _: &mut [f32]) -> EnvResult<()> {
            Err("nothing is to begin".into())
        }
        fn step(&mut self, _: HostAction<'_>, _: &mut [f32]) -> EnvResult<HostStep> {
            Err("nothing is to begin".into())
        }
    }
    let envs = Collector::of(1, 1, |_| Large).unwrap();
    let config = Config { num_minibatches: 1, ..config(1, 1 << 31) };
    let large = CpuLearner::<f32>::new(envs.spaces().policy(&[]), config, 3).unwrap();
    let error = HostTrainer::new(large, envs).unwrap_err();
    assert!(error.to_string().starts_with("a window of 2147483648 steps of 1 environments needs "), "{error}");
}

/// The learner goes on where it was saved; the environments begin anew.
#[test]
fn a_trainer_is_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    let config = config(2, 6);
    let new = || HostTrainer::new(learner(counters().spaces(), &config), counters()).unwrap();
    let mut first = new();
    let last = train(&mut first, 30, |_, _| Ok(std::ops::ControlFlow::Continue(()))).unwrap();
    assert_eq!((last.env_steps, last.updates), (36, 3));
    first.save(&path).unwrap();
    let mut second = new();
    second.load(&path).unwrap();
    assert_eq!(second.state().unwrap(), first.state().unwrap());
    let stats = second.iterate().unwrap();
    assert_eq!((stats.env_steps, stats.updates), (48, 4));
    assert_eq!(train(&mut second, 1 << 40, |_, _| Ok(std::ops::ControlFlow::Break(()))).unwrap().updates, 5);
    // Put together anew, the count goes on.
    let (learner, envs) = second.into_parts();
    let stats = HostTrainer::new(learner, envs).unwrap().iterate().unwrap();
    assert_eq!((stats.env_steps, stats.updates), (72, 6));
    // A built-in environment's run is another matter.
    let spec = Env::CartPole.policy(&[4]);
    let mut trainer = CpuTrainer::new(Env::CartPole, spec.clone(), config.clone(), 1).unwrap();
    let envs = Collector::of(2, 1, |_| BuiltIn::new(Env::CartPole)).unwrap();
    let mut own = HostTrainer::new(CpuLearner::<f32>::new(spec, config, 1).unwrap(), envs).unwrap();
    own.save(&path).unwrap();
    let error = trainer.load(&path).unwrap_err().to_string();
    assert!(error.contains("was trained on environments of the host's own, not on cartpole"), "{error}");
    trainer.save(&path).unwrap();
    assert!(own.load(&path).unwrap_err().to_string().contains("was trained on cartpole, not on environments"));
    assert!(matches!(own.set_state(&trainer.state().unwrap()), Err(Error::Config { .. })));
}

/// What the short way puts together is what one puts together oneself, and its evaluation the collector's.
#[test]
fn the_short_way_is_the_long_one() {
    let config = Config { learning_rate: 1e-2, ..config(2, 6) };
    let envs = |seed| Collector::of(2, seed, |index| Counter::new(index, 3, true)).unwrap();
    let learner = CpuLearner::<f32>::new(counters().spaces().policy(&[4]), config.clone(), 5).unwrap();
    let mut long = HostTrainer::new(learner, envs(5)).unwrap();
    let mut short = HostTrainer::on_cpu(&[4], config.clone(), 5, |index| Counter::new(index, 3, true)).unwrap();
    let last = train(&mut long, 30, |_, _| Ok(std::ops::ControlFlow::Continue(()))).unwrap();
    assert_eq!(format!("{:?}", short.iterate_to(30).unwrap()), format!("{last:?}"));
    assert_eq!(short.state().unwrap(), long.state().unwrap());
    let evaluated = short.evaluate(3, ActMode::Greedy).unwrap();
    let (mut learner, mut envs) = long.into_parts();
    assert_eq!(evaluated, envs.evaluate(&mut learner, 3, ActMode::Greedy).unwrap());
    assert_eq!((evaluated.count, evaluated.length_sum), (3, 9.0));
    // What is out of range is refused before an environment is made.
    let none = Config { num_envs: 0, ..config };
    let made = |_| -> Counter { panic!("an environment was made") };
    assert!(matches!(HostTrainer::on_cpu(&[4], none, 5, made), Err(Error::Config { .. })));
}

/// With disabled resets an embedder's loop may give anything for what has ended; neither the window nor the next episode sees it.
#[test]
fn what_is_given_for_padding_is_ignored() {
    let spec = Spaces::discrete(1, 2).policy(&[4]);
    let mut learner = CpuLearner::<f32>::new(spec.clone(), config(1, 3), 3).unwrap();
    let mut recorder = RolloutRecorder::new(&spec, 3, 1, Autoreset::Disabled).unwrap();
    for window in 0..2 {
        for (reward, over) in [(2.0_f32, true), (f32::NAN, true), (7.0, false)] {
            recorder.act(&mut learner, array![[0.5_f32]].view(), None).unwrap();
            let last_obs = ArrayView2::from(&[[0.5_f32]]);
            let outcome = StepOutcome { rewards: &[reward], terminated: &[over], truncated: &[false], last_obs };
            recorder.outcome(&mut learner, &outcome).unwrap();
        }
        let (rollout, episodes) = recorder.finish(&mut learner, array![[0.5_f32]].view()).unwrap();
        assert_eq!(rollout.rewards.iter().copied().collect::<Vec<_>>(), [2.0, 0.0, 0.0], "window {window}");
        assert_eq!(rollout.terminated.iter().copied().collect::<Vec<_>>(), [1, 0, 0], "window {window}");
        assert_eq!((episodes.count, episodes.return_sum, episodes.length_sum), (1, 2.0, 1.0), "window {window}");
        learner.update(&rollout).unwrap();
    }
}
