//! Criterion benches of off-policy gradient steps on the CPU in f32, without a device. What is timed, by the wall clock:
//!
//! - `sac_update/<net>`, `td3_update/<net>`, `dqn_update/<net>`: one gradient step: a batch drawn from a full memory, targets, losses, backward, Adam,
//!   the targets' step. It is the mean of two, so that TD3's delayed actor counts as often as it comes.
//! - `replay_store`: 1,000 transitions of 17 observed numbers and 6 actions into the memory.
//!
//! `cargo bench --bench off_policy -- sac_update` runs a part. `benches/peers` has the same rows by JAX, PyTorch and Stable-Baselines3.

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::{Array1, Array2};
use std::hint::black_box;
use std::time::{Duration, Instant};
use wgpo::config::{Algorithm, Dqn, Replay, Sac, Td3};
use wgpo::cpu::CpuOffPolicy;
use wgpo::data::{Actions, EnvStep};
use wgpo::policy::{Activation, Bounds, Head, PolicySpec, Std};
use wgpo::{AlgorithmKind, Config, OffPolicy};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const OBS: usize = 17;
const ACTIONS: usize = 6;
const ENVS: usize = 1000;
const BUFFER: usize = 100_000;

/// Numbers in ±1 that look like nothing in particular.
fn wave(i: usize, phase: f32) -> f32 {
    ((i as f32 * 0.7371 + phase) * 1.37).sin()
}

/// A step of all environments, with other numbers for each `number`.
fn step(number: usize, discrete: bool) -> EnvStep {
    let phase = number as f32;
    let matrix =
        |columns: usize, phase: f32| Array2::from_shape_fn((ENVS, columns), |(r, c)| wave(r * columns + c, phase));
    EnvStep {
        obs: matrix(OBS, phase + 0.1),
        actions: if discrete {
            Actions::Discrete(Array2::from_shape_fn((ENVS, 1), |(r, _)| ((r * 7 + number) % ACTIONS) as u32))
        } else {
            Actions::Continuous(matrix(ACTIONS, phase + 0.3))
        },
        rewards: Array1::from_shape_fn(ENVS, |r| wave(r, phase + 0.5)),
        next_obs: matrix(OBS, phase + 0.7),
        terminated: Array1::from_shape_fn(ENVS, |r| u32::from((r + number).is_multiple_of(100))),
        truncated: Array1::zeros(ENVS),
    }
}

/// A learner with a full memory; the peers have the same rates, targets and noise.
fn learner(kind: AlgorithmKind, hidden: &[usize]) -> Outcome<CpuOffPolicy<f32>> {
    let replay = Replay { buffer_size: BUFFER, batch_size: 256, ..Sac::sb3().replay };
    let own = match kind {
        AlgorithmKind::Dqn => Algorithm::Dqn(Dqn { replay, tau: 0.005, target_network_frequency: 1, ..Dqn::sb3() }),
        AlgorithmKind::Td3 => Algorithm::Td3(Td3 { replay, policy_lr: 1e-5, ..Td3::sb3() }),
        _ => Algorithm::Sac(Sac { replay, policy_lr: 1e-5, alpha_lr: 1e-5, ..Sac::sb3() }),
    };
    let base = Config::preset("sb3", kind, true)?;
    let config = Config { num_envs: ENVS, learning_rate: 1e-5, ..base }.with_algorithm(own);
    let head = match kind {
        AlgorithmKind::Dqn => Head::categorical(ACTIONS),
        _ => Head::TanhGaussian { dims: ACTIONS, std: Std::FREE, bounds: Bounds::uniform(ACTIONS, -1.0, 1.0) },
    };
    let spec = kind.fitted(PolicySpec::separate(OBS, hidden, Activation::Relu, head));
    let mut learner = CpuOffPolicy::new(spec, config, 1)?;
    for number in 0..BUFFER / ENVS {
        learner.store(&step(number, kind == AlgorithmKind::Dqn))?;
    }
    Ok(learner)
}

fn updates(criterion: &mut Criterion) -> Outcome<()> {
    for kind in [AlgorithmKind::Sac, AlgorithmKind::Td3, AlgorithmKind::Dqn] {
        let mut group = criterion.benchmark_group(format!("{}_update", kind.name()));
        group.sample_size(10);
        for (name, hidden) in [("256", [256, 256]), ("64", [64, 64])] {
            let mut learner = learner(kind, &hidden)?;
            group.bench_function(BenchmarkId::from_parameter(name), |bench| {
                bench.iter_custom(|iterations| {
                    let start = Instant::now();
                    black_box(learner.learn(2 * iterations).is_ok());
                    start.elapsed() / 2
                });
            });
        }
        group.finish();
    }
    Ok(())
}

fn stores(criterion: &mut Criterion) -> Outcome<()> {
    let mut learner = learner(AlgorithmKind::Sac, &[64, 64])?;
    let step = step(0, false);
    criterion.bench_function("replay_store", |bench| bench.iter(|| black_box(learner.store(&step).is_ok())));
    Ok(())
}

fn all(criterion: &mut Criterion) {
    if let Err(error) = updates(criterion).and_then(|()| stores(criterion)) {
        eprintln!("no benches: {error}");
    }
}

criterion_group!(name = benches; config = Criterion::default().measurement_time(Duration::from_secs(3)); targets = all);
criterion_main!(benches);
