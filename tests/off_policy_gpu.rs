//! DQN, DDPG, TD3 and SAC on the device: whole updates against the f64 reference, the same bits twice and after a resume, what is counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2};
use wgpo::config::{Dqn, Replay, Sac, Td3, TdLoss};
use wgpo::cpu::CpuOffPolicy;
use wgpo::data::{Actions, EnvStep, UpdateStats};
use wgpo::gpu::{Gpu, ProductPath};
use wgpo::low_level::rng::{Draw, block, normal, uniform};
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std, StdLimit};
use wgpo::state::LearnerState;
use wgpo::{ActMode, Agent, Algorithm, Config, Env, GpuOffPolicy, GpuOffPolicyTrainer, OffPolicy, Trainer};

const ENVS: usize = 3;
const OBS: usize = 5;

fn word(kind: u32, row: usize, column: usize) -> u32 {
    block(99, Draw::Initialisation, row as u32, column as u32, kind.into())[0]
}

/// Steps of environments that end now and then: each begins where the last one ended, or, after an end, anew.
fn steps(spec: &PolicySpec, count: usize) -> Vec<EnvStep> {
    let n = |kind: u32, t: usize| Array2::from_shape_fn((ENVS, OBS), |(e, i)| normal(word(kind, t * ENVS + e, i)));
    let mut obs = n(1, 0);
    let mut all = Vec::new();
    for t in 0..count {
        let next_obs = n(1, t + 1);
        let flag = |kind: u32, one_in: u32| {
            (0..ENVS).map(|e| u32::from(word(kind, t * ENVS + e, 0).is_multiple_of(one_in))).collect::<Array1<u32>>()
        };
        let (terminated, truncated) = (flag(2, 9), flag(3, 14));
        let actions = match spec.head.choices().first() {
            Some(choices) => {
                Actions::Discrete(Array2::from_shape_fn((ENVS, 1), |(e, _)| word(4, t * ENVS + e, 0) % *choices as u32))
            }
            None => Actions::Continuous(Array2::from_shape_fn((ENVS, spec.head.action_dims()), |(e, d)| {
                2.0 * uniform(word(5, t * ENVS + e, d)) - 1.0
            })),
        };
        let rewards = (0..ENVS).map(|e| normal(word(6, t * ENVS + e, 0))).collect();
        let after = n(7, t);
        let ended = |e: usize| terminated[e] + truncated[e] > 0;
        let begin =
            Array2::from_shape_fn((ENVS, OBS), |(e, i)| if ended(e) { after[[e, i]] } else { next_obs[[e, i]] });
        all.push(EnvStep {
            obs,
            actions,
            rewards,
            next_obs,
            terminated: terminated.clone(),
            truncated: truncated.clone(),
        });
        obs = begin;
    }
    all
}

struct Case {
    name: &'static str,
    spec: PolicySpec,
    config: Config,
}

fn replay(replay: Replay) -> Replay {
    Replay { buffer_size: 100, batch_size: 67, learning_starts: 0, train_frequency: 1, gradient_steps: 1, ..replay }
}

fn tanh_head(std: Std) -> Head {
    Head::TanhGaussian { dims: 2, std, bounds: Bounds { low: vec![-2.0, 0.0], high: vec![2.0, 1.0] } }
}

