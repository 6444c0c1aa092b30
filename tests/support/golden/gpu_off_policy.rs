//! Kernels of off-policy algorithms: targets, the targets' networks, squashed samples.

use super::gpu::Result;
use super::{Case, Outputs};
use ndarray::Array2;
use wgpo::gpu::{Gpu, Slot};
use wgpo::low_level::kernels::loss_q::Temperature;
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::low_level::kernels::policy_squash::Source;
use wgpo::low_level::kernels::{loss_dqn, loss_q, optim_polyak, policy_squash, policy_squash_backward};

fn put(outputs: &mut Outputs, name: &str, values: impl IntoIterator<Item = f32>) {
    outputs.entry(format!("out.{name}")).or_default().extend(values.into_iter().map(f64::from));
}

/// Sums of n steps are left out: a batch is drawn, not chosen, and its check rows hold it to the reference that these cases hold.
pub fn is_walk(case: &Case) -> bool {
    case.text("algorithm").is_ok_and(|algorithm| algorithm == "n_step")
}

pub fn polyak(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let (target, online) = (case.values::<f32>("in.target")?, case.matrix::<f32>("in.online")?);
    let count = target.len() as u32;
    let parameters = gpu.upload("parameters", &[target.as_slice(), &target].concat())?;
    let p = optim_polyak::Params { count, online: count, targets: 0, tau: case.number("tau")? as f32 };
    let calls = optim_polyak::bind(gpu, &[p], &optim_polyak::Io { parameters: &parameters })?;
    let mut outputs = Outputs::new();
    for online in online.outer_iter() {
        gpu.write(&parameters, u64::from(count), &online.to_vec())?;
        gpu.run("optim_polyak", &calls, Slot::default())?;
        put(&mut outputs, "target", gpu.read(&parameters)?[..count as usize].to_vec());
    }
    Ok(outputs)
}

/// Targets, from the gradient of a loss whose Q are 0: −2 y / rows of a squared error, half of that of critics.
pub fn td_target(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let rewards = case.values::<f32>("in.rewards")?;
    let (rows, gamma) = (rewards.len(), case.number("gamma")? as f32);
    let terminated = case.values::<f32>("in.terminated")?;
    let samples: Vec<_> = rewards.iter().zip(terminated).map(|(reward, flag)| [*reward, gamma, flag, 1.0]).collect();
    let samples = gpu.upload("samples", &samples)?;
    let algorithm = case.text("algorithm")?;
    let groups = u64::from(loss_dqn::groups(rows as u32));
    let loss_partials = gpu.buffer("loss_partials", groups)?;
    let gradient = if algorithm.ends_with("dqn") {
        let next = case.matrix::<f32>("in.next_q_target")?;
        let (choices, count) = (next.ncols(), next.len());
        let chooser = if algorithm == "double_dqn" { case.matrix::<f32>("in.next_q_online")? } else { next.clone() };
        let zeros = Array2::<f32>::zeros(next.dim());
        let q: Vec<f32> = zeros.iter().chain(&next).chain(&chooser).copied().collect();
        let d_q = gpu.buffer("d_q", count as u64)?;
        let p = loss_dqn::Params {
            rows: rows as u32,
            choices: choices as u32,
            next_offset: count as u32,
            chooser_offset: 2 * count as u32,
            ..Default::default()
        };
        let (q, actions) = (gpu.upload("q", &q)?, gpu.upload("actions", &vec![0; rows])?);
        let io = loss_dqn::Io { q: &q, actions: &actions, samples: &samples, d_q: &d_q, loss_partials: &loss_partials };
        gpu.run("loss_dqn", &loss_dqn::bind(gpu, &[p], &io)?, Slot::default())?;
        gpu.read(&d_q)?.into_iter().step_by(choices).map(|d| 0.5 * d).collect::<Vec<f32>>()
    } else {
        let critics = if algorithm == "ddpg" { 1 } else { 2 };
        let mut q = vec![0.0; 2 * rows];
        for name in ["in.next_q1", "in.next_q2"].into_iter().take(critics) {
            q.extend(case.values::<f32>(name)?);
        }
        let soft = algorithm == "sac";
        let temperature = if soft { Temperature::Fixed(case.number("ent_coef")? as f32) } else { Temperature::None };
        let logp = if soft { case.values::<f32>("in.next_log_prob")? } else { vec![0.0] };
        let d_q = gpu.buffer("d_q", (critics * rows) as u64)?;
        let p = loss_q::Params {
            rows: rows as u32,
            critics: critics as u32,
            next_offset: 2 * rows as u32,
            critic_stride: rows as u32,
            temperature: temperature.code(),
            alpha: temperature.fixed(),
            scale: 0.5,
            ..Default::default()
        };
        let (q, logp) = (gpu.upload("q", &q)?, gpu.upload("logp", &logp)?);
        let parameters = gpu.upload("parameters", &[0.0])?;
        let io = loss_q::Io {
            q: &q,
            samples: &samples,
            logp: &logp,
            parameters: &parameters,
            d_q: &d_q,
            loss_partials: &loss_partials,
        };
        gpu.run("loss_q", &loss_q::bind(gpu, &[p], &io)?, Slot::default())?;
        gpu.read(&d_q)?[..rows].to_vec()
    };
    let mut outputs = Outputs::new();
    put(&mut outputs, "targets", gradient.into_iter().map(|d| -d * rows as f32));
    Ok(outputs)
}

