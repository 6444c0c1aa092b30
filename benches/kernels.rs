//! Criterion benches: the table of checks (each case makes its inputs, runs, compares), and whole updates on the CPU and
//! on the adapter that `WGPO_ADAPTER` names (the best one otherwise; a software adapter will do).
//!
//! `cargo bench -- ppo_update` runs a part. Nothing is timed that did not just match the reference.

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use std::hint::black_box;
use wgpo::algo::GpuLearner;
use wgpo::data::Batch;
use wgpo::gpu::{Gpu, GpuOptions};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::reference::CpuLearner;
use wgpo::{ActMode, Learner, PpoConfig};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn device() -> Outcome<Gpu> {
    let adapter = std::env::var("WGPO_ADAPTER").unwrap_or_default();
    let adapter = if adapter.is_empty() { Default::default() } else { adapter.parse()? };
    Ok(Gpu::new(&GpuOptions { adapter, allow_software: true, ..GpuOptions::default() })?)
}

/// 512 rows of a CartPole-sized policy: 4 epochs × 4 minibatches of 128.
fn update_case() -> Outcome<(PolicySpec, PpoConfig, Batch)> {
    let spec = PolicySpec::separate(4, &[64, 64], Activation::Tanh, Head::Categorical { actions: 2 });
    let config = PpoConfig::cleanrl();
    let obs = Array2::from_shape_fn((512, 4), |(row, column)| ((row * 4 + column) as f32 * 0.37).sin());
    let acted = CpuLearner::<f32>::new(spec.clone(), config.clone(), 1)?.act(obs.view(), ActMode::Sample)?;
    let advantages = acted.values.mapv(|value| 1.0 - value);
    let returns = &acted.values + &advantages;
    let batch = Batch {
        obs,
        actions: acted.actions,
        logp_old: acted.logp,
        advantages,
        returns,
        values_old: acted.values,
        old_dist: None,
    };
    Ok((spec, config, batch))
}

fn updates(criterion: &mut Criterion, gpu: &Gpu) -> Outcome<()> {
    let (spec, config, batch) = update_case()?;
    let mut group = criterion.benchmark_group("ppo_update");
    group.sample_size(20);
    let mut cpu = CpuLearner::<f32>::new(spec.clone(), config.clone(), 1)?;
    group.bench_function(BenchmarkId::new("cpu", "512 × 4-64-64-2"), |bench| {
        bench.iter(|| black_box(cpu.update_batch(&batch, None).is_ok()));
    });
    let mut device = GpuLearner::new(gpu, spec, config, 1)?;
    group.bench_function(BenchmarkId::new("gpu", "512 × 4-64-64-2"), |bench| {
        bench.iter(|| black_box(device.update_batch(&batch, None).is_ok()));
    });
    group.finish();
    Ok(())
}

fn kernels(criterion: &mut Criterion, gpu: &Gpu) -> Outcome<()> {
    let mut group = criterion.benchmark_group("check");
    group.sample_size(10);
    for case in wgpo::check::cases().into_iter().filter(|case| case.quick) {
        let row = (case.run)(gpu)?;
        if !row.passed {
            return Err(format!("{} {}: {:?}", row.kernel, row.shape, row.fault).into());
        }
        group.bench_function(BenchmarkId::new(case.kernel, &case.shape), |bench| {
            bench.iter(|| black_box((case.run)(gpu).is_ok()));
        });
    }
    group.finish();
    Ok(())
}

fn all(criterion: &mut Criterion) {
    let outcome = device().and_then(|gpu| {
        println!("adapter: {}", gpu.describe());
        updates(criterion, &gpu)?;
        kernels(criterion, &gpu)
    });
    if let Err(error) = outcome {
        eprintln!("no benches: {error}");
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
