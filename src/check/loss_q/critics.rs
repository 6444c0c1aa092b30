//! The loss of critics.

use super::support::{ALPHA_AT, LOG_ALPHA, REASON, alpha, compare, compare_sums, name, samples};
use crate::check::accuracy::{Known, exact, rounded, sum};
use crate::check::case::Case;
use crate::check::support::{Guarded, Random, Report, wide};
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::loss_dqn::groups;
use crate::kernels::loss_q::{self, Temperature};
use crate::reference::critics::{critic_loss, least_of};
use crate::reference::td_target::td_target;
use ndarray::Array1;

#[derive(Clone, Copy)]
pub(super) struct Critic {
    pub rows: usize,
    pub critics: usize,
    pub temperature: Temperature,
    pub scale: f32,
    /// The row whose second target is not a number.
    pub broken: Option<usize>,
}

pub(super) fn case(c: Critic) -> Case {
    let Critic { rows, critics, temperature, scale, broken } = c;
    let bad = if broken.is_some() { ", a NaN" } else { "" };
    let shape = format!("{rows} rows, {critics} critics, {}, scale {scale}{bad}", name(temperature));
    Case::new(loss_q::DEF.name, shape, REASON, async move |gpu, report| run(gpu, report, c).await)
}

/// Numbers before the values, before the log-probabilities, and between the critics.
const BEFORE: usize = 3;
const APART: usize = 5;

async fn run(gpu: &Gpu, report: &Report, c: Critic) -> Result<()> {
    let Critic { rows, critics, temperature, scale, broken } = c;
    let mut random = Random::new((rows * 3 + critics) as u64);
    let stride = rows + APART;
    let mut q = random.normals(BEFORE + 4 * stride, 2.0);
    let place = |of_next: usize, critic: usize| BEFORE + (2 * of_next + critic) * stride;
    let mut batch = samples(&mut random, rows);
    // What follows a terminal state need not be a number.
    if rows > 1 {
        batch[1][2] = 1.0;
        q[place(1, 0) + 1] = f32::NAN;
    }
    if let Some(row) = broken {
        batch[row][2] = 0.0;
        q[place(1, 1) + row] = f32::NAN;
    }
    let logp = random.normals(BEFORE + rows, 1.5);
    let b = (
        Guarded::holding(gpu, "q", &q)?,
        Guarded::holding(gpu, "samples", &batch)?,
        Guarded::holding(gpu, "logp", &logp)?,
        Guarded::holding(gpu, "parameters", &[f32::NAN, f32::NAN, LOG_ALPHA])?,
        Guarded::<f32>::output(gpu, "d_q", critics * rows)?,
        Guarded::<[f32; 4]>::output(gpu, "loss_partials", groups(rows as u32) as usize)?,
    );
    let p = loss_q::Params {
        rows: rows as u32,
        critics: critics as u32,
        q_offset: place(0, 0) as u32,
        next_offset: place(1, 0) as u32,
        critic_stride: stride as u32,
        logp_offset: BEFORE as u32,
        temperature: temperature.code(),
        alpha_at: if let Temperature::Tuned(_) = temperature { ALPHA_AT } else { 0 },
        alpha: temperature.fixed(),
        scale,
        ..Default::default()
    };
    let io = loss_q::Io {
        q: b.0.io(),
        samples: b.1.io(),
        logp: b.2.io(),
        parameters: b.3.io(),
        d_q: b.4.io(),
        loss_partials: b.5.io(),
    };
    report.run(gpu, &loss_q::bind(gpu, &[p], &io)?, Slot::default())?;
    let (d_q, partials) = (b.4.read(gpu, report).await?, b.5.read(gpu, report).await?);
    if let Some(row) = broken {
        report.exact("d_q (no number)", &[d_q[row].is_nan(), d_q[rows + row].is_nan()], &[true; 2]);
        report.exact("loss_partials (not finite)", &[partials[row / 64][3]], &[1.0]);
        return Ok(());
    }
    let values = |of_next| (0..critics).map(|c| wide(&q[place(of_next, c)..][..rows]).into()).collect();
    let own: [Vec<Array1<f64>>; 2] = [values(0), values(1)];
    compare_all(report, &c, own, &batch, &logp[BEFORE..], (&d_q, &partials))
}

fn compare_all(
    report: &Report,
    c: &Critic,
    [own, next]: [Vec<Array1<f64>>; 2],
    batch: &[[f32; 4]],
    logp: &[f32],
    (d_q, partials): (&[f32], &[[f32; 4]]),
) -> Result<()> {
    let Critic { rows, temperature, scale, .. } = *c;
    let alpha = alpha(temperature);
    let logp = Array1::from(wide(logp));
    let column = |i: usize| batch.iter().map(|row| f64::from(row[i])).collect::<Array1<f64>>();
    let terminated: Array1<u32> = batch.iter().map(|row| u32::from(row[2] != 0.0)).collect();
    let least = least_of(&next)?.0;
    let ahead = &least - &(&logp * alpha.value);
    let targets = td_target(column(0).view(), terminated.view(), column(1).view(), ahead.view())?;

    let y: Vec<Known> = (0..rows)
        .map(|r| {
            let [reward, discount, terminated, _] = batch[r].map(|x| exact(x.into()));
            let entropy = if temperature == Temperature::None { Known::zero() } else { alpha * exact(logp[r]) };
            if terminated.value != 0.0 { reward } else { reward + discount * (exact(least[r]) - entropy) }
        })
        .collect();
    let (mut terms, mut of_q) = (vec![Vec::new(); rows], vec![Vec::new(); rows]);
    for (critic, own) in own.iter().enumerate() {
        let want = critic_loss(own, &targets, scale.into())?.1;
        let inverse = rounded(1.0 / rows as f64);
        let mut bounds = Vec::new();
        for r in 0..rows {
            let d = exact(own[r]) - y[r];
            bounds.push((exact(2.0 * f64::from(scale)) * d * inverse).error);
            terms[r].push(exact(scale.into()) * d * d);
            of_q[r].push(exact(own[r]));
        }
        compare(report, &format!("d_q {critic}"), &d_q[critic * rows..][..rows], &want.to_vec(), &bounds);
    }
    let rows_of = |terms: &[Vec<Known>]| terms.iter().map(|terms| sum(terms)).collect::<Vec<_>>();
    let names = ["loss_partials (loss)", "loss_partials (Q)", "loss_partials (target)"];
    compare_sums(report, partials, names, [&rows_of(&terms), &rows_of(&of_q), &y]);
    Ok(())
}
