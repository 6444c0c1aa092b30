//! Rows that count: by mode of resetting, blanked out, weighed.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random};
use super::work::Work;
use crate::env::Autoreset;
use crate::gpu::Slot;
use crate::kernels::batch_clean::INVALID_LOGP;
use crate::kernels::{batch_clean, batch_count, batch_valid};
use crate::reference::batch_valid::{batch_count as weights, batch_valid as oracle};
use ndarray::{Array1, ArrayView1, ArrayView2};

const EXACT: (f64, &str) = (0.0, "flags and words are copied");

fn valid_case(autoreset: Autoreset, steps: usize, envs: usize, with_ended: bool, with_given: bool) -> Case {
    let words = [if with_ended { ", ended before" } else { "" }, if with_given { ", a mask" } else { "" }].concat();
    let shape = format!("{}, {steps} × {envs}{words}", autoreset.name());
    Case::new(batch_valid::DEF.name, shape, EXACT, async move |gpu, report| {
        let rows = steps * envs;
        let mut random = Random::new((steps * 100 + envs) as u64);
        let (terminated, truncated) = (random.flags(rows, 9), random.flags(rows, 7));
        let (ended, given) = (random.flags(envs, 2), random.flags(rows, 2));
        let values = random.normals(rows + envs, 1.0);
        let b = (
            Guarded::holding(gpu, "terminated", &terminated)?,
            Guarded::holding(gpu, "truncated", &truncated)?,
            Guarded::holding(gpu, "ended_before", &ended)?,
            Guarded::holding(gpu, "given", &given)?,
            Guarded::holding(gpu, "values", &values)?,
            Guarded::<f32>::output(gpu, "final_values", rows)?,
            Guarded::<u32>::output(gpu, "valid", rows)?,
        );
        let p = batch_valid::Params {
            steps: steps as u32,
            envs: envs as u32,
            autoreset: autoreset.code(),
            use_ended: with_ended.into(),
            use_given: with_given.into(),
            ..Default::default()
        };
        let io = batch_valid::Io {
            terminated: b.0.io(),
            truncated: b.1.io(),
            ended_before: b.2.io(),
            given: b.3.io(),
            values: b.4.io(),
            final_values: b.5.io(),
            valid: b.6.io(),
        };
        report.run(gpu, &batch_valid::bind(gpu, &[p], &io)?, Slot::default())?;
        let window =
            |flags| ArrayView2::from_shape((steps, envs), flags).map_err(|_| crate::error::Error::shape("", &[], &[]));
        let ended = with_ended.then(|| ArrayView1::from(&ended));
        let given = if with_given { Some(window(&given)?) } else { None };
        let want = oracle(autoreset, window(&terminated)?, window(&truncated)?, ended, given);
        report.exact("valid", &b.6.read(gpu, report).await?, &want.into_iter().collect::<Vec<u32>>());
        let final_values = b.5.read(gpu, report).await?;
        if autoreset == Autoreset::NextStep {
            report.exact("final_values", &final_values, &values[envs..]);
        } else {
            report.untouched("final_values", final_values.iter().enumerate());
        }
        Ok(())
    })
}

fn clean_case(rows: usize, width: usize) -> Case {
    Case::new(batch_clean::DEF.name, format!("{rows} rows of {width}"), EXACT, async move |gpu, report| {
        let mut random = Random::new(rows as u64);
        let (source, valid) = (random.words(rows * width), random.flags(rows, 2));
        let fill = INVALID_LOGP.to_bits();
        let b = (
            Guarded::holding(gpu, "source", &source)?,
            Guarded::holding(gpu, "valid", &valid)?,
            Guarded::output(gpu, "cleaned", rows * width)?,
        );
        let p = batch_clean::Params { rows: rows as u32, width: width as u32, fill, ..Default::default() };
        let io = batch_clean::Io { source: b.0.io(), valid: b.1.io(), cleaned: b.2.io() };
        report.run(gpu, &batch_clean::bind(gpu, &[p], &io)?, Slot::default())?;
        let word = |(i, word): (usize, &u32)| if valid[i / width] == 0 { fill } else { *word };
        let want: Vec<u32> = source.iter().enumerate().map(word).collect();
        report.exact("cleaned", &b.2.read(gpu, report).await?, &want);
        Ok(())
    })
}

