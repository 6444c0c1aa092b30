//! Observations: merged into their running statistics, and normalised with them.

use super::statistics::{compare, held, words};
use crate::check::case::Case;
use crate::check::support::{EPS, Guarded, Random, Report, wide};
use crate::config::{EpsPlacement, ObsNorm};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Slot};
use crate::kernels::policy_normalize;
use crate::reference::normalize::{Running, normalize_obs};
use crate::state::RunningMoments;
use ndarray::Array2;

#[derive(Clone, Copy)]
pub(super) struct Obs {
    pub rows: usize,
    pub dim: usize,
    pub final_rows: usize,
    pub update: bool,
    pub first: bool,
    pub placement: EpsPlacement,
    pub eps: f32,
    pub clip: f32,
    pub mean: f32,
    pub count: u64,
    pub initial: f64,
    /// All numbers the same.
    pub flat: bool,
    /// One number of the rows and one of the final rows is NaN, which no clip may hide.
    pub broken: bool,
}

pub(super) const OBS: Obs = Obs {
    rows: 65,
    dim: 3,
    final_rows: 0,
    update: true,
    first: false,
    placement: EpsPlacement::InsideRoot,
    eps: 1e-8,
    clip: 0.0,
    mean: 0.0,
    count: 0,
    initial: 1e-4,
    flat: false,
    broken: false,
};

pub(super) fn obs_case(c: Obs) -> Case {
    let Obs { rows, dim, final_rows, update, first, placement, eps, clip, mean, count, initial, flat, broken } = c;
    let mode = match (update, first) {
        (false, _) => "frozen",
        (true, true) => "normalised, then merged",
        (true, false) => "merged, then normalised",
    };
    let numbers = if flat { "equal numbers".to_owned() } else { format!("mean {mean}") };
    let numbers = if broken { format!("{numbers}, some are none") } else { numbers };
    let shape = format!(
        "{rows} × {dim} and {final_rows} final rows, {mode}, ε {eps} {placement:?}, clip {clip}, {count} + {initial} counted, {numbers}"
    );
    let lane = rows.div_ceil(if rows > 64 { 256 } else { 64 }) as f64;
    let tolerance = EPS * (2.0 * (lane + 8.0) + 24.0);
    let reason = "rows of a lane and 8 levels of the tree, twice for squares, a dozen roundings of what is made of them, each division 3 ulp; \
                  the merge itself is in two floats; scale: the batch's range, variance, 1 + range / deviation";
    Case::new(policy_normalize::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
        run(gpu, report, c).await
    })
}

/// Observations of a step, the final ones, and the statistics before.
struct Inputs {
    raw: Vec<f32>,
    /// One row more, which must stay.
    last: Vec<f32>,
    before: RunningMoments,
}

impl Inputs {
    fn new(c: &Obs) -> Self {
        let Obs { rows, dim, final_rows, .. } = *c;
        let mut random = Random::new((rows * 37 + dim + final_rows) as u64);
        let mut data = |rows: usize| {
            let numbers = random.normals(rows * dim, 2.0);
            numbers.into_iter().map(|x| if c.flat { c.mean } else { x + c.mean }).collect::<Vec<f32>>()
        };
        let (mut raw, mut last) = (data(rows), data(final_rows + 1));
        if c.broken {
            raw[rows * dim / 2] = f32::NAN;
            last[dim] = f32::NAN;
        }
        let before = RunningMoments {
            mean: data(1).into_iter().map(|x| held(f64::from(x) + 1e-9)).collect(),
            variance: (0..dim).map(|column| held(0.5 + column as f64 + 1e-9)).collect(),
            count: c.count,
            initial_count: c.initial as f32,
        };
        Self { raw, last, before }
    }
}

/// What the reference makes of them.
struct Expected {
    running: Running,
    obs: Array2<f64>,
    final_obs: Array2<f64>,
    /// Bounds of a normalised number: of `obs` by column, of `final_obs` by element.
    obs_sizes: Vec<f64>,
    final_sizes: Vec<f64>,
    /// Of a batch the farthest number from its first, or from the old mean.
    ranges: Vec<f64>,
}