/// Networks, with every option of every algorithm somewhere.
fn cases() -> Vec<Case> {
    let shared = |algorithm: Algorithm| Config {
        algorithm,
        num_envs: ENVS,
        learning_rate: 1e-3,
        gamma: 0.97,
        adam_eps: 1e-5,
        ..Config::dqn_sb3()
    };
    let q = |hidden: &[usize], activation| PolicySpec::actor(OBS, hidden, activation, Head::categorical(3));
    let dueling = |policy: &[usize], value: &[usize], activation| {
        PolicySpec::mlp(OBS, &[], policy, value, activation, Head::categorical(3))
    };
    let critics = |hidden: &[usize], activation, critics, std| {
        PolicySpec::actor_critics(OBS, hidden, activation, tanh_head(std), critics)
    };
    let of_choices =
        |hidden: &[usize], activation| PolicySpec::actor_critics(OBS, hidden, activation, Head::categorical(3), 2);
    let dqn = Dqn { replay: replay(Dqn::sb3().replay), target_network_frequency: 2, ..Dqn::sb3() };
    let td3 = Td3 { replay: replay(Td3::sb3().replay), policy_lr: 3e-3, tau: 0.1, ..Td3::sb3() };
    let sac = Sac { replay: replay(Sac::sb3().replay), policy_lr: 3e-3, alpha_lr: 2e-3, tau: 0.1, ..Sac::sb3() };
    let case = |name, spec, config| Case { name, spec, config };
    vec![
        case("dqn, Huber, hard copies, clipped", q(&[33, 17], Activation::Tanh), shared(Algorithm::Dqn(dqn))),
        case(
            "dqn, double, squared, polyak, compact, 3 steps",
            q(&[16], Activation::Elu),
            Config {
                max_grad_norm: None,
                ..shared(Algorithm::Dqn(Dqn {
                    double: true,
                    td_loss: TdLoss::Squared,
                    tau: 0.05,
                    target_network_frequency: 1,
                    replay: Replay { n_steps: 3, compact: true, ..dqn.replay },
                    ..dqn
                }))
            },
        ),
        case("dqn, linear, a row", q(&[], Activation::Relu), {
            let replay = Replay { batch_size: 1, ..dqn.replay };
            shared(Algorithm::Dqn(Dqn { replay, ..dqn }))
        }),
        case(
            "dqn, dueling, Huber, clipped",
            dueling(&[33, 17], &[33, 17], Activation::Tanh),
            Config { max_grad_norm: Some(0.2), ..shared(Algorithm::Dqn(Dqn { dueling: true, ..dqn })) },
        ),
        case(
            "dqn, dueling, double, squared, polyak, compact, 3 steps, streams of two shapes",
            dueling(&[16], &[9, 7], Activation::Silu),
            shared(Algorithm::Dqn(Dqn {
                dueling: true,
                double: true,
                td_loss: TdLoss::Squared,
                tau: 0.05,
                target_network_frequency: 1,
                replay: Replay { n_steps: 3, compact: true, batch_size: 63, ..dqn.replay },
                ..dqn
            })),
        ),
        case(
            "ddpg",
            critics(&[24, 12], Activation::Tanh, 1, Std::FREE),
            shared(Algorithm::Ddpg(Td3 { policy_noise: 0.0, policy_frequency: 1, ..td3 })),
        ),
        case(
            "td3, delayed, clipped norms, 4 steps, compact",
            critics(&[24, 12], Activation::Tanh, 2, Std::FREE),
            Config {
                max_grad_norm: Some(0.4),
                ..shared(Algorithm::Td3(Td3 {
                    policy_frequency: 2,
                    replay: Replay { n_steps: 4, compact: true, batch_size: 130, ..td3.replay },
                    ..td3
                }))
            },
        ),
        case(
            "td3, one hidden layer, AdamW",
            critics(&[20], Activation::Silu, 2, Std::FREE),
            Config {
                optimizer: wgpo::config::Optimizer::AdamW,
                weight_decay: 0.05,
                ..shared(Algorithm::Td3(Td3 { policy_frequency: 3, ..td3 }))
            },
        ),
        case(
            "sac, trained temperature",
            critics(&[24, 12], Activation::Tanh, 2, Std::SAC),
            shared(Algorithm::Sac(sac)),
        ),
        case(
            "sac, fixed temperature, delays, 2 steps, three hidden layers, clipped",
            critics(&[16, 24, 8], Activation::GeluErf, 2, Std::SAC),
            Config {
                max_grad_norm: Some(0.3),
                ..shared(Algorithm::Sac(Sac {
                    autotune: false,
                    alpha: 0.15,
                    policy_frequency: 3,
                    target_network_frequency: 2,
                    squash_epsilon: 0.0,
                    replay: Replay { n_steps: 2, batch_size: 20, ..sac.replay },
                    ..sac
                }))
            },
        ),
        case(
            "sac, log σ by tanh, trained temperature, delays, 2 steps",
            critics(&[24, 12], Activation::Relu, 2, Std::SAC_CLEANRL),
            shared(Algorithm::Sac(Sac {
                policy_frequency: 2,
                replay: Replay { n_steps: 2, batch_size: 65, ..sac.replay },
                ..sac
            })),
        ),
        case(
            "sac, log σ by tanh between near limits, fixed temperature, a row",
            critics(&[11], Activation::Tanh, 2, Std::SAC.limited(StdLimit::Tanh { low: -1.0, high: 0.25 })),
            shared(Algorithm::Sac(Sac {
                autotune: false,
                alpha: 0.3,
                squash_epsilon: 0.0,
                replay: Replay { batch_size: 1, ..sac.replay },
                ..sac
            })),
        ),
        case(
            "sac of choices, trained temperature",
            of_choices(&[24, 12], Activation::Tanh),
            shared(Algorithm::Sac(sac)),
        ),
        case(
            "sac of choices, fixed temperature, delays, compact, 3 steps, clipped",
            of_choices(&[17], Activation::Silu),
            Config {
                max_grad_norm: Some(0.3),
                ..shared(Algorithm::Sac(Sac {
                    autotune: false,
                    alpha: 0.15,
                    policy_frequency: 3,
                    target_network_frequency: 2,
                    replay: Replay { n_steps: 3, compact: true, batch_size: 63, ..sac.replay },
                    ..sac
                }))
            },
        ),
        case(
            "sac of choices, trained temperature, delays, a row",
            of_choices(&[8], Activation::Relu),
            shared(Algorithm::Sac(Sac {
                policy_frequency: 2,
                target_entropy: Some(0.4),
                replay: Replay { batch_size: 1, ..sac.replay },
                ..sac
            })),
        ),
        case(
            "sac, trained temperature, delays, compact",
            critics(&[24, 12], Activation::Tanh, 2, Std::SAC),
            Config {
                // A gradient of the temperature is above this, and is not clipped by it.
                max_grad_norm: Some(0.3),
                weight_decay: 0.01,
                ..shared(Algorithm::Sac(Sac {
                    policy_frequency: 2,
                    target_entropy: Some(-0.5),
                    replay: Replay { compact: true, ..sac.replay },
                    ..sac
                }))
            },
        ),
    ]
}

