//! Policy and value losses of one minibatch, each with its derivative: a mean over rows, to be minimised.
//!
//! Every function returns `(loss, derivative)`; the derivative is `[rows]`, with respect to `logp` or `values`, and is what
//! PyTorch's autograd gives: `min` and `max` halve the gradient between equal branches, `clamp` lets it pass on its closed
//! range.

use super::Real;
use super::reduce_moments::mean;
use crate::data::check_shape;
use crate::error::Result;
use ndarray::{Array1, ArrayView1};

/// log-ratios beyond ±this are clamped before the exponential.
pub const LOG_RATIO_LIMIT: f64 = 20.0;

/// A loss and its derivative by each row.
pub type Loss<F> = (F, Array1<F>);

/// min(max(x, low), high) and its derivative: 1 on the closed range, 0 outside. NaN stays NaN.
fn clamp<F: Real>(x: F, low: F, high: F) -> (F, F) {
    if x < low {
        (low, F::zero())
    } else if x > high {
        (high, F::zero())
    } else {
        (x, F::one())
    }
}

/// The smaller of two (value, derivative) pairs; half of each derivative where the values are equal.
fn min<F: Real>(a: (F, F), b: (F, F)) -> (F, F) {
    if a.0 == b.0 {
        (a.0, F::of(0.5) * (a.1 + b.1))
    } else if b.0 < a.0 {
        b
    } else {
        a
    }
}

/// The larger of two (value, derivative) pairs; half of each derivative where the values are equal.
fn max<F: Real>(a: (F, F), b: (F, F)) -> (F, F) {
    let (value, derivative) = min((-a.0, -a.1), (-b.0, -b.1));
    (-value, -derivative)
}

/// d = clamp(logp − logp_old, ±20) and its derivative by logp, per row.
///
/// # Errors
/// [`crate::Error::Shape`] if the two differ in length.
pub fn log_ratio<F: Real>(logp: ArrayView1<'_, F>, logp_old: ArrayView1<'_, F>) -> Result<(Array1<F>, Array1<F>)> {
    check_shape("logp_old", logp_old.shape(), logp.shape())?;
    let limit = F::of(LOG_RATIO_LIMIT);
    Ok(logp.iter().zip(&logp_old).map(|(new, old)| clamp(*new - *old, -limit, limit)).unzip_arrays())
}

/// The clipped surrogate (Schulman et al. 2017, equation 7) with its own bound on either side, and with the dual clip
/// (Ye et al. 2020, equation 5) where `dual_clip` c is given:
///
/// ```text
/// r = exp(d);   s = min(r A, clamp(r, 1 − clip_low, 1 + clip_high) A);   where A < 0:  s = max(s, c A)
/// loss = −mean s
/// ```
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn clip<F: Real>(
    logp: ArrayView1<'_, F>,
    logp_old: ArrayView1<'_, F>,
    advantages: ArrayView1<'_, F>,
    clip_low: F,
    clip_high: F,
    dual_clip: Option<F>,
) -> Result<Loss<F>> {
    check_shape("advantages", advantages.shape(), logp.shape())?;
    let (d, d_d) = log_ratio(logp, logp_old)?;
    let (s, d_s): (Array1<F>, Array1<F>) = d
        .iter()
        .zip(&d_d)
        .zip(&advantages)
        .map(|((d, d_d), a)| {
            let r = d.exp();
            let (clamped, d_clamped) = clamp(r, F::one() - clip_low, F::one() + clip_high);
            let mut s = min((r * *a, *a), (clamped * *a, d_clamped * *a));
            if let (Some(c), true) = (dual_clip, *a < F::zero()) {
                s = max(s, (c * *a, F::zero()));
            }
            (s.0, s.1 * r * *d_d)
        })
        .unzip_arrays();
    Ok(negative_mean(s.view(), d_s))
}

/// The plain importance-weighted objective: −mean(r A).
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn unclipped<F: Real>(
    logp: ArrayView1<'_, F>,
    logp_old: ArrayView1<'_, F>,
    advantages: ArrayView1<'_, F>,
) -> Result<Loss<F>> {
    check_shape("advantages", advantages.shape(), logp.shape())?;
    let (d, d_d) = log_ratio(logp, logp_old)?;
    let s = d.mapv(F::exp) * advantages;
    let d_s = &s * &d_d;
    Ok(negative_mean(s.view(), d_s))
}

/// The plain policy gradient's loss, −mean(logp A): no ratio, so it is right on the policy that drew the actions only.
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn policy_gradient<F: Real>(logp: ArrayView1<'_, F>, advantages: ArrayView1<'_, F>) -> Result<Loss<F>> {
    check_shape("advantages", advantages.shape(), logp.shape())?;
    Ok(negative_mean((&logp * &advantages).view(), advantages.to_owned()))
}

