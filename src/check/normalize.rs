//! Running statistics, and what is normalised with them.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::size::Size;
use super::support::{EPS, Guarded, Random, Report, wide};
use super::work::Work;
use crate::config::{EpsPlacement, ObsNorm, ReturnReset, RewardNorm};
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::{advantage_discount, advantage_rescale, policy_normalize, reduce_running};
use crate::normalizer::RunningMoments;
use crate::reference::normalize::{RewardScale, Running, normalize_obs, scale_valid};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// Words of one column.
fn words(moments: &RunningMoments, column: usize) -> [u32; 8] {
    reduce_running::words(moments.mean[column], moments.variance[column], moments.count, moments.initial_count)
}

/// The number nearest to `value` that a pair of f32 holds, so that device and oracle begin at the same.
fn held(value: f64) -> f64 {
    reduce_running::pair(value).map(f64::from).iter().sum()
}

/// Errors that are known in f64: |got − want| / size of each.
fn errors(report: &Report, name: &str, errors: impl IntoIterator<Item = (f64, f64, f64)>) {
    let errors: Vec<f32> = errors.into_iter().map(|(got, want, size)| ((got - want) / size) as f32).collect();
    report.floats(name, &errors, &vec![0.0; errors.len()], |_| 1.0);
}

/// The words that a kernel left, against the oracle: counts exactly, the mean by `sizes`, the variance by itself.
fn compare(report: &Report, got: &[u32], want: &Running, before: &RunningMoments, sizes: &[f64]) {
    let (means, variances): (Vec<f64>, Vec<f64>) = got.chunks(8).map(reduce_running::moments).unzip();
    let mean = means.iter().zip(&want.mean).zip(sizes).map(|((got, want), size)| (*got, *want, size.max(1e-30)));
    errors(report, "statistics (mean)", mean);
    let variance = variances.iter().zip(&want.variance).map(|(got, want)| (*got, *want, want.max(1e-30)));
    errors(report, "statistics (variance)", variance);
    let counts: Vec<[u32; 4]> = got.chunks(8).map(|words| [words[4], words[5], words[6], words[7]]).collect();
    let count = [want.count as u32, (want.count >> 32) as u32, before.initial_count.to_bits(), 0];
    report.exact("statistics (count)", &counts, &vec![count; want.mean.len()]);
}

#[derive(Clone, Copy)]
struct Obs {
    rows: usize,
    dim: usize,
    final_rows: usize,
    update: bool,
    first: bool,
    placement: EpsPlacement,
    eps: f32,
    clip: f32,
    mean: f32,
    count: u64,
    initial: f64,
    /// All numbers the same.
    flat: bool,
    /// One number of the rows and one of the final rows is NaN, which no clip may hide.
    broken: bool,
}

