//! Criterion benches of whole iterations of PPO on the CPU in f32, without a device: a rollout in CartPole and the update on it, learning included,
//! by the wall clock. `train/<environments>x<steps>`:
//!
//! - `1x2048`: Stable-Baselines3's defaults: minibatches of 64, 10 epochs.
//! - `8x128` and `256x128`: 4 epochs of 4 minibatches, CleanRL's settings.
//!
//! Networks are 64-64, separate. `cargo bench --bench train -- 8x128` runs a part. `benches/peers/jax_train.py` has the same rows by JAX.

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use wgpo::cpu::CpuTrainer;
use wgpo::{Config, Env, Result, Trainer};

/// Name and settings. The rate stays, so that all iterations are alike.
fn rows() -> [(&'static str, Config); 3] {
    let cleanrl = |num_envs| Config { num_envs, num_steps: 128, anneal_lr: false, ..Config::cleanrl() };
    [("1x2048", Config::sb3()), ("8x128", cleanrl(8)), ("256x128", cleanrl(256))]
}

fn trains(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("train");
    group.sample_size(10);
    for (name, config) in rows() {
        let env = Env::CartPole;
        let mut trainer = CpuTrainer::new(env, env.policy(&[64, 64]), config, 1)?;
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| black_box(trainer.iterate().is_ok()));
        });
    }
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    if let Err(error) = trains(criterion) {
        eprintln!("no benches: {error}");
    }
}

criterion_group!(name = benches; config = Criterion::default().measurement_time(Duration::from_secs(3)); targets = all);
criterion_main!(benches);
