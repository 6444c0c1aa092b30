//! REINFORCE: whole updates and runs, on the device and on the CPU, against f64 and against the formula written out.

#![allow(clippy::unwrap_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2, Axis};
use wgpo::config::{AdvantageKind, AdvantageNorm, Baseline, GradClip, ObsNorm, Reinforce, RewardNorm, ValueNorm};
use wgpo::cpu::{CpuLearner, CpuTrainer};
use wgpo::data::{Batch, Rollout};
use wgpo::env::Autoreset;
use wgpo::low_level::reference::actor_critic::ActorCritic;
use wgpo::low_level::reference::head;
use wgpo::low_level::rng::{Draw, block, normal, uniform};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::{ActMode, Agent, AlgorithmKind, Config, Env, Error, GpuLearner, GpuTrainer, OnPolicy, SaveTrainer, Trainer};

const KIND: AlgorithmKind = AlgorithmKind::Reinforce;
const STEPS: usize = 22;
const ENVS: usize = 3;

fn n(row: usize, column: usize) -> f32 {
    normal(block(29, Draw::Initialisation, row as u32, column as u32, 3)[0])
}

fn spec(head: Head) -> PolicySpec {
    PolicySpec::actor(4, &[17, 9], Activation::Tanh, head)
}

/// Small, and with an ε of Adam that leaves no step to rounding.
fn config(baseline: Baseline) -> Config {
    let usual = Config { num_envs: ENVS, num_steps: STEPS, adam_eps: 1e-5, ..Config::reinforce_spinningup() };
    Config { gamma: 0.9, ..usual }.with_algorithm(Reinforce { baseline })
}

/// A window in which environment `n` ends an episode now and then, the last one never.
fn rollout(spec: &PolicySpec, autoreset: Autoreset) -> Rollout {
    let rows = STEPS * ENVS;
    let mut learner = CpuLearner::<f64>::new(spec.clone(), config(Baseline::None), 7).unwrap();
    let obs = Array2::from_shape_fn((rows, 4), |(row, column)| n(row, column));
    let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
    let chance = |t: usize, env: usize, what: u32| uniform(block(5, Draw::Reset, (t * ENVS + env) as u32, what, 0)[0]);
    let ends = |what| Array2::from_shape_fn((STEPS, ENVS), |(t, env)| u32::from(env < 2 && chance(t, env, what) < 0.1));
    let (mut terminated, mut truncated) = (ends(0), ends(1));
    (terminated[[4, 0]], truncated[[9, 1]]) = (1, 1);
    if autoreset != Autoreset::SameStep {
        // A filler or padding ends nothing.
        for env in 0..ENVS {
            let mut over = false;
            for t in 0..STEPS {
                if over {
                    (terminated[[t, env]], truncated[[t, env]]) = (0, 0);
                }
                let now = terminated[[t, env]] + truncated[[t, env]] > 0;
                over = now || over && autoreset == Autoreset::Disabled;
            }
        }
    }
    Rollout {
        steps: STEPS,
        envs: ENVS,
        obs,
        actions: acted.actions,
        logp: acted.logp,
        rewards: Array2::from_shape_fn((STEPS, ENVS), |(t, env)| n(t * ENVS + env, 50) + 0.5),
        values: Array2::zeros((STEPS + 1, ENVS)),
        final_values: Some(Array2::zeros((STEPS, ENVS))),
        terminated,
        truncated,
        valid: None,
        autoreset,
        ended_before: None,
    }
}

