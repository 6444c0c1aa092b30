//! Criterion benches, on the CPU and on the adapter that `WGPO_ADAPTER` names (the best one otherwise; a software adapter will do).
//! What is timed, by the wall clock:
//!
//! - `ppo_update`: a whole update from host arrays, with uploads, the submission, waiting and reading statistics back.
//! - `fvp`: one Fisher product and one forward pass on data that is there already; on the device with submission and waiting.
//! - `check`: whole cases of the table of checks, so mostly making inputs and buffers, the f64 reference and the comparison. It
//!   says how long `wgpo check` takes, not how fast a kernel is.
//!
//! `cargo bench -- ppo_update` runs a part. Cases of `check` and the product must match the reference before they are timed; an
//! update is not compared here (`tests/update.rs` does).

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use std::hint::black_box;
use wgpo::algo::{FisherPlan, GpuLearner, Model};
use wgpo::config::FisherForm;
use wgpo::data::{Actions, Batch};
use wgpo::gpu::{Call, Gpu, GpuOptions, Slot};
use wgpo::policy::{Activation, Head, PolicySpec, initial_parameters};
use wgpo::reference::CpuLearner;
use wgpo::reference::actor_critic::ActorCritic;
use wgpo::reference::fisher::Fisher;
use wgpo::{ActMode, Learner, PpoConfig};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn device() -> Outcome<Gpu> {
    let adapter = std::env::var("WGPO_ADAPTER").unwrap_or_default();
    let adapter = if adapter.is_empty() { Default::default() } else { adapter.parse()? };
    Ok(Gpu::new(&GpuOptions { adapter, allow_software: true, ..GpuOptions::default() })?)
}

/// 512 rows of a CartPole-sized policy: 4 epochs × 4 minibatches of 128.
fn update_case() -> Outcome<(PolicySpec, PpoConfig, Batch)> {
    let spec = PolicySpec::separate(4, &[64, 64], Activation::Tanh, Head::categorical(2));
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
        valid: None,
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

/// One Fisher-vector product against one forward pass, 4,096 rows of 17-64-64-6 tanh, on both backends.
fn products(criterion: &mut Criterion, gpu: &Gpu) -> Outcome<()> {
    let spec = PolicySpec::separate(17, &[64, 64], Activation::Tanh, Head::gaussian(6));
    let (layout, rows) = (spec.layout(), 4096_usize);
    let parameters = initial_parameters(&spec, 1);
    let obs = Array2::from_shape_fn((rows, 17), |(row, column)| ((row * 17 + column) as f32 * 0.37).sin());
    let v: Vec<f32> = (0..layout.len()).map(|i| (i as f32 * 0.11).cos()).collect();
    let actions = Actions::Continuous(Array2::zeros((rows, 6)));
    let mut group = criterion.benchmark_group("fvp");
    group.sample_size(20);

    let networks = ActorCritic::new(&spec, &layout, &parameters)?;
    group.bench_function(BenchmarkId::new("cpu", "forward"), |bench| {
        bench.iter(|| black_box(networks.forward_policy(obs.view()).is_ok()));
    });
    let form = FisherForm::GaussNewton;
    let fisher = Fisher::new(&spec, &layout, &parameters, obs.view(), &actions, form, 1, 0.0)?;
    group.bench_function(BenchmarkId::new("cpu", "product"), |bench| {
        bench.iter(|| black_box(fisher.apply(&v).is_ok()));
    });

    let model = Model::new(gpu, &spec, &PpoConfig::trpo_sb3_contrib(), &parameters, 1)?;
    let device_obs = gpu.upload("obs", &obs.iter().copied().collect::<Vec<f32>>())?;
    let plan = FisherPlan::new(gpu, &model, &device_obs, &gpu.buffer("actions", 1)?, rows as u32, 1, form)?;
    let (vector, product) = (gpu.upload("v", &v)?, gpu.buffer::<f32>("product", v.len() as u64)?);
    let calls = plan.product(gpu, &model, &vector, &product)?;
    let run = |calls: &[Call]| gpu.run("bench", calls, Slot::default()).and_then(|()| gpu.wait());
    run(plan.prepare())?;
    run(&calls)?;
    let (got, want) = (gpu.read(&product)?, fisher.apply(&v)?);
    let largest = want.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    if got.iter().zip(&want).any(|(g, w)| (g - w).abs() > 1e-4 * largest) {
        return Err("the product differs from the reference's".into());
    }
    group.bench_function(BenchmarkId::new("gpu", "forward"), |bench| {
        bench.iter(|| black_box(run(plan.prepare()).is_ok()));
    });
    group.bench_function(BenchmarkId::new("gpu", "product"), |bench| {
        bench.iter(|| black_box(run(&calls).is_ok()));
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
        products(criterion, &gpu)?;
        kernels(criterion, &gpu)
    });
    if let Err(error) = outcome {
        eprintln!("no benches: {error}");
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
