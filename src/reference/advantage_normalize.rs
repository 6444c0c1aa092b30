//! Advantages with mean 0, and standard deviation 1.

use super::Real;
use super::reduce_moments::Moments;
use crate::error::{Error, Result};
use ndarray::{Array1, ArrayView1};

/// (A − mean A) / (max(std A, floor) + eps) over one scope (a minibatch or a batch), `[rows]`.
///
/// A scope of one row is returned as it is. Where the denominator is 0 the result is 0.
///
/// # Errors
/// [`Error::Config`] if `ddof` is neither 0 nor 1.
pub fn advantage_normalize<F: Real>(advantages: ArrayView1<'_, F>, ddof: u32, eps: F, floor: F) -> Result<Array1<F>> {
    normalize_by(&Moments::of(advantages), advantages, ddof, eps, floor)
}

/// [`advantage_normalize`] where `advantages` may be a part of a scope whose moments are `scope`.
pub(super) fn normalize_by<F: Real>(
    scope: &Moments,
    advantages: ArrayView1<'_, F>,
    ddof: u32,
    eps: F,
    floor: F,
) -> Result<Array1<F>> {
    if ddof > 1 {
        return Err(Error::config("adv_ddof", format!("is {ddof}, must be 0 or 1")));
    }
    if scope.count <= 1 {
        return Ok(advantages.to_owned());
    }
    // In f64 up to the result: of a large mean f32 has too few digits to be subtracted.
    let scale = scope.variance(ddof).sqrt().max(floor.as_f64()) + eps.as_f64();
    Ok(advantages.mapv(|a| if scale == 0.0 { F::zero() } else { F::of((a.as_f64() - scope.mean) / scale) }))
}

/// A − mean A over one scope, `[rows]`: a baseline that is the same for all rows.
pub fn advantage_center<F: Real>(advantages: ArrayView1<'_, F>) -> Array1<F> {
    center_by(&Moments::of(advantages), advantages)
}

/// [`advantage_center`] of a part of a scope whose moments are `scope`.
pub(super) fn center_by<F: Real>(scope: &Moments, advantages: ArrayView1<'_, F>) -> Array1<F> {
    advantages.mapv(|a| F::of(a.as_f64() - scope.mean))
}