/// ‖got − want‖ / ‖want − start‖.
fn step_error(start: &[f32], got: &[f32], want: &[f32]) -> f64 {
    let norm = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
    };
    norm(got, want) / norm(want, start).max(1e-30)
}

fn compare(name: &str, start: &LearnerState, got: &LearnerState, want: &LearnerState) {
    let own = |state: &LearnerState| state.off_policy.clone().unwrap();
    let (g, w) = (own(got), own(want));
    // As in tests/update.rs: Adam divides by √v, so that an element whose gradient is near ε = 1e-5 moves by lr δg/ε.
    for (what, start, got, want) in [
        ("parameters", &start.parameters, &got.parameters, &want.parameters),
        ("targets", &own(start).targets, &g.targets, &w.targets),
    ] {
        let error = step_error(start, got, want);
        println!("{name}: error of the {what}' step {error:.1e}");
        assert!(error < 2e-4, "{name}: {what}: {error:e}");
    }
    for (what, got, want) in
        [("exp_avg", &got.exp_avg, &want.exp_avg), ("exp_avg_sq", &got.exp_avg_sq, &want.exp_avg_sq)]
    {
        let most = want.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 2e-4 * most), "{name}: {what}");
    }
    assert!((g.log_alpha - w.log_alpha).abs() < 2e-6, "{name}: log α {} {}", g.log_alpha, w.log_alpha);
    assert!((g.alpha_exp_avg - w.alpha_exp_avg).abs() < 1e-5 && (g.alpha_exp_avg_sq - w.alpha_exp_avg_sq).abs() < 1e-5);
    assert_eq!(
        (got.optimizer_step, got.update, got.env_steps, g.gradient_steps, g.policy_optimizer_step),
        (want.optimizer_step, want.update, want.env_steps, w.gradient_steps, w.policy_optimizer_step),
        "{name}"
    );
    assert_eq!(g.alpha_optimizer_step, w.alpha_optimizer_step, "{name}");
}