/// Weights of an action, a gradient by means and by log_std.
type Gradient = (Vec<f32>, Vec<f32>);

pub fn squashed(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let matrix = |name: &str| case.matrix::<f32>(&format!("in.{name}"));
    let (mean, log_std, noise) = (matrix("mean")?, matrix("log_std")?, matrix("noise")?);
    let (rows, dims) = mean.dim();
    let raw = ndarray::concatenate![ndarray::Axis(1), mean, log_std];
    let outputs = gpu.upload("outputs", &raw.iter().copied().collect::<Vec<f32>>())?;
    let noise = gpu.upload("noise", &noise.iter().copied().collect::<Vec<f32>>())?;
    let count = (rows * dims) as u64;
    let (actions, logp) = (gpu.buffer("actions", count)?, gpu.buffer("logp", rows as u64)?);
    let bounds = gpu.upload("bounds", &[[0.0_f32; 2]])?;
    let env_actions = gpu.buffer("env_actions", 1)?;
    let limits = [case.number("log_std_min")? as f32, case.number("log_std_max")? as f32];
    let epsilon = case.number("squash_epsilon")? as f32;
    let p = policy_squash::Params {
        rows: rows as u32,
        dims: dims as u32,
        actions_stride: dims as u32,
        source: Source::Given.code(),
        log_std_min: limits[0],
        log_std_max: limits[1],
        epsilon,
        ..Default::default()
    };
    let io = policy_squash::Io {
        outputs: &outputs,
        bounds: &bounds,
        noise: &noise,
        actions: &actions,
        logp: &logp,
        env_actions: &env_actions,
    };
    let ring = PerUpdate::ring(gpu)?;
    let slot = ring.push(gpu, &PerUpdate::default())?;
    gpu.run("policy_squash", &policy_squash::bind(gpu, &[p], &io, &ring)?, slot)?;
    let mut all = Outputs::new();
    put(&mut all, "action", gpu.read(&actions)?);
    put(&mut all, "log_prob", gpu.read(&logp)?);

    // Row by row, as each has a weight of its own: α of a batch of one row.
    let gradient = |weights: &[f32], w_action: &[f32]| -> Result<Gradient> {
        let d_actions = gpu.upload("d_actions", w_action)?;
        let (parameters, d_outputs) = (gpu.upload("parameters", &[0.0])?, gpu.buffer("d_outputs", 2 * dims as u64)?);
        let io = policy_squash_backward::Io {
            outputs: &outputs,
            noise: &noise,
            d_actions: &d_actions,
            parameters: &parameters,
            d_outputs: &d_outputs,
        };
        let (mut by_mean, mut by_log_std) = (Vec::new(), Vec::new());
        for (row, weight) in weights.iter().enumerate() {
            let temperature = Temperature::Fixed(*weight);
            let p = policy_squash_backward::Params {
                rows: 1,
                dims: dims as u32,
                outputs_offset: (2 * row * dims) as u32,
                noise_offset: (row * dims) as u32,
                d_offset: (row * dims) as u32,
                d_stride: dims as u32,
                critics: 1,
                temperature: temperature.code(),
                alpha: temperature.fixed(),
                log_std_min: limits[0],
                log_std_max: limits[1],
                epsilon,
                ..Default::default()
            };
            gpu.run("policy_squash_backward", &policy_squash_backward::bind(gpu, &[p], &io)?, Slot::default())?;
            let own = gpu.read(&d_outputs)?;
            by_mean.extend(&own[..dims]);
            by_log_std.extend(&own[dims..]);
        }
        Ok((by_mean, by_log_std))
    };
    let (none, ones) = (vec![0.0; rows * dims], vec![1.0; rows]);
    let of_log_prob = gradient(&ones, &none)?;
    let of_action = gradient(&vec![0.0; rows], &vec![1.0; rows * dims])?;
    let w_action: Vec<f32> = matrix("w_action")?.iter().copied().collect();
    let both = gradient(&case.values::<f32>("in.w_log_prob")?, &w_action)?;
    for ([by_mean, by_log_std], (of_mean, of_log_std)) in [
        (["dlogp_dmean", "dlogp_dlog_std"], of_log_prob),
        (["daction_dmean", "daction_dlog_std"], of_action),
        (["grad.mean", "grad.log_std"], both),
    ] {
        put(&mut all, by_mean, of_mean);
        put(&mut all, by_log_std, of_log_std);
    }
    Ok(all)
}
