//! What a head's distribution row means, for every [`Head`].
//!
//! `dist`, `old` and `new` are distribution rows `[rows, head.width()]`. Gradients are those of Σ_r w_r q_r with respect to the
//! row, `[rows, width]`; a Gaussian's log_std columns are per row and are summed later.
//!
//! [`super::head_actions`] chooses actions by them.
//!
//! Rows of a masked head are given with their forbidden choices marked: [`forbid`] sets their logits to −∞.
//!
//! Each row is computed in f64, whatever the precision of the networks, and rounded once at its end: log-probabilities and
//! divergences are small differences of large numbers. In f32 a result is so within half a unit in its last place of what f64 says
//! of the same row; `docs/heads.md` has the accuracy of both sides, head by head. Divergences have no terms that cancel near
//! p = q, so that KL(p‖p) is 0.

use super::distribution::{Action, Distribution};
use super::reduce_moments::mean;
use super::row_blocks::BLOCK_ROWS;
use super::{Real, head_bernoulli, head_beta, head_categorical, head_gaussian};
use crate::config::KlDirection;
use crate::data::{Actions, check_shape};
use crate::error::Result;
use crate::parallel::prelude::*;
use crate::policy::Head;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis, s};

/// One row per head: what a new one adds here.
pub(super) fn distribution(head: &Head) -> Box<dyn Distribution> {
    match head {
        Head::Categorical { .. } | Head::MultiDiscrete { .. } | Head::Discretised { .. } => {
            Box::new(head_categorical::Categorical(head.choices()))
        }
        Head::Bernoulli { .. } => Box::new(head_bernoulli::Bernoulli),
        Head::Gaussian { std, .. } => Box::new(head_gaussian::Gaussian::new(*std, false)),
        Head::TanhGaussian { std, .. } => Box::new(head_gaussian::Gaussian::new(*std, true)),
        Head::Beta { .. } => Box::new(head_beta::Beta),
    }
}

fn action(actions: &Actions, row: usize) -> Action<'_> {
    match actions {
        Actions::Discrete(array) | Actions::Masked { indices: array, .. } => Action::Indices(array.row(row)),
        Actions::Continuous(array) => Action::Floats(array.row(row)),
    }
}

/// Marks the choices that the actions' masks do not allow: their logits become −∞. Nothing without masks.
///
/// # Errors
/// [`crate::Error::Shape`] if the mask has another shape than `dist`.
pub fn forbid<F: Real>(dist: &mut Array2<F>, actions: &Actions) -> Result<()> {
    if let Some(allowed) = actions.allowed() {
        check_shape("allowed", allowed.shape(), dist.shape())?;
        dist.zip_mut_with(&allowed, |logit, allowed| {
            if !allowed {
                *logit = F::neg_infinity();
            }
        });
    }
    Ok(())
}

/// Limits that rows meet: of a standard deviation, or dimensions without an allowed choice; summed over dimensions, `[rows]`.
///
/// # Errors
/// [`crate::Error::Shape`] if `dist` does not fit `head`.
pub fn hits<F: Real>(head: &Head, dist: ArrayView2<'_, F>) -> Result<Array1<u32>> {
    check_rows("dist", &dist, head)?;
    let d = distribution(head);
    Ok(per_row(dist.nrows(), |r| d.hits(wide(&dist, r).view())))
}

/// A row in f64.
pub(super) fn wide<F: Real>(dist: &ArrayView2<'_, F>, r: usize) -> Array1<f64> {
    dist.row(r).mapv(F::as_f64)
}

/// The log deviations (or deviations) that all rows have in common, if they have.
fn shared<F: Real>(head: &Head, dist: &ArrayView2<'_, F>) -> Option<Array1<f64>> {
    head.std()?;
    let l = dist.slice(s![.., head.action_dims()..]);
    let first = l.outer_iter().next()?;
    l.outer_iter().all(|row| row == first).then(|| first.mapv(F::as_f64))
}

/// A number of each row, in blocks of rows spread over threads.
fn per_row<T: Send>(rows: usize, of: impl Fn(usize) -> T + Sync + Send) -> Array1<T> {
    (0..rows).into_par_iter().with_min_len(BLOCK_ROWS).map(of).collect::<Vec<_>>().into()
}

