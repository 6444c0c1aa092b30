//! The kernels of products side by side, by the wall clock: plain, tiled with each invocation loading its own numbers, tiled through
//! workgroup memory. One PPO step on a minibatch (forward of both networks, loss, backward, clipping, Adam) and one Fisher product,
//! and with `--kernels` each dispatch by itself. The ways take turns, so that what else the machine does meets all of them; the
//! median counts. Their results must have the same bits on a software adapter before anything is timed.
//!
//! `cargo bench --bench products -- [--kernels] [--repeats N] [NET …]`, on the adapter that `WGPO_ADAPTER` names.

use std::time::Instant;
use wgpo::config::FisherForm;
use wgpo::gpu::{Call, Gpu, GpuOptions, ProductPath, Slot};
use wgpo::low_level::algo::FisherPlan;
use wgpo::policy::{Activation, Head, PolicySpec, initial_parameters};
use wgpo::{BatchBuffers, Config, Model, PpoUpdate};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const WAYS: [ProductPath; 4] = ProductPath::ALL;

/// Name, policy, rows of a minibatch.
fn nets() -> [(&'static str, PolicySpec, u32); 4] {
    let tanh = |obs, hidden: &[usize], head| PolicySpec::separate(obs, hidden, Activation::Tanh, head);
    [
        ("cartpole", tanh(4, &[64, 64], Head::categorical(2)), 4096),
        ("halfcheetah", tanh(17, &[64, 64], Head::gaussian(6)), 4096),
        ("ant", tanh(27, &[256, 256], Head::gaussian(8)), 2048),
        ("humanoid", tanh(108, &[400, 200, 100], Head::gaussian(21)), 2048),
    ]
}

/// Numbers in ±1 that look like nothing in particular.
fn wave(elements: u64, phase: f32) -> Vec<f32> {
    (0..elements).map(|i| ((i as f32 * 0.7371 + phase) * 1.37).sin()).collect()
}

/// One network one way, with what its calls need.
struct Side {
    way: ProductPath,
    gpu: Gpu,
    slot: Slot,
    step: Vec<Call>,
    product: Vec<Call>,
    bits: [Vec<u32>; 2],
    // Holds the schedule that the calls read.
    _model: Model,
}

fn side(way: ProductPath, spec: &PolicySpec, rows: u32) -> Outcome<Side> {
    let adapter = std::env::var("WGPO_ADAPTER").unwrap_or_default();
    let adapter = if adapter.is_empty() { Default::default() } else { adapter.parse()? };
    let gpu = Gpu::new(&GpuOptions { adapter, allow_software: true, products: way, ..GpuOptions::default() })?;
    let config = Config { update_epochs: 1, num_minibatches: 1, ..Config::cleanrl() };
    let model = Model::new(&gpu, spec, &config, &initial_parameters(spec, 1), 1)?;
    let r = u64::from(rows);
    let batch = BatchBuffers {
        rows,
        obs: gpu.upload("obs", &wave(r * spec.obs_dim() as u64, 0.1))?,
        actions: gpu.buffer("actions", r * spec.head.action_words() as u64)?,
        logp_old: gpu.upload("logp_old", &wave(r, 0.3))?,
        advantages: gpu.upload("advantages", &wave(r, 0.4))?,
        returns: gpu.upload("returns", &wave(r, 0.5))?,
        values_old: gpu.upload("values_old", &wave(r, 0.6))?,
        old_dist: None,
        valid: None,
    };
    let update = PpoUpdate::new(&gpu, &model, &config, &batch, None)?;
    let slot = model.push_schedule(&gpu, &config, 0)?;
    let fisher = FisherPlan::new(&gpu, &model, &batch.obs, &batch.actions, rows, 1, FisherForm::GaussNewton)?;
    let count = model.layout.len() as u64;
    let (vector, out) = (gpu.upload("vector", &wave(count, 0.2))?, gpu.buffer("product", count)?);
    let product = fisher.product(&gpu, &model, &vector, &out)?;
    gpu.run("prepare", fisher.prepare(), slot)?;
    gpu.run("product", &product, slot)?;
    gpu.run("update", update.calls(), slot)?;
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
    let bits = [bits(gpu.read(&out)?), bits(gpu.read(update.gradient())?)];
    let begins = |call: &Call| call.kernel().starts_with("mlp_") || call.kernel() == "loss_ppo_fused";
    let first = update.calls().iter().position(begins).unwrap_or(0);
    let step = update.calls()[first..].to_vec();
    Ok(Side { way, gpu, slot, step, product, bits, _model: model })
}

impl Side {
    /// Milliseconds.
    fn time(&self, calls: &[Call]) -> Outcome<f64> {
        let start = Instant::now();
        self.gpu.run("bench", calls, self.slot)?;
        self.gpu.wait()?;
        Ok(1e3 * start.elapsed().as_secs_f64())
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn run(name: &str, spec: &PolicySpec, rows: u32, repeats: usize, kernels: bool) -> Outcome<()> {
    let sides = WAYS.into_iter().map(|way| side(way, spec, rows)).collect::<Outcome<Vec<_>>>()?;
    let software = sides[0].gpu.is_software();
    if software && sides.iter().any(|side| side.bits != sides[0].bits) {
        return Err(format!("{name}: the ways differ in bits").into());
    }
    println!("{name}, {rows} rows, {}", sides[0].gpu.describe());
    for (what, calls) in [("ppo_step", (|side| &side.step) as fn(&Side) -> &Vec<Call>), ("fvp", |side| &side.product)] {
        let mut times = vec![Vec::new(); sides.len()];
        for _ in 0..repeats {
            for (side, times) in sides.iter().zip(&mut times) {
                times.push(side.time(calls(side))?);
            }
        }
        let medians: Vec<f64> = times.into_iter().map(median).collect();
        for (side, time) in sides.iter().zip(&medians) {
            let ratio = medians[0] / time;
            let count = calls(side).len();
            println!(
                "  {what:<9} {:<7} {time:>9.3} ms  {ratio:>5.2} × plain, {count} dispatches",
                format!("{:?}", side.way)
            );
            for call in calls(side).iter().filter(|_| kernels) {
                let times = (0..repeats).map(|_| side.time(std::slice::from_ref(call))).collect::<Outcome<_>>()?;
                println!("    {:>9.3} ms  {}", median(times), call.kernel());
            }
        }
    }
    Ok(())
}

fn main() -> Outcome<()> {
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let after = |flag: &str| arguments.iter().position(|argument| argument == flag).and_then(|i| arguments.get(i + 1));
    let repeats = after("--repeats").map_or(Ok(9), |text| text.parse())?;
    let kernels = arguments.iter().any(|argument| argument == "--kernels");
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let any = nets().iter().any(|(name, ..)| named(name));
    for (name, spec, rows) in nets() {
        if named(name) || !any {
            run(name, &spec, rows, repeats, kernels)?;
        }
    }
    Ok(())
}