fn compare_stats(name: &str, got: &UpdateStats, want: &UpdateStats) {
    assert_eq!((got.optimizer_steps, got.skipped_steps), (want.optimizer_steps, want.skipped_steps), "{name}");
    let (g, w) = (got.minibatches[0], want.minibatches[0]);
    let (of_g, of_w) = (got.off_policy.unwrap(), want.off_policy.unwrap());
    for (field, g, w) in [
        ("policy_loss", g.policy_loss, w.policy_loss),
        ("value_loss", g.value_loss, w.value_loss),
        ("loss", g.loss, w.loss),
        ("entropy", g.entropy, w.entropy),
        ("grad_norm", g.grad_norm, w.grad_norm),
        ("q_values", of_g.q_values, of_w.q_values),
        ("targets", of_g.targets, of_w.targets),
        ("alpha", of_g.alpha.unwrap_or(0.0), of_w.alpha.unwrap_or(0.0)),
        ("epsilon", of_g.epsilon.unwrap_or(0.0), of_w.epsilon.unwrap_or(0.0)),
    ] {
        // Means of terms of magnitude 1, by networks that differ by their steps' errors.
        assert!((g - w).abs() <= 5e-5 * (1.0 + w.abs()), "{name}: {field} is {g}, not {w}");
    }
    assert_eq!((g.rows, g.stepped, g.non_finite_rows), (w.rows, w.stepped, w.non_finite_rows), "{name}");
    assert_eq!(of_g.gradient_steps, of_w.gradient_steps, "{name}");
}

#[test]
fn whole_updates_agree_with_the_f64_reference() {
    for checks in [false, true] {
        let Some(gpu) = support::gpu(checks) else { return };
        for Case { name, spec, config } in cases() {
            let mut device = GpuOffPolicy::new(&gpu, spec.clone(), config.clone(), 7).unwrap();
            let mut oracle = CpuOffPolicy::<f64>::new(spec.clone(), config, 7).unwrap();
            let start = device.state().unwrap();
            let mut all = steps(&spec, 50).into_iter();
            // More than there are places; the last ones are learned from whole.
            for (stores, learns) in [(9, 1), (8, 2), (30, 3), (3, 1)] {
                for step in all.by_ref().take(stores) {
                    device.store(&step).unwrap();
                    oracle.store(&step).unwrap();
                }
                assert_eq!(device.stored(), oracle.stored());
                let (got, want) = (device.learn(learns).unwrap(), oracle.learn(learns).unwrap());
                compare_stats(name, &got, &want);
                compare(name, &start, &device.state().unwrap(), &oracle.state().unwrap());
            }
            let own = |state: LearnerState| state.off_policy.unwrap().replay.unwrap();
            let (got, want) = (own(device.state().unwrap()), own(oracle.state().unwrap()));
            // What follows a terminal state is nobody's business.
            let (mut a, mut b) = (got.clone(), want);
            for (row, flag) in got.terminated.iter().enumerate().filter(|(_, flag)| **flag == 1) {
                assert_eq!(*flag, 1);
                a.next_obs[row * OBS..][..OBS].fill(0.0);
                b.next_obs[row * OBS..][..OBS].fill(0.0);
            }
            assert_eq!(a, b, "{name}");
        }
        gpu.healthy().unwrap();
    }
}

/// A learner with some steps stored.
fn filled(gpu: &Gpu, case: &Case, count: usize) -> GpuOffPolicy {
    let mut device = GpuOffPolicy::new(gpu, case.spec.clone(), case.config.clone(), 7).unwrap();
    steps(&case.spec, count).iter().for_each(|step| device.store(step).unwrap());
    device
}