/// The KL-penalised objective (Schulman et al. 2017, equation 8): −mean(r A) + beta · mean(kl). The derivative goes
/// through r only.
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn kl_penalty<F: Real>(
    logp: ArrayView1<'_, F>,
    logp_old: ArrayView1<'_, F>,
    advantages: ArrayView1<'_, F>,
    kl: ArrayView1<'_, F>,
    beta: F,
) -> Result<Loss<F>> {
    check_shape("kl", kl.shape(), logp.shape())?;
    let (loss, gradient) = unclipped(logp, logp_old, advantages)?;
    Ok((loss + beta * mean(kl), gradient))
}

/// ½ mean (v − R)².
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn value_mse<F: Real>(values: ArrayView1<'_, F>, returns: ArrayView1<'_, F>) -> Result<Loss<F>> {
    check_shape("returns", returns.shape(), values.shape())?;
    let rows = values.iter().zip(&returns);
    Ok(half_mean(rows.map(|(v, target)| square(*v - *target, F::one())).unzip_arrays()))
}

/// ½ mean max((v − R)², (v_c − R)²), v_c = v_old + clamp(v − v_old, ±range).
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn value_clip_max<F: Real>(
    values: ArrayView1<'_, F>,
    values_old: ArrayView1<'_, F>,
    returns: ArrayView1<'_, F>,
    range: F,
) -> Result<Loss<F>> {
    check_shape("values_old", values_old.shape(), values.shape())?;
    check_shape("returns", returns.shape(), values.shape())?;
    let rows = values.iter().zip(&values_old).zip(&returns);
    Ok(half_mean(
        rows.map(|((v, old), target)| {
            let (change, d_change) = clamp(*v - *old, -range, range);
            max(square(*v - *target, F::one()), square(*old + change - *target, d_change))
        })
        .unzip_arrays(),
    ))
}

/// ½ mean (v_c − R)², v_c = v_old + clamp(v − v_old, ±range). Its gradient is 0 outside the range.
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn value_clip_only<F: Real>(
    values: ArrayView1<'_, F>,
    values_old: ArrayView1<'_, F>,
    returns: ArrayView1<'_, F>,
    range: F,
) -> Result<Loss<F>> {
    check_shape("values_old", values_old.shape(), values.shape())?;
    check_shape("returns", returns.shape(), values.shape())?;
    let rows = values.iter().zip(&values_old).zip(&returns);
    Ok(half_mean(
        rows.map(|((v, old), target)| {
            let (change, d_change) = clamp(*v - *old, -range, range);
            square(*old + change - *target, d_change)
        })
        .unzip_arrays(),
    ))
}

/// Huber's loss (1964): mean of ½ d² where |d| ≤ δ, else δ (|d| − ½ δ), with d = v − R.
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn value_huber<F: Real>(values: ArrayView1<'_, F>, returns: ArrayView1<'_, F>, delta: F) -> Result<Loss<F>> {
    check_shape("returns", returns.shape(), values.shape())?;
    let (terms, gradient): (Array1<F>, Array1<F>) = values
        .iter()
        .zip(&returns)
        .map(|(v, target)| {
            let d = *v - *target;
            if d.abs() <= delta {
                (F::of(0.5) * d * d, d)
            } else {
                (delta * (d.abs() - F::of(0.5) * delta), delta * d.signum())
            }
        })
        .unzip_arrays();
    let rows = F::count(terms.len().max(1));
    Ok((mean(terms.view()), gradient.mapv(|g| g / rows)))
}

/// ½ mean min((v − R)², max): a row whose squared error is above `max` has no gradient.
///
/// # Errors
/// [`crate::Error::Shape`] if the arrays differ in length.
pub fn value_clamp_error<F: Real>(values: ArrayView1<'_, F>, returns: ArrayView1<'_, F>, max: F) -> Result<Loss<F>> {
    check_shape("returns", returns.shape(), values.shape())?;
    let rows = values.iter().zip(&returns);
    Ok(half_mean(
        rows.map(|(v, target)| {
            let (error, d_error) = square(*v - *target, F::one());
            let (clamped, passes) = clamp(error, F::zero(), max);
            (clamped, passes * d_error)
        })
        .unzip_arrays(),
    ))
}

fn square<F: Real>(error: F, d_error: F) -> (F, F) {
    (error * error, F::of(2.0) * error * d_error)
}

fn half_mean<F: Real>((terms, gradient): (Array1<F>, Array1<F>)) -> Loss<F> {
    let half = F::of(0.5);
    let rows = F::count(terms.len().max(1));
    (half * mean(terms.view()), gradient.mapv(|g| half * g / rows))
}

fn negative_mean<F: Real>(terms: ArrayView1<'_, F>, gradient: Array1<F>) -> Loss<F> {
    let rows = F::count(terms.len().max(1));
    (-mean(terms), gradient.mapv(|g| -g / rows))
}

/// `unzip` into arrays.
trait UnzipArrays<F> {
    fn unzip_arrays(self) -> (Array1<F>, Array1<F>);
}

impl<F: Real, I: Iterator<Item = (F, F)>> UnzipArrays<F> for I {
    fn unzip_arrays(self) -> (Array1<F>, Array1<F>) {
        let (a, b): (Vec<F>, Vec<F>) = self.unzip();
        (a.into(), b.into())
    }
}

#[cfg(test)]
mod tests;