/// Each row's return, and whether it counts, step by step as the definition has it.
fn by_hand(rollout: &Rollout, gamma: f64) -> (Vec<f64>, Vec<u32>) {
    let counted = rollout.counted().unwrap_or_else(|| Array2::ones((STEPS, ENVS)));
    let ends = |t, env| rollout.terminated[[t, env]] + rollout.truncated[[t, env]] > 0;
    let (mut returns, mut valid) = (vec![0.0; STEPS * ENVS], vec![0; STEPS * ENVS]);
    for (row, (t, env)) in (0..STEPS).flat_map(|t| (0..ENVS).map(move |env| (t, env))).enumerate() {
        let Some(end) = (t..STEPS).find(|later| ends(*later, env)).filter(|_| counted[[t, env]] == 1) else { continue };
        let rewards = (t..=end).filter(|later| counted[[*later, env]] == 1).map(|later| rollout.rewards[[later, env]]);
        returns[row] = rewards.enumerate().map(|(k, reward)| gamma.powi(k as i32) * f64::from(reward)).sum();
        valid[row] = 1;
    }
    (returns, valid)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

struct Case {
    name: &'static str,
    spec: PolicySpec,
    config: Config,
    autoreset: Autoreset,
    masked: bool,
}

fn cases() -> Vec<Case> {
    let gaussian = || spec(Head::gaussian(2));
    let shared = PolicySpec::mlp(4, &[11], &[5], &[], Activation::Silu, Head::categorical(3)).without_critic();
    let mean = config(Baseline::Mean);
    let case = |name, spec, config, autoreset, masked| Case { name, spec, config, autoreset, masked };
    let both = Config { norm_obs: Some(ObsNorm::sb3()), norm_reward: Some(RewardNorm::sb3()), ..mean.clone() };
    let halves = Config { num_minibatches: 2, ent_coef: 0.02, max_grad_norm: Some(0.5), ..mean.clone() };
    let each = Config { norm_adv: AdvantageNorm::Minibatch, num_minibatches: 2, adv_ddof: 1, ..mean.clone() };
    vec![
        case("plain", spec(Head::categorical(3)), config(Baseline::None), Autoreset::SameStep, false),
        case("baseline, Gaussian", gaussian(), mean.clone(), Autoreset::NextStep, false),
        case("baseline, padding", gaussian(), mean.clone(), Autoreset::Disabled, true),
        case("normalised, trunk", shared, Config { norm_adv: AdvantageNorm::Batch, ..mean }, Autoreset::SameStep, true),
        case("minibatches, entropy, clipped", spec(Head::categorical(3)), halves, Autoreset::SameStep, false),
        case("normalised per minibatch", spec(Head::bernoulli(4)), each, Autoreset::SameStep, false),
        case("running statistics", gaussian(), both, Autoreset::SameStep, false),
    ]
}

impl Case {
    fn rollout(&self) -> Rollout {
        let mut rollout = rollout(&self.spec, self.autoreset);
        if self.masked {
            rollout.valid = Some(Array2::from_shape_fn((STEPS, ENVS), |(t, env)| u32::from((t + 2 * env) % 5 != 0)));
        }
        rollout
    }
}

/// An update from a rollout is the one on the returns written out, to the last bit: on the CPU in f64.
#[test]
fn returns_are_those_of_whole_episodes() {
    for case in cases().iter().filter(|case| case.config.norm_reward.is_none()) {
        let rollout = case.rollout();
        let (returns, valid) = by_hand(&rollout, case.config.gamma);
        assert!(valid.contains(&0) && valid.iter().filter(|valid| **valid == 1).count() > 4);
        let returns: Array1<f32> = returns.iter().map(|g| *g as f32).collect();
        let batch = Batch {
            obs: rollout.obs.clone(),
            actions: rollout.actions.clone(),
            logp_old: rollout.logp.clone(),
            advantages: returns.clone(),
            returns,
            values_old: Array1::zeros(STEPS * ENVS),
            old_dist: None,
            valid: Some(valid.into()),
        };
        let learner = || CpuLearner::<f64>::new(case.spec.clone(), case.config.clone(), 7).unwrap();
        let (mut a, mut b) = (learner(), learner());
        let start = a.parameters().unwrap();
        let (got, want) = (a.update(&rollout).unwrap(), b.update_batch(&batch, None).unwrap());
        assert_eq!(got.minibatches.len(), case.config.num_minibatches, "{}", case.name);
        assert!((got.minibatches[0].loss - want.minibatches[0].loss).abs() < 1e-6, "{}", case.name);
        assert_eq!((got.minibatches[0].value_loss, got.explained_variance), (0.0, 0.0), "{}", case.name);
        // The batch's returns are f32.
        let (a, b) = (a.parameters().unwrap(), b.parameters().unwrap());
        assert!(distance(&a, &b) < 1e-4 * distance(&a, &start), "{}", case.name);
    }
}

/// The gradient is that of −mean logp (G − baseline), by differences of the loss written out.
#[test]
fn the_step_follows_the_policy_gradient() {
    for (baseline, norm) in [
        (Baseline::None, AdvantageNorm::None),
        (Baseline::Mean, AdvantageNorm::None),
        (Baseline::Mean, AdvantageNorm::Batch),
    ] {
        let (spec, config) = (spec(Head::categorical(3)), Config { norm_adv: norm, ..config(baseline) });
        let rollout = rollout(&spec, Autoreset::SameStep);
        let (returns, valid) = by_hand(&rollout, config.gamma);
        let rows: Vec<usize> = (0..STEPS * ENVS).filter(|row| valid[*row] == 1).collect();
        let mut weights: Vec<f64> = rows.iter().map(|row| returns[*row]).collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let deviation = (weights.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / weights.len() as f64).sqrt();
        for weight in &mut weights {
            *weight -= if baseline == Baseline::Mean { mean } else { 0.0 };
            *weight /= if norm == AdvantageNorm::Batch { deviation } else { 1.0 };
        }
        let (obs, actions) = (rollout.obs.mapv(f64::from).select(Axis(0), &rows), rollout.actions.select(&rows));
        let layout = spec.layout();
        let loss = |parameters: &[f64]| {
            let dist = ActorCritic::new(&spec, &layout, parameters).unwrap().distribution(obs.view()).unwrap();
            let logp = head::log_prob(&spec.head, dist.view(), &actions).unwrap();
            -logp.iter().zip(&weights).map(|(logp, weight)| logp * weight).sum::<f64>() / rows.len() as f64
        };
        let mut learner = CpuLearner::<f64>::new(spec.clone(), config, 7).unwrap();
        let start: Vec<f64> = learner.parameters().unwrap().into_iter().map(f64::from).collect();
        let mut own = Vec::new();
        learner
            .update_between(&rollout, None, &mut |gradient, _| {
                own = gradient.to_vec();
                Ok(())
            })
            .unwrap();
        for index in (0..start.len()).step_by(7) {
            let at = |by: f64| {
                let mut moved = start.clone();
                moved[index] += by;
                loss(&moved)
            };
            // Central differences: the third derivative times 10⁻¹⁰, and rounding of 10⁻¹⁶ / 10⁻⁵.
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((own[index] - slope).abs() < 1e-8, "{baseline:?}, {index}: {} and {slope}", own[index]);
        }
    }
}

#[test]
fn the_device_learns_as_the_reference_does() {
    let Some(gpu) = support::gpu(true) else { return };
    for case in cases() {
        let rollout = case.rollout();
        let mut oracle = CpuLearner::<f64>::new(case.spec.clone(), case.config.clone(), 7).unwrap();
        let mut device = GpuLearner::new(&gpu, case.spec.clone(), case.config.clone(), 7).unwrap();
        let start = device.parameters().unwrap();
        let (want, got) = (oracle.update(&rollout).unwrap(), device.update(&rollout).unwrap());
        let (got_now, want_now) = (device.parameters().unwrap(), oracle.parameters().unwrap());
        let error = distance(&got_now, &want_now) / distance(&want_now, &start);
        println!("{}: error {error:.1e}", case.name);
        // As in `tests/heads.rs`: a first step of Adam divides each gradient by its own size.
        assert!(error < 2e-4, "{}: error {error}", case.name);
        assert_eq!(got.minibatches.len(), want.minibatches.len());
        for (g, w) in got.minibatches.iter().zip(&want.minibatches) {
            assert_eq!((g.rows, g.value_loss, g.stepped), (w.rows, 0.0, true), "{}", case.name);
            let numbers =
                [("loss", g.loss, w.loss), ("entropy", g.entropy, w.entropy), ("norm", g.grad_norm, w.grad_norm)];
            for (field, g, w) in numbers {
                assert!((g - w).abs() < 1e-5 * (1.0 + w.abs()), "{}: {field} is {g}, not {w}", case.name);
            }
        }
        assert_eq!(got.explained_variance, 0.0, "{}", case.name);
        let values = device.values(rollout.obs.view()).unwrap();
        assert!(values.iter().all(|value| *value == 0.0) && values.len() == STEPS * ENVS);
    }
}

/// Where no episode ends there is nothing to learn from: a step along a gradient of 0, which moves nothing at first.
#[test]
fn a_window_without_an_end_moves_nothing() {
    let spec = spec(Head::categorical(3));
    let mut endless = rollout(&spec, Autoreset::SameStep);
    endless.terminated.fill(0);
    endless.truncated.fill(0);
    let gpu = support::gpu(true);
    let mut learners: Vec<Box<dyn OnPolicy>> = Vec::new();
    for norm_adv in [AdvantageNorm::None, AdvantageNorm::Batch] {
        let settings = Config { norm_adv, ..config(Baseline::Mean) };
        learners.push(Box::new(CpuLearner::<f32>::new(spec.clone(), settings.clone(), 7).unwrap()));
        if let Some(gpu) = &gpu {
            learners.push(Box::new(GpuLearner::new(gpu, spec.clone(), settings, 7).unwrap()));
        }
    }
    for learner in &mut learners {
        let before = learner.parameters().unwrap();
        let stats = learner.update(&endless).unwrap();
        assert_eq!((stats.minibatches.len(), stats.minibatches[0].rows), (1, 0));
        assert_eq!((stats.minibatches[0].loss, stats.minibatches[0].grad_norm), (0.0, 0.0));
        assert_eq!(learner.parameters().unwrap(), before);
    }
}

fn trained(trainer: &mut dyn Trainer, updates: usize) -> (Vec<f32>, Vec<f64>) {
    let losses = (0..updates).map(|_| trainer.iterate().unwrap().update.minibatches[0].loss).collect();
    (trainer.learner().parameters().unwrap(), losses)
}

/// A run that was saved and goes on has the bits of the uninterrupted one, and the device's is the CPU's but for rounding.
#[test]
fn runs_go_on_and_agree() {
    let settings = Config { num_envs: 5, num_steps: 60, norm_adv: AdvantageNorm::Batch, ..config(Baseline::Mean) };
    let spec = KIND.fitted(Env::CartPole.policy(&[16]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let mut cpu = CpuTrainer::new(Env::CartPole, spec.clone(), settings.clone(), 5).unwrap();
    let (half, _) = trained(&mut cpu, 2);
    cpu.save(&path).unwrap();
    let (end, losses) = trained(&mut cpu, 2);
    let mut again = CpuTrainer::new(Env::CartPole, spec.clone(), settings.clone(), 6).unwrap();
    again.load(&path).unwrap();
    assert_eq!((trained(&mut again, 0).0, trained(&mut again, 2)), (half, (end, losses)));

    let Some(gpu) = support::gpu(true) else { return };
    let new = || GpuTrainer::new(&gpu, Env::CartPole, spec.clone(), settings.clone(), 5).unwrap();
    let mut device = new();
    let (first, loss) = trained(&mut device, 1);
    let mut cpu = CpuTrainer::new(Env::CartPole, spec.clone(), settings.clone(), 5).unwrap();
    let (want, want_loss) = trained(&mut cpu, 1);
    let start = trained(&mut new(), 0).0;
    assert!(distance(&first, &want) < 1e-3 * distance(&want, &start));
    assert!((loss[0] - want_loss[0]).abs() < 1e-4);
    let state = device.state().unwrap();
    let end = trained(&mut device, 2);
    let mut again = GpuTrainer::from_state(&gpu, spec.clone(), settings.clone(), &state).unwrap();
    assert_eq!(trained(&mut again, 2), end);
}

/// The field that an error names, and its words.
fn refused<T>(result: Result<T, Error>) -> (&'static str, String) {
    match result {
        Err(Error::Config { field, message }) => (field, message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was taken"),
    }
}

#[test]
fn settings_that_need_a_critic_are_refused() {
    let mean = config(Baseline::Mean);
    for (field, words, config) in [
        ("update_epochs", "must be 1", Config { update_epochs: 2, ..mean.clone() }),
        ("gae_lambda", "must be 1", Config { gae_lambda: 0.95, ..mean.clone() }),
        ("vf_coef", "no critic", Config { vf_coef: 0.5, ..mean.clone() }),
        ("value_learning_rate", "no critic", Config { value_learning_rate: Some(1e-3), ..mean.clone() }),
        ("clip_coef_vf", "no critic", Config { clip_coef_vf: Some(0.2), ..mean.clone() }),
        ("norm_value", "no critic", Config { norm_value: Some(ValueNorm::rl_games()), ..mean.clone() }),
        ("grad_clip", "no critic", Config { grad_clip: GradClip::Separate, ..mean.clone() }),
        ("advantage", "whole returns", Config { advantage: AdvantageKind::PUFF, ..mean.clone() }),
        ("norm_adv", "baseline is none", Config { norm_adv: AdvantageNorm::Batch, ..config(Baseline::None) }),
    ] {
        let (named, message) = refused(config.validate());
        assert!(named == field && message.contains(words), "{named}: {message}");
    }
    mean.validate().unwrap();
}

#[test]
fn a_critic_belongs_to_the_algorithm() {
    let (actor, critic) =
        (spec(Head::categorical(3)), PolicySpec::separate(4, &[5], Activation::Tanh, Head::categorical(3)));
    let mean = config(Baseline::Mean);
    let (field, message) = refused(CpuLearner::<f32>::new(critic.clone(), mean.clone(), 1));
    assert_eq!(
        (field, message.as_str()),
        ("branches", "have a branch \"value\", but reinforce has no critic (PolicySpec::without_critic)")
    );
    for config in [Config::cleanrl(), Config::trpo_baselines(), Config::a2c()] {
        let (field, message) = refused(CpuLearner::<f32>::new(actor.clone(), config.clone(), 1));
        let name = config.algorithm.name();
        assert_eq!((field, message), ("branches", format!("have no branch \"value\", which is the critic of {name}")));
    }
    assert_eq!(
        (KIND.fitted(critic.clone()), AlgorithmKind::Ppo.fitted(critic.clone())),
        (critic.clone().without_critic(), critic.clone())
    );
    let Some(gpu) = support::gpu(true) else { return };
    assert_eq!(refused(GpuLearner::new(&gpu, critic, mean, 1)).0, "branches");
    assert_eq!(refused(GpuLearner::new(&gpu, actor, Config::cleanrl(), 1)).0, "branches");
}

#[test]
fn files_hold_the_baseline() {
    let text = serde_json::to_string(&config(Baseline::Mean)).unwrap();
    assert!(
        text.contains("\"algorithm\":\"reinforce\"")
            && text.contains("\"baseline\":\"mean\"")
            && !text.contains("\"clip_coef\"")
    );
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config(Baseline::Mean));
    // Without the key there is none, and nobody else has one.
    let absent = text.replace("\"baseline\":\"mean\",", "");
    assert_eq!(serde_json::from_str::<Config>(&absent).unwrap(), config(Baseline::None));
    let other = serde_json::to_string(&Config::cleanrl()).unwrap();
    let other = other.replace("\"num_envs\"", "\"baseline\":\"mean\",\"num_envs\"");
    let error = serde_json::from_str::<Config>(&other).unwrap_err().to_string();
    assert!(error.contains("baseline: is set, ppo compares with its critic"), "{error}");
}
