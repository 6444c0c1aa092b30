//! Rollouts side by side, by the wall clock: actor layer by layer, or in one dispatch, then draw and environment; and many steps in
//! one dispatch. They take turns, so that what else the machine does meets all; the median counts. Their results must have the same
//! bits on a software adapter before anything is timed.
//!
//! `cargo bench --bench rollout -- [--repeats N] [--steps N] [ENVS …]`, on the adapter that `WGPO_ADAPTER` names.

use std::time::Instant;
use wgpo::gpu::{Call, Gpu, GpuOptions, ProductPath, Slot};
use wgpo::low_level::algo::RolloutPlan;
use wgpo::policy::{Activation, PolicySpec, initial_parameters};
use wgpo::{Config, Env, Model};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One way: its steps, and with the values and statistics that are the same in both.
struct Side {
    name: &'static str,
    all: Vec<Call>,
    steps: Vec<Call>,
    bits: Vec<u32>,
}

/// Name, kernels of the actor, and how the steps are put together.
type Way = (&'static str, ProductPath, fn(&Gpu, &Model, Env, u32, u32) -> wgpo::Result<RolloutPlan>);

const WAYS: [Way; 3] = [
    ("layer by layer", ProductPath::Direct, RolloutPlan::by_turns),
    ("by turns", ProductPath::Fused, RolloutPlan::by_turns),
    ("one dispatch", ProductPath::Fused, RolloutPlan::new),
];

fn side(gpu: &Gpu, model: &Model, env: Env, (steps, envs): (u32, u32), slot: Slot, way: Way) -> Outcome<Side> {
    let (name, products, make) = way;
    let plan = make(&gpu.with_products(products), model, env, steps, envs)?;
    gpu.run("reset", plan.reset(), slot)?;
    gpu.run("rollout", plan.calls(), slot)?;
    let mut bits: Vec<u32> = gpu.read(&plan.obs)?.into_iter().map(f32::to_bits).collect();
    bits.extend(gpu.read(&plan.logp)?.into_iter().map(f32::to_bits));
    bits.extend(gpu.read(&plan.env_state)?);
    let all = plan.calls().to_vec();
    let last = all.iter().rposition(|call| ["env_step", "rollout_fused"].contains(&call.kernel()));
    let steps = all[..last.map_or(0, |last| last + 1)].to_vec();
    Ok(Side { name, all, steps, bits })
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn run(gpu: &Gpu, env: Env, (steps, envs): (u32, u32), repeats: usize) -> Outcome<()> {
    let spec = PolicySpec::separate(env.obs_dim(), &[64, 64], Activation::Tanh, env.head());
    let config = Config::cleanrl();
    let model = Model::new(gpu, &spec, &config, &initial_parameters(&spec, 1), 1)?;
    let slot = model.push_schedule(gpu, &config, 0)?;
    let sides =
        WAYS.into_iter().map(|way| side(gpu, &model, env, (steps, envs), slot, way)).collect::<Outcome<Vec<_>>>()?;
    if gpu.is_software() && sides.iter().any(|side| side.bits != sides[0].bits) {
        return Err(format!("{}: the ways differ in bits", env.name()).into());
    }
    println!("{} 64-64, {steps} steps × {envs} environments", env.name());
    for (what, calls) in [("steps", (|side| &side.steps) as fn(&Side) -> &Vec<Call>), ("rollout", |side| &side.all)] {
        let mut times = vec![Vec::new(); sides.len()];
        for _ in 0..repeats {
            for (side, times) in sides.iter().zip(&mut times) {
                let start = Instant::now();
                gpu.run("bench", calls(side), slot)?;
                gpu.wait()?;
                times.push(1e3 * start.elapsed().as_secs_f64());
            }
        }
        let medians: Vec<f64> = times.into_iter().map(median).collect();
        for (side, time) in sides.iter().zip(&medians) {
            let (ratio, count) = (medians[0] / time, calls(side).len());
            println!("  {what:<8} {:<14} {time:>9.3} ms  {ratio:>5.2} × the first, {count} dispatches", side.name);
        }
    }
    Ok(())
}

fn main() -> Outcome<()> {
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let after = |flag: &str| arguments.iter().position(|argument| argument == flag).map(|i| i + 1);
    let number = |flag: &str, usual: u32| {
        after(flag).and_then(|i| arguments.get(i)).map_or(Ok(usual), |text| text.parse::<u32>())
    };
    let (repeats, steps) = (number("--repeats", 9)?, number("--steps", 128)?);
    let own = [after("--repeats"), after("--steps")];
    let named: Vec<u32> =
        (0..arguments.len()).filter(|i| !own.contains(&Some(*i))).filter_map(|i| arguments[i].parse().ok()).collect();
    let adapter = std::env::var("WGPO_ADAPTER").unwrap_or_default();
    let adapter = if adapter.is_empty() { Default::default() } else { adapter.parse()? };
    let gpu = Gpu::new(&GpuOptions { adapter, allow_software: true, ..GpuOptions::default() })?;
    println!("{}, medians of {repeats}", gpu.describe());
    for envs in if named.is_empty() { vec![4, 16, 64, 1024] } else { named } {
        for env in [Env::CartPole, Env::Pendulum] {
            run(&gpu, env, (steps, envs), repeats as usize)?;
        }
    }
    Ok(())
}
