//! What a head's distribution row means, for every [`Head`].
//!
//! `dist`, `old` and `new` are distribution rows `[rows, head.width()]`. Gradients are those of Σ_r w_r q_r with respect to the
//! row, `[rows, width]`; a Gaussian's log_std columns are per row and are summed later.

use super::{Real, head_categorical, head_gaussian};
use crate::data::{Actions, check_shape};
use crate::policy::Head;
use crate::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, Axis};

/// One row's distribution.
pub(crate) trait Distribution<F: Real> {
    /// Of log p(action); `action` is the row's words.
    fn log_prob(&self, row: ArrayView1<'_, F>, action: Action<'_>) -> F;
    fn log_prob_grad(&self, row: ArrayView1<'_, F>, action: Action<'_>, out: ArrayViewMut1<'_, F>);
    fn entropy(&self, row: ArrayView1<'_, F>) -> F;
    fn entropy_grad(&self, row: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>);
    /// KL(p‖q).
    fn kl(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>) -> F;
    /// Gradient of KL(p‖q) with respect to p.
    fn kl_grad_first(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>);
    /// Gradient of KL(p‖q) with respect to q.
    fn kl_grad_second(&self, p: ArrayView1<'_, F>, q: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>);
    /// Fisher information of the row times `tangent`.
    fn fisher_vector(&self, row: ArrayView1<'_, F>, tangent: ArrayView1<'_, F>, out: ArrayViewMut1<'_, F>);
}

/// One row's action.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action<'a> {
    Index(u32),
    Floats(ArrayView1<'a, f32>),
}

fn distribution<F: Real>(head: &Head) -> &'static dyn Distribution<F> {
    match head {
        Head::Categorical { .. } => &head_categorical::Categorical,
        Head::Gaussian { .. } => &head_gaussian::Gaussian,
    }
}

fn action(actions: &Actions, row: usize) -> Action<'_> {
    match actions {
        Actions::Discrete(array) => Action::Index(array[[row, 0]]),
        Actions::Continuous(array) => Action::Floats(array.row(row)),
    }
}

fn check_rows<F>(name: &str, dist: &ArrayView2<'_, F>, head: &Head) -> Result<()> {
    check_shape(name, dist.shape(), &[dist.nrows(), head.width()])
}

/// log π(action | row), in nats, summed over action dimensions, `[rows]`.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Value`] if `dist` or `actions` do not fit `head`.
pub fn log_prob<F: Real>(head: &Head, dist: ArrayView2<'_, F>, actions: &Actions) -> Result<Array1<F>> {
    check_rows("dist", &dist, head)?;
    actions.validate(head, dist.nrows())?;
    let d = distribution::<F>(head);
    Ok(dist.rows().into_iter().enumerate().map(|(r, row)| d.log_prob(row, action(actions, r))).collect())
}

/// Entropy of each row, in nats, summed over action dimensions, `[rows]`.
///
/// # Errors
/// [`Error::Shape`] if `dist` does not fit `head`.
pub fn entropy<F: Real>(head: &Head, dist: ArrayView2<'_, F>) -> Result<Array1<F>> {
    check_rows("dist", &dist, head)?;
    let d = distribution::<F>(head);
    Ok(dist.rows().into_iter().map(|row| d.entropy(row)).collect())
}

/// KL(p‖q) of each row, in nats, summed over action dimensions, `[rows]`. `kl(old, new)` is the paper's KL(π_old‖π).
///
/// # Errors
/// [`Error::Shape`] if `p` or `q` do not fit `head`.
pub fn kl<F: Real>(head: &Head, p: ArrayView2<'_, F>, q: ArrayView2<'_, F>) -> Result<Array1<F>> {
    check_rows("p", &p, head)?;
    check_shape("q", q.shape(), p.shape())?;
    let d = distribution::<F>(head);
    Ok(p.rows().into_iter().zip(q.rows()).map(|(p, q)| d.kl(p, q)).collect())
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
    let d = distribution::<F>(head);
    weighted(head, dist, w, |r, row, out| d.log_prob_grad(row, action(actions, r), out))
}

/// Gradient of Σ w H with respect to `dist`, `[rows, width]`.
///
/// # Errors
/// As [`entropy`].
pub fn entropy_grad<F: Real>(head: &Head, dist: ArrayView2<'_, F>, w: ArrayView1<'_, F>) -> Result<Array2<F>> {
    let d = distribution::<F>(head);
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
    let d = distribution::<F>(head);
    weighted(head, new, w, |r, row, out| d.kl_grad_second(old.row(r), row, out))
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
    let d = distribution::<F>(head);
    weighted(head, new, w, |r, row, out| d.kl_grad_first(row, old.row(r), out))
}

/// F_r · tangent_r: the Fisher information of each row's distribution with respect to the row, that is the Hessian of
/// KL(p‖q) in q at q = p, times a tangent `[rows, width]`.
///
/// # Errors
/// [`Error::Shape`] if `dist` or `tangent` do not fit `head`.
pub fn fisher_vector<F: Real>(head: &Head, dist: ArrayView2<'_, F>, tangent: ArrayView2<'_, F>) -> Result<Array2<F>> {
    check_shape("tangent", tangent.shape(), dist.shape())?;
    let d = distribution::<F>(head);
    let ones = Array1::ones(dist.nrows());
    weighted(head, dist, ones.view(), |r, row, out| d.fisher_vector(row, tangent.row(r), out))
}

fn weighted<F: Real>(
    head: &Head,
    dist: ArrayView2<'_, F>,
    w: ArrayView1<'_, F>,
    gradient: impl Fn(usize, ArrayView1<'_, F>, ArrayViewMut1<'_, F>),
) -> Result<Array2<F>> {
    check_rows("dist", &dist, head)?;
    check_shape("w", w.shape(), &[dist.nrows()])?;
    let mut result = Array2::zeros(dist.dim());
    for (r, mut out) in result.axis_iter_mut(Axis(0)).enumerate() {
        gradient(r, dist.row(r), out.view_mut());
        out *= w[r];
    }
    Ok(result)
}

/// The mode of each row: the first most probable index, or the mean.
///
/// # Errors
/// [`Error::Shape`] if `dist` does not fit `head`.
pub fn greedy<F: Real>(head: &Head, dist: ArrayView2<'_, F>) -> Result<Actions> {
    check_rows("dist", &dist, head)?;
    each(head, dist, head_categorical::greedy, |_, row| head_gaussian::mean(row))
}

/// A draw from each row, by [`crate::rng`] at policy step `step`: row r of the batch is draw index r.
///
/// # Errors
/// [`Error::Shape`] if `dist` does not fit `head`.
pub fn sample<F: Real>(head: &Head, dist: ArrayView2<'_, F>, seed: u64, step: u64) -> Result<Actions> {
    check_rows("dist", &dist, head)?;
    each(
        head,
        dist,
        |r, row| head_categorical::sample(r, row, seed, step),
        |r, row| head_gaussian::sample(r, row, seed, step),
    )
}

fn each<F: Real>(
    head: &Head,
    dist: ArrayView2<'_, F>,
    index: impl Fn(usize, ArrayView1<'_, F>) -> u32,
    floats: impl Fn(usize, ArrayView1<'_, F>) -> Vec<f32>,
) -> Result<Actions> {
    let (rows, dims) = (dist.nrows(), head.action_dims());
    let wrong = |_| Error::shape("actions", &[rows], &[rows, dims]);
    let numbered = || dist.rows().into_iter().enumerate();
    match head {
        Head::Categorical { .. } => {
            let indices = numbered().map(|(r, row)| index(r, row)).collect();
            Array2::from_shape_vec((rows, 1), indices).map(Actions::Discrete).map_err(wrong)
        }
        Head::Gaussian { .. } => {
            let values = numbered().flat_map(|(r, row)| floats(r, row)).collect();
            Array2::from_shape_vec((rows, dims), values).map(Actions::Continuous).map_err(wrong)
        }
    }
}
