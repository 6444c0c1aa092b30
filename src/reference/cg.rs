//! Conjugate gradients for A x = b, A symmetric and positive definite, given as a product with vectors.

use super::Real;
use super::reduce_moments::sum;
use crate::data::check_shape;
use crate::error::Result;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CgSettings {
    /// Most iterations.
    pub iterations: usize,
    /// Stop at ‖r‖² ≤ this · ‖b‖².
    pub tolerance: f64,
    /// Stop at ‖r‖² < this; 0 for never.
    pub absolute_tolerance: f64,
}

impl From<&crate::config::TrustRegion> for CgSettings {
    fn from(region: &crate::config::TrustRegion) -> Self {
        Self {
            iterations: region.cg_iterations,
            tolerance: region.cg_tolerance,
            absolute_tolerance: region.cg_absolute_tolerance.unwrap_or(0.0),
        }
    }
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CgReport {
    /// Steps taken.
    pub iterations: u32,
    /// ‖r‖² at the start and after each step, by the recurrence.
    pub residuals: Vec<f64>,
    /// Whether it ended at a direction with pᵀ A p ≤ 0, or NaN: A is not positive definite there. x is what it was before.
    pub negative_curvature: bool,
}

/// x with A x ≈ b (Hestenes and Stiefel 1952), from `start` or from 0.
///
/// ```text
/// r = b − A x;  p = r
/// repeat: α = rᵀr / pᵀAp;  x += α p;  r −= α A p;  β = rᵀr / (rᵀr before);  p = r + β p
/// ```
///
/// For b = 0 the answer is 0, whatever `start` is. Nothing is ever divided by 0: a residual of 0 passes the stop test, and
/// pᵀAp that is not above 0 ends the iteration.
///
/// # Errors
/// Those of `apply`; [`crate::Error::Shape`] if lengths differ.
pub fn conjugate_gradient<F: Real>(
    mut apply: impl FnMut(&[F]) -> Result<Vec<F>>,
    b: &[F],
    start: Option<&[F]>,
    settings: &CgSettings,
) -> Result<(Vec<F>, CgReport)> {
    let mut report = CgReport::default();
    let mut x = vec![F::zero(); b.len()];
    let mut r = b.to_vec();
    let scale = dot(b, b);
    if let (Some(start), true) = (start, scale > F::zero()) {
        check_shape("start", &[start.len()], &[b.len()])?;
        x.copy_from_slice(start);
        let product = apply(&x)?;
        check_shape("A x", &[product.len()], &[b.len()])?;
        add(&mut r, -F::one(), &product);
    }
    let mut p = r.clone();
    let mut rr = dot(&r, &r);
    report.residuals.push(rr.as_f64());
    let (relative, absolute) = (F::of(settings.tolerance) * scale, F::of(settings.absolute_tolerance));
    for _ in 0..settings.iterations {
        if rr <= relative || rr < absolute {
            break;
        }
        let product = apply(&p)?;
        check_shape("A p", &[product.len()], &[b.len()])?;
        let curvature = dot(&p, &product);
        let alpha = rr / curvature;
        // Not `<=`, which NaN would pass.
        if !(curvature > F::zero() && alpha.is_finite()) {
            report.negative_curvature = true;
            break;
        }
        add(&mut x, alpha, &p);
        add(&mut r, -alpha, &product);
        let before = rr;
        rr = dot(&r, &r);
        report.iterations += 1;
        report.residuals.push(rr.as_f64());
        let beta = rr / before;
        for (p, r) in p.iter_mut().zip(&r) {
            *p = *r + beta * *p;
        }
    }
    Ok((x, report))
}

/// aᵀ b.
pub(super) fn dot<F: Real>(a: &[F], b: &[F]) -> F {
    sum(a.iter().zip(b).map(|(a, b)| *a * *b))
}

fn add<F: Real>(to: &mut [F], factor: F, of: &[F]) {
    for (to, of) in to.iter_mut().zip(of) {
        *to += factor * *of;
    }
}
