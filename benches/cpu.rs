//! Criterion benches of the CPU path in f32, without a device. What is timed, by the wall clock:
//!
//! - `ppo_step/<net>`: forward of actor and critic, loss, backward, clipping and Adam on one minibatch that is there already.
//! - `fvp/<net>`: one Fisher product, the forward pass done before.
//! - `gae/<shape>`: advantages and returns of a window, into arrays that are there.
//!
//! `cargo bench --bench cpu -- ppo_step` runs a part. Nothing is compared here: `tests/` hold the same functions to the f64 oracle.

#![allow(missing_docs, reason = "criterion_group! makes an undocumented function")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::{Array1, Array2};
use std::hint::black_box;
use wgpo::config::FisherForm;
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Batch};
use wgpo::low_level::reference::advantage_gae::{Window, advantage_gae_into};
use wgpo::low_level::reference::fisher::Fisher;
use wgpo::low_level::reference::optim::{Adam, AdamSettings};
use wgpo::low_level::reference::ppo_update::{Rows, minibatch_gradient};
use wgpo::policy::{Activation, Branch, Head, PolicySpec, initial_parameters};
use wgpo::{ActMode, Agent, Config};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Name, policy, rows of a minibatch.
fn nets() -> [(&'static str, PolicySpec, usize); 4] {
    let tanh = |obs, hidden: &[usize], head| PolicySpec::separate(obs, hidden, Activation::Tanh, head);
    [
        ("cartpole", tanh(4, &[64, 64], Head::categorical(2)), 4096),
        ("halfcheetah", tanh(17, &[64, 64], Head::gaussian(6)), 4096),
        ("ant", tanh(27, &[256, 256], Head::gaussian(8)), 16_384),
        ("humanoid", tanh(108, &[400, 200, 100], Head::gaussian(21)), 16_384),
    ]
}

/// Numbers in ±1 that look like nothing in particular.
fn wave(elements: usize, phase: f32) -> Array1<f32> {
    Array1::from_shape_fn(elements, |i| ((i as f32 * 0.7371 + phase) * 1.37).sin())
}

fn waves(rows: usize, columns: usize, phase: f32) -> Array2<f32> {
    let all = wave(rows * columns, phase);
    Array2::from_shape_fn((rows, columns), |(r, c)| all[r * columns + c])
}

/// Rows whose actions the policy drew, its log-probabilities a little off.
fn minibatch(spec: &PolicySpec, config: &Config, rows: usize) -> Outcome<Rows<f32>> {
    let obs = waves(rows, spec.obs_dim(), 0.1);
    let acted = CpuLearner::<f32>::new(spec.clone(), config.clone(), 1)?.act(obs.view(), ActMode::Sample)?;
    Ok(Rows::from_batch(&Batch {
        obs,
        actions: acted.actions,
        logp_old: acted.logp + wave(rows, 0.5) * 0.05,
        advantages: wave(rows, 0.9),
        returns: &acted.values + &wave(rows, 0.3),
        values_old: acted.values,
        old_dist: None,
        valid: None,
    }))
}

fn steps(criterion: &mut Criterion) -> Outcome<()> {
    let mut group = criterion.benchmark_group("ppo_step");
    group.sample_size(10);
    for (name, spec, rows) in nets() {
        let (config, layout) = (Config::cleanrl(), spec.layout());
        let rows = minibatch(&spec, &config, rows)?;
        let mut parameters = initial_parameters(&spec, 1);
        let mut adam = Adam::new(parameters.len());
        let settings = AdamSettings::new(&config, layout.own_range(Branch::VALUE));
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| {
                let step = minibatch_gradient(&spec, &layout, &config, &parameters, &rows)
                    .and_then(|(_, gradient)| adam.step(&settings, 1e-5, &mut parameters, &gradient));
                black_box(step.is_ok_and(|step| step.stepped))
            });
        });
    }
    group.finish();
    Ok(())
}

fn products(criterion: &mut Criterion) -> Outcome<()> {
    let mut group = criterion.benchmark_group("fvp");
    group.sample_size(10);
    let none = Actions::Discrete(Array2::zeros((0, 0)));
    for (name, spec, rows) in nets() {
        let (layout, parameters) = (spec.layout(), initial_parameters(&spec, 1));
        let (obs, v) = (waves(rows, spec.obs_dim(), 0.1), wave(parameters.len(), 0.2).to_vec());
        let form = FisherForm::GaussNewton;
        let fisher = Fisher::new(&spec, &layout, &parameters, obs.view(), &none, form, 1, 0.0)?;
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| black_box(fisher.apply(&v).is_ok()));
        });
    }
    group.finish();
    Ok(())
}

fn estimates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gae");
    group.sample_size(10);
    for (name, steps, envs) in [("wide", 128, 4096), ("long", 4096, 64), ("isaac", 24, 16_384)] {
        let (rewards, values) = (waves(steps, envs, 0.1), waves(steps + 1, envs, 0.4));
        let final_values = waves(steps, envs, 0.6);
        let every =
            |period: usize| Array2::from_shape_fn((steps, envs), |(t, n)| u32::from((31 * t + 17 * n) % period == 0));
        let (terminated, truncated) = (every(97), every(101));
        let (mut advantages, mut returns) = (Array2::zeros((steps, envs)), Array2::zeros((steps, envs)));
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| {
                let window = Window {
                    rewards: rewards.view(),
                    values: values.view(),
                    final_values: final_values.view(),
                    terminated: terminated.view(),
                    truncated: truncated.view(),
                };
                let (advantages, returns) = (advantages.view_mut(), returns.view_mut());
                black_box(advantage_gae_into(&window, 0.99, 0.95, advantages, returns).is_ok())
            });
        });
    }
    group.finish();
}

fn all(criterion: &mut Criterion) {
    if let Err(error) = steps(criterion).and_then(|()| products(criterion)) {
        eprintln!("no benches: {error}");
    }
    estimates(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
