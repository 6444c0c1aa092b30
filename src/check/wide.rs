//! Categorical rows that a workgroup walks: evaluation, draws, Fisher products and the losses of such rows.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::head::{
    REASON, Walk, evaluate_case, evaluate_work, fisher_case, masked_choice, masked_choices, name, sample_case,
    sample_work,
};
use super::support::{EPS, Report};
use super::{trust_region, wide_loss};
use crate::gpu::Gpu;
use crate::kernels::{head_evaluate_wide, head_fisher_wide, loss_trust_region, policy_sample_wide};
use crate::policy::{Bounds, Head};

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &head_evaluate_wide::DEF,
            about: "`head_evaluate` with a workgroup for each row, if a row is too long for one invocation (more than 7,500 choices); both ends of a loss of such rows",
            oracle: oracle!(head::log_prob),
            at_size: |s| Some(evaluate_case(Walk::Workgroup, s.head.clone(), s.rows, 1.0, 0.1)),
            sweep: Sweep::Wide,
            timed: Timed::Last,
            work: evaluate_work,
        },
        Entry {
            def: &head_fisher_wide::DEF,
            about: "`head_fisher` likewise",
            oracle: oracle!(head::fisher_vector),
            at_size: |s| Some(fisher_case(Walk::Workgroup, s.head.clone(), s.rows, 1.5, None)),
            sweep: Sweep::Wide,
            timed: Timed::Last,
            work: trust_region::fisher_work,
        },
        Entry {
            def: &policy_sample_wide::DEF,
            about: "`policy_sample` likewise",
            oracle: oracle!(head_actions::sample),
            at_size: |s| Some(sample_case(Walk::Workgroup, s.head.clone(), s.rows, false)),
            sweep: Sweep::Wide,
            timed: Timed::Last,
            work: sample_work,
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let categorical = |actions| Head::categorical(actions);
    let bins = Head::Discretised { dims: 2, bins: 4001, bounds: Bounds::uniform(2, -1.0, 0.5) };
    let mut cases = Vec::new();
    for (head, rows, spread, change) in [
        (categorical(7_501), 3, 2.0, 0.3),
        (categorical(8_193), 1, 1.0, 0.1),
        (categorical(65_537), 2, 1.5, 0.3),
        // The kernels take any number of choices.
        (categorical(1), 3, 1.0, 0.3),
        (categorical(257), 65, 2.0, 1.0),
        (masked_choice(7_777), 5, 2.0, 0.3),
        (masked_choices(&[3, 7_500, 40]), 9, 2.0, 0.3),
        (bins.clone(), 3, 1.0, 0.1),
        (Head::multi_discrete(vec![33; 256]), 2, 2.0, 0.3),
    ] {
        cases.push(evaluate_case(Walk::Workgroup, head, rows, spread, change).quick(rows == 3));
    }
    for (head, rows) in [
        (categorical(7_501), 5),
        (categorical(8_193), 1),
        (categorical(65_537), 4),
        (categorical(257), 65),
        (masked_choice(7_777), 5),
        (masked_choices(&[3, 7_500, 40]), 17),
        (bins.clone(), 3),
        (Head::multi_discrete(vec![33; 256]), 2),
    ] {
        for mode in [false, true] {
            cases.push(sample_case(Walk::Workgroup, head.clone(), rows, mode).quick(rows == 5));
        }
    }
    for (head, rows) in [
        (categorical(7_501), 3),
        (categorical(65_537), 2),
        (categorical(257), 65),
        (masked_choices(&[3, 7_500, 40]), 6),
        (bins, 3),
    ] {
        for row_stride in [None, Some(1), Some(3)] {
            cases.push(fisher_case(Walk::Workgroup, head.clone(), rows, 1.5, row_stride).quick(rows == 3));
        }
    }
    cases.extend(wide_loss::cases());
    for (head, rows, which) in [
        (categorical(7_501), 65, trust_region::Rows::Usual),
        (categorical(8_193), 5, trust_region::Rows::Padded),
        (masked_choices(&[3, 7_500, 40]), 6, trust_region::Rows::Usual),
    ] {
        let own = head.clone();
        let body =
            async move |gpu: &Gpu, report: &Report| trust_region::loss(gpu, report, &own, rows, 0.1, which).await;
        let shape = format!("{rows} rows, wide {}, {which:?}", name(&head));
        // Sums of a workgroup have fewer roundings on the way of a term than the bounds allow so many terms.
        cases.push(Case::new(loss_trust_region::DEF.name, shape, (EPS, REASON), body));
    }
    cases
}
