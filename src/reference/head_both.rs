//! What a loss asks of a head: log-probabilities and entropies of rows, with their gradients, in one.

use super::Real;
use super::head::{action, check_rows, distribution, round, shared};
use super::real::ChoiceOutputs;
use crate::data::Actions;
use crate::error::Result;
use crate::policy::Head;
use ndarray::{Array1, Array2, ArrayView2};

/// [`log_prob`](super::head::log_prob) and [`entropy`](super::head::entropy) of each row and the gradients of each by its own row, `[rows, width]`.
#[derive(Debug)]
pub(super) struct Both<F> {
    pub(super) logp: Array1<F>,
    pub(super) entropy: Array1<F>,
    pub(super) by_logp: Array2<F>,
    pub(super) by_entropy: Array2<F>,
}

/// What a loss asks of a policy, on the calling thread.
///
/// # Errors
/// As [`log_prob`](super::head::log_prob).
pub(super) fn both<F: Real>(head: &Head, dist: ArrayView2<'_, F>, actions: &Actions) -> Result<Both<F>> {
    check_rows("dist", &dist, head)?;
    actions.validate(head, dist.nrows())?;
    let zeros = || Array2::zeros(dist.dim());
    let mut all = Both {
        logp: Array1::zeros(dist.nrows()),
        entropy: Array1::zeros(dist.nrows()),
        by_logp: zeros(),
        by_entropy: zeros(),
    };
    if choices_at_once(head, dist, actions, &mut all) {
        return Ok(all);
    }
    let mut d = distribution(head);
    if let Some(shared) = shared(head, &dist) {
        d.prepare(shared.view());
    }
    let width = dist.ncols();
    let (mut row, mut first, mut second) = (Array1::zeros(width), Array1::zeros(width), Array1::zeros(width));
    for r in 0..dist.nrows() {
        round(dist.row(r), &mut row.view_mut(), F::as_f64);
        let (logp, entropy) = d.both(row.view(), action(actions, r), first.view_mut(), second.view_mut());
        (all.logp[r], all.entropy[r]) = (F::of(logp), F::of(entropy));
        round(first.view(), &mut all.by_logp.row_mut(r), F::of);
        round(second.view(), &mut all.by_entropy.row_mut(r), F::of);
    }
    Ok(all)
}

/// [`both`] of choices without masks for all rows at once, where the precision has a way to.
fn choices_at_once<F: Real>(head: &Head, dist: ArrayView2<'_, F>, actions: &Actions, all: &mut Both<F>) -> bool {
    let Both { logp, entropy, by_logp, by_entropy } = all;
    let (Actions::Discrete(taken), false) = (actions, matches!(head, Head::Bernoulli { .. })) else { return false };
    let inputs = (dist.to_slice(), taken.as_slice());
    let rows = (logp.as_slice_mut(), entropy.as_slice_mut());
    match (inputs, rows, by_logp.as_slice_mut(), by_entropy.as_slice_mut()) {
        ((Some(logits), Some(taken)), (Some(logp), Some(entropy)), Some(by_logp), Some(by_entropy)) => {
            F::choices(&head.choices(), logits, taken, ChoiceOutputs { logp, entropy, by_logp, by_entropy })
        }
        _ => false,
    }
}