fn obs_case(c: Obs) -> Case {
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
    Case::new(policy_normalize::DEF.name, shape, (tolerance, reason), move |gpu, report| {
        let mut random = Random::new((rows * 37 + dim + final_rows) as u64);
        let mut data = |rows: usize| {
            let numbers = random.normals(rows * dim, 2.0);
            numbers.into_iter().map(|x| if flat { mean } else { x + mean }).collect::<Vec<f32>>()
        };
        // What lies before the rows in `obs` and `final_obs` must stay.
        let (obs_offset, final_offset) = (2 * dim, dim);
        let (mut raw, mut last) = (data(rows), data(final_rows + 1));
        if broken {
            raw[rows * dim / 2] = f32::NAN;
            last[dim] = f32::NAN;
        }
        let before = RunningMoments {
            mean: data(1).into_iter().map(|x| held(f64::from(x) + 1e-9)).collect(),
            variance: (0..dim).map(|column| held(0.5 + column as f64 + 1e-9)).collect(),
            count,
            initial_count: initial as f32,
        };
        let mut running = Running::from_moments(&before);
        let norm = ObsNorm {
            clip: Some(f64::from(clip)).filter(|clip| *clip > 0.0),
            eps: f64::from(eps),
            eps_placement: placement,
            ..ObsNorm::sb3()
        };
        let matrix = |values: &[f32]| Array2::from_shape_vec((values.len() / dim, dim), wide(values));
        let shape = |error: ndarray::ShapeError| crate::error::Error::config("case", error.to_string());
        let (raw_rows, last_rows) = (matrix(&raw).map_err(shape)?, matrix(&last[dim..]).map_err(shape)?);
        let deviations = |running: &Running| running.scale(norm.eps, norm.eps_placement);
        let (old, old_scale) = (running.clone(), deviations(&running));
        let final_want = normalize_obs(&norm, &running, last_rows.view());
        if update {
            running.merge(raw_rows.view());
        }
        let used = if first { &old } else { &running };
        let obs_want = normalize_obs(&norm, used, raw_rows.view());
        // Of a batch the farthest number from its first, or from the old mean.
        let sizes: Vec<f64> = (0..dim)
            .map(|column| {
                let (numbers, old) = (raw_rows.column(column), old.mean[column]);
                numbers.iter().fold(0.0, |a: f64, b| a.max((b - numbers[0]).abs()).max((b - old).abs()))
            })
            .collect();
        let raw_obs = Guarded::holding(gpu, "raw_obs", &raw)?;
        let state: Vec<u32> = (0..dim).flat_map(|column| words(&before, column)).collect();
        let statistics = Guarded::updated(gpu, "obs_statistics", &state)?;
        let obs = Guarded::output(gpu, "obs", obs_offset + rows * dim)?;
        let final_obs = Guarded::updated(gpu, "final_obs", &last)?;
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
            update: update.into(),
            normalize_first: first.into(),
            outside_root: u32::from(placement == EpsPlacement::OutsideRoot),
            eps,
            clip,
            ..Default::default()
        };
        report.run(gpu, &policy_normalize::bind(gpu, &[params], &io)?, Slot::default())?;
        let got = statistics.read(gpu, report)?;
        if update {
            compare(report, &got, &running, &before, &sizes);
        } else {
            report.exact("statistics", &got, &state);
        }
        let used_scale = deviations(used);
        // Where there is no deviation, the result is exactly 0.
        let size = |range: f64, scale: f64| if scale > 0.0 { 1.0 + range / scale } else { 1.0 };
        let got = obs.read(gpu, report)?;
        report.untouched("obs (before)", got[..obs_offset].iter().enumerate());
        let (of_rows, want) = report.numbers("obs", &got[obs_offset..], &flatten(obs_want.view()));
        report.floats("obs", &of_rows, &want, |i| size(sizes[i % dim], used_scale[i % dim]));
        let got = final_obs.read(gpu, report)?;
        report.exact("final_obs (before)", &got[..dim], &last[..dim]);
        let (of_rows, want) = report.numbers("final_obs", &got[dim..], &flatten(final_want.view()));
        report.floats("final_obs", &of_rows, &want, |i| {
            let (row, column) = (i / dim, i % dim);
            let range = (last_rows[[row, column]] - old.mean[column]).abs();
            if range.is_nan() { 1.0 } else { size(range, old_scale[column]) }
        });
        Ok(())
    })
}

fn flatten(array: ArrayView2<'_, f64>) -> Vec<f64> {
    array.iter().copied().collect()
}

fn discount_case(steps: usize, envs: usize, reset: ReturnReset) -> Case {
    let masked = steps % 2 == 1;
    let shape = format!("{steps} steps × {envs} environments, {reset:?}{}", if masked { ", fillers" } else { "" });
    let tolerance = EPS * 2.0 * (steps as f64 + 1.0);
    let reason = "two roundings per step; scale: the sum of |terms|";
    Case::new(advantage_discount::DEF.name, shape, (tolerance, reason), move |gpu, report| {
        let mut random = Random::new((steps * 7 + envs) as u64);
        let (rewards, start) = (random.normals(steps * envs, 1.0), random.normals(envs, 3.0));
        let (terminated, truncated) = (random.flags(steps * envs, 5), random.flags(steps * envs, 7));
        let valid = if masked { random.flags(steps * envs, 2) } else { vec![1; steps * envs] };
        let norm = RewardNorm { reset, ..RewardNorm::sb3() };
        let gamma = 0.97_f32;
        let of = |sign: fn(f64) -> f64| {
            let carried: Array1<f64> = start.iter().map(|g| sign(f64::from(*g))).collect();
            let mut state = RewardScale { running: Running::new(1, 1e-4), carried };
            let mut all = Vec::new();
            for t in 0..steps {
                let row = t * envs..(t + 1) * envs;
                let now: Array1<f64> = rewards[row.clone()].iter().map(|r| sign(f64::from(*r))).collect();
                let flags = |flags| ArrayView1::<u32>::from(&<[u32]>::split_at(flags, row.end).0[row.start..]);
                let (fell, late, valid) = (flags(&terminated), flags(&truncated), flags(&valid));
                all.extend(scale_valid(&norm, f64::from(gamma), &mut state, now.view(), fell, late, Some(valid)).1);
            }
            (all, state.carried.to_vec())
        };
        let ((want, carried_want), (sizes, carried_sizes)) = (of(|x| x), of(f64::abs));
        let buffers = (
            Guarded::holding(gpu, "rewards", &rewards)?,
            Guarded::holding(gpu, "terminated", &terminated)?,
            Guarded::holding(gpu, "truncated", &truncated)?,
            Guarded::holding(gpu, "valid", &valid)?,
        );
        let (carried, discounted) =
            (Guarded::updated(gpu, "carried", &start)?, Guarded::output(gpu, "discounted", steps * envs)?);
        let io = advantage_discount::Io {
            rewards: buffers.0.io(),
            terminated: buffers.1.io(),
            truncated: buffers.2.io(),
            valid: buffers.3.io(),
            carried: carried.io(),
            discounted: discounted.io(),
        };
        let params = advantage_discount::Params {
            steps: steps as u32,
            envs: envs as u32,
            gamma,
            reset: reset as u32,
            masked: masked.into(),
            ..Default::default()
        };
        report.run(gpu, &advantage_discount::bind(gpu, &[params], &io)?, Slot::default())?;
        report.floats("discounted", &discounted.read(gpu, report)?, &want, |i| sizes[i]);
        report.floats("carried", &carried.read(gpu, report)?, &carried_want, |n| carried_sizes[n]);
        Ok(())
    })
}

