//! The kernel on a minibatch.

use super::bounds::Bounds;
use super::inputs::{CLIP, ENT_COEF, GROUP, KL_COEF, Loss, VF_COEF};
use super::minibatch::Minibatch;
use crate::check::support::{EPS, Guarded, Report, schedule};
use crate::config::KlDirection;
use crate::data::MinibatchStats;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::batch_clean::INVALID_LOGP;
use crate::kernels::loss_ppo::{self, VALUE_UNIT};
use crate::kernels::per_update::PerUpdate;
use ndarray::Array2;

pub(super) async fn run(gpu: &Gpu, report: &Report, c: &Loss) -> Result<()> {
    let inputs = c.inputs()?;
    let m = Minibatch::new(c, &inputs)?;
    let rows = c.rows;
    let mut samples = inputs.samples.clone();
    let kl_sample = if c.kl.is_some() { samples.len() as u32 } else { 0 };
    let on = |direction: KlDirection| if c.kl == Some(direction) { KL_COEF } else { 0.0 };
    samples.push([on(KlDirection::OldNew), on(KlDirection::NewOld), f32::NAN, f32::NAN]);
    let counted = c.counted(0..rows);
    let weight = c.weight();
    let valid_sample = if c.padded { samples.len() as u32 } else { 0 };
    samples.push([weight, f32::NAN, f32::NAN, f32::NAN]);
    for row in (0..rows).filter(|row| !counted.contains(row)) {
        samples[c.row_offset + row][0] = INVALID_LOGP;
    }
    let buffers = (
        Guarded::holding(gpu, "head_outputs", &inputs.dist)?,
        Guarded::holding(gpu, "values", &inputs.values)?,
        Guarded::holding(gpu, "actions", &inputs.words)?,
        Guarded::holding(gpu, "samples", &samples)?,
        Guarded::holding(gpu, "head_outputs_old", &inputs.old)?,
    );
    let d_head_outputs = Guarded::output(gpu, "d_head_outputs", inputs.dist.len())?;
    let d_values = Guarded::output(gpu, "d_values", rows)?;
    let groups = rows.div_ceil(GROUP);
    let loss_partials = Guarded::<[f32; 4]>::output(gpu, "loss_partials", groups * 3)?;
    let clip_coef_vf = m.config.value_limit_at(0.0).unwrap_or(f64::INFINITY) as f32;
    let values = PerUpdate { clip_coef: CLIP, clip_coef_vf, ent_coef: ENT_COEF, ..PerUpdate::default() };
    let (ring, slot) = schedule(gpu, &values)?;
    let mut p = loss_ppo::Params::default();
    (p.rows, p.row_offset, p.value_loss) = (rows as u32, c.row_offset as u32, c.value_loss.code());
    (p.dual_clip, p.vf_loss_scale, p.vf_coef) = (c.dual_clip.unwrap_or(0.0), 0.5, VF_COEF);
    (p.surrogate, p.kl_sample, p.valid_sample) = (c.surrogate.code(), kl_sample, valid_sample);
    let io = loss_ppo::Io {
        head_outputs: buffers.0.io(),
        values: buffers.1.io(),
        actions: buffers.2.io(),
        samples: buffers.3.io(),
        d_head_outputs: d_head_outputs.io(),
        d_values: d_values.io(),
        loss_partials: loss_partials.io(),
        head_outputs_old: buffers.4.io(),
    };
    report.run(gpu, &loss_ppo::bind(gpu, &c.head, &[p], &io, &ring)?, slot)?;
    let partials = loss_partials.read(gpu, report).await?;
    let d_dist = d_head_outputs.read(gpu, report).await?;
    let d_v = d_values.read(gpu, report).await?;

    let got = Found { d_dist: &d_dist, d_values: &d_v, partials: &partials };
    if !c.broken {
        return got.compare(report, c, &m);
    }
    for group in 0..groups {
        let own = m.oracle(&c.counted(group * GROUP..rows.min((group + 1) * GROUP)))?;
        let want = f64::from(own.stats.non_finite_rows);
        report.floats("loss_partials (not finite)", &[partials[group * 3 + 1][3]], &[want], |_| 1.0);
    }
    Ok(())
}

