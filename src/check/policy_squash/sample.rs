//! Samples of a squashed Gaussian.

use super::support::{REASON, STEP_OFFSET, counters, drawn, to_env};
use crate::check::accuracy::{Known, exact, rounded};
use crate::check::case::Case;
use crate::check::head_accuracy::gaussian;
use crate::check::support::{EPS, Guarded, Random, Report, schedule, wide};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::policy_squash::{self, Source};
use crate::policy::StdLimit;
use crate::reference::squashed_sample::SquashSettings;
use ndarray::{Array2, s};

pub(super) const LOW: f32 = -3.0;
pub(super) const HIGH: f32 = 1.5;

#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub rows: usize,
    pub dims: usize,
    pub source: Source,
    pub epsilon: f32,
    /// Deviation of the means: 1 is usual.
    pub spread: f32,
    /// What limits log σ: tanh, or a clamp.
    pub tanh: bool,
}

pub(super) fn settings(epsilon: f32, tanh: bool) -> SquashSettings {
    SquashSettings { log_std_min: LOW.into(), log_std_max: HIGH.into(), log_std_tanh: tanh, epsilon: epsilon.into() }
}

/// log σ within its limits, and its derivative by the raw number.
pub(super) fn limited(l: f64, tanh: bool) -> (Known, Known) {
    let (low, high) = (LOW, HIGH);
    gaussian::limited(if tanh { StdLimit::Tanh { low, high } } else { StdLimit::Clamp { low, high } }, l)
}

/// `[rows, 2 dims]` raw outputs, of which some log_std are beyond the limits.
pub(super) fn raw(random: &mut Random, rows: usize, dims: usize, spread: f32) -> Vec<f32> {
    let row = |random: &mut Random| [random.normals(dims, spread), random.ranges(dims, LOW - 0.5, HIGH + 0.5)].concat();
    (0..rows).flat_map(|_| row(random)).collect()
}

pub(super) fn table(values: &[f32], rows: usize) -> Result<Array2<f64>> {
    let shape = [rows, values.len() / rows];
    Array2::from_shape_vec(shape, wide(values)).map_err(|_| Error::shape("values", &[values.len()], &shape))
}

pub(super) fn case(c: Sample) -> Case {
    let Sample { rows, dims, source, epsilon, spread, tanh } = c;
    let limits = if tanh { ", log σ by tanh" } else { "" };
    let shape = format!("{rows} rows of {dims}, {source:?}, ε {epsilon}, means {spread}{limits}");
    Case::new(policy_squash::DEF.name, shape, REASON, async move |gpu, report| run(gpu, report, c).await)
}

const BEFORE: usize = 3;

async fn run(gpu: &Gpu, report: &Report, c: Sample) -> Result<()> {
    let Sample { rows, dims, source, epsilon, spread, tanh } = c;
    let mut random = Random::new((rows * 11 + dims) as u64);
    let outputs = [vec![f32::NAN; BEFORE], raw(&mut random, rows, dims, spread)].concat();
    let given = random.normals(rows * dims, 1.0);
    let bounds: Vec<[f32; 2]> = (0..dims).map(|d| [-1.0 - d as f32, 2.0]).collect();
    let stride = dims + 4;
    let noise = if source == Source::Given {
        Guarded::holding(gpu, "noise", &given)?
    } else {
        Guarded::output(gpu, "noise", rows * dims)?
    };
    let b = (
        Guarded::holding(gpu, "outputs", &outputs)?,
        Guarded::holding(gpu, "bounds", &bounds)?,
        Guarded::<f32>::output(gpu, "actions", BEFORE + rows * stride)?,
        Guarded::<f32>::output(gpu, "logp", rows)?,
        Guarded::<f32>::output(gpu, "env_actions", rows * dims)?,
    );
    let p = policy_squash::Params {
        rows: rows as u32,
        dims: dims as u32,
        outputs_offset: BEFORE as u32,
        actions_offset: BEFORE as u32,
        actions_stride: stride as u32,
        source: source.code(),
        step_offset: STEP_OFFSET,
        to_env: 1,
        log_std_min: LOW,
        log_std_max: HIGH,
        epsilon,
        log_std_tanh: tanh.into(),
    };
    let io = policy_squash::Io {
        outputs: b.0.io(),
        bounds: b.1.io(),
        noise: noise.io(),
        actions: b.2.io(),
        logp: b.3.io(),
        env_actions: b.4.io(),
    };
    let (ring, slot) = schedule(gpu, &counters())?;
    report.run(gpu, &policy_squash::bind(gpu, &[p], &io, &ring)?, slot)?;

    let z = |row: usize, d: usize| match source {
        Source::Given => exact(given[row * dims + d].into()),
        _ => drawn(source, row, d),
    };
    let all: Vec<Known> = (0..rows * dims).map(|i| z(i / dims, i % dims)).collect();
    let noise = noise.read(gpu, report).await?;
    let values = |known: &[Known]| known.iter().map(|known| known.value).collect::<Vec<_>>();
    report.floats("noise", &noise, &values(&all), |i| all[i].error / EPS);
    let raw = table(&outputs[BEFORE..], rows)?;
    let drawn = Array2::from_shape_fn((rows, dims), |(r, d)| all[r * dims + d].value);
    let want = settings(epsilon, tanh).sample(raw.slice(s![.., ..dims]), raw.slice(s![.., dims..]), drawn.view())?;

    let [actions, to_envs, logp] = known(&c, &raw, &all, &bounds);
    let got = b.2.read(gpu, report).await?;
    report.untouched("actions (before the first)", got[..BEFORE].iter().enumerate());
    let rows_of = got[BEFORE..].chunks(stride);
    let own: Vec<f32> = rows_of.clone().flat_map(|row| row[..dims].iter().copied()).collect();
    report.floats("actions", &own, &want.action.iter().copied().collect::<Vec<_>>(), |i| actions[i].error / EPS);
    rows_of.for_each(|row| report.untouched("actions (between rows)", row[dims..].iter().enumerate()));
    report.floats("logp", &b.3.read(gpu, report).await?, &want.log_prob.to_vec(), |i| logp[i].error / EPS);
    report.floats("env_actions", &b.4.read(gpu, report).await?, &values(&to_envs), |i| to_envs[i].error / EPS);
    Ok(())
}

/// The actions, what the environment gets of them, and the log-probabilities, with bounds.
fn known(c: &Sample, raw: &Array2<f64>, noise: &[Known], bounds: &[[f32; 2]]) -> [Vec<Known>; 3] {
    let Sample { rows, dims, epsilon, tanh, .. } = *c;
    let (mut actions, mut to_envs, mut logp) = (Vec::new(), Vec::new(), Vec::new());
    for r in 0..rows {
        let mut terms = Vec::new();
        for d in 0..dims {
            let (log_std, _) = limited(raw[[r, dims + d]], tanh);
            let z = noise[r * dims + d];
            let u = exact(raw[[r, d]]) + log_std.exp() * z;
            let action = u.tanh();
            actions.push(action);
            to_envs.push(to_env(action, bounds[d]));
            let slope = u.log_tanh_slope(epsilon.into());
            // Each sum of the four is rounded, and so is the running one.
            let parts = [(z * z).times(0.5), log_std, rounded(0.918_938_533_204_672_8), slope];
            terms.extend(parts.map(|part| -part));
        }
        logp.push(crate::check::accuracy::sum(&terms));
    }
    [actions, to_envs, logp]
}