#[test]
fn the_same_inputs_give_the_same_bits_also_by_other_kernels_and_after_a_resume() {
    let Some(gpu) = support::gpu(false) else { return };
    for case in cases() {
        let run = |gpu: &Gpu| {
            let mut device = filled(gpu, &case, 40);
            let stats = (device.learn(3).unwrap(), device.learn(2).unwrap());
            (format!("{stats:?}"), device.state().unwrap())
        };
        let first = run(&gpu);
        assert_eq!(run(&gpu), first, "{}", case.name);
        assert_eq!(run(&gpu.with_products(ProductPath::Plain)), first, "{}: plain kernels", case.name);
        let mut before = filled(&gpu, &case, 40);
        before.learn(3).unwrap();
        let state = before.state().unwrap();
        let mut after = GpuOffPolicy::from_state(&gpu, case.spec.clone(), case.config.clone(), &state).unwrap();
        assert_eq!(after.state().unwrap(), state, "{}", case.name);
        after.learn(2).unwrap();
        assert_eq!(after.state().unwrap(), first.1, "{}: resumed", case.name);
    }
}

#[test]
fn a_gradient_step_of_sac_is_at_most_24_dispatches_in_one_submission() {
    let Some(gpu) = support::gpu(false) else { return };
    for (case, want) in cases().into_iter().zip([10, 10, 9, 14, 14, 23, 24, 23, 24, 30, 24, 24, 21, 19, 22, 24]) {
        let mut device = filled(&gpu, &case, 40);
        let count = device.dispatches().unwrap();
        println!("{}: {count} dispatches", case.name);
        // The one of 30 has a layer more and fewer rows than tiles are for.
        assert_eq!(count, want, "{}", case.name);
        device.learn(1).unwrap();
        let before = gpu.counts();
        device.learn(12).unwrap();
        let spent = gpu.counts() - before;
        assert_eq!((spent.submissions, spent.readbacks, spent.created), (1, 1, 0), "{}", case.name);
        assert!(spent.dispatches <= 12 * count as u64, "{}", case.name);
    }
}

#[test]
fn acting_agrees_with_the_reference() {
    let Some(gpu) = support::gpu(false) else { return };
    for case in cases() {
        let mut config = case.config.clone();
        config.replay_mut().unwrap().learning_starts = 3 * ENVS as u64;
        config.total_timesteps = 100;
        if let Some(dqn) = config.dqn_mut() {
            dqn.exploration_fraction = 0.5;
        }
        if let Some(td3) = config.td3_mut() {
            td3.exploration_noise = 0.3;
        }
        let mut device = GpuOffPolicy::new(&gpu, case.spec.clone(), config.clone(), 5).unwrap();
        let mut oracle = CpuOffPolicy::<f64>::new(case.spec.clone(), config, 5).unwrap();
        for step in steps(&case.spec, 5) {
            for (rows, mode) in [(ENVS, ActMode::Sample), (65, ActMode::Sample), (65, ActMode::Greedy)] {
                let obs = Array2::from_shape_fn((rows, OBS), |(r, c)| normal(word(8, r, c)));
                let (got, want) = (device.act(obs.view(), mode).unwrap(), oracle.act(obs.view(), mode).unwrap());
                for (got, want) in [(&got.actions, &want.actions), (&got.env_actions, &want.env_actions)] {
                    match (got, want) {
                        (Actions::Continuous(got), Actions::Continuous(want)) => {
                            assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-5), "{}", case.name);
                        }
                        _ => assert_eq!(got, want, "{}", case.name),
                    }
                }
                assert!(got.logp.iter().zip(&want.logp).all(|(g, w)| (g - w).abs() < 2e-5 * (1.0 + w.abs())));
                assert!(got.values.iter().zip(&want.values).all(|(g, w)| (g - w).abs() < 1e-5));
            }
            device.store(&step).unwrap();
            oracle.store(&step).unwrap();
        }
        let obs = Array2::from_elem((4, OBS), 0.3);
        let (got, want) = (device.values(obs.view()).unwrap(), oracle.values(obs.view()).unwrap());
        assert!(got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 1e-5), "{}: values", case.name);
        let before = gpu.counts();
        assert_eq!(device.values(obs.view()).unwrap(), got);
        assert_eq!((gpu.counts() - before).created, 0, "{}: values", case.name);
        assert_eq!(device.state().unwrap().policy_step, oracle.state().unwrap().policy_step);
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let Some(gpu) = support::gpu(false) else { return };
    for case in cases() {
        let mut device = GpuOffPolicy::new(&gpu, case.spec.clone(), case.config.clone(), 7).unwrap();
        assert!(device.learn(1).unwrap_err().to_string().contains("before anything was stored"));
        let idle = device.learn(0).unwrap();
        assert!(idle.minibatches.is_empty() && device.state().unwrap().update == 0);
        let mut sound = steps(&case.spec, 12);
        sound.iter().for_each(|step| device.store(step).unwrap());
        device.learn(2).unwrap();
        let before = device.state().unwrap();
        let broken = sound.pop().unwrap();
        assert!(device.store(&EnvStep { rewards: Array1::from_elem(ENVS, f32::NAN), ..broken.clone() }).is_err());
        assert!(device.store(&EnvStep { obs: Array2::zeros((2, OBS)), ..broken }).is_err());
        assert!(device.act(Array2::from_elem((2, OBS), f32::NAN).view(), ActMode::Sample).is_err());
        assert!(device.set_parameters(&[1.0]).is_err());
        for change in [
            (|state| state.parameters.truncate(3)) as fn(&mut LearnerState),
            |state| state.off_policy.as_mut().unwrap().targets[0] = f32::NAN,
            |state| state.off_policy.as_mut().unwrap().replay.as_mut().unwrap().next_write = 10_000,
            |state| state.off_policy.as_mut().unwrap().replay.as_mut().unwrap().actions[0] = 0x7f80_0000,
        ] {
            let mut wrong = before.clone();
            change(&mut wrong);
            assert!(device.set_state(&wrong).is_err(), "{}", case.name);
        }
        assert_eq!(device.state().unwrap(), before, "{}", case.name);
    }
}

