//! The end of a minibatch in few dispatches: from slices of partial gradients to the permission to step.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::loss_statistics::{ENT_COEF, Expected, HITS, KL_3, ROWS, VF_COEF, partials};
use super::size::Size;
use super::support::{EPS, Guarded, Random, Report, schedule, wide};
use super::work::Work;
use crate::config::ClipFormula;
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::loss_statistics::{Stop, TRACE_WIDTH};
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{loss_ppo, optim_clip, optim_decide, optim_reduce};

/// Elements of a partial sum of the norm.
const SPAN: usize = 256;

/// `apart`: a range is clipped by itself, and the gradient begins further on. `broken`: one element is not finite.
fn reduce_case(count: usize, slices: usize, apart: bool, broken: bool) -> Case {
    let offset = if apart { 37 } else { 0 };
    let shape = format!(
        "{count} numbers of {slices} slices{}{}",
        if apart { ", clipped apart" } else { "" },
        if broken { ", one not finite" } else { "" }
    );
    // Of the slices four chains, two levels and the rest; of the norm four squares a lane and a tree of 6 levels.
    let tolerance = EPS * (slices as f64 / 4.0 + 6.0).max(4.0 + 6.0 + 2.0);
    let reason =
        "a fourth of the slices, two levels and a rest; four squares a lane and 6 levels; scale: sum of |terms|";
    Case::new(optim_reduce::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
        let mut random = Random::new((count + slices) as u64);
        let mut data = random.normals(slices * count, 1.0);
        if broken {
            data[(slices - 1) * count + count / 2] = f32::NAN;
        }
        let groups = optim_clip::groups(count as u32) as usize;
        let partials = Guarded::holding(gpu, "partials", &data)?;
        let gradient = Guarded::<f32>::output(gpu, "gradient", offset + count)?;
        let norm_partials = Guarded::<[f32; 4]>::output(gpu, "norm_partials", groups)?;
        let value = if apart { count / 3..count - count / 5 } else { 0..0 };
        let p = optim_reduce::Params {
            count: count as u32,
            slices: slices as u32,
            value_begin: (offset + value.start) as u32,
            value_end: (offset + value.end) as u32,
            offset: offset as u32,
            ..Default::default()
        };
        let io =
            optim_reduce::Io { partials: partials.io(), gradient: gradient.io(), norm_partials: norm_partials.io() };
        report.run(gpu, &optim_reduce::bind(gpu, &[p], &io)?, Slot::default())?;
        let (got, norms) = (gradient.read(gpu, report).await?, norm_partials.read(gpu, report).await?);
        report.untouched("gradient (before the first)", got[..offset].iter().enumerate());
        let got = &got[offset..];
        let terms = |i: usize| (0..slices).map(move |slice| slice * count + i);
        let finite = |i: &usize| !broken || *i != count / 2;
        let kept: Vec<usize> = (0..count).filter(finite).collect();
        let want: Vec<f64> = kept.iter().map(|i| terms(*i).map(|at| f64::from(data[at])).sum()).collect();
        let own: Vec<f32> = kept.iter().map(|i| got[*i]).collect();
        report.floats("gradient", &own, &want, |k| terms(kept[k]).map(|at| f64::from(data[at].abs())).sum());
        if broken && got[count / 2].is_finite() {
            report.fault("\"gradient\" hides what is not finite".to_owned());
        }
        // Of the gradient that it stored, so that only the norm's own roundings count.
        let stored = wide(got);
        let sum = |group: usize, of_value: bool| {
            let range = group * SPAN..count.min((group + 1) * SPAN);
            range.filter(|i| finite(i) && value.contains(i) == of_value).map(|i| stored[i] * stored[i]).sum::<f64>()
        };
        for (group, norm) in norms.iter().enumerate() {
            report.floats("norm_partials", &norm[..2], &[sum(group, false), sum(group, true)], |_| 0.0);
            let bad = if broken && group == count / 2 / SPAN { optim_clip::BROKEN } else { 0.0 };
            report.exact("norm_partials (not finite, large)", &norm[2..], &[bad, 0.0]);
        }
        Ok(())
    })
}

#[derive(Clone, Copy)]
struct Decide {
    rows: usize,
    /// Elements of the gradient.
    count: usize,
    kl_stop: Stop,
    kl_limit: f32,
    /// The control word of an early stop before.
    stopped: u32,
    max_grad_norm: f32,
    formula: ClipFormula,
    /// Whether rows that are not finite come as bits.
    bits: bool,
    /// Elements that are not finite.
    broken: f32,
}

