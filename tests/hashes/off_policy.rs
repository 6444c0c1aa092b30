//! The same of off-policy learners: parameters, the rest of the state, and statistics after gradient steps on transitions that this test draws. They
//! have tables of their own, each of the machine that it names.

use super::{Hashes, add_statistics, draw, floats as bytes_of, hold, machine, parameters};
use crate::support::gpu as support;
use ndarray::{Array1, Array2};
use std::collections::BTreeMap;
use wgpo::config::TdLoss;
use wgpo::cpu::CpuOffPolicy;
use wgpo::data::{Actions, EnvStep};
use wgpo::low_level::algo::GpuOffPolicy;
use wgpo::low_level::rng::{Draw, normal, uniform};
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std, StdLimit};
use wgpo::state::OffPolicyState;
use wgpo::{AlgorithmKind, Config, OffPolicy};

const SEED: u64 = 7;
const OBS_DIM: usize = 3;
const ENVS: usize = 2;
const STEPS: usize = 12;

struct Case {
    name: String,
    spec: PolicySpec,
    config: Config,
}

/// Each algorithm by each preset, and what settings change a gradient step.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [AlgorithmKind::Dqn, AlgorithmKind::Ddpg, AlgorithmKind::Td3, AlgorithmKind::Sac] {
        for preset in ["cleanrl", "sb3"] {
            let Ok(config) = Config::preset(preset, kind, kind != AlgorithmKind::Dqn) else { continue };
            cases.push(case(&format!("preset {preset}"), kind, config, Activation::Relu));
        }
    }
    let sac = Config::preset("sb3", AlgorithmKind::Sac, true).unwrap();
    cases.push(case("silu", AlgorithmKind::Sac, sac.clone(), Activation::Silu));
    let mut steps = sac.clone();
    steps.replay_mut().unwrap().n_steps = 3;
    steps.max_grad_norm = Some(0.1);
    cases.push(case("n_steps 3, clipped", AlgorithmKind::Sac, steps, Activation::Tanh));
    for std in [Std::SAC_CLEANRL, Std::SAC.limited(StdLimit::Clamp { low: -1.0, high: 0.25 })] {
        let what = if std == Std::SAC_CLEANRL { "log σ by tanh" } else { "log σ within [-1, 0.25]" };
        cases.push(of_head(what, AlgorithmKind::Sac, sac.clone(), Activation::Tanh, floats(std)));
    }
    let (choices, mut clipped) = (Head::categorical(3), sac.clone());
    cases.push(of_head("choices", AlgorithmKind::Sac, sac, Activation::Relu, choices.clone()));
    clipped.replay_mut().unwrap().n_steps = 2;
    clipped.max_grad_norm = Some(0.1);
    let own = clipped.sac_mut().unwrap();
    (own.autotune, own.alpha, own.policy_frequency, own.target_network_frequency) = (false, 0.3, 2, 3);
    cases.push(of_head("choices, fixed, clipped", AlgorithmKind::Sac, clipped, Activation::Silu, choices));
    let mut steps = Config::preset("sb3", AlgorithmKind::Dqn, false).unwrap();
    steps.replay_mut().unwrap().n_steps = 2;
    cases.push(case("n_steps 2", AlgorithmKind::Dqn, steps.clone(), Activation::Tanh));
    for (what, double, dueling) in
        [("double", true, false), ("dueling", false, true), ("dueling, double, squared", true, true)]
    {
        let mut config = steps.clone();
        let own = config.dqn_mut().unwrap();
        // The networks of targets are the own ones until they have moved, and a double DQN is then a plain one.
        (own.double, own.dueling, own.target_network_frequency) = (double, dueling, 3);
        own.td_loss = if double && dueling { TdLoss::Squared } else { TdLoss::Huber };
        cases.push(case(what, AlgorithmKind::Dqn, config, Activation::Tanh));
    }
    cases
}

fn floats(std: Std) -> Head {
    Head::TanhGaussian { dims: 2, std, bounds: Bounds { low: vec![-2.0, -1.0], high: vec![1.0, 2.0] } }
}

fn case(name: &str, kind: AlgorithmKind, config: Config, activation: Activation) -> Case {
    // SAC's deviation is then the usual one.
    let head = if kind == AlgorithmKind::Dqn { Head::categorical(3) } else { floats(Std::FREE) };
    of_head(name, kind, config, activation, head)
}

fn of_head(name: &str, kind: AlgorithmKind, config: Config, activation: Activation, head: Head) -> Case {
    let mut config = Config { num_envs: ENVS, learning_rate: 0.01, ..config };
    let replay = config.replay_mut().unwrap();
    (replay.buffer_size, replay.batch_size, replay.learning_starts) = (16, 7, 4);
    let spec = config.fitted(PolicySpec::separate(OBS_DIM, &[6, 5], activation, head));
    Case { name: format!("{name} | {}", kind.name()), spec, config }
}

