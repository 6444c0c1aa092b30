//! Returns to go of whole episodes.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random};
use super::work::Work;
use crate::error::Error;
use crate::gpu::Slot;
use crate::kernels::advantage_return;
use crate::reference::advantage_return::advantage_return as oracle;
use ndarray::{Array2, ArrayView2};

/// An episode ends in one of `one_in` transitions in each way; 0: none does. With a mask, one row in three does not count, and its
/// reward is no number.
fn return_case(steps: usize, envs: usize, gamma: f32, one_in: u32, masked: bool) -> Case {
    let ends = if one_in == 0 { "no end".to_owned() } else { format!("an end in {one_in}") };
    let shape = format!("{steps} × {envs}, γ {gamma}, {ends}{}", if masked { ", a mask" } else { "" });
    let reason = "two roundings per step of the sum from there on, discounted; scale: these sums of |rewards|";
    Case::new(advantage_return::DEF.name, shape, (2.0 * EPS, reason), async move |gpu, report| {
        let rows = steps * envs;
        let mut random = Random::new((steps * 100 + envs) as u64);
        let flags = |random: &mut Random| if one_in == 0 { vec![0; rows] } else { random.flags(rows, one_in) };
        let (terminated, truncated) = (flags(&mut random), flags(&mut random));
        let given: Vec<u32> = random.flags(rows, 3).into_iter().map(|flag| 1 - flag).collect();
        let mut rewards = random.normals(rows, 1.0);
        if masked {
            rewards.iter_mut().zip(&given).filter(|(_, given)| **given == 0).for_each(|(reward, _)| *reward = f32::NAN);
        }
        let b = (
            Guarded::holding(gpu, "rewards", &rewards)?,
            Guarded::holding(gpu, "terminated", &terminated)?,
            Guarded::holding(gpu, "truncated", &truncated)?,
            Guarded::holding(gpu, "given", &given)?,
            Guarded::<f32>::output(gpu, "returns", rows)?,
            Guarded::<u32>::output(gpu, "valid", rows)?,
        );
        let p = advantage_return::Params { steps: steps as u32, envs: envs as u32, gamma, masked: u32::from(masked) };
        let io = advantage_return::Io {
            rewards: b.0.io(),
            terminated: b.1.io(),
            truncated: b.2.io(),
            given: b.3.io(),
            returns: b.4.io(),
            valid: b.5.io(),
        };
        report.run(gpu, &advantage_return::bind(gpu, &[p], &io)?, Slot::default())?;
        let window =
            |flags| ArrayView2::from_shape((steps, envs), flags).map_err(|_| Error::shape("flags", &[rows], &[rows]));
        let (terminated, truncated) = (window(&terminated)?, window(&truncated)?);
        let given = if masked { Some(window(&given)?) } else { None };
        let of = |sizes: bool| {
            Array2::from_shape_fn((steps, envs), |(t, n)| {
                let reward = f64::from(rewards[t * envs + n]);
                if sizes { reward.abs() } else { reward }
            })
        };
        let gamma = f64::from(gamma);
        let (want, valid) = oracle(of(false).view(), terminated, truncated, given, gamma)?;
        // What each step rounds is passed on, discounted: the same recurrence over the sums of the terms' sizes.
        let (sizes, _) = oracle(of(true).view(), terminated, truncated, given, gamma)?;
        let (bounds, _) = oracle(sizes.view(), terminated, truncated, given, gamma)?;
        report.exact("valid", &b.5.read(gpu, report).await?, &valid.iter().copied().collect::<Vec<u32>>());
        let (want, bounds): (Vec<f64>, Vec<f64>) = (want.into_iter().collect(), bounds.into_iter().collect());
        report.floats("returns", &b.4.read(gpu, report).await?, &want, |i| bounds[i].max(1e-30));
        Ok(())
    })
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &advantage_return::DEF,
        about: "returns to go of the episodes that end within a window, and which rows have one",
        oracle: oracle!(advantage_return::advantage_return),
        at_size: |s| Some(return_case(s.steps, s.envs, 0.99, 100, false)),
        sweep: Sweep::Rollout,
        timed: Timed::Last,
        work: |s| Work::window(s, 2.0, 20.0),
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (steps, envs) in [(1, 1), (1, 65), (7, 64), (63, 63), (65, 1), (128, 7), (127, 65)] {
        cases.push(return_case(steps, envs, 0.97, 9, false).quick(steps == 128));
        cases.push(return_case(steps, envs, 0.97, 9, true));
    }
    for (gamma, one_in) in [(0.0, 9), (1.0, 200), (1.0, 9), (0.99, 0)] {
        cases.push(return_case(131, 5, gamma, one_in, false));
    }
    cases
}
