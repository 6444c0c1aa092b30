//! One update of PPO on the CPU in f32, for `benches/peers/memory.py`, which measures how much memory that took: 16,384 rows of the net `humanoid` of
//! `benches/cpu.rs`, 4 epochs of 4 minibatches. Prints a line of JSON at its end. `cargo bench --bench memory -- idle` makes rows and learner only.

use ndarray::{Array1, Array2};
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Batch};
use wgpo::policy::{Activation, Head, PolicySpec};
use wgpo::{Config, OnPolicy, Result};

const ROWS: usize = 16_384;

/// Numbers in ±1 that look like nothing in particular.
fn wave(elements: usize, phase: f32) -> Array1<f32> {
    Array1::from_shape_fn(elements, |i| ((i as f32 * 0.7371 + phase) * 1.37).sin())
}

fn waves(columns: usize, phase: f32) -> Array2<f32> {
    Array2::from_shape_fn((ROWS, columns), |(r, c)| (((r * columns + c) as f32 * 0.7371 + phase) * 1.37).sin())
}

fn main() -> Result<()> {
    let idle = std::env::args().any(|word| word == "idle");
    let spec = PolicySpec::separate(108, &[400, 200, 100], Activation::Tanh, Head::gaussian(21));
    let config = Config { num_envs: 128, num_steps: 128, num_minibatches: 4, update_epochs: 4, ..Config::cleanrl() };
    let mut learner = CpuLearner::<f32>::new(spec, config, 1)?;
    let actions = waves(21, 0.7);
    let logp = actions.rows().into_iter().map(|row| row.iter().map(|a| -0.5 * a * a - 0.918_938_5).sum::<f32>());
    let batch = Batch {
        obs: waves(108, 0.1),
        logp_old: logp.collect::<Array1<f32>>() + wave(ROWS, 0.5) * 0.05,
        actions: Actions::Continuous(actions),
        advantages: wave(ROWS, 0.9),
        returns: wave(ROWS, 0.2) + wave(ROWS, 0.3),
        values_old: wave(ROWS, 0.2),
        old_dist: None,
        valid: None,
    };
    let steps = if idle { 0 } else { learner.update_batch(&batch, None)?.optimizer_steps };
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown", str::trim);
    println!(
        "{{\"peer\": \"wgpo\", \"version\": \"{}\", \"steps\": {steps}, \"peak\": \"{peak}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    Ok(())
}