#[test]
fn a_memory_that_no_binding_holds_is_refused_with_both_numbers() {
    let Some(gpu) = support::gpu(false) else { return };
    let case = cases().swap_remove(0);
    let mut config = case.config.clone();
    config.replay_mut().unwrap().buffer_size = 3_000_000;
    let before = gpu.counts();
    let error = GpuOffPolicy::new(&gpu, case.spec.clone(), config, 1).unwrap_err().to_string();
    // 2 words, an action's, twice 5 numbers.
    assert!(error.contains("\"ring\"") && error.contains(&(3_000_000_u64 * 13 * 4).to_string()), "{error}");
    assert!(error.contains(&gpu.limits().max_storage_buffer_binding_size.to_string()), "{error}");
    assert_eq!((gpu.counts() - before).created, 0);
    let on_policy = GpuOffPolicy::new(&gpu, case.spec, Config::cleanrl(), 1);
    assert!(on_policy.unwrap_err().to_string().contains("ppo"));
}

/// Transitions from buffers of ours, in an encoder of ours, are those of host arrays.
#[test]
fn transitions_may_come_from_the_callers_buffers() {
    let Some(gpu) = support::gpu(false) else { return };
    for case in cases() {
        let mut by_host = filled(&gpu, &case, 40);
        let mut by_buffers = GpuOffPolicy::new(&gpu, case.spec.clone(), case.config.clone(), 7).unwrap();
        let flat = |array: &Array2<f32>| array.iter().copied().collect::<Vec<_>>();
        let all = steps(&case.spec, 40);
        let obs: Vec<f32> = all.iter().flat_map(|step| [flat(&step.obs), flat(&step.next_obs)].concat()).collect();
        let upload = |name: &str, field: fn(&EnvStep) -> Vec<u32>| {
            gpu.upload(name, &all.iter().flat_map(field).collect::<Vec<_>>()).unwrap()
        };
        let (obs, actions) = (gpu.upload("obs", &obs).unwrap(), upload("actions", |step| step.actions.words()));
        let final_obs =
            gpu.upload("final", &all.iter().flat_map(|step| flat(&step.next_obs)).collect::<Vec<_>>()).unwrap();
        let rewards =
            gpu.upload("rewards", &all.iter().flat_map(|step| step.rewards.to_vec()).collect::<Vec<_>>()).unwrap();
        let (terminated, truncated) = (
            upload("terminated", |step| step.terminated.to_vec()),
            upload("truncated", |step| step.truncated.to_vec()),
        );
        let row = (ENVS * OBS) as u32;
        let mut encoder = gpu.encoder("ours");
        for t in 0..40 {
            let step = wgpo::StepBuffers {
                obs: &obs,
                obs_offset: 2 * t * row,
                next_offset: (2 * t + 1) * row,
                final_obs: &final_obs,
                actions: &actions,
                actions_offset: t * (ENVS * case.spec.head.action_words()) as u32,
                rewards: &rewards,
                terminated: &terminated,
                truncated: &truncated,
                row_offset: t * ENVS as u32,
            };
            let plan = by_buffers.store_plan(&step).unwrap();
            by_buffers.record_store(&mut encoder, &plan).unwrap();
        }
        gpu.submit(encoder).unwrap();
        by_host.learn(2).unwrap();
        by_buffers.learn(2).unwrap();
        assert_eq!(by_buffers.state().unwrap(), by_host.state().unwrap(), "{}", case.name);
    }
}

