//! The table of cases.

use super::draw::sample_case;
use super::evaluate::evaluate_case;
use super::heads::{CLAMP, FLOOR, TANH, Walk, beta, binned, deviating, masked_choice, masked_choices, plain, squashed};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::work::Work;
use crate::kernels::{head_evaluate, policy_sample};
use crate::policy::{Bounds, Head, Std, StdLimit};

/// So many operations per number of a distribution row.
pub(in crate::check) fn evaluate_work(s: &Size) -> Work {
    let (n, width, words) = (s.rows as f64, s.head.width() as f64, s.head.action_words() as f64);
    Work::rows(s.rows, 24.0 * n * width, 4.0 * n * (3.0 * width + words + 8.0))
}

/// So many operations per number of a distribution row.
pub(in crate::check) fn sample_work(s: &Size) -> Work {
    let (n, width, words, dims) =
        (s.rows as f64, s.head.width() as f64, s.head.action_words() as f64, s.head.action_dims() as f64);
    Work::rows(s.rows, 12.0 * n * width, 4.0 * n * (width + words + dims + 1.0))
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &head_evaluate::DEF,
            about: "log-probability, entropy, KL in both directions, and their gradients",
            oracle: oracle!(head::log_prob),
            at_size: |s| Some(evaluate_case(Walk::Invocation, s.head.clone(), s.rows, 1.0, 0.1)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: evaluate_work,
        },
        Entry {
            def: &policy_sample::DEF,
            about: "an action per row, drawn or most probable, with its log-probability",
            oracle: oracle!(head_actions::sample),
            at_size: |s| Some(sample_case(Walk::Invocation, s.head.clone(), s.rows, false)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: sample_work,
        },
    ],
};

fn cases() -> Vec<Case> {
    let (masked, masked_multi, bins) = (masked_choice, masked_choices, binned);
    let multi = |nvec: &[usize]| Head::multi_discrete(nvec.to_vec());
    let bounded = |dims| Head::Gaussian { dims, std: Std::default(), bounds: Some(Bounds::uniform(dims, -1.0, 0.5)) };
    let categorical = |actions| Head::categorical(actions);
    let gaussian = |dims| Head::gaussian(dims);
    let mut cases = Vec::new();
    for (head, rows, spread, change) in [
        (categorical(1), 3, 1.0, 0.5),
        (categorical(2), 65, 2.0, 0.1),
        (categorical(3), 64, 3.0, 1.0),
        (categorical(31), 63, 2.0, 1e-3),
        (categorical(65), 1, 2.0, 0.3),
        (categorical(7), 127, 15.0, 0.3),
        (gaussian(1), 65, 2.0, 0.1),
        (gaussian(2), 64, 1.0, 1.0),
        (gaussian(3), 63, 1.0, 1e-3),
        (gaussian(17), 67, 1.0, 0.3),
        (gaussian(33), 1, 1.0, 0.3),
        (masked(5), 65, 2.0, 0.3),
        (masked(40), 63, 2.0, 0.1),
        (multi(&[3, 1, 4]), 65, 2.0, 0.3),
        (multi(&[2, 33]), 63, 8.0, 0.1),
        (masked_multi(&[3, 40, 2]), 65, 2.0, 0.3),
        (Head::bernoulli(1), 63, 2.0, 0.1),
        (Head::bernoulli(5), 65, 4.0, 1.0),
        (Head::bernoulli(67), 1, 12.0, 1e-3),
        (bins(2, 11), 64, 2.0, 0.3),
        (beta(1), 63, 2.0, 0.1),
        (beta(3), 65, 2.0, 0.3),
        (beta(17), 1, 3.0, 1e-3),
        (beta(2), 127, 8.0, 1.0),
        (deviating(2, true, StdLimit::default()), 65, 2.0, 0.3),
        (deviating(3, true, CLAMP), 63, 1.0, 0.3),
        (deviating(1, false, FLOOR), 64, 1.0, 0.1),
        (deviating(5, false, StdLimit::Free), 1, 1.0, 0.3),
        (deviating(3, true, TANH), 65, 1.0, 0.3),
        (deviating(2, false, TANH), 63, 1.0, 1e-3),
        (plain(2, false), 65, 1.0, 0.1),
        (plain(3, true), 63, 1.0, 0.3),
        (squashed(1, false, StdLimit::default()), 63, 1.0, 0.1),
        (squashed(3, true, FLOOR), 65, 2.0, 0.3),
        (squashed(2, false, CLAMP), 127, 4.0, 1.0),
        (squashed(3, true, TANH), 67, 2.0, 1.0),
    ] {
        cases.push(evaluate_case(Walk::Invocation, head, rows, spread, change).quick(rows == 65 || rows == 64));
    }
    for (head, rows) in [
        (categorical(1), 2),
        (categorical(2), 1),
        (categorical(2), 65),
        (categorical(5), 1021),
        (categorical(65), 63),
        (gaussian(1), 64),
        (gaussian(2), 257),
        (gaussian(17), 33),
        (bounded(2), 65),
        (masked(5), 65),
        (masked(40), 257),
        (multi(&[3, 1, 4]), 257),
        (masked_multi(&[3, 40, 2]), 63),
        (Head::bernoulli(3), 257),
        (bins(2, 11), 257),
        (beta(1), 1021),
        (beta(2), 65),
        (beta(5), 63),
        (deviating(3, true, CLAMP), 65),
        (deviating(2, false, FLOOR), 63),
        (deviating(3, true, TANH), 67),
        (plain(2, true), 65),
        (squashed(2, false, StdLimit::default()), 65),
        (squashed(1, true, TANH), 257),
        (squashed(3, true, FLOOR), 33),
    ] {
        for mode in [false, true] {
            cases.push(sample_case(Walk::Invocation, head.clone(), rows, mode).quick(rows == 65 || rows == 257));
        }
    }
    cases
}
