//! Rollouts with many steps in one dispatch against those step by step: the same bits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crate::support;

use wgpo::gpu::{Call, Gpu, GpuOptions, ProductPath};
use wgpo::low_level::algo::RolloutPlan;
use wgpo::low_level::kernels::rollout_fused;
use wgpo::policy::{Activation, Bounds, Branch, Head, PolicySpec, Std, StdLimit, initial_parameters};
use wgpo::{Config, Env, Model};

/// With plain kernels, and with ours.
fn gpus() -> Option<[Gpu; 2]> {
    support::gpu::gpu(true)?;
    Some([ProductPath::Plain, ProductPath::Staged].map(|products| {
        let options = GpuOptions { allow_software: true, bounds_checks: true, products, ..GpuOptions::default() };
        Gpu::new(&options).unwrap()
    }))
}

/// Heads whose actions the environment takes.
fn heads(env: Env) -> Vec<Head> {
    let dims = env.actions().dims();
    let bounds = || Bounds::uniform(dims, -1.5, 2.0);
    let std = Std { from_state: true, ..Std::FREE.limited(StdLimit::Clamp { low: -1.0, high: 0.5 }) };
    let all = [
        env.head(),
        Head::gaussian(dims),
        Head::Gaussian { dims, std, bounds: Some(bounds()) },
        Head::TanhGaussian { dims, std: Std::default(), bounds: bounds() },
        Head::Beta { dims, bounds: bounds() },
        Head::Discretised { dims, bins: 11, bounds: bounds() },
        Head::Bernoulli { dims },
    ];
    all.into_iter().filter(|head| env.check_head(head).is_ok()).collect()
}