/// `one_in` rows counts; 0: none, 1: all.
fn count_case(first: usize, rows: usize, segment: usize, stride: usize, one_in: u32) -> Case {
    let shape =
        format!("{rows} rows of every {stride} from {first} on in segments of {segment}, one in {one_in} counts");
    let tolerance = (3.0 * EPS, "a division, 2.5 units on a device, is rounded at most three times");
    Case::new(batch_count::DEF.name, shape, tolerance, async move |gpu, report| {
        let mut random = Random::new((rows + segment) as u64);
        let all = first + rows * stride;
        let flags = if one_in == 0 { vec![0; all] } else { random.flags(all, one_in) };
        let segments = rows.div_ceil(segment);
        let place = all + 1;
        let mark = |flag: &u32| [if *flag == 0 { INVALID_LOGP } else { -1.5 }, 1.0, 2.0, 3.0];
        let mut data: Vec<[f32; 4]> = flags.iter().map(mark).collect();
        data.resize(place + segments, [9.0; 4]);
        let samples = Guarded::updated(gpu, "samples", &data)?;
        let p = batch_count::Params {
            rows: rows as u32,
            segment: segment as u32,
            stride: stride as u32,
            place: place as u32,
            first: first as u32,
            ..Default::default()
        };
        report.run(gpu, &batch_count::bind(gpu, &[p], &batch_count::Io { samples: samples.io() })?, Slot::default())?;
        let got = samples.read(gpu, report).await?;
        report.exact("samples", &got[..place], &data[..place]);
        let valid: Array1<u32> = flags.iter().copied().skip(first).step_by(stride).collect();
        let want: Vec<f64> = weights(valid.view(), segment).to_vec();
        let weight: Vec<f32> = got[place..].iter().map(|result| result[0]).collect();
        report.floats("weights", &weight, &want, |_| 1e-30);
        if one_in == 1 {
            report.exact("weights", &weight, &vec![1.0; segments]);
        }
        let counts = |rows: &[u32]| rows.iter().sum::<u32>() as f32;
        let rest: Vec<[f32; 3]> = got[place..].iter().map(|result| [result[1], result[2], result[3]]).collect();
        let want: Vec<[f32; 3]> = valid.to_vec().chunks(segment).map(|rows| [counts(rows), 0.0, 0.0]).collect();
        report.exact("counts", &rest, &want);
        Ok(())
    })
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &batch_clean::DEF,
            about: "rows of padding blanked out",
            oracle: oracle!(batch_valid::batch_valid),
            at_size: |s| Some(clean_case(s.steps * s.envs, s.obs_dim)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::window(s, 0.0, 4.0 * (2.0 * s.obs_dim as f64 + 1.0)),
        },
        Entry {
            def: &batch_count::DEF,
            about: "what a row weighs in the means of a minibatch that has padding",
            oracle: oracle!(batch_valid::batch_count),
            at_size: |s| Some(count_case(0, s.steps * s.envs, s.steps * s.envs, 1, 9)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::window(s, 0.0, 4.0),
        },
        Entry {
            def: &batch_valid::DEF,
            about: "which rows of a window are transitions, by how its environments are reset",
            oracle: oracle!(batch_valid::batch_valid),
            at_size: |s| Some(valid_case(Autoreset::NextStep, s.steps, s.envs, true, false)),
            sweep: Sweep::Rollout,
            timed: Timed::Last,
            work: |s| Work::window(s, 0.0, 16.0),
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for autoreset in Autoreset::ALL {
        for (steps, envs) in [(1, 1), (1, 65), (7, 64), (63, 63), (128, 7)] {
            cases.push(valid_case(autoreset, steps, envs, steps != 7, steps == 63).quick(steps == 128));
        }
    }
    for (rows, width) in [(1, 1), (63, 1), (64, 3), (65, 7), (1000, 4)] {
        cases.push(clean_case(rows, width).quick(rows == 1000));
    }
    for (rows, segment, stride, one_in) in
        [(1, 1, 1, 1), (1, 1, 1, 0), (64, 64, 1, 3), (65, 16, 1, 2), (130, 200, 3, 5), (1000, 333, 1, 1), (67, 5, 2, 9)]
    {
        cases.push(count_case(0, rows, segment, stride, one_in).quick(rows == 130));
    }
    cases.push(count_case(33, 65, 65, 1, 2));
    cases
}
