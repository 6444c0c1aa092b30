//! Reductions: moments, partial gradients, episodes.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::size::Size;
use super::support::{EPS, Guarded, Random, wide};
use super::work::Work;
use crate::gpu::Slot;
use crate::kernels::{batch_clean, reduce_episodes, reduce_moments, reduce_partials};
use crate::reference::reduce_moments::reduce_moments as moments_of;
use ndarray::Array1;

#[derive(Clone, Copy)]
struct Moments {
    rows: usize,
    segment: usize,
    stride: usize,
    offset: usize,
    subtract: bool,
    mean: f32,
    /// All numbers the same.
    flat: bool,
    /// Some rows do not count.
    masked: bool,
    /// Nor do this many at the beginning. Then the results go behind those of three other segments, and marks begin at the sixth.
    lead: usize,
}

fn moments_case(c: Moments) -> Case {
    let Moments { rows, segment, stride, offset, subtract, mean, flat, masked, lead } = c;
    let (place, mark_offset) = if lead > 0 { (3, 5) } else { (0, 0) };
    let words = [
        if subtract { ", difference of two" } else { "" },
        if flat { ", equal numbers" } else { "" },
        if masked { ", some rows masked" } else { "" },
        if lead > 0 { ", none of the first" } else { "" },
    ]
    .concat();
    let shape = format!("{rows} rows in segments of {segment}, stride {stride}, mean {mean}{words}");
    // A lane adds 16 numbers, the tree has 6 levels; squares double the error of a deviation; each merge of chunks adds five.
    let tolerance = EPS * (2.0 * (16.0 + 6.0) + 5.0 * (segment as f64 / 1024.0).max(1.0).log2().ceil() + 8.0);
    let reason = "16 numbers a lane and 6 levels of the tree, twice for squares, five roundings for each merge of chunks; \
                  scale: the deviation, for the mean as the sum of two f32, too";
    Case::new(reduce_moments::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
        let mut random = Random::new((rows + 3 * segment) as u64);
        let mut minuend = random.normals(rows * stride + offset, 1.0);
        minuend.iter_mut().for_each(|x| *x = if flat { mean } else { *x + mean });
        let subtrahend = random.normals(rows, 0.5);
        // Marks at every third number; what does not count is no number.
        let mut invalid = if masked { random.flags(rows, 3) } else { vec![0; rows] };
        invalid[..lead].fill(1);
        let mark = |i: usize| if invalid[i / 3] == 1 && i.is_multiple_of(3) { batch_clean::INVALID_LOGP } else { 0.5 };
        let marks: Vec<f32> = (0..mark_offset).map(|_| 0.5).chain((0..3 * rows).map(mark)).collect();
        for row in (0..rows).filter(|row| invalid[*row] == 1) {
            minuend[row * stride + offset] = f32::NAN;
        }
        let segments = rows.div_ceil(segment);
        let partials = reduce_moments::partials(rows as u32, segment as u32) as usize;
        let buffers = (
            Guarded::holding(gpu, "minuend", &minuend)?,
            Guarded::holding(gpu, "subtrahend", &subtrahend)?,
            Guarded::<[f32; 4]>::output(gpu, "partials", partials)?,
            Guarded::<[f32; 4]>::output(gpu, "moments", place + segments)?,
            Guarded::holding(gpu, "marks", &marks)?,
        );
        let mut p = reduce_moments::Params::default();
        (p.rows, p.segment, p.stride, p.offset) = (rows as u32, segment as u32, stride as u32, offset as u32);
        p.subtract = subtract.into();
        p.mark_stride = if masked { 3 } else { 0 };
        (p.place, p.mark_offset) = (place as u32, mark_offset as u32);
        let io = reduce_moments::Io {
            minuend: buffers.0.io(),
            subtrahend: buffers.1.io(),
            marks: buffers.4.io(),
            partials: buffers.2.io(),
            moments: buffers.3.io(),
        };
        report.run(gpu, &reduce_moments::bind(gpu, &[p], &io)?, Slot::default())?;
        buffers.2.read(gpu, report).await?;
        let got = buffers.3.read(gpu, report).await?;
        report.untouched("moments (of others)", got[..place].iter().flatten().enumerate());
        for (own, first) in got[place..].iter().zip((0..rows).step_by(segment)) {
            let last = rows.min(first + segment);
            let number = |row: usize| {
                let value = minuend[row * stride + offset];
                // The difference is rounded to f32 before anything else, here and there.
                f64::from(if subtract { value - subtrahend[row] } else { value })
            };
            let column: Array1<f64> = (first..last).filter(|row| invalid[*row] == 0).map(number).collect();
            let (mean, variance) = moments_of(column.view(), 0);
            let n = column.len() as f64;
            let (mean, deviation) = if flat { (column[0], 0.0) } else { (mean, variance.sqrt()) };
            report.exact("moments (count)", &own[..1], &[n as f32]);
            // Of the mean what is beyond its first f32: as far from the true one as deviations of one batch are known.
            let first = column.first().copied().unwrap_or(0.0);
            let spread = (mean - first).abs().max(deviation);
            let rest = f64::from(own[1]) + f64::from(own[3]) - mean;
            report.floats("moments (mean)", &own[1..2], &[mean], |_| mean.abs() + deviation);
            report.floats("moments (mean, error)", &[(1.0 + rest / spread.max(1e-30)) as f32], &[1.0], |_| 1.0);
            report.floats("moments (deviation)", &own[2..3], &[deviation], |_| if flat { 1e-30 } else { deviation });
        }
        Ok(())
    })
}

