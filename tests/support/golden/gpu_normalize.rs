//! Running statistics on the device.

use super::gpu::{Result, put};
use super::{Case, Outputs};
use wgpo::config::ReturnReset;
use wgpo::gpu::{Buffer, Gpu, Slot};
use wgpo::low_level::kernels::{
    advantage_discount, advantage_rescale, policy_normalize, reduce_moments, reduce_running,
};

/// Words of a statistic with mean 0 and variance 1.
fn fresh(initial_count: f64) -> [u32; 8] {
    reduce_running::words(0.0, 1.0, 0, initial_count as f32)
}

fn count(words: &[u32]) -> f64 {
    f64::from(words[4]) + f64::from(words[5]) * 2.0_f64.powi(32) + f64::from(f32::from_bits(words[6]))
}

/// One dispatch per batch.
pub(super) fn obs(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let dim = case.number("dim")? as usize;
    let state: Vec<u32> = (0..dim).flat_map(|_| fresh(case.number("initial_count").unwrap_or(0.0))).collect();
    let obs_statistics = gpu.upload("obs_statistics", &state)?;
    let nothing = gpu.buffer("nothing", 1)?;
    let mut outputs = Outputs::new();
    for (k, rows) in case.list("batches")?.into_iter().enumerate() {
        let raw_obs = gpu.upload("raw_obs", &case.values::<f32>(&format!("in.batch.{k}"))?)?;
        let obs = gpu.buffer("obs", (rows * dim) as u64)?;
        let io =
            policy_normalize::Io { raw_obs: &raw_obs, obs_statistics: &obs_statistics, obs: &obs, final_obs: &nothing };
        let params = policy_normalize::Params {
            rows: rows as u32,
            obs_dim: dim as u32,
            update: 1,
            eps: case.number("epsilon")? as f32,
            clip: case.number("clip_obs")? as f32,
            ..Default::default()
        };
        gpu.run("obs_norm", &policy_normalize::bind(gpu, &[params], &io)?, Slot::default())?;
        let words = gpu.read(&obs_statistics)?;
        let (mean, variance) = words.chunks(8).map(reduce_running::moments).unzip();
        outputs.insert(format!("out.mean.{k}"), mean);
        outputs.insert(format!("out.var.{k}"), variance);
        outputs.insert(format!("out.count.{k}"), vec![count(&words)]);
        put(&mut outputs, &format!("normalised.{k}"), &gpu.read(&obs)?);
    }
    Ok(outputs)
}

/// The whole window at once and step by step, which must be the same bits.
pub(super) fn reward(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let [steps, envs] = case.tensor("in.rewards")?.shape[..] else { return Err("in.rewards".into()) };
    let rewards = case.values::<f32>("in.rewards")?;
    let (reset, flags) = super::returns(case)?;
    let flags = flags.map(|flags| flags.iter().copied().collect::<Vec<u32>>());
    let whole = Scaling::new(gpu, case, envs, reset)?;
    let at_once = whole.run(gpu, case, &rewards, flags.each_ref().map(Vec::as_slice))?;
    let single = Scaling::new(gpu, case, envs, reset)?;
    let (mut scaled, mut discounted) = (Vec::new(), Vec::new());
    let mut statistics = [Vec::new(), Vec::new(), Vec::new()];
    for (t, rewards) in rewards.chunks(envs).enumerate() {
        let (own, returns) =
            single.run(gpu, case, rewards, flags.each_ref().map(|flags| &flags[t * envs..(t + 1) * envs]))?;
        scaled.extend(own);
        discounted.extend(returns);
        let words = gpu.read(&single.statistic)?;
        let (mean, variance) = reduce_running::moments(&words);
        let numbers = [mean, variance, count(&words)];
        statistics.iter_mut().zip(numbers).for_each(|(list, number)| list.push(number));
    }
    if (&scaled, &discounted) != (&at_once.0, &at_once.1)
        || gpu.read(&single.statistic)? != gpu.read(&whole.statistic)?
    {
        return Err(format!("{steps} windows of one step differ from one window").into());
    }
    let mut outputs = Outputs::new();
    put(&mut outputs, "scaled", &scaled);
    put(&mut outputs, "discounted_return", &discounted);
    for (name, values) in ["mean", "var", "count"].into_iter().zip(statistics) {
        outputs.insert(format!("out.{name}"), values);
    }
    Ok(outputs)
}

struct Scaling {
    envs: usize,
    reset: ReturnReset,
    statistic: Buffer<u32>,
    carried: Buffer<f32>,
}

impl Scaling {
    fn new(gpu: &Gpu, case: &Case, envs: usize, reset: ReturnReset) -> Result<Self> {
        let statistic = gpu.upload("statistic", &fresh(case.number("initial_count")?))?;
        Ok(Self { envs, reset, statistic, carried: gpu.buffer("carried", envs as u64)? })
    }

    /// Scaled rewards and discounted returns of one window.
    fn run(&self, gpu: &Gpu, case: &Case, rewards: &[f32], flags: [&[u32]; 3]) -> Result<(Vec<f32>, Vec<f32>)> {
        let (rows, envs) = (rewards.len() as u32, self.envs as u32);
        let steps = rows / envs;
        let (numbers, discounted) = (gpu.upload("rewards", rewards)?, gpu.buffer("discounted", rows.into())?);
        let [fell, late, valid] = flags;
        let io = advantage_discount::Io {
            rewards: &numbers,
            terminated: &gpu.upload("terminated", fell)?,
            truncated: &gpu.upload("truncated", late)?,
            valid: &gpu.upload("valid", valid)?,
            carried: &self.carried,
            discounted: &discounted,
        };
        let (gamma, reset, masked) = (case.number("gamma")? as f32, self.reset as u32, case.has("in.valid").into());
        let params = advantage_discount::Params { steps, envs, gamma, reset, masked, ..Default::default() };
        let mut calls = advantage_discount::bind(gpu, &[params], &io)?;
        let moments = gpu.buffer("moments", steps.into())?;
        let io = reduce_moments::Io {
            minuend: &discounted,
            subtrahend: &discounted,
            marks: &discounted,
            partials: &gpu.buffer("partials", reduce_moments::partials(rows, envs))?,
            moments: &moments,
        };
        let params = reduce_moments::Params { rows, segment: envs, stride: 1, ..Default::default() };
        calls.extend(reduce_moments::bind(gpu, &[params], &io)?);
        let coefficients = gpu.buffer("coefficients", steps.into())?;
        let io = reduce_running::Io { moments: &moments, statistic: &self.statistic, coefficients: &coefficients };
        let eps = case.number("epsilon")? as f32;
        let params = reduce_running::Params { segments: steps, eps, ..Default::default() };
        calls.extend(reduce_running::bind(gpu, &[params], &io)?);
        let io = advantage_rescale::Io { coefficients: &coefficients, numbers: &numbers };
        let clip = case.option("clip_reward")?.unwrap_or(0.0) as f32;
        let params = advantage_rescale::Params { rows, segment: envs, inverse: 0, clip };
        calls.extend(advantage_rescale::bind(gpu, &[params], &io)?);
        gpu.run("reward_scaling", &calls, Slot::default())?;
        Ok((gpu.read(&numbers)?, gpu.read(&discounted)?))
    }
}