/// What the kernel wrote.
struct Found<'a> {
    d_dist: &'a [f32],
    d_values: &'a [f32],
    partials: &'a [[f32; 4]],
}

impl Found<'_> {
    fn compare(&self, report: &Report, c: &Loss, m: &Minibatch) -> Result<()> {
        let rows = c.rows;
        let bounds = Bounds::new(m, rows, None)?;
        let counted = c.counted(0..rows);
        let whole = m.oracle(&counted)?;
        // Rows that do not count have no gradient: exactly, as their size is 0.
        let weight = f64::from(c.weight());
        let mut want = Array2::zeros(m.dist.dim());
        let (mut want_values, mut share) = (vec![0.0; rows], vec![0.0; rows]);
        for (place, &row) in counted.iter().enumerate() {
            want.row_mut(row).assign(&whole.d_dist.row(place));
            want_values[row] = whole.d_values[place];
            share[row] = weight;
        }
        let width = c.head.width();
        let want: Vec<f64> = want.into_iter().collect();
        report.floats("d_head_outputs", self.d_dist, &want, |i| share[i / width] * bounds.d_dist[i] / EPS);
        report.floats("d_values", self.d_values, &want_values, |row| share[row] * bounds.d_values[row] / EPS);
        for (group, partials) in self.partials.chunks(3).enumerate() {
            let range = c.counted(group * GROUP..rows.min((group + 1) * GROUP));
            if range.is_empty() {
                let nothing = [[0.0; 4], [0.0; 4], [3.4e38, 0.0, 0.0, 0.0]];
                report.exact("loss_partials (no row counts)", partials, &nothing);
                continue;
            }
            let stats = m.oracle(&range)?.stats;
            let mut got: Vec<f32> = partials.iter().flatten().copied().collect();
            got[1] *= VALUE_UNIT;
            compare_sums(report, &got, &stats, weight, (&bounds, &range), stats.non_finite_rows.into());
            report.exact("loss_partials (hits, rows)", &got[10..], &[stats.head_hits as f32, range.len() as f32]);
        }
        Ok(())
    }
}

/// The sums over `rows`, of which so many are not finite, and the extremes of their ratios: `got` has the sums of a workgroup first.
pub(in crate::check) fn compare_sums(
    report: &Report,
    got: &[f32],
    stats: &MinibatchStats,
    weight: f64,
    (bounds, rows): (&Bounds, &[usize]),
    non_finite: f64,
) {
    let n = rows.len() as f64 * weight;
    let sums = [
        stats.policy_loss * n,
        stats.value_loss * n,
        stats.entropy * n,
        stats.old_approx_kl * n,
        stats.approx_kl_k2 * n,
        stats.approx_kl * n,
        stats.clipfrac * n,
        non_finite,
    ];
    for (i, name) in SUMS.iter().enumerate() {
        let size = weight * rows.iter().map(|row| bounds.in_sum(*row, i)).sum::<f64>() / EPS;
        report.floats(name, &got[i..=i], &sums[i..=i], |_| size);
    }
    let extremes = [stats.ratio_min, stats.ratio_max];
    let most = rows.iter().map(|row| bounds.ratio[*row]).fold(0.0, f64::max);
    report.floats("loss_partials (ratios)", &got[8..10], &extremes, |i| extremes[i] * most / EPS);
}

/// The sums among the partials.
const SUMS: [&str; 8] = [
    "loss_partials (policy loss)",
    "loss_partials (value loss)",
    "loss_partials (entropy)",
    "loss_partials (k1)",
    "loss_partials (k2)",
    "loss_partials (k3)",
    "loss_partials (clipped)",
    "loss_partials (not finite)",
];