impl Expected {
    fn new(c: &Obs, inputs: &Inputs) -> Result<Self> {
        let dim = c.dim;
        let mut running = Running::from_moments(&inputs.before);
        let norm = ObsNorm {
            clip: Some(f64::from(c.clip)).filter(|clip| *clip > 0.0),
            eps: f64::from(c.eps),
            eps_placement: c.placement,
            ..ObsNorm::sb3()
        };
        let matrix = |values: &[f32]| Array2::from_shape_vec((values.len() / dim, dim), wide(values));
        let shape = |error: ndarray::ShapeError| Error::config("case", error.to_string());
        let (raw, last) = (matrix(&inputs.raw).map_err(shape)?, matrix(&inputs.last[dim..]).map_err(shape)?);
        let old = running.clone();
        let final_obs = normalize_obs(&norm, &old, last.view());
        if c.update {
            running.merge(raw.view());
        }
        let used = if c.first { &old } else { &running };
        let obs = normalize_obs(&norm, used, raw.view());
        let range = |column: usize| {
            let (numbers, old) = (raw.column(column), old.mean[column]);
            numbers.iter().fold(0.0, |a: f64, b| a.max((b - numbers[0]).abs()).max((b - old).abs()))
        };
        let ranges: Vec<f64> = (0..dim).map(range).collect();
        let deviations = |running: &Running| running.scale(norm.eps, norm.eps_placement);
        let (used_scale, old_scale) = (deviations(used), deviations(&old));
        // Where there is no deviation, the result is exactly 0.
        let size = |range: f64, scale: f64| if scale > 0.0 { 1.0 + range / scale } else { 1.0 };
        let obs_sizes = (0..dim).map(|column| size(ranges[column], used_scale[column])).collect();
        let of_final = |((_, column), number): ((usize, usize), &f64)| {
            let range = (number - old.mean[column]).abs();
            if range.is_nan() { 1.0 } else { size(range, old_scale[column]) }
        };
        let final_sizes = last.indexed_iter().map(of_final).collect();
        Ok(Self { running, obs, final_obs, obs_sizes, final_sizes, ranges })
    }
}

async fn run(gpu: &Gpu, report: &Report, c: Obs) -> Result<()> {
    let Obs { rows, dim, final_rows, .. } = c;
    let inputs = Inputs::new(&c);
    let want = Expected::new(&c, &inputs)?;
    // What lies before the rows in `obs` and `final_obs` must stay.
    let (obs_offset, final_offset) = (2 * dim, dim);
    let raw_obs = Guarded::holding(gpu, "raw_obs", &inputs.raw)?;
    let state: Vec<u32> = (0..dim).flat_map(|column| words(&inputs.before, column)).collect();
    let statistics = Guarded::updated(gpu, "obs_statistics", &state)?;
    let obs = Guarded::output(gpu, "obs", obs_offset + rows * dim)?;
    let final_obs = Guarded::updated(gpu, "final_obs", &inputs.last)?;
    let io = policy_normalize::Io {
        raw_obs: raw_obs.io(),
        obs_statistics: statistics.io(),
        obs: obs.io(),
        final_obs: final_obs.io(),
    };
    let params = policy_normalize::Params {
        rows: rows as u32,
        obs_dim: dim as u32,
        obs_offset: obs_offset as u32,
        final_offset: final_offset as u32,
        final_rows: final_rows as u32,
        update: c.update.into(),
        normalize_first: c.first.into(),
        outside_root: u32::from(c.placement == EpsPlacement::OutsideRoot),
        eps: c.eps,
        clip: c.clip,
        ..Default::default()
    };
    report.run(gpu, &policy_normalize::bind(gpu, &[params], &io)?, Slot::default())?;
    let got = statistics.read(gpu, report).await?;
    if c.update {
        compare(report, &got, &want.running, &inputs.before, &want.ranges);
    } else {
        report.exact("statistics", &got, &state);
    }
    let got = obs.read(gpu, report).await?;
    report.untouched("obs (before)", got[..obs_offset].iter().enumerate());
    let flat = |array: &Array2<f64>| array.iter().copied().collect::<Vec<f64>>();
    let (of_rows, of_want) = report.numbers("obs", &got[obs_offset..], &flat(&want.obs));
    report.floats("obs", &of_rows, &of_want, |i| want.obs_sizes[i % dim]);
    let got = final_obs.read(gpu, report).await?;
    report.exact("final_obs (before)", &got[..dim], &inputs.last[..dim]);
    let (of_rows, of_want) = report.numbers("final_obs", &got[dim..], &flat(&want.final_obs));
    report.floats("final_obs", &of_rows, &of_want, |i| want.final_sizes[i]);
    Ok(())
}