#[derive(Clone, Copy)]
struct Segments {
    segments: usize,
    rows: usize,
    center: bool,
    placement: EpsPlacement,
    count: u64,
    initial: f64,
    mean: f32,
}

fn running_case(c: Segments) -> Case {
    let Segments { segments, rows, center, placement, count, initial, mean } = c;
    let shift = if center { "shift by the mean" } else { "no shift" };
    let shape =
        format!("{segments} segments of {rows}, {shift}, ε {placement:?}, {count} + {initial} counted, mean {mean}");
    let tolerance = EPS * 12.0;
    let reason = "a batch's deviation is rounded to f32, twice that for its square; the merges are in two floats, 2^-44 each; \
                  a root of at most 5 ulp for the scale; scale: the deviation, and the variance";
    Case::new(reduce_running::DEF.name, shape, (tolerance, reason), move |gpu, report| {
        let mut random = Random::new((segments * 11 + rows) as u64);
        let (mean, variance) = (held(f64::from(mean) + 1e-9), held(1.5 + 1e-9));
        let before =
            RunningMoments { mean: vec![mean], variance: vec![variance], count, initial_count: initial as f32 };
        let mut running = Running::from_moments(&before);
        let eps = 1e-5_f32;
        let mut pairs = Vec::new();
        let pair = |running: &Running| {
            [if center { running.mean[0] } else { 0.0 }, running.scale(f64::from(eps), placement)[0]]
        };
        let mut moments = Vec::new();
        for segment in 0..segments {
            let data: Vec<f64> =
                wide(&random.normals(rows, 1.0)).into_iter().map(|x| x + mean + 0.01 * segment as f64).collect();
            let average = data.iter().sum::<f64>() / rows as f64;
            let squares = data.iter().map(|x| (x - average) * (x - average)).sum::<f64>();
            let [first, rest] = reduce_running::pair(average);
            moments.push([rows as f32, first, (squares / rows as f64).sqrt() as f32, rest]);
            let column = ArrayView2::from_shape((rows, 1), &data);
            running.merge(column.map_err(|error| crate::error::Error::config("case", error.to_string()))?);
            pairs.push(pair(&running));
        }
        if segments == 0 {
            pairs.push(pair(&running));
            moments.push([f32::NAN; 4]);
        }
        let moments = Guarded::holding(gpu, "moments", &moments)?;
        let state = words(&before, 0);
        let statistic = Guarded::updated(gpu, "statistic", &state)?;
        let coefficients = Guarded::<[f32; 4]>::output(gpu, "coefficients", pairs.len())?;
        let io =
            reduce_running::Io { moments: moments.io(), statistic: statistic.io(), coefficients: coefficients.io() };
        let params = reduce_running::Params {
            segments: segments as u32,
            center: center.into(),
            outside_root: u32::from(placement == EpsPlacement::OutsideRoot),
            eps,
        };
        report.run(gpu, &reduce_running::bind(gpu, &[params], &io)?, Slot::default())?;
        let got = statistic.read(gpu, report)?;
        if segments == 0 {
            report.exact("statistic", &got, &state);
        } else {
            compare(report, &got, &running, &before, &[running.variance[0].sqrt()]);
        }
        let got = coefficients.read(gpu, report)?;
        let shifts = got.iter().zip(&pairs).map(|(g, w)| (f64::from(g[0]) + f64::from(g[2]), w[0], w[1].max(1e-30)));
        errors(report, "coefficients (shift)", shifts);
        let (scales, want): (Vec<f32>, Vec<f64>) = got.iter().zip(&pairs).map(|(g, w)| (g[1], w[1])).unzip();
        report.floats("coefficients (scale)", &scales, &want, |_| 1e-30);
        report.exact("coefficients (last)", &got.iter().map(|g| g[3]).collect::<Vec<f32>>(), &vec![0.0; got.len()]);
        Ok(())
    })
}