pub(super) fn check_rows<F>(name: &str, dist: &ArrayView2<'_, F>, head: &Head) -> Result<()> {
    check_shape(name, dist.shape(), &[dist.nrows(), head.width()])
}

/// log π(action | row), in nats, summed over action dimensions, `[rows]`.
///
/// # Errors
/// [`crate::Error::Shape`] or [`crate::Error::Value`] if `dist` or `actions` do not fit `head`.
pub fn log_prob<F: Real>(head: &Head, dist: ArrayView2<'_, F>, actions: &Actions) -> Result<Array1<F>> {
    check_rows("dist", &dist, head)?;
    actions.validate(head, dist.nrows())?;
    let d = distribution(head);
    Ok(per_row(dist.nrows(), |r| F::of(d.log_prob(wide(&dist, r).view(), action(actions, r)))))
}

/// Entropy of each row, in nats, summed over action dimensions, `[rows]`.
///
/// # Errors
/// [`crate::Error::Shape`] if `dist` does not fit `head`.
pub fn entropy<F: Real>(head: &Head, dist: ArrayView2<'_, F>) -> Result<Array1<F>> {
    check_rows("dist", &dist, head)?;
    let d = distribution(head);
    Ok(per_row(dist.nrows(), |r| F::of(d.entropy(wide(&dist, r).view()))))
}

