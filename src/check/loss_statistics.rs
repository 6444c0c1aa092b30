//! The statistics of a minibatch, and the early stop.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::size::Size;
use super::support::{EPS, Guarded, Random, schedule};
use super::work::Work;
use crate::kernels::loss_statistics::Stop;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{loss_ppo, loss_statistics};

pub(super) const ENT_COEF: f32 = 0.03;
pub(super) const VF_COEF: f32 = 0.7;

/// Columns of the trace with k3, and with limits that heads met. By number and not by `kernels::words`: a name there that stands for
/// another column is then seen here.
pub(super) const KL_3: usize = 6;
pub(super) const HITS: usize = 15;
/// Rows that count.
pub(super) const ROWS: usize = 16;

/// Partial sums of `groups` workgroups.
pub(super) fn partials(random: &mut Random, groups: usize) -> Vec<[f32; 4]> {
    (0..3 * groups)
        .map(|i| match i % 3 {
            2 => [random.range(0.2, 0.9), random.range(1.1, 3.0), random.below(9) as f32, random.below(65) as f32],
            1 => [random.range(0.0, 9.0), random.range(0.0, 9.0), random.below(64) as f32, random.below(3) as f32],
            _ => {
                let [policy, value, entropy, kl] = [0; 4].map(|_: i32| random.range(-30.0, 60.0));
                [policy, value / loss_ppo::VALUE_UNIT, entropy, kl]
            }
        })
        .collect()
}

/// What a row of the trace has of them.
pub(super) struct Expected {
    /// From the first one on.
    pub columns: [f64; 11],
    /// Σ |terms| of the first five.
    pub sizes: [f64; 5],
    pub hits: f64,
    pub rows: f64,
}

impl Expected {
    pub(super) fn new(partials: &[[f32; 4]], rows: usize) -> Self {
        let over = |k: usize, i: usize| partials.iter().skip(k).step_by(3).map(move |v| f64::from(v[i]));
        let n = rows as f64;
        let mean = |k: usize, i: usize| over(k, i).sum::<f64>() / n;
        let size = |k: usize, i: usize| over(k, i).map(f64::abs).sum::<f64>() / n;
        let (ent_coef, vf_coef, unit) = (f64::from(ENT_COEF), f64::from(VF_COEF), f64::from(loss_ppo::VALUE_UNIT));
        let columns = [
            mean(0, 0),
            unit * mean(0, 1),
            mean(0, 2),
            mean(0, 0) - ent_coef * mean(0, 2) + vf_coef * unit * mean(0, 1),
            mean(0, 3),
            mean(1, 0),
            mean(1, 1),
            mean(1, 2),
            over(2, 0).fold(f64::INFINITY, f64::min),
            over(2, 1).fold(0.0, f64::max),
            over(1, 3).sum(),
        ];
        let loss = size(0, 0) + ent_coef * size(0, 2) + vf_coef * unit * size(0, 1);
        let sizes = [size(0, 0), unit * size(0, 1), size(0, 2), loss, size(0, 3)];
        Self { columns, sizes, hits: over(2, 2).sum(), rows: over(2, 3).sum() }
    }
}

fn statistics_case(rows: usize, kl_stop: Stop, kl_limit: f32, stopped: u32) -> Case {
    let shape = format!("{rows} rows, stop {} at {kl_limit}, control {stopped}", kl_stop.code());
    let groups = loss_ppo::groups(rows as u32) as usize;
    let tolerance = EPS * (groups as f64 / 64.0 + 6.0 + 6.0);
    let reason = "partial sums in 64 chains and a tree of 6 levels, then the mean; scale: sum of |terms|";
    Case::new(loss_statistics::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
        let index = 2_usize;
        let mut random = Random::new(rows as u64);
        let partials = partials(&mut random, groups);
        let initial = [stopped, 0, 0, 5, 0, 0, 0, 0];
        let loss_partials = Guarded::holding(gpu, "loss_partials", &partials)?;
        let control = Guarded::updated(gpu, "control", &initial)?;
        let width = loss_statistics::TRACE_WIDTH as usize;
        let trace = Guarded::<f32>::output(gpu, "trace", (index + 2) * width)?;
        let (ring, slot) = schedule(gpu, &PerUpdate { ent_coef: ENT_COEF, ..PerUpdate::default() })?;
        let mut p = loss_statistics::Params::default();
        (p.index, p.kl_stop, p.kl_limit, p.vf_coef) = (index as u32, kl_stop.code(), kl_limit, VF_COEF);
        let io = loss_statistics::Io { loss_partials: loss_partials.io(), control: control.io(), trace: trace.io() };
        report.run(gpu, &loss_statistics::bind(gpu, &[(p, rows as u32)], &io, &ring)?, slot)?;

        let want = Expected::new(&partials, rows);
        let got = trace.read(gpu, report).await?;
        let words = control.read(gpu, report).await?;
        let mine = index * width..index * width + want.columns.len();
        // An update that had stopped at or before this minibatch leaves its statistics alone.
        if stopped != 0 && index as u32 + 1 >= stopped {
            report.untouched("trace", got.iter().enumerate());
            report.exact("control", &words, &initial);
            return Ok(());
        }
        report.floats("trace", &got[mine.clone()], &want.columns, |i| want.sizes.get(i).copied().unwrap_or(0.0));
        let hits = index * width + HITS;
        report.floats("trace (hits)", &got[hits..=hits], &[want.hits], |_| 0.0);
        let counted = index * width + ROWS;
        report.floats("trace (rows)", &got[counted..=counted], &[want.rows], |_| 0.0);
        let others = got.iter().enumerate().filter(|(i, _)| !mine.contains(i) && *i != hits && *i != counted);
        report.untouched("trace", others);
        let stops = kl_stop != Stop::Never && want.columns[KL_3] > f64::from(kl_limit);
        let stop = if stops { index as u32 + kl_stop.code() } else { stopped };
        report.exact("control", &words, &[stop, 0, 0, 6, 0, 0, 0, 0]);
        Ok(())
    })
}

/// Twelve sums of a partial, of 64 rows each.
fn work(s: &Size) -> Work {
    let n = s.rows as f64;
    Work::rows(s.rows, 12.0 * n / 64.0, 48.0 * n / 64.0)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &loss_statistics::DEF,
        about: "losses, KL estimates, clip fraction; decides the early stop",
        oracle: oracle!(loss_ppo::loss_ppo),
        at_size: |s| Some(statistics_case(s.rows, Stop::BeforeStep, 1e6, 0)),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work,
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, kl_stop, kl_limit, stopped) in [
        (1, Stop::Never, 0.01, 0),
        (64, Stop::BeforeStep, 0.01, 0),
        (65, Stop::AfterStep, 0.01, 0),
        (4097, Stop::BeforeStep, 1e6, 0),
        (10_007, Stop::AfterStep, 1e-3, 9),
        (130, Stop::BeforeStep, 0.01, 3),
        (130, Stop::BeforeStep, 0.01, 1),
    ] {
        cases.push(statistics_case(rows, kl_stop, kl_limit, stopped).quick(rows == 10_007));
    }
    cases
}
