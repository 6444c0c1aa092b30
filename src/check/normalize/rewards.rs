//! Rewards and value targets: discounted sums, running moments, and numbers rescaled by them.

use super::statistics::{compare, errors, held, words};
use crate::check::case::Case;
use crate::check::support::{EPS, Guarded, Random, wide};
use crate::config::{EpsPlacement, ReturnReset, RewardNorm};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Slot};
use crate::kernels::{advantage_discount, advantage_rescale, reduce_running};
use crate::reference::normalize::{RewardScale, Running, scale_valid};
use crate::state::RunningMoments;
use ndarray::{Array1, ArrayView1, ArrayView2};

pub(super) fn discount_case(steps: usize, envs: usize, reset: ReturnReset) -> Case {
    let masked = steps % 2 == 1;
    let shape = format!("{steps} steps × {envs} environments, {reset:?}{}", if masked { ", fillers" } else { "" });
    let tolerance = EPS * 2.0 * (steps as f64 + 1.0);
    let reason = "two roundings per step; scale: the sum of |terms|";
    Case::new(advantage_discount::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
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
        report.floats("discounted", &discounted.read(gpu, report).await?, &want, |i| sizes[i]);
        report.floats("carried", &carried.read(gpu, report).await?, &carried_want, |n| carried_sizes[n]);
        Ok(())
    })
}

#[derive(Clone, Copy)]
pub(super) struct Segments {
    pub segments: usize,
    pub rows: usize,
    pub center: bool,
    pub placement: EpsPlacement,
    pub count: u64,
    pub initial: f64,
    pub mean: f32,
}

pub(super) const SEGMENTS: Segments = Segments {
    segments: 1,
    rows: 8,
    center: true,
    placement: EpsPlacement::InsideRoot,
    count: 0,
    initial: 1e-4,
    mean: 0.3,
};

pub(super) fn running_case(c: Segments) -> Case {
    let Segments { segments, rows, center, placement, count, initial, mean } = c;
    let shift = if center { "shift by the mean" } else { "no shift" };
    let shape =
        format!("{segments} segments of {rows}, {shift}, ε {placement:?}, {count} + {initial} counted, mean {mean}");
    let tolerance = EPS * 12.0;
    let reason = "a batch's deviation is rounded to f32, twice that for its square; the merges are in two floats, 2^-44 each; \
                  a root of at most 5 ulp for the scale; scale: the deviation, and the variance";
    Case::new(reduce_running::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
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
            running.merge(column.map_err(|error| Error::config("case", error.to_string()))?);
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
        let got = statistic.read(gpu, report).await?;
        if segments == 0 {
            report.exact("statistic", &got, &state);
        } else {
            compare(report, &got, &running, &before, &[running.variance[0].sqrt()]);
        }
        let got = coefficients.read(gpu, report).await?;
        let shifts = got.iter().zip(&pairs).map(|(g, w)| (f64::from(g[0]) + f64::from(g[2]), w[0], w[1].max(1e-30)));
        errors(report, "coefficients (shift)", shifts);
        let (scales, want): (Vec<f32>, Vec<f64>) = got.iter().zip(&pairs).map(|(g, w)| (g[1], w[1])).unzip();
        report.floats("coefficients (scale)", &scales, &want, |_| 1e-30);
        report.exact("coefficients (last)", &got.iter().map(|g| g[3]).collect::<Vec<f32>>(), &vec![0.0; got.len()]);
        Ok(())
    })
}

pub(super) fn rescale_case(rows: usize, segment: usize, inverse: bool, clip: f32) -> Case {
    let direction = if inverse { "denormalised" } else { "normalised" };
    let shape = format!("{rows} numbers in segments of {segment}, {direction}, clip {clip}");
    let reason = "a subtraction and a division of 3 ulp, or two roundings; the shift is in two f32; \
                  scale: the result, or the sum of |terms|";
    Case::new(advantage_rescale::DEF.name, shape, (8.0 * EPS, reason), async move |gpu: &Gpu, report| -> Result<()> {
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
        report.floats("numbers", &buffer.read(gpu, report).await?, &want, |i| {
            let (x, shift, scale) = of(i);
            if inverse { x.abs() * scale + shift.abs() } else { 1e-6 }
        });
        Ok(())
    })
}