fn kinds() -> [(Env, Config, usize); 5] {
    let config = |config: Config| {
        let mut config = Config { num_envs: 4, num_steps: 25, total_timesteps: 1000, adam_eps: 1e-5, ..config };
        let replay = config.replay_mut().unwrap();
        *replay = Replay {
            buffer_size: 230,
            batch_size: 48,
            learning_starts: 40,
            train_frequency: 8,
            gradient_steps: 2,
            n_steps: 2,
            compact: true,
            // Of 25 steps a window: holds go on across windows.
            exploration_hold: 3,
        };
        config
    };
    [
        (Env::CartPole, config(Config::dqn_sb3()), 0),
        (Env::Pendulum, config(Config::ddpg_sb3()), 1),
        (Env::Pendulum, config(Config::td3_sb3()), 2),
        (Env::Pendulum, config(Config::sac_sb3()), 2),
        (Env::CartPole, config(Config::sac_sb3()), 2),
    ]
}

fn trainer(gpu: &Gpu, env: Env, config: &Config) -> GpuOffPolicyTrainer {
    let spec = config.algorithm.kind().fitted(env.policy(&[24, 16]));
    GpuOffPolicyTrainer::new(gpu, env, spec, config.clone(), 21).unwrap()
}

#[test]
fn a_resumed_run_has_the_bits_of_an_uninterrupted_one() {
    let Some(gpu) = support::gpu(false) else { return };
    for (env, config, _) in kinds() {
        let mut whole = trainer(&gpu, env, &config);
        let stats: Vec<_> = (0..6).map(|_| whole.iterate().unwrap()).collect();
        let mut first = trainer(&gpu, env, &config);
        (0..3).for_each(|_| drop(first.iterate().unwrap()));
        let state = first.state().unwrap();
        let spec = whole.learner().spec().clone();
        let mut second = GpuOffPolicyTrainer::from_state(&gpu, spec, config.clone(), &state).unwrap();
        assert_eq!(second.state().unwrap(), state);
        let resumed: Vec<_> = (0..3).map(|_| second.iterate().unwrap()).collect();
        assert_eq!(format!("{resumed:?}"), format!("{:?}", &stats[3..]), "{}", config.algorithm.name());
        assert_eq!(second.state().unwrap(), whole.state().unwrap(), "{}", config.algorithm.name());
    }
}