fn partials_case(count: usize, slices: usize) -> Case {
    let shape = format!("{slices} slices of {count}");
    let tolerance = EPS * (slices as f64 / 4.0 + 6.0);
    let reason = "a quarter of the slices in each chain, three to join them, three left over; scale: sum of |terms|";
    Case::new(reduce_partials::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
        let data = Random::new((count + slices) as u64).normals(count * slices, 1.0);
        let partials = Guarded::holding(gpu, "partials", &data)?;
        let gradient = Guarded::output(gpu, "gradient", count)?;
        let mut p = reduce_partials::Params::default();
        (p.count, p.slices) = (count as u32, slices as u32);
        let io = reduce_partials::Io { partials: partials.io(), gradient: gradient.io() };
        report.run(gpu, &reduce_partials::bind(gpu, &[p], &io)?, Slot::default())?;
        let column = |j: usize| (0..slices).map(move |s| s * count + j);
        let want: Vec<f64> = (0..count).map(|j| column(j).map(|i| f64::from(data[i])).sum()).collect();
        let sizes: Vec<f64> = (0..count).map(|j| column(j).map(|i| f64::from(data[i]).abs()).sum()).collect();
        report.floats("gradient", &gradient.read(gpu, report).await?, &want, |j| sizes[j]);
        Ok(())
    })
}

