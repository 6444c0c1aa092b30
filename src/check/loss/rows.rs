//! The table of cases.

use super::inputs::{Loss, usual};
use super::run::run;
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::head::{CLAMP, FLOOR, TANH, beta, binned, deviating, masked_choice, masked_choices, name, squashed};
use crate::check::size::Size;
use crate::check::support::EPS;
use crate::check::work::Work;
use crate::config::{KlDirection, Surrogate, ValueLoss};
use crate::kernels::loss_ppo;
use crate::policy::Head;

/// Of Huber's loss and of the clamped error; both kinds of rows are among the inputs.
const LIMIT: f32 = 1.2;
fn loss_case(c: Loss) -> Case {
    let mut shape = format!("{} rows, {}, {:?}", c.rows, name(&c.head), c.value_loss);
    if c.row_offset > 0 {
        shape += &format!(", from row {}", c.row_offset);
    }
    if let Some(dual_clip) = c.dual_clip {
        shape += &format!(", dual clip {dual_clip}");
    }
    shape += ["", ", unclipped", ", no ratio"][c.surrogate.code() as usize % 3];
    if let Some(direction) = c.kl {
        shape += &format!(", penalty {direction:?}");
    }
    shape += if c.wild { ", log-ratios beyond the clamp" } else { "" };
    shape += if c.broken { ", not finite" } else { "" };
    shape += if c.padded { ", every third row masked" } else { "" };
    let reason = "one rounding of the result; scale: the head's own accuracy as in head_evaluate, the log-ratio's rounding and a device's \
                  exp (3 + 2|x| ulp), carried through the loss to first order, a tree of 6 levels, in units of 2⁻²⁴";
    Case::new(loss_ppo::DEF.name, shape, (EPS, reason), async move |gpu, report| run(gpu, report, &c).await)
}

/// So many operations per number of a distribution row, and per row.
fn work(s: &Size) -> Work {
    let (n, width, words) = (s.rows as f64, s.head.width() as f64, s.head.action_words() as f64);
    Work::rows(s.rows, n * (16.0 * width + 40.0), 4.0 * n * (2.0 * width + words + 6.0) + 0.75 * n)
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &loss_ppo::DEF,
        about: "the clipped surrogate, value loss and entropy bonus: gradients at the heads",
        oracle: oracle!(loss_ppo::loss_ppo),
        at_size: |s| Some(loss_case(Loss { value_loss: ValueLoss::ClipMax, ..usual(s.head.clone(), s.rows) })),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work,
    }],
};

fn cases() -> Vec<Case> {
    let categorical = |actions| Head::categorical(actions);
    let gaussian = |dims| Head::gaussian(dims);
    let usual = usual(categorical(2), 65);
    let mut cases = Vec::new();
    for head in [categorical(2), gaussian(1)] {
        for rows in [1, 63, 64, 65, 1021] {
            cases.push(loss_case(Loss { head: head.clone(), rows, ..usual.clone() }).quick(rows == 65));
        }
        for value_loss in [
            ValueLoss::Plain,
            ValueLoss::ClipMax,
            ValueLoss::ClipOnly,
            ValueLoss::Huber { delta: LIMIT.into() },
            ValueLoss::ClampError { max: LIMIT.into() },
        ] {
            for dual_clip in [None, Some(3.0)] {
                let c = Loss { head: head.clone(), rows: 131, row_offset: 67, value_loss, dual_clip, ..usual.clone() };
                cases.push(loss_case(c).quick(dual_clip.is_some()));
            }
        }
        cases.push(loss_case(Loss { head: head.clone(), wild: true, ..usual.clone() }));
        for value_loss in [ValueLoss::Plain, ValueLoss::Huber { delta: 1.0 }, ValueLoss::ClampError { max: 1.0 }] {
            cases.push(loss_case(Loss { head: head.clone(), rows: 127, value_loss, broken: true, ..usual.clone() }));
        }
        for rows in [3, 65, 131] {
            let (head, kl) = (head.clone(), Some(KlDirection::OldNew));
            let c = Loss { head, rows, row_offset: 67, kl, padded: true, ..usual.clone() };
            cases.push(loss_case(c).quick(rows == 131));
        }
    }
    for head in [categorical(3), gaussian(2)] {
        let (old_new, new_old) = (Some(KlDirection::OldNew), Some(KlDirection::NewOld));
        for (surrogate, kl) in [
            (Surrogate::Ratio, None),
            (Surrogate::LogProb, None),
            (Surrogate::Ratio, old_new),
            (Surrogate::Clip, new_old),
        ] {
            let c = Loss { head: head.clone(), rows: 131, row_offset: 67, surrogate, kl, ..usual.clone() };
            cases.push(loss_case(c).quick(kl.is_some()));
        }
    }
    let others = [
        masked_choice(5),
        masked_choices(&[3, 40, 2]),
        Head::bernoulli(5),
        binned(2, 11),
        beta(3),
        deviating(2, true, CLAMP),
        squashed(2, false, FLOOR),
        squashed(2, true, TANH),
    ];
    for head in [categorical(1), categorical(33), gaussian(3), gaussian(17)].into_iter().chain(others) {
        cases.push(loss_case(Loss { head, rows: 67, value_loss: ValueLoss::ClipMax, ..usual.clone() }));
    }
    cases
}