#[test]
fn an_iteration_is_one_submission_and_one_read_back() {
    let Some(gpu) = support::gpu(false) else { return };
    for (env, config, _) in kinds() {
        let mut trainer = trainer(&gpu, env, &config);
        trainer.iterate().unwrap();
        let before = gpu.counts();
        let stats = trainer.iterate().unwrap();
        let spent = gpu.counts() - before;
        assert_eq!((spent.submissions, spent.readbacks, spent.created), (1, 1, 0), "{}", config.algorithm.name());
        assert_eq!(stats.env_steps, 200);
        // 40 → 200 by eights, two each.
        assert_eq!(stats.update.off_policy.unwrap().gradient_steps, 40);
    }
    // More gradient steps than slots: a few submissions.
    let (env, mut config, _) = kinds()[0].clone();
    (config.replay_mut().unwrap().gradient_steps, config.num_steps) = (20, 50);
    let mut trainer = trainer(&gpu, env, &config);
    trainer.iterate().unwrap();
    let before = gpu.counts();
    let stats = trainer.iterate().unwrap();
    let spent = gpu.counts() - before;
    assert!(spent.submissions > 1 && spent.submissions < 8 && spent.readbacks == 1, "{spent:?}");
    assert_eq!(stats.update.optimizer_steps, 500);
}

#[test]
fn the_device_learns_as_the_reference_does() {
    let Some(gpu) = support::gpu(false) else { return };
    for (env, config, _) in kinds() {
        let name = config.algorithm.name();
        let mut device = trainer(&gpu, env, &config);
        let spec = device.learner().spec().clone();
        let start = device.state().unwrap().learner;
        let mut cpu = wgpo::cpu::CpuTrainer::new(env, spec, config, 21).unwrap();
        for _ in 0..2 {
            let (got, want) = (device.iterate().unwrap(), cpu.iterate().unwrap());
            assert_eq!((got.env_steps, got.updates), (want.env_steps, want.updates), "{name}");
            assert_eq!((got.episodes.count, got.episodes.length_sum), (want.episodes.count, want.episodes.length_sum));
            let error = (got.episodes.return_sum - want.episodes.return_sum).abs();
            assert!(error <= 1e-3 * (1.0 + want.episodes.return_sum.abs()), "{name}: {error}");
            let (a, b) = (device.state().unwrap().learner, cpu.state().unwrap().learner);
            let error = step_error(&start.parameters, &a.parameters, &b.parameters);
            println!("{name}: step error {error:.1e} between two f32 runs");
            assert!(error < 3e-3, "{name}: {error:e}");
        }
    }
}

#[test]
fn a_state_of_other_environments_is_refused_and_changes_nothing() {
    fn sent<T: Send>() {}
    sent::<GpuOffPolicy>();
    sent::<GpuOffPolicyTrainer>();
    let Some(gpu) = support::gpu(false) else { return };
    let [(env, config, _), ..] = kinds();
    let mut device = trainer(&gpu, env, &config);
    device.iterate().unwrap();
    let before = device.state().unwrap();
    let without = device.state_without_replay().unwrap();
    assert!(without.learner.off_policy.as_ref().unwrap().replay.is_none());
    for change in [
        (|state| state.env = Some(Env::Acrobot)) as fn(&mut wgpo::state::TrainerState),
        |state| state.env_words.truncate(3),
        |state| state.learner.exp_avg[0] = f32::NAN,
    ] {
        let mut wrong = before.clone();
        change(&mut wrong);
        assert!(device.set_state(&wrong).is_err());
    }
    assert_eq!(device.state().unwrap(), before);
    // Without its transitions it begins to fill the memory anew, and goes on.
    device.set_state(&without).unwrap();
    assert_eq!(device.iterate().unwrap().env_steps, 200);
    let spec = config.algorithm.kind().fitted(Env::Acrobot.policy(&[8]));
    assert!(GpuOffPolicyTrainer::new(&gpu, env, spec, config, 1).is_err());
}

#[test]
fn the_largest_buffer_is_known_beforehand() {
    let [_, _, _, (env, config, _), _] = kinds();
    let spec = config.algorithm.kind().fitted(env.policy(&[24, 16]));
    // 57 places of 4 environments; a record has 2 words, an action's and 3 numbers.
    let bytes = GpuOffPolicyTrainer::binding_bytes(env, &spec, &config).unwrap();
    assert!((57 * 4 * 6 * 4..100_000).contains(&bytes), "{bytes}");
    assert!(GpuOffPolicyTrainer::binding_bytes(env, &spec, &Config::cleanrl()).is_err());
}
