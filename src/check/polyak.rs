//! Targets that follow.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random, wide};
use super::work::Work;
use crate::gpu::Slot;
use crate::kernels::optim_polyak;
use crate::reference::td_target::polyak;

fn case(offset: usize, count: usize, tau: f32) -> Case {
    let reason = "a difference, a product and a sum; scale: both numbers. The reference rounds nothing";
    let shape = format!("{count} numbers from {offset} on by {tau}");
    Case::new(optim_polyak::DEF.name, shape, (4.0 * EPS, reason), async move |gpu, report| {
        let mut random = Random::new((offset + count) as u64);
        let all = offset + count;
        let (mut own, mut before) = (random.normals(all, 1.0), random.normals(all, 1.0));
        own[all - 1] = before[all - 1];
        // Nothing is left of a target that a copy takes the place of.
        if tau == 1.0 {
            before[offset] = f32::NAN;
        }
        // The targets behind what they follow, with some numbers before each.
        let parameters = Guarded::updated(gpu, "parameters", &[own.as_slice(), &before].concat())?;
        let (online, targets) = (offset as u32, (all + offset) as u32);
        let p = optim_polyak::Params { count: count as u32, online, targets, tau };
        let io = optim_polyak::Io { parameters: parameters.io() };
        report.run(gpu, &optim_polyak::bind(gpu, &[p], &io)?, Slot::default())?;
        let got = parameters.read(gpu, report).await?;
        report.exact("parameters (online)", &got[..all], &own);
        let got = &got[all..];
        report.exact("targets (before the first)", &got[..offset], &before[..offset]);
        if tau == 1.0 {
            report.exact("targets (copied)", &got[offset..], &own[offset..]);
            return Ok(());
        }
        let mut want = wide(&before[offset..]);
        polyak(&mut want, &wide(&own[offset..]), tau.into())?;
        let size = |i: usize| f64::from(before[offset + i].abs() + own[offset + i].abs());
        report.floats("targets", &got[offset..], &want, size);
        report.exact("targets (equal already)", &got[all - 1..], &before[all - 1..]);
        Ok(())
    })
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &optim_polyak::DEF,
        about: "target parameters moved towards the online ones, or copied",
        oracle: oracle!(td_target::polyak),
        at_size: |s| Some(case(0, s.parameters, 0.005)),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work: |s| Work::parameters(s, 3.0, 12.0),
    }],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (offset, count, tau) in
        [(0, 2, 0.005), (3, 63, 0.5), (1, 64, 1.0), (0, 65, 0.0), (130, 4099, 0.005), (7, 1, 1.0)]
    {
        cases.push(case(offset, count, tau).quick(count == 4099));
    }
    cases
}