fn episodes_case(count: usize, one_in: u32) -> Case {
    let shape = format!("{count} entries, one in {one_in} an episode's end");
    let tolerance = EPS * (16.0 + 6.0 + (count as f64 / 65_536.0).ceil() + 6.0);
    let reason = "16 numbers a lane and 6 levels of the tree, twice; scale: sum of |returns|";
    Case::new(reduce_episodes::DEF.name, shape, (tolerance, reason), async move |gpu, report| {
        let mut random = Random::new(count as u64);
        let ended = random.flags(count, one_in);
        let data: Vec<[f32; 2]> = ended
            .iter()
            .map(
                |flag| {
                    if *flag == 1 { [random.range(-300.0, 100.0), (1 + random.below(500)) as f32] } else { [0.0; 2] }
                },
            )
            .collect();
        let episodes = Guarded::holding(gpu, "episodes", &data)?;
        let partials = Guarded::output(gpu, "partials", reduce_episodes::partials(count as u32) as usize)?;
        let summary = Guarded::output(gpu, "summary", reduce_episodes::SUMMARY as usize)?;
        let p = reduce_episodes::Params { count: count as u32, ..Default::default() };
        let io = reduce_episodes::Io { episodes: episodes.io(), partials: partials.io(), summary: summary.io() };
        report.run(gpu, &reduce_episodes::bind(gpu, &[p], &io)?, Slot::default())?;
        partials.read(gpu, report).await?;
        let returns: Vec<f64> = wide(&data.iter().filter(|e| e[1] > 0.0).map(|e| e[0]).collect::<Vec<_>>());
        let lengths = data.iter().map(|e| f64::from(e[1])).sum();
        let some = |x: f64| if returns.is_empty() { 0.0 } else { x };
        let want = [
            returns.len() as f64,
            returns.iter().sum(),
            lengths,
            some(returns.iter().copied().fold(f64::INFINITY, f64::min)),
            some(returns.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        ];
        let size = returns.iter().map(|r| r.abs()).sum::<f64>();
        report.floats("summary", &summary.read(gpu, report).await?, &want, |i| if i == 1 { size } else { 1e-30 });
        Ok(())
    })
}

const USUAL: Moments = Moments {
    rows: 65,
    segment: 65,
    stride: 1,
    offset: 0,
    subtract: false,
    mean: 0.0,
    flat: false,
    masked: false,
    lead: 0,
};

/// Packed rows: one number of four.
fn moments_work(s: &Size) -> Work {
    let (n, partials) = (s.rows as f64, reduce_moments::partials(s.rows as u32, s.rows as u32));
    Work::rows(s.rows, 4.0 * n, 4.0 * n + 32.0 * partials as f64)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &reduce_episodes::DEF,
            about: "number, return and length of the episodes that ended",
            oracle: oracle!(vec_env::VecEnv),
            at_size: |s| Some(episodes_case(s.rows, 100)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::rows(s.rows, 5.0 * s.rows as f64, 8.0 * s.rows as f64),
        },
        Entry {
            def: &reduce_moments::DEF,
            about: "mean and squared deviations of segments",
            oracle: oracle!(reduce_moments::reduce_moments),
            at_size: |s| Some(moments_case(Moments { rows: s.rows, segment: s.rows, stride: 4, offset: 1, ..USUAL })),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: moments_work,
        },
        Entry {
            def: &reduce_partials::DEF,
            about: "the sum of partial gradients, in a fixed order",
            oracle: oracle!(mlp::MlpGradient),
            at_size: |s| Some(partials_case(s.parameters, s.slices)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::parameters(s, s.slices as f64, 4.0 * (s.slices as f64 + 1.0)),
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rows in [1, 2, 63, 64, 1023, 1024, 1025, 5003] {
        let case = moments_case(Moments { rows, segment: rows, ..USUAL });
        let centred = "numbers around 0, whose mean happens to be a ten-thousandth of their deviation";
        cases.push(if rows == 1023 { case.loose(centred) } else { case });
    }
    for c in [
        Moments { rows: 5003, segment: 5003, mean: 1e4, ..USUAL },
        Moments { rows: 300, segment: 100, mean: 1e7, ..USUAL },
        Moments { rows: 200_003, segment: 200_003, mean: 3.0, ..USUAL },
        Moments { rows: 131, segment: 32, stride: 4, offset: 1, ..USUAL },
        Moments { rows: 4000, segment: 1999, subtract: true, stride: 4, offset: 2, ..USUAL },
        Moments { rows: 67, segment: 1, ..USUAL },
        Moments { rows: 3001, segment: 3001, flat: true, mean: 0.3, ..USUAL },
        Moments { masked: true, ..USUAL },
        Moments { rows: 131, segment: 2, stride: 4, offset: 1, masked: true, ..USUAL },
        Moments { rows: 5003, segment: 1700, subtract: true, masked: true, mean: 0.5, ..USUAL },
        Moments { rows: 4096, segment: 2100, masked: true, mean: 1e6, lead: 100, ..USUAL },
    ] {
        cases.push(moments_case(c).quick(c.rows == 4000 || c.mean > 9.0));
    }
    for (count, slices) in [(1, 1), (63, 2), (64, 3), (65, 4), (127, 5), (1009, 64), (4099, 7)] {
        cases.push(partials_case(count, slices).quick(slices == 64));
    }
    for (count, one_in) in [(1, 1), (1, 1_000_000), (63, 3), (64, 5), (65, 7), (1025, 20), (5003, 100), (70_001, 50)] {
        cases.push(episodes_case(count, one_in).quick(count == 5003));
    }
    cases
}