/// A step after each of which the learner takes a gradient step or two; over the memory's end.
fn learn(learner: &mut dyn OffPolicy, case: &Case) -> Hashes {
    let obs = |step: usize| Array2::from_shape_fn((ENVS, OBS_DIM), |(n, d)| normal(draw(Draw::Reset, n, d, step)));
    let chance = |what, n, step| uniform(draw(Draw::Initialisation, n, what, step));
    let mut statistics = Vec::new();
    for step in 0..STEPS {
        let actions = if case.spec.head.is_discrete() {
            Actions::Discrete(Array2::from_shape_fn((ENVS, 1), |(n, _)| (3.0 * chance(5, n, step)) as u32))
        } else {
            Actions::Continuous(Array2::from_shape_fn((ENVS, 2), |(n, d)| 2.0 * chance(6 + d, n, step) - 1.0))
        };
        let terminated: Vec<bool> = (0..ENVS).map(|n| chance(1, n, step) < 0.15).collect();
        let truncated: Array1<u32> = (0..ENVS).map(|n| u32::from(!terminated[n] && chance(2, n, step) < 0.1)).collect();
        let rewards = Array1::from_shape_fn(ENVS, |n| 3.0 * chance(0, n, step) - 1.0);
        let (obs, next_obs) = (obs(step), obs(step + 1));
        let terminated = terminated.into_iter().map(u32::from).collect();
        learner.store(&EnvStep { obs, actions, rewards, next_obs, terminated, truncated }).unwrap();
        if step >= 2 {
            let stats = learner.learn(1 + step as u64 % 2).unwrap();
            add_statistics(&mut statistics, &stats);
            let own = stats.off_policy.unwrap();
            for number in [own.q_values, own.targets, own.alpha.unwrap_or(-1.0)] {
                statistics.extend(number.to_le_bytes());
            }
        }
    }
    let state = learner.state().unwrap();
    let OffPolicyState {
        targets,
        gradient_steps,
        policy_optimizer_step,
        log_alpha,
        alpha_exp_avg,
        alpha_exp_avg_sq,
        alpha_optimizer_step,
        replay: _,
    } = state.off_policy.as_ref().unwrap();
    let mut bytes = Vec::new();
    for values in [&state.exp_avg, &state.exp_avg_sq, targets] {
        bytes.extend(bytes_of(values));
    }
    bytes.extend(bytes_of(&[*log_alpha, *alpha_exp_avg, *alpha_exp_avg_sq]));
    for count in [state.optimizer_step, *policy_optimizer_step, *alpha_optimizer_step].map(u64::from) {
        bytes.extend(count.to_le_bytes());
    }
    bytes.extend(gradient_steps.to_le_bytes());
    [parameters(&state), crc32fast::hash(&bytes), crc32fast::hash(&statistics)]
}

/// The rows of `backend`; a second run has the same bits, and no two rows have the same parameters.
fn rows(backend: &str, run: &dyn Fn(&Case) -> Hashes) -> Vec<(String, Hashes)> {
    let cases = cases();
    let rows: Vec<_> = cases.iter().map(|case| (format!("{} | {backend}", case.name), run(case))).collect();
    let mut seen = BTreeMap::new();
    for (name, [parameters, ..]) in &rows {
        if let Some(other) = seen.insert(*parameters, name) {
            panic!("{name} and {other} end at the same parameters");
        }
    }
    for (case, (name, hashes)) in cases.iter().zip(&rows).step_by(3) {
        assert_eq!(run(case), *hashes, "{name}: a second run has other bits");
    }
    rows
}

#[test]
fn the_cpus_gradient_steps_have_the_bits_that_they_had() {
    let on_cpu =
        |case: &Case| learn(&mut CpuOffPolicy::<f32>::new(case.spec.clone(), case.config.clone(), SEED).unwrap(), case);
    let by_oracle =
        |case: &Case| learn(&mut CpuOffPolicy::<f64>::new(case.spec.clone(), case.config.clone(), SEED).unwrap(), case);
    let all = [rows("cpu", &on_cpu), rows("oracle", &by_oracle)].concat();
    hold("off_policy_cpu.txt", &machine(), &all);
}

#[test]
fn the_devices_gradient_steps_have_the_bits_that_they_had() {
    let Some(gpu) = support::gpu(false) else { return };
    let on_device =
        |case: &Case| learn(&mut GpuOffPolicy::new(&gpu, case.spec.clone(), case.config.clone(), SEED).unwrap(), case);
    let made_on = format!("{}; adapter: {}", machine(), gpu.describe());
    hold("off_policy_device.txt", &made_on, &rows("device", &on_device));
}