/// Names and words of all that a rollout leaves.
type Left = Vec<(&'static str, Vec<u32>)>;

const SEED: u64 = (7 << 32) + 11;

/// Two windows of `steps` steps, the second from where the first ended.
fn rollout(
    gpu: &Gpu,
    spec: &PolicySpec,
    env: Env,
    (steps, envs): (u32, u32),
    by_turns: bool,
) -> (Left, Vec<&'static str>) {
    let config = Config::cleanrl();
    // Larger than at the start of training: an actor that does something.
    let parameters: Vec<f32> = initial_parameters(spec, 3).iter().map(|x| 2.0 * x + 0.01).collect();
    let mut model = Model::new(gpu, spec, &config, &parameters, SEED).unwrap();
    let make = if by_turns { RolloutPlan::by_turns } else { RolloutPlan::new };
    let plan = make(gpu, &model, env, steps, envs).unwrap();
    // The low word overflows within a window.
    let start = u64::from(u32::MAX) - 2;
    let slot = model.push_schedule(gpu, &config, start).unwrap();
    gpu.run("reset", plan.reset(), slot).unwrap();
    if env.time_limit() > 1 {
        // Some episodes are near their end.
        let mut words = gpu.read(&plan.env_state).unwrap();
        let width = env.state_words();
        for own in words.chunks_mut(width).step_by(3) {
            own[width - 1] = env.time_limit() - 2;
        }
        gpu.write(&plan.env_state, 0, &words).unwrap();
    }
    let mut left = Vec::new();
    for window in 0..2 {
        model.policy_step = start + window * u64::from(steps);
        let slot = model.push_schedule(gpu, &config, start + window * u64::from(steps)).unwrap();
        gpu.run("rollout", plan.calls(), slot).unwrap();
        let floats = |buffer| gpu.read(buffer).unwrap().iter().map(|x: &f32| x.to_bits()).collect::<Vec<u32>>();
        let buffers = &plan.buffers;
        left.extend([
            ("obs", floats(&plan.obs)),
            ("actions", gpu.read(&plan.actions).unwrap()),
            ("logp", floats(&plan.logp)),
            ("env_state", gpu.read(&plan.env_state).unwrap()),
            ("summary", floats(&plan.summary)),
            ("rewards", floats(&buffers.rewards)),
            ("values", floats(&buffers.values)),
            ("final_values", floats(&buffers.final_values)),
            ("terminated", gpu.read(&buffers.terminated).unwrap()),
            ("truncated", gpu.read(&buffers.truncated).unwrap()),
        ]);
    }
    gpu.healthy().unwrap();
    (left, plan.calls().iter().map(Call::kernel).collect())
}

fn fused(names: &[&str]) -> usize {
    names.iter().filter(|name| **name == "rollout_fused").count()
}

/// Plain kernels by turns, ours by turns, and many steps in one.
fn same_bits([plain, other]: &[Gpu; 2], spec: &PolicySpec, env: Env, shape: (u32, u32)) -> usize {
    let (want, names) = rollout(plain, spec, env, shape, false);
    assert_eq!(fused(&names), 0, "{names:?}");
    let (turns, names) = rollout(other, spec, env, shape, true);
    assert_eq!(fused(&names), 0, "{names:?}");
    let (got, names) = rollout(other, spec, env, shape, false);
    // Something was written, and in the first window an episode ended.
    let written = |(what, words): &(&str, Vec<u32>)| !["logp", "obs", "summary"].contains(what) || words[0] != 0;
    assert!(want[..10].iter().all(written), "{env:?}");
    // On a device that fuses multiplications and additions where it likes, bits may differ; software drivers do not.
    if plain.is_software() {
        for (((what, want), (_, turns)), (_, got)) in want.iter().zip(&turns).zip(&got) {
            let differ = |other: &[u32]| want.iter().zip(other).position(|(a, b)| a != b);
            assert_eq!((turns.len(), got.len()), (want.len(), want.len()));
            assert_eq!(differ(turns), None, "{what} by turns: {env:?}, {spec:?}, {shape:?}");
            assert_eq!(differ(got), None, "{what} in one: {env:?}, {spec:?}, {shape:?}");
        }
    }
    fused(&names)
}

#[test]
fn every_environment_and_head_has_the_bits_of_the_kernels_by_turns() {
    let Some(gpus) = gpus() else { return };
    for env in Env::ALL {
        for (index, head) in heads(env).into_iter().enumerate() {
            let spec = PolicySpec::separate(env.obs_dim(), &[9, 20], Activation::ALL[index % 7], head);
            for shape in [(5, 37), (3, 1)] {
                assert_eq!(same_bits(&gpus, &spec, env, shape), 1, "{spec:?}");
            }
        }
    }
}

#[test]
fn shapes_of_networks() {
    let Some(gpus) = gpus() else { return };
    let base = |hidden: &[usize]| PolicySpec::separate(4, hidden, Activation::Tanh, Head::categorical(2));
    let wide = base(&[128, 127]).with_hidden(Branch::VALUE, &[5]);
    let trunk = PolicySpec::mlp(4, &[33, 70], &[6], &[], Activation::Tanh, Head::categorical(2));
    let bare = PolicySpec::shared(4, &[24], Activation::Tanh, Head::categorical(2));
    for spec in [base(&[]), base(&[64, 64]), wide, trunk, bare] {
        assert_eq!(same_bits(&gpus, &spec, Env::CartPole, (4, 48)), 1, "{spec:?}");
    }
    // Too wide for a block.
    assert_eq!(same_bits(&gpus, &base(&[129]), Env::CartPole, (3, 20)), 0);
}

#[test]
fn a_long_window_is_a_handful_of_dispatches() {
    let Some(gpus) = gpus() else { return };
    let cartpole = PolicySpec::separate(4, &[64, 64], Activation::Tanh, Head::categorical(2));
    assert_eq!(same_bits(&gpus, &cartpole, Env::CartPole, (128, 18)), 1);
    // What ARCHITECTURE.md says.
    let model = Model::new(&gpus[1], &cartpole, &Config::cleanrl(), &initial_parameters(&cartpole, 1), 1).unwrap();
    let count = |make: fn(&Gpu, &Model, Env, u32, u32) -> wgpo::Result<RolloutPlan>| {
        make(&gpus[1], &model, Env::CartPole, 128, 18).unwrap().calls().len()
    };
    assert_eq!((count(RolloutPlan::new), count(RolloutPlan::by_turns)), (5, 389));
    // As many steps as a dispatch may have, and one more: no loop is cut short.
    let arms = PolicySpec::separate(1, &[7], Activation::Relu, Head::categorical(100));
    let beta = PolicySpec::separate(3, &[3], Activation::Relu, heads(Env::Pendulum)[4].clone());
    for (spec, env) in [(arms, Env::BanditSparse), (beta, Env::Pendulum)] {
        let most = rollout_fused::most_steps(&spec, env);
        println!("{env:?}: at most {most} steps");
        assert_eq!(same_bits(&gpus, &spec, env, (most, 3)), 1);
        assert_eq!(same_bits(&gpus, &spec, env, (most + 1, 3)), 2);
    }
    println!("CartPole 64-64: at most {} steps", rollout_fused::most_steps(&cartpole, Env::CartPole));
}

/// Where workgroup memory is no nearer than any other, only few environments go in one dispatch; the bits are the same.
#[test]
fn few_environments_alone_go_in_one_dispatch_on_software() {
    let Some([plain, staged]) = gpus() else { return };
    let gpus = [plain, staged.with_products(ProductPath::Direct)];
    let spec = PolicySpec::separate(4, &[9, 20], Activation::Tanh, Head::categorical(2));
    for (envs, want) in [(31, 1), (32, 0)] {
        assert_eq!(same_bits(&gpus, &spec, Env::CartPole, (4, envs)), want);
    }
}

#[test]
fn normalised_observations_go_step_by_step() {
    let Some([_, gpu]) = gpus() else { return };
    let spec = PolicySpec::separate(4, &[8], Activation::Tanh, Head::categorical(2));
    let config = Config { norm_obs: Some(wgpo::config::ObsNorm::sb3()), ..Config::cleanrl() };
    let model = Model::new(&gpu, &spec, &config, &initial_parameters(&spec, 3), SEED).unwrap();
    let plan = RolloutPlan::new(&gpu, &model, Env::CartPole, 4, 6).unwrap();
    assert!(plan.calls().iter().all(|call| call.kernel() != "rollout_fused"));
}