fn decide_case(c: Decide) -> Case {
    let Decide { rows, count, kl_stop, kl_limit, stopped, max_grad_norm, formula, bits, broken } = c;
    let shape = format!(
        "{rows} rows, {count} numbers, stop {} at {kl_limit}, control {stopped}, limit {max_grad_norm} by {formula:?}{}{}",
        kl_stop.code(),
        if bits { ", bits" } else { "" },
        if broken > 0.0 { ", not finite" } else { "" },
    );
    let (loss_groups, norm_groups) =
        (loss_ppo::groups(rows as u32) as usize, optim_clip::groups(count as u32) as usize);
    let longest = loss_groups.max(norm_groups) as f64 / 64.0;
    let tolerance = EPS * (longest + 6.0 + 8.0);
    let reason = "partial sums in 64 chains and a tree of 6 levels, then a mean, or a root and a quotient; scale: sum of |terms|";
    Case::new(optim_decide::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
        decide(gpu, report, &c).await
    })
}

/// The minibatch of the update.
const INDEX: usize = 2;

/// Partial sums of the loss and of the norm, and what the statistics make of the former.
struct Sums {
    loss: Vec<[f32; 4]>,
    norms: Vec<[f32; 4]>,
    want: Expected,
}

impl Sums {
    fn new(c: &Decide) -> Self {
        let mut random = Random::new((c.rows + c.count) as u64);
        let groups = loss_ppo::groups(c.rows as u32) as usize;
        let mut loss = partials(&mut random, groups);
        let mut want = Expected::new(&loss, c.rows);
        if c.bits {
            // Bits of the policy and of the critic of four times 16 rows: a row of both counts once.
            let words = [(5_u16, 4_u16), (0, 0x8000), (0xffff, 1), (0, 0)];
            for _ in 0..groups {
                loss.push(words.map(|(policy, _)| f32::from(policy)));
                loss.push(words.map(|(_, critic)| f32::from(critic)));
            }
            let each: u32 = words.iter().map(|(policy, critic)| (policy | critic).count_ones()).sum();
            // What was a count of such rows without bits counts rows with them.
            want.rows = want.columns[10];
            want.columns[10] = f64::from(each) * groups as f64;
        }
        let norm_groups = optim_clip::groups(c.count as u32) as usize;
        let mut norms: Vec<[f32; 4]> =
            (0..norm_groups).map(|_| [random.range(0.0, 3.0), random.range(0.0, 2.0), 0.0, 0.0]).collect();
        norms[norm_groups - 1][2] = c.broken * optim_clip::BROKEN;
        Self { loss, norms, want }
    }
}

async fn decide(gpu: &Gpu, report: &Report, c: &Decide) -> Result<()> {
    let sums = Sums::new(c);
    let initial = [c.stopped, 7, 7, 3, 4, 5, 0, 0];
    let buffers = (
        Guarded::holding(gpu, "loss_partials", &sums.loss)?,
        Guarded::holding(gpu, "norm_partials", &sums.norms)?,
        Guarded::updated(gpu, "control", &initial)?,
        Guarded::updated(gpu, "optimizer_step", &[41_u32])?,
        Guarded::<f32>::output(gpu, "trace", (INDEX + 2) * TRACE_WIDTH as usize)?,
    );
    let (ring, slot) = schedule(gpu, &PerUpdate { ent_coef: ENT_COEF, ..PerUpdate::default() })?;
    let p = optim_decide::Params {
        index: INDEX as u32,
        kl_stop: c.kl_stop.code(),
        kl_limit: c.kl_limit,
        vf_coef: VF_COEF,
        bits: c.bits.into(),
        max_grad_norm: c.max_grad_norm,
        formula: optim_clip::formula(c.formula),
        ..Default::default()
    };
    let io = optim_decide::Io {
        loss_partials: buffers.0.io(),
        norm_partials: buffers.1.io(),
        control: buffers.2.io(),
        optimizer_step: buffers.3.io(),
        trace: buffers.4.io(),
    };
    report.run(gpu, &optim_decide::bind(gpu, &[(p, c.rows as u32)], c.count as u32, &io, &ring)?, slot)?;
    let (control, step) = (buffers.2.read(gpu, report).await?, buffers.3.read(gpu, report).await?);
    let trace = buffers.4.read(gpu, report).await?;
    let steps = decided(report, c, &sums, &control, &trace);
    report.exact("optimizer_step", &step, &[41 + u32::from(steps)]);
    Ok(())
}