/// [`log_prob`] and [`entropy`] of each row and the gradients of each by its own row, `[rows, width]`.
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
/// As [`log_prob`].
pub(super) fn both<F: Real>(head: &Head, dist: ArrayView2<'_, F>, actions: &Actions) -> Result<Both<F>> {
    check_rows("dist", &dist, head)?;
    actions.validate(head, dist.nrows())?;
    let mut d = distribution(head);
    if let Some(shared) = shared(head, &dist) {
        d.prepare(shared.view());
    }
    let zeros = || Array2::zeros(dist.dim());
    let mut all = Both {
        logp: Array1::zeros(dist.nrows()),
        entropy: Array1::zeros(dist.nrows()),
        by_logp: zeros(),
        by_entropy: zeros(),
    };
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

/// `to` ← `from`, in another precision.
fn round<A: Copy, B>(from: ArrayView1<'_, A>, to: &mut ArrayViewMut1<'_, B>, as_other: impl Fn(A) -> B) {
    to.zip_mut_with(&from, |to, from| *to = as_other(*from));
}

/// KL(p‖q) of each row, in nats, summed over action dimensions, `[rows]`. `kl(old, new)` is the paper's KL(π_old‖π).
///
/// # Errors
/// [`crate::Error::Shape`] if `p` or `q` do not fit `head`.
pub fn kl<F: Real>(head: &Head, p: ArrayView2<'_, F>, q: ArrayView2<'_, F>) -> Result<Array1<F>> {
    check_rows("p", &p, head)?;
    check_shape("q", q.shape(), p.shape())?;
    let d = distribution(head);
    Ok(per_row(p.nrows(), |r| F::of(d.kl(wide(&p, r).view(), wide(&q, r).view()))))
}

/// Gradient of Σ w log π(action) with respect to `dist`, `[rows, width]`.
///
/// # Errors
/// As [`log_prob`].
pub fn log_prob_grad<F: Real>(
    head: &Head,
    dist: ArrayView2<'_, F>,
    actions: &Actions,
    w: ArrayView1<'_, F>,
) -> Result<Array2<F>> {
    actions.validate(head, dist.nrows())?;
    let d = distribution(head);
    weighted(head, dist, w, |r, row, out| d.log_prob_grad(row, action(actions, r), out))
}

/// Gradient of Σ w H with respect to `dist`, `[rows, width]`.
///
/// # Errors
/// As [`entropy`].
pub fn entropy_grad<F: Real>(head: &Head, dist: ArrayView2<'_, F>, w: ArrayView1<'_, F>) -> Result<Array2<F>> {
    let d = distribution(head);
    weighted(head, dist, w, |_, row, out| d.entropy_grad(row, out))
}

/// Gradient of Σ w KL(old‖new) with respect to `new`, `[rows, width]`.
///
/// # Errors
/// As [`kl`].
pub fn kl_old_new_grad<F: Real>(
    head: &Head,
    old: ArrayView2<'_, F>,
    new: ArrayView2<'_, F>,
    w: ArrayView1<'_, F>,
) -> Result<Array2<F>> {
    check_shape("old", old.shape(), new.shape())?;
    let d = distribution(head);
    weighted(head, new, w, |r, row, out| d.kl_grad_second(wide(&old, r).view(), row, out))
}

/// Gradient of Σ w KL(new‖old) with respect to `new`, `[rows, width]`.
///
/// # Errors
/// As [`kl`].
pub fn kl_new_old_grad<F: Real>(
    head: &Head,
    old: ArrayView2<'_, F>,
    new: ArrayView2<'_, F>,
    w: ArrayView1<'_, F>,
) -> Result<Array2<F>> {
    check_shape("old", old.shape(), new.shape())?;
    let d = distribution(head);
    weighted(head, new, w, |r, row, out| d.kl_grad_first(row, wide(&old, r).view(), out))
}

/// F_r · tangent_r: the Fisher information of each row's distribution with respect to the row, that is the Hessian of
/// KL(p‖q) in q at q = p, times a tangent `[rows, width]`.
///
/// # Errors
/// [`crate::Error::Shape`] if `dist` or `tangent` do not fit `head`.
pub fn fisher_vector<F: Real>(head: &Head, dist: ArrayView2<'_, F>, tangent: ArrayView2<'_, F>) -> Result<Array2<F>> {
    check_shape("tangent", tangent.shape(), dist.shape())?;
    fisher_vectors(head, fisher_rows(head, dist)?.view(), tangent.to_owned())
}

/// What [`fisher_vectors`] reads of the rows, for any number of tangents.
pub(super) fn fisher_rows<F: Real>(head: &Head, dist: ArrayView2<'_, F>) -> Result<Array2<F>> {
    let mut d = distribution(head);
    if let Some(shared) = shared(head, &dist) {
        d.prepare(shared.view());
    }
    let ones = Array1::ones(dist.nrows());
    weighted(head, dist, ones.view(), |_, row, known| d.fisher_row(row, known))
}

/// [`fisher_vector`] of rows that went through [`fisher_rows`], in place of `tangent`.
pub(super) fn fisher_vectors<F: Real>(
    head: &Head,
    known: ArrayView2<'_, F>,
    mut tangent: Array2<F>,
) -> Result<Array2<F>> {
    check_shape("tangent", tangent.shape(), known.shape())?;
    let d = distribution(head);
    if d.fisher_is_diagonal() {
        tangent *= &known;
    } else {
        let mut of_row = Array1::zeros(tangent.ncols());
        for (r, mut tangent) in tangent.rows_mut().into_iter().enumerate() {
            round(tangent.view(), &mut of_row.view_mut(), F::as_f64);
            d.fisher_vector(wide(&known, r).view(), of_row.view_mut());
            round(of_row.view(), &mut tangent, F::of);
        }
    }
    Ok(tangent)
}

fn weighted<F: Real>(
    head: &Head,
    dist: ArrayView2<'_, F>,
    w: ArrayView1<'_, F>,
    gradient: impl Fn(usize, ArrayView1<'_, f64>, ArrayViewMut1<'_, f64>) + Sync + Send,
) -> Result<Array2<F>> {
    check_rows("dist", &dist, head)?;
    check_shape("w", w.shape(), &[dist.nrows()])?;
    let mut result = Array2::zeros(dist.dim());
    let rows = result.axis_iter_mut(Axis(0)).into_par_iter().enumerate().with_min_len(BLOCK_ROWS);
    rows.for_each(|(r, mut out): (usize, ArrayViewMut1<'_, F>)| {
        let mut of_row = Array1::zeros(out.len());
        gradient(r, wide(&dist, r).view(), of_row.view_mut());
        of_row *= w[r].as_f64();
        round(of_row.view(), &mut out, F::of);
    });
    Ok(result)
}

/// Mean KL between `old` and `new` distribution rows.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) if they do not fit.
pub fn mean_kl<F: Real>(
    head: &Head,
    direction: KlDirection,
    old: ArrayView2<'_, F>,
    new: ArrayView2<'_, F>,
) -> Result<F> {
    let (p, q) = if direction == KlDirection::OldNew { (old, new) } else { (new, old) };
    Ok(mean(kl(head, p, q)?.view()))
}
