//! The table of cases.

use super::clip::{Bad, clip_case, clip_case_of};
use super::device::Steps;
use super::steps::{USUAL, adam_case};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::work::Work;
use crate::config::{AdamEps, ClipFormula, GradClip, Optimizer};
use crate::kernels::{optim_adam, optim_clip, optim_rmsprop};

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &optim_adam::DEF,
            about: "a step of Adam or AdamW",
            oracle: oracle!(optim::Adam),
            at_size: |s| Some(adam_case(Steps { count: s.parameters, steps: 1, ..USUAL })),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::parameters(s, 15.0, 28.0),
        },
        Entry {
            def: &optim_clip::DEF,
            about: "the gradient's norm, its clip factor, and the permission to step",
            oracle: oracle!(optim::clip_scale),
            at_size: |s| Some(clip_case(s.parameters, 0.5, Bad::No, "")),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::parameters(s, 2.0, 4.0),
        },
        Entry {
            def: &optim_rmsprop::DEF,
            about: "a step of RMSProp",
            oracle: oracle!(optim::Adam),
            at_size: |s| {
                Some(adam_case(Steps { count: s.parameters, steps: 1, optimizer: Optimizer::RmsProp, ..USUAL }))
            },
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::parameters(s, 9.0, 20.0),
        },
    ],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for count in [1, 63, 64, 65, 255, 256, 257, 4096, 300_007] {
        cases.push(clip_case(count, 0.5, Bad::No, "").quick(count == 300_007));
    }
    cases.push(clip_case(1009, 0.0, Bad::No, " (off)"));
    cases.push(clip_case(1009, 1e6, Bad::No, " (not reached)"));
    for (bad, why) in [
        (Bad::Nan, ", a NaN"),
        (Bad::Infinity, ", an infinity"),
        (Bad::Large, ", squares that overflow"),
        (Bad::Huge, ", a norm that overflows"),
        (Bad::Stopped, ", after an early stop"),
    ] {
        cases.push(clip_case(5000, 0.5, bad, why).quick(bad == Bad::Nan));
        cases.push(clip_case(if bad == Bad::Huge { 3 } else { 1 }, 0.5, bad, why));
    }
    cases.push(clip_case_of(
        5000,
        0.5,
        Bad::Large,
        ", squares that overflow",
        GradClip::Separate,
        ClipFormula::Tensorflow,
    ));
    for (grad_clip, formula) in [
        (GradClip::Separate, ClipFormula::Torch),
        (GradClip::Joint, ClipFormula::Tensorflow),
        (GradClip::Separate, ClipFormula::Tensorflow),
    ] {
        for count in [1, 65, 12_289] {
            let case = clip_case_of(count, 0.5, Bad::No, "", grad_clip, formula);
            cases.push(case.quick(count == 12_289 && grad_clip == GradClip::Separate));
        }
        cases.push(clip_case_of(1009, 1e6, Bad::No, " (not reached)", grad_clip, formula));
        cases.push(clip_case_of(1009, 0.0, Bad::No, " (off)", grad_clip, formula));
        cases.push(clip_case_of(5000, 0.5, Bad::Nan, ", a NaN", grad_clip, formula));
        cases.push(clip_case_of(5000, 0.5, Bad::Huge, ", a norm that overflows", grad_clip, formula));
    }
    let apart = Steps { grad_clip: GradClip::Separate, ..USUAL };
    for count in [1, 63, 64, 65, 10_007] {
        cases.push(adam_case(Steps { count, ..USUAL }).quick(count == 10_007));
    }
    for c in [
        Steps { max_grad_norm: 0.0, eps: 1e-8, ..USUAL },
        Steps { optimizer: Optimizer::AdamW, weight_decay: 0.1, ..USUAL },
        Steps { weight_decay: 0.01, max_grad_norm: 0.0, ..USUAL },
        Steps { steps: 20, ..USUAL },
        // Beyond the table of bias corrections, which ends where they are 1.
        Steps { taken: 20_000, ..USUAL },
        Steps { bad_step: Some(2), ..USUAL },
        Steps { optimizer: Optimizer::RmsProp, ..USUAL },
        Steps { optimizer: Optimizer::RmsProp, bad_step: Some(1), weight_decay: 0.1, count: 1000, ..USUAL },
        Steps { bad_step: Some(0), optimizer: Optimizer::AdamW, weight_decay: 0.1, ..USUAL },
        Steps { eps_placement: AdamEps::Baselines, max_grad_norm: 0.0, ..USUAL },
        Steps { eps_placement: AdamEps::Baselines, formula: ClipFormula::Tensorflow, taken: 20_000, ..USUAL },
        Steps { count: 5003, value_rate: 3.3, ..apart },
        Steps { optimizer: Optimizer::AdamW, weight_decay: 0.1, value_rate: 0.25, ..apart },
        Steps { formula: ClipFormula::Tensorflow, eps_placement: AdamEps::Baselines, ..apart },
        Steps { optimizer: Optimizer::RmsProp, value_rate: 3.3, ..apart },
        Steps { optimizer: Optimizer::RmsProp, value_rate: 0.5, ..USUAL },
    ] {
        cases.push(adam_case(c).quick(c.bad_step.is_some()));
    }
    cases
}
