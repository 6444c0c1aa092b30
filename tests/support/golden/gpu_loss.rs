//! Kind `surrogate` on the device: PPO's loss, its statistics, and what prepares advantages.

use super::gpu::{Result, put};
use super::{Case, Outputs};
use wgpo::gpu::{Buffer, Gpu, Slot};
use wgpo::low_level::kernels::per_update::PerUpdate;
use wgpo::low_level::kernels::{advantage_normalize, loss_ppo, loss_statistics, reduce_moments};
use wgpo::policy::Head;

/// A clip range that clips nothing.
const WIDE: f32 = 1e30;

pub fn leaves_out(case: &Case, output: &str) -> bool {
    let name = output.trim_start_matches("out.").trim_start_matches("grad.");
    match name {
        // The device has one clip_coef for both sides.
        "loss_clip" | "loss_dual_clip" | "clip_fraction" => case.number("clip_low") != case.number("clip_high"),
        // Neither losses nor statistics of the device's PPO.
        "loss_kl_penalty" | "ratio_mean" | "ratio_std" => true,
        _ => false,
    }
}

/// The loss takes log-probabilities from a distribution. A Gaussian of one dimension whose action is its mean has
/// logp = −log_std − ½ log 2π; it cannot hit every f32, so this is the nearest that it does hit, and the old
/// log-probability is moved along: the loss knows their difference only.
struct Row {
    log_std: f32,
    log_prob_old: f32,
}

impl Row {
    fn new(log_prob_new: f32, log_prob_old: f32) -> Self {
        let half_log_two_pi = 0.5 * std::f64::consts::TAU.ln();
        let log_std = (-f64::from(log_prob_new) - half_log_two_pi) as f32;
        // As the device adds them.
        let reached = -(log_std + half_log_two_pi as f32);
        let moved = f64::from(reached) - f64::from(log_prob_new);
        Self { log_std, log_prob_old: (f64::from(log_prob_old) + moved) as f32 }
    }
}