fn rescale_case(rows: usize, segment: usize, inverse: bool, clip: f32) -> Case {
    let direction = if inverse { "denormalised" } else { "normalised" };
    let shape = format!("{rows} numbers in segments of {segment}, {direction}, clip {clip}");
    let reason = "a subtraction and a division of 3 ulp, or two roundings; the shift is in two f32; \
                  scale: the result, or the sum of |terms|";
    Case::new(advantage_rescale::DEF.name, shape, (8.0 * EPS, reason), move |gpu: &Gpu, report| -> Result<()> {
        let mut random = Random::new((rows * 3 + segment) as u64);
        let numbers = random.normals(rows, 2.0);
        let mut pairs: Vec<[f32; 4]> = (0..rows.div_ceil(segment))
            .map(|_| [random.range(-1.0, 1.0), random.range(0.3, 3.0), random.range(-3e-8, 3e-8), 0.0])
            .collect();
        // Without a scale everything is 0.
        pairs[0][1] = 0.0;
        let coefficients = Guarded::holding(gpu, "coefficients", &pairs)?;
        let buffer = Guarded::updated(gpu, "numbers", &numbers)?;
        let io = advantage_rescale::Io { coefficients: coefficients.io(), numbers: buffer.io() };
        let (rows, width, inverted) = (rows as u32, segment as u32, u32::from(inverse));
        let params = advantage_rescale::Params { rows, segment: width, inverse: inverted, clip };
        report.run(gpu, &advantage_rescale::bind(gpu, &[params], &io)?, Slot::default())?;
        let limit = |x: f64| if clip > 0.0 { x.clamp(-f64::from(clip), f64::from(clip)) } else { x };
        let of = |i: usize| {
            let [shift, scale, rest, _] = pairs[i / segment].map(f64::from);
            (f64::from(numbers[i]), shift + rest, scale)
        };
        let want: Vec<f64> = (0..numbers.len())
            .map(|i| match of(i) {
                (x, shift, scale) if inverse => limit(x) * scale + shift,
                (_, _, 0.0) => 0.0,
                (x, shift, scale) => limit((x - shift) / scale),
            })
            .collect();
        report.floats("numbers", &buffer.read(gpu, report)?, &want, |i| {
            let (x, shift, scale) = of(i);
            if inverse { x.abs() * scale + shift.abs() } else { 1e-6 }
        });
        Ok(())
    })
}

