//! The table of cases.

use super::solve::{Kind, Solve};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::support::{EPS, Report};
use crate::check::work::Work;
use crate::gpu::Gpu;
use crate::kernels::cg_step;

fn case(count: usize, kind: Kind, warm: bool, iterations: usize) -> Case {
    let reason =
        "64 products a lane, 6 levels of the tree, the partial sums, each with its rounding; scale: the sum of |terms|";
    let shape = format!("{count} unknowns, {kind:?}{}", if warm { ", warm" } else { "" });
    let tolerance = EPS * (2.0 * (64.0 + 6.0 + 2.0 + 6.0) + 8.0);
    let body = async move |gpu: &Gpu, report: &Report| Solve::new(count, kind, warm, iterations).run(gpu, report).await;
    let case = Case::new(cg_step::DEF.name, shape, (tolerance, reason), body);
    if kind != Kind::Identity && count > 1 {
        return case;
    }
    case.loose("one step solves it: of the residual nothing is left but the rounding of the terms that cancel, which it is compared with")
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &cg_step::DEF,
        about: "conjugate gradients around any operator: one phase of an iteration, and the trust region's step length",
        oracle: oracle!(cg::conjugate_gradient),
        at_size: |s| Some(case(s.parameters, Kind::Identity, false, 2)),
        sweep: Sweep::Nets,
        // A start, which makes everything new, and one iteration.
        timed: Timed::First(2),
        // Start: r and p from the gradient. Iteration: p·A p, then x and r, then p.
        work: |s| Work::parameters(s, 16.0, 60.0),
    }],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (count, kind, warm, iterations) in [
        (1, Kind::Definite, false, 2),
        (63, Kind::Definite, false, 14),
        (64, Kind::Definite, true, 14),
        (4097, Kind::Definite, false, 14),
        (10007, Kind::Definite, true, 14),
        // More partial sums than lanes.
        (270_001, Kind::Definite, false, 12),
        (4096, Kind::Identity, false, 2),
        (65, Kind::Negative, false, 2),
        (65, Kind::Zero, false, 2),
        (4099, Kind::Nan, false, 2),
        (67, Kind::Absolute, false, 1),
        (67, Kind::Fixed, false, 14),
    ] {
        cases.push(case(count, kind, warm, iterations).quick(count < 5000));
    }
    cases
}
