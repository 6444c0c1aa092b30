//! Gaussian heads, bare and squashed.

use super::terms::{HALF_LOG_TAU, HALF_LOG_TAU_E, LN_2, Terms};
use crate::check::accuracy::{Known, SQUASH, exact, rounded};
use crate::policy::{Std, StdLimit, StdType};
use crate::reference::squash;

/// log σ and its slope.
pub(in crate::check) fn limited(limit: StdLimit, l: f64) -> (Known, Known) {
    match limit {
        StdLimit::Free => (exact(l), exact(1.0)),
        StdLimit::Clamp { low, high } => {
            let (low, high) = (f64::from(low), f64::from(high));
            (exact(l.clamp(low, high)), exact(f64::from(u8::from((low..=high).contains(&l)))))
        }
        StdLimit::Tanh { low, high } => {
            let (low, width) = (exact(low.into()), exact(high.into()) - exact(low.into()));
            (low + width * exact(2.0 * l).sigmoid(), width.times(0.5) * exact(l).tanh_slope())
        }
        StdLimit::SoftFloor { log_std } => {
            let m = f64::from(log_std);
            let above = exact(l) - exact(m);
            let small = Known { value: -above.value.abs(), ..above }.exp().log1p();
            (exact(l.max(m)) + small, above.sigmoid())
        }
    }
}

/// log σ, σ, 1/σ and the slope of log σ by the number that is trained.
pub(super) struct Sigma {
    pub log_std: Known,
    pub deviation: Known,
    pub inverse: Known,
    pub slope: Known,
}

impl Sigma {
    pub fn new(std: Std, l: f64) -> Self {
        if std.std_type == StdType::Scalar {
            let deviation = plain(std.limit, l);
            let inverse = exact(1.0) / deviation;
            let slope = if deviation.value == l { inverse } else { Known::zero() };
            return Self { log_std: deviation.log(), deviation, inverse, slope };
        }
        let (log_std, slope) = limited(std.limit, l);
        Self { log_std, deviation: log_std.exp(), inverse: (-log_std).exp(), slope }
    }
}

/// A deviation that is trained itself, within its limits, which f32 rounds.
pub(super) fn plain(limit: StdLimit, l: f64) -> Known {
    let StdLimit::Clamp { low, high } = limit else { return exact(l) };
    let (low, high) = (f64::from(low).exp(), f64::from(high).exp());
    if (low..=high).contains(&l) { exact(l) } else { rounded(l.clamp(low, high)) }
}

/// log σ of `after` − log σ of `before`.
pub(super) fn log_rise(std: Std, before: f64, after: f64) -> Known {
    let change = exact(after) - exact(before);
    match std.limit {
        _ if std.std_type == StdType::Scalar => {
            let (from, to) = (plain(std.limit, before), plain(std.limit, after));
            let relative = (to - from) / from;
            if relative.value.abs() < 0.5 { relative.log1p() } else { to.log() - from.log() }
        }
        StdLimit::SoftFloor { log_std } => {
            let above = |l: f64| exact(l) - exact(f64::from(log_std));
            if change.value.abs() < 0.5 {
                (above(before).sigmoid() * change.expm1()).log1p()
            } else {
                above(after).softplus() - above(before).softplus()
            }
        }
        StdLimit::Tanh { low, high } => {
            let (p, q) = (exact(2.0 * before.min(after)), exact(2.0 * before.max(after)));
            let width = exact(high.into()) - exact(low.into());
            let size = -(width * q.sigmoid() * (-p).sigmoid() * (p - q).expm1());
            if after < before { -size } else { size }
        }
        limit => limited(limit, after).0 - limited(limit, before).0,
    }
}

/// log(1 − tanh² u).
pub(super) fn log_slope(u: f64) -> Known {
    let size = exact(u.abs());
    (rounded(LN_2) - size - size.times(-2.0).exp().log1p()).times(2.0)
}

pub(super) fn gaussian(out: &mut Terms, std: Std, squashed: bool, new: &[f64], old: Option<&[f64]>, action: &[f64]) {
    let dims = new.len() / 2;
    for d in 0..dims {
        let mean = exact(new[d]);
        let Sigma { log_std, deviation, inverse, slope } = Sigma::new(std, new[dims + d]);
        let z = (exact(action[d]) - mean) * inverse;
        out.add(0, -((z * z).times(0.5) + log_std + rounded(HALF_LOG_TAU)));
        out.add(1, log_std + rounded(HALF_LOG_TAU_E));
        out.gradients[0][d] = z * inverse;
        out.gradients[0][dims + d] = (z * z - exact(1.0)) * slope;
        out.gradients[1][dims + d] = slope;
        if squashed {
            out.add(0, -log_slope(action[d]));
            let size = 1.0 + mean.value.abs() + deviation.value;
            // The slope by the deviation is at most 2.
            let known = |value: f64| Known { value, error: SQUASH * size + 2.0 * deviation.error };
            out.add(1, known(squash::entropy(mean.value, deviation.value)));
            let (by_mean, by_log_std) = squash::entropy_grad(mean.value, deviation.value);
            out.gradients[1][d] = known(by_mean);
            out.gradients[1][dims + d] = (exact(1.0) + known(by_log_std)) * slope;
        }
        if let Some(old) = old {
            let inverse_old = Sigma::new(std, old[dims + d]).inverse;
            let change = log_rise(std, old[dims + d], new[dims + d]).times(2.0);
            let shift = mean - exact(old[d]);
            let (by_new, by_old) = (shift * inverse, shift * inverse_old);
            out.add(2, ((-change).k3() + by_new * by_new).times(0.5));
            out.add(3, (change.k3() + by_old * by_old).times(0.5));
            out.gradients[2][d] = by_new * inverse;
            out.gradients[3][d] = by_old * inverse_old;
            out.gradients[2][dims + d] = -((-change).expm1() + by_new * by_new) * slope;
            out.gradients[3][dims + d] = change.expm1() * slope;
        }
    }
}