pub fn run(gpu: &Gpu, case: &Case) -> Result<Outputs> {
    let column = |name: &str| case.values::<f32>(&format!("in.{name}"));
    let setting = |key: &str| case.number(key).map(|value| value as f32);
    let (advantages, values) = (column("advantages")?, column("values_new")?);
    let (values_old, returns) = (column("values_old")?, column("returns")?);
    let count = advantages.len();
    let rows = count as u32;
    let distributions: Vec<Row> =
        column("log_prob_new")?.iter().zip(column("log_prob_old")?).map(|(new, old)| Row::new(*new, old)).collect();
    let samples: Vec<[f32; 4]> = (0..count)
        .map(|row| [distributions[row].log_prob_old, advantages[row], returns[row], values_old[row]])
        .collect();
    // Mean 0 and action 0.
    let head_outputs: Vec<f32> = distributions.iter().flat_map(|row| [0.0, row.log_std]).collect();
    let d_head_outputs = gpu.buffer("d_head_outputs", 2 * u64::from(rows))?;
    let d_values = gpu.buffer("d_values", u64::from(rows))?;
    let loss_partials = gpu.buffer("loss_partials", u64::from(loss_ppo::groups(rows)) * 3)?;
    let trace = gpu.buffer("trace", loss_statistics::TRACE_WIDTH)?;
    let ring = PerUpdate::ring(gpu)?;
    let head_outputs = gpu.upload("head_outputs", &head_outputs)?;
    let io = loss_ppo::Io {
        head_outputs: &head_outputs,
        values: &gpu.upload("values", &values)?,
        actions: &gpu.buffer("actions", u64::from(rows))?,
        samples: &gpu.upload("samples", &samples)?,
        d_head_outputs: &d_head_outputs,
        d_values: &d_values,
        loss_partials: &loss_partials,
        head_outputs_old: &head_outputs,
    };
    let control = gpu.buffer("control", loss_statistics::CONTROL_WORDS)?;
    let statistics = loss_statistics::Io { loss_partials: &loss_partials, control: &control, trace: &trace };
    let statistics = loss_statistics::bind(gpu, &[(loss_statistics::Params::default(), rows)], &statistics, &ring)?;

    // Three policy losses and four value losses in four runs.
    let mut outputs = Outputs::new();
    let clip = setting("clip_low")?;
    for (value_loss, policy, clip_coef, dual_clip, value) in [
        (0, "loss_clip", clip, 0.0, "value_mse"),
        (1, "loss_dual_clip", clip, setting("dual_clip")?, "value_clip_max"),
        (2, "loss_unclipped", WIDE, 0.0, "value_clip_only"),
        (3, "loss_unclipped", WIDE, 0.0, "value_huber"),
    ] {
        let params =
            loss_ppo::Params { rows, value_loss, dual_clip, vf_loss_scale: 0.5, vf_coef: 1.0, ..Default::default() };
        let mut calls = loss_ppo::bind(gpu, &Head::gaussian(1), &[params], &io, &ring)?;
        calls.extend(statistics.iter().cloned());
        let clip_coef_vf = setting(if value_loss == 3 { "huber_delta" } else { "clip_range_vf" })?;
        let slot = ring.push(gpu, &PerUpdate { clip_coef, clip_coef_vf, ..Default::default() })?;
        gpu.run("loss", &calls, slot)?;
        let trace = gpu.read(&trace)?;
        put(&mut outputs, policy, &trace[0..1]);
        put(&mut outputs, value, &trace[1..2]);
        // ∂logp/∂log_std = −1 where the action is the mean; without an entropy bonus nothing else is in it.
        let by_logp: Vec<f32> = gpu.read(&d_head_outputs)?.chunks(2).map(|row| -row[1]).collect();
        put(&mut outputs, &format!("grad.{policy}"), &by_logp);
        put(&mut outputs, &format!("grad.{value}"), &gpu.read(&d_values)?);
        if value_loss == 0 {
            for (column, name) in [
                (4, "approx_kl_k1"),
                (5, "approx_kl_k2"),
                (6, "approx_kl_k3"),
                (7, "clip_fraction"),
                (8, "ratio_min"),
                (9, "ratio_max"),
            ] {
                put(&mut outputs, name, &trace[column..=column]);
            }
        }
    }

    let (returns, values_old) = (gpu.upload("returns", &returns)?, gpu.upload("values_old", &values_old)?);
    let of_returns = moments(gpu, rows, &returns, None)?;
    let of_residuals = moments(gpu, rows, &returns, Some(&values_old))?;
    put(
        &mut outputs,
        "explained_variance",
        &[1.0 - (gpu.read(&of_residuals)?[0][2] / gpu.read(&of_returns)?[0][2]).powi(2)],
    );
    for ddof in [0, 1] {
        let advantages = gpu.upload("advantages", &advantages)?;
        let moments = moments(gpu, rows, &advantages, None)?;
        let io = advantage_normalize::Io { moments: &moments, advantages: &advantages };
        let eps = setting("advantage_eps")?;
        let params = advantage_normalize::Params { rows, segment: rows, stride: 1, ddof, eps, ..Default::default() };
        gpu.run("normalize", &advantage_normalize::bind(gpu, &[params], &io)?, Slot::default())?;
        // One row: ours leaves it unchanged, the files' formula gives 0.
        let normal = if rows == 1 { vec![0.0] } else { gpu.read(&advantages)? };
        put(&mut outputs, &format!("advantages_ddof{ddof}"), &normal);
    }
    Ok(outputs)
}

/// `(count, mean, Σ (x − mean)², 0)` of x, or of x − y.
fn moments(gpu: &Gpu, rows: u32, x: &Buffer<f32>, y: Option<&Buffer<f32>>) -> Result<Buffer<[f32; 4]>> {
    let moments = gpu.buffer("moments", 1)?;
    let io = reduce_moments::Io {
        minuend: x,
        subtrahend: y.unwrap_or(x),
        marks: x,
        partials: &gpu.buffer("partials", reduce_moments::partials(rows, rows))?,
        moments: &moments,
    };
    let subtract = u32::from(y.is_some());
    let params = reduce_moments::Params { rows, segment: rows, stride: 1, subtract, ..Default::default() };
    gpu.run("moments", &reduce_moments::bind(gpu, &[params], &io)?, Slot::default())?;
    Ok(moments)
}