const OBS: Obs = Obs {
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

const SEGMENTS: Segments = Segments {
    segments: 1,
    rows: 8,
    center: true,
    placement: EpsPlacement::InsideRoot,
    count: 0,
    initial: 1e-4,
    mean: 0.3,
};

/// Merged and normalised, the final observations as well.
fn obs_work(s: &Size) -> Work {
    let (e, d) = (s.envs as f64, s.obs_dim as f64);
    Work::rows(s.envs, 10.0 * e * d, 4.0 * e * d * 4.0)
}

/// So much for each segment, one per step.
fn running_work(s: &Size) -> Work {
    let t = s.steps as f64;
    Work::steps(s.steps, 400.0 * t, 32.0 * t)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &advantage_discount::DEF,
            about: "rolling discounted sums of past rewards, by three rules of resetting",
            oracle: oracle!(normalize::scale_valid),
            at_size: |s| Some(discount_case(s.steps, s.envs, ReturnReset::AfterDone)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::window(s, 2.0, 16.0),
        },
        Entry {
            def: &advantage_rescale::DEF,
            about: "rewards, values and returns normalised or denormalised in place",
            oracle: oracle!(normalize::Normalizer),
            at_size: |s| Some(rescale_case(s.steps * s.envs, s.envs, false, 10.0)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::window(s, 2.0, 8.0),
        },
        Entry {
            def: &policy_normalize::DEF,
            about: "running mean and variance of observations, and the observations normalised with them",
            oracle: oracle!(normalize::normalize_obs),
            at_size: |s| {
                Some(obs_case(Obs { rows: s.envs, dim: s.obs_dim, final_rows: s.envs, clip: 10.0, count: 1000, ..OBS }))
            },
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: obs_work,
        },
        Entry {
            def: &reduce_running::DEF,
            about: "moments of segments merged into a running mean and variance, one after another",
            oracle: oracle!(normalize::Running),
            at_size: |s| {
                Some(running_case(Segments {
                    segments: s.steps,
                    rows: s.envs.min(64),
                    center: false,
                    count: 1000,
                    mean: 0.0,
                    ..SEGMENTS
                }))
            },
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: running_work,
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let outside = EpsPlacement::OutsideRoot;
    let mut cases = Vec::new();
    for (rows, dim) in [(1, 1), (2, 4), (63, 3), (64, 2), (65, 5), (127, 1), (257, 3), (1031, 7), (9001, 2)] {
        let case = obs_case(Obs { rows, dim, ..OBS }).quick(rows == 257);
        let alone = "the only number that was counted: it differs from the mean by a ten-thousandth of itself, by what 1e-4 of a count weighs";
        cases.push(if rows == 1 { case.loose(alone) } else { case });
    }
    for c in [
        Obs { final_rows: 65, clip: 1.0, ..OBS },
        Obs { final_rows: 1, first: true, placement: outside, eps: 1e-2, count: 500, ..OBS },
        Obs { final_rows: 300, update: false, clip: 0.7, count: 77, ..OBS },
        Obs { mean: 1e4, rows: 301, count: 100, ..OBS },
        Obs { mean: 1e4, rows: 33, count: 10_000_000, ..OBS },
        Obs { mean: 1e7, rows: 64, count: 64, final_rows: 3, ..OBS },
        // Beyond what an f32 can count; a carry into the high word; far beyond.
        Obs { rows: 1, count: (1 << 24) + 1, ..OBS },
        Obs { rows: 66, count: (1 << 32) - 7, ..OBS },
        Obs { rows: 3, count: 1 << 40, ..OBS },
        Obs { rows: 64, count: 0, initial: 0.0, flat: true, mean: 0.5, eps: 0.0, ..OBS },
        Obs { rows: 70, count: 0, initial: 0.0, flat: true, mean: -2.0, placement: outside, eps: 0.0, ..OBS },
        Obs { rows: 9, count: 3, initial: 2.5, ..OBS },
        Obs { rows: 7, final_rows: 3, update: false, clip: 1.0, broken: true, ..OBS },
    ] {
        cases.push(obs_case(c).quick(c.final_rows == 300 || c.count == 1 << 40));
    }
    for (steps, envs) in [(1, 1), (7, 63), (64, 65), (130, 3), (1009, 2)] {
        for reset in ReturnReset::ALL {
            cases.push(discount_case(steps, envs, reset).quick(steps == 64));
        }
    }
    for segments in [0, 1, 2, 63, 64, 65, 130, 1009] {
        cases.push(running_case(Segments { segments, ..SEGMENTS }).quick(segments == 130));
    }
    for c in [
        Segments { segments: 5, rows: 1, center: false, placement: outside, count: (1 << 24) + 1, ..SEGMENTS },
        Segments { segments: 66, rows: 33, count: (1 << 40) + 5, mean: 100.0, ..SEGMENTS },
        Segments { segments: 3, rows: 5, count: u64::from(u32::MAX) - 6, ..SEGMENTS },
        Segments { segments: 0, rows: 5, center: false, count: 9, ..SEGMENTS },
        // A long history far from 0, one row at a time.
        Segments { segments: 200, rows: 1, count: 10_000_000, mean: 1e4, ..SEGMENTS },
    ] {
        cases.push(running_case(c));
    }
    for (rows, segment, inverse, clip) in [
        (1, 1, false, 0.0),
        (65, 65, true, 0.0),
        (131, 32, false, 1.5),
        (131, 32, true, 1.5),
        (64, 1, false, 0.0),
        (4099, 4099, true, 0.5),
        (4099, 127, false, 10.0),
    ] {
        cases.push(rescale_case(rows, segment, inverse, clip).quick(rows == 131));
    }
    cases
}