/// Statistics, factors and the control's words; whether the minibatch steps.
fn decided(report: &Report, c: &Decide, sums: &Sums, control: &[u32], trace: &[f32]) -> bool {
    let (want, width) = (&sums.want, TRACE_WIDTH as usize);
    let before = c.stopped != 0 && INDEX as u32 + 1 >= c.stopped;
    let stops = !before && c.kl_stop != Stop::Never && want.columns[KL_3] > f64::from(c.kl_limit);
    // An early stop before this minibatch's step, found just now, forbids that step.
    let reached = !(before || stops && c.kl_stop == Stop::BeforeStep);
    let steps = reached && c.broken == 0.0;
    let row = &trace[INDEX * width..][..width];
    let mut mine = Vec::new();
    if !before {
        let size = |i: usize| want.sizes.get(i).copied().unwrap_or(0.0);
        report.floats("trace", &row[..want.columns.len()], &want.columns, size);
        report.floats("trace (hits)", &row[HITS..=HITS], &[want.hits], |_| 0.0);
        report.floats("trace (rows)", &row[ROWS..=ROWS], &[want.rows], |_| 0.0);
        mine.extend((0..want.columns.len()).chain([HITS, ROWS]));
    }
    let sum = |of: usize| sums.norms.iter().map(|norm| f64::from(norm[of])).sum::<f64>();
    let factor = |norm: f64| match (c.formula, f64::from(c.max_grad_norm)) {
        (_, limit) if limit <= 0.0 => 1.0,
        (ClipFormula::Torch, limit) => (limit / (norm + 1e-6)).min(1.0),
        (ClipFormula::Tensorflow, limit) => limit / norm.max(limit),
    };
    if steps {
        report.floats("trace (norm, stepped)", &row[11..13], &[(sum(0) + sum(1)).sqrt(), 1.0], |_| 0.0);
        let factors = [2, 7].map(|word: usize| f32::from_bits(control[word]));
        report.floats("control (factors)", &factors, &[factor(sum(0).sqrt()), factor(sum(1).sqrt())], |_| 0.0);
        mine.extend([11, 12]);
    }
    let mine = |i: usize| i / width == INDEX && mine.contains(&(i % width));
    report.untouched("trace", trace.iter().enumerate().filter(|(i, _)| !mine(*i)));
    let words = [
        if stops { INDEX as u32 + c.kl_stop.code() } else { c.stopped },
        u32::from(steps),
        control[2],
        3 + u32::from(!before),
        4 + u32::from(steps),
        5 + u32::from(reached && !steps),
        0,
        control[7],
    ];
    report.exact("control", control, &words);
    steps
}

const USUAL: Decide = Decide {
    rows: 65,
    count: 1000,
    kl_stop: Stop::Never,
    kl_limit: 0.01,
    stopped: 0,
    max_grad_norm: 0.5,
    formula: ClipFormula::Torch,
    bits: false,
    broken: 0.0,
};

/// Twelve sums of a partial of 64 rows, three of one of 256 numbers.
fn decide_work(s: &Size) -> Work {
    let (n, p) = (s.rows as f64, s.parameters as f64);
    Work::rows(s.rows, 12.0 * n / 64.0 + 3.0 * p / 256.0, 48.0 * n / 64.0 + 16.0 * p / 256.0)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &optim_decide::DEF,
            about: "`loss_statistics` and the decision of `optim_clip` in one dispatch",
            oracle: oracle!(optim::clip_scale),
            at_size: |s| Some(decide_case(Decide { rows: s.rows, count: s.parameters, ..USUAL })),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: decide_work,
        },
        Entry {
            def: &optim_reduce::DEF,
            about: "`reduce_partials` and the gradient's norm in one dispatch",
            oracle: oracle!(reduce_moments::reduce_norm),
            at_size: |s| Some(reduce_case(s.parameters, s.slices, false, false)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::parameters(s, s.slices as f64 + 2.0, 4.0 * (s.slices as f64 + 1.0)),
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (count, slices) in [(1, 1), (63, 3), (255, 4), (256, 5), (257, 64), (9_155, 17), (20_000, 2)] {
        cases.push(reduce_case(count, slices, false, false).quick(count == 257));
        cases.push(reduce_case(count, slices, true, false).quick(count == 9_155));
    }
    cases.push(reduce_case(700, 9, true, true).quick(true));
    for rows in [1, 64, 4_097, 10_007] {
        cases.push(decide_case(Decide { rows, count: 30 * rows, ..USUAL }).quick(rows == 10_007));
    }
    let others = [
        Decide { kl_stop: Stop::BeforeStep, ..USUAL },
        Decide { kl_stop: Stop::AfterStep, bits: true, ..USUAL },
        Decide { kl_stop: Stop::BeforeStep, kl_limit: 1e6, max_grad_norm: 1e4, ..USUAL },
        Decide { stopped: 3, ..USUAL },
        Decide { stopped: 1, bits: true, ..USUAL },
        Decide { stopped: 9, kl_stop: Stop::AfterStep, formula: ClipFormula::Tensorflow, ..USUAL },
        Decide { broken: 1.0, max_grad_norm: 0.0, ..USUAL },
        Decide { broken: 2.0, kl_stop: Stop::BeforeStep, ..USUAL },
        Decide { max_grad_norm: 0.0, bits: true, rows: 1_000, ..USUAL },
    ];
    cases.extend(others.map(|c| decide_case(c).quick(c.bits)));
    cases
}
