//! The table of cases.

use super::obs::{OBS, Obs, obs_case};
use super::rewards::{SEGMENTS, Segments, discount_case, rescale_case, running_case};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::work::Work;
use crate::config::{EpsPlacement, ReturnReset};
use crate::kernels::{advantage_discount, advantage_rescale, policy_normalize, reduce_running};

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

pub(in crate::check) const FAMILY: Family = Family {
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

fn cases() -> Vec<Case> {
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
