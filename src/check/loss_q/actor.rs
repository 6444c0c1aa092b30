//! The loss of an actor.

use super::support::{ALPHA_AT, LOG_ALPHA, REASON, alpha, compare, compare_sums, name};
use crate::check::accuracy::{Known, exact, rounded};
use crate::check::case::Case;
use crate::check::support::{Guarded, Random, Report, wide};
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::loss_actor;
use crate::kernels::loss_dqn::groups;
use crate::kernels::loss_q::Temperature;
use crate::reference::critics::least_of;
use ndarray::Array1;

const BEFORE: usize = 2;
const APART: usize = 3;

/// `broken`: the second critic's value of the first row is not a number.
pub(super) fn case(rows: usize, critics: usize, temperature: Temperature, broken: bool) -> Case {
    let bad = if broken { ", a NaN" } else { "" };
    let shape = format!("{rows} rows, {critics} critics, {}{bad}", name(temperature));
    Case::new(loss_actor::DEF.name, shape, REASON, async move |gpu, report| {
        run(gpu, report, [rows, critics], temperature, broken).await
    })
}

async fn run(
    gpu: &Gpu,
    report: &Report,
    [rows, critics]: [usize; 2],
    temperature: Temperature,
    broken: bool,
) -> Result<()> {
    let mut random = Random::new((rows * 5 + critics) as u64);
    let stride = rows + APART;
    let mut q = random.normals(BEFORE + 2 * stride, 2.0);
    // The first of equals.
    if rows > 2 {
        q[BEFORE + stride + 2] = q[BEFORE + 2];
    }
    if broken {
        q[BEFORE + stride] = f32::NAN;
    }
    let logp = random.normals(BEFORE + rows, 1.5);
    let b = (
        Guarded::holding(gpu, "q", &q)?,
        Guarded::holding(gpu, "logp", &logp)?,
        Guarded::holding(gpu, "parameters", &[f32::NAN, f32::NAN, LOG_ALPHA])?,
        Guarded::<f32>::output(gpu, "d_q", critics * rows)?,
        Guarded::<[f32; 4]>::output(gpu, "loss_partials", groups(rows as u32) as usize)?,
    );
    let p = loss_actor::Params {
        rows: rows as u32,
        critics: critics as u32,
        q_offset: BEFORE as u32,
        critic_stride: stride as u32,
        logp_offset: BEFORE as u32,
        temperature: temperature.code(),
        alpha_at: if let Temperature::Tuned(_) = temperature { ALPHA_AT } else { 0 },
        alpha: temperature.fixed(),
        ..Default::default()
    };
    let io =
        loss_actor::Io { q: b.0.io(), logp: b.1.io(), parameters: b.2.io(), d_q: b.3.io(), loss_partials: b.4.io() };
    report.run(gpu, &loss_actor::bind(gpu, &[p], &io)?, Slot::default())?;
    let (d_q, partials) = (b.3.read(gpu, report).await?, b.4.read(gpu, report).await?);
    if broken {
        report.exact("d_q (no number)", &[d_q[rows].is_nan()], &[true]);
        report.exact("loss_partials (not finite)", &[partials[0][3]], &[1.0]);
        return Ok(());
    }
    let values: Vec<Array1<f64>> =
        (0..critics).map(|critic| wide(&q[BEFORE + critic * stride..][..rows]).into()).collect();
    let (least, which) = least_of(&values)?;
    let inverse = rounded(1.0 / rows as f64);
    for critic in 0..critics {
        let want: Vec<f64> = which.iter().map(|which| if *which == critic { -inverse.value } else { 0.0 }).collect();
        let bounds = vec![inverse.error; rows];
        compare(report, &format!("d_q {critic}"), &d_q[critic * rows..][..rows], &want, &bounds);
    }
    let none = temperature == Temperature::None;
    let logp: Vec<Known> =
        logp[BEFORE..].iter().map(|x| if none { Known::zero() } else { exact((*x).into()) }).collect();
    let alpha = alpha(temperature);
    let least: Vec<Known> = least.iter().map(|x| exact(*x)).collect();
    let losses: Vec<Known> =
        least.iter().zip(&logp).map(|(least, logp)| if none { -*least } else { alpha * *logp - *least }).collect();
    let names = ["loss_partials (loss)", "loss_partials (logp)", "loss_partials (least Q)"];
    compare_sums(report, &partials, names, [&losses, &logp, &least]);
    Ok(())
}
