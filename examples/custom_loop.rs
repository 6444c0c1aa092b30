//! Single kernels without our plans: advantages, a loss at the heads, clipping and Adam, for a trainer that has networks of its
//! own.
//!
//! The "network" here is the smallest there can be: one row of logits and one value per state, which are the parameters
//! themselves. A bandit with three arms learns which pays best; everything runs on the device.
//!
//! Run with `cargo run --example custom_loop`.

use wgpo::gpu::{Gpu, GpuOptions};
use wgpo::low_level::kernels::loss_statistics::{CONTROL_WORDS, TRACE_WIDTH};
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::low_level::kernels::{advantage_gae, loss_ppo, optim_adam, optim_clip};
use wgpo::policy::Head;

const ROWS: u32 = 6; // two pulls of each arm
const ARMS: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gpu = Gpu::new(&GpuOptions { allow_software: true, ..GpuOptions::default() })?;
    println!("running on {}", gpu.describe());
    let head = Head::categorical(ARMS);
    let rows = u64::from(ROWS);
    let logits = u64::from(ROWS) * ARMS as u64;

    // One step per episode: the advantage is reward − V, by the same kernel as long rollouts.
    let rewards = gpu.upload("rewards", &[0.1, 0.9, 0.3, 0.2, 1.0, 0.2_f32])?;
    let zeros = gpu.buffer::<f32>("zeros", 2 * rows)?;
    let ended = gpu.upload("terminated", &[1_u32; ROWS as usize])?;
    let not_cut = gpu.buffer::<u32>("truncated", rows)?;
    let (advantages, returns) = (gpu.buffer("advantages", rows)?, gpu.buffer("returns", rows)?);
    let io = advantage_gae::Io {
        rewards: &rewards,
        values: &zeros,
        final_values: &zeros,
        terminated: &ended,
        truncated: &not_cut,
        advantages: &advantages,
        returns: &returns,
    };
    let params = advantage_gae::Params {
        steps: 1,
        envs: ROWS,
        gamma: 0.99,
        gae_lambda: 0.95,
        bootstrap: 1,
        ..Default::default()
    };
    gpu.run("advantages", &advantage_gae::bind(&gpu, &[params], &io)?, Default::default())?;
    let advantages = gpu.read(&advantages)?;
    let returns = gpu.read(&returns)?;

    // A loss kernel reads what the forward pass left; here the parameters are the logits of all rows.
    let ring = PerUpdate::ring(&gpu)?;
    let schedule = PerUpdate { learning_rate: 0.05, clip_coef: 0.2, clip_coef_vf: 0.2, ..PerUpdate::default() };
    let parameters = gpu.buffer::<f32>("logits", logits)?;
    let values = gpu.buffer::<f32>("values", rows)?;
    let actions = gpu.upload("actions", &[0, 1, 2, 0, 1, 2_u32])?;
    let logp_old = -(ARMS as f32).ln();
    let samples: Vec<[f32; 4]> =
        advantages.iter().zip(&returns).map(|(advantage, target)| [logp_old, *advantage, *target, 0.0]).collect();
    let samples = gpu.upload("samples", &samples)?;
    let gradient = gpu.buffer::<f32>("gradient", logits)?;
    let d_values = gpu.buffer::<f32>("d_values", rows)?;
    let loss_partials = gpu.buffer("loss_partials", 3 * u64::from(loss_ppo::groups(ROWS)))?;
    let io = loss_ppo::Io {
        head_outputs: &parameters,
        values: &values,
        actions: &actions,
        samples: &samples,
        d_head_outputs: &gradient,
        d_values: &d_values,
        loss_partials: &loss_partials,
        head_outputs_old: &parameters,
    };
    let params = loss_ppo::Params { rows: ROWS, vf_loss_scale: 0.5, vf_coef: 0.5, ..Default::default() };
    let mut step = loss_ppo::bind(&gpu, &head, &[params], &io, &ring)?;

    // Clip and Adam work on any flat vector.
    let control = gpu.buffer("control", CONTROL_WORDS)?;
    let optimizer_step = gpu.buffer("optimizer_step", 1)?;
    let io = optim_clip::Io {
        gradient: &gradient,
        norm_partials: &gpu.buffer("norm_partials", u64::from(optim_clip::groups(logits as u32)))?,
        control: &control,
        optimizer_step: &optimizer_step,
        trace: &gpu.buffer("trace", TRACE_WIDTH)?,
    };
    let params = optim_clip::Params { count: logits as u32, max_grad_norm: 0.5, ..Default::default() };
    step.extend(optim_clip::bind(&gpu, &[params], &io)?);
    let (beta1, beta2) = (0.9, 0.999);
    let io = optim_adam::Io {
        gradient: &gradient,
        bias_correction: &gpu.upload("bias_correction", &optim_adam::bias_corrections(beta1, beta2)?)?,
        control: &control,
        optimizer_step: &optimizer_step,
        parameters: &parameters,
        exp_avg: &gpu.buffer("exp_avg", logits)?,
        exp_avg_sq: &gpu.buffer("exp_avg_sq", logits)?,
    };
    let params = optim_adam::Params {
        count: logits as u32,
        beta1: beta1 as f32,
        one_minus_beta1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        one_minus_beta2: (1.0 - beta2) as f32,
        eps: 1e-5,
        ..Default::default()
    };
    step.extend(optim_adam::bind(&gpu, &[params], &io, &ring)?);

    // Four steps in one submission; the ratio clip ends the pull on each row once it has moved by 20 %.
    let slot = ring.push(&gpu, &schedule)?;
    let mut encoder = gpu.encoder("steps");
    for _ in 0..4 {
        gpu.record(&mut encoder, "step", &step, slot);
    }
    gpu.submit(encoder)?;
    let learnt = gpu.read(&parameters)?;
    for (row, logits) in learnt.chunks(ARMS).enumerate() {
        println!("row {row}: arm {}, advantage {:+.2}, logits {logits:+.3?}", row % ARMS, advantages[row]);
    }
    // Every advantage here is positive, so the arm that was pulled must have become more probable on its row.
    let rose = learnt.chunks(ARMS).enumerate().all(|(row, logits)| {
        let pulled = logits[row % ARMS];
        logits.iter().enumerate().all(|(arm, logit)| arm == row % ARMS || *logit < pulled)
    });
    if !rose {
        return Err("an action with a positive advantage did not become more probable".into());
    }
    Ok(())
}
