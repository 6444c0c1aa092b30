//! Beta heads.

use super::terms::{HALF_LOG_TAU, Terms};
use crate::check::accuracy::{Known, delta_bend, exact, rho_change, rounded};

/// α − 1 or β − 1.
pub(super) fn less(raw: f64) -> Known {
    exact(raw).softplus()
}

/// softplus(to) − softplus(before).
pub(super) fn rise(before: f64, to: f64) -> Known {
    let change = exact(to) - exact(before);
    if change.value.abs() < 0.5 { (exact(before).sigmoid() * change.expm1()).log1p() } else { less(to) - less(before) }
}

pub(super) fn log_share(part: Known, rest: Known) -> Known {
    let n = part + rest;
    if part.value < rest.value { (part / n).log() } else { (-(rest / n)).log1p() }
}

/// One of the pair in the log-probability.
pub(super) fn logp_side(part: Known, less: Known, log_x: Known, log_share: Known, excess: Known) -> Known {
    let d = excess / part;
    let body = if d.value.abs() < 0.5 {
        -(part * d.excess(exact(1.0) + d)) - log_x + log_share.times(0.5)
    } else {
        less * log_x - (part - exact(0.5)) * log_share - excess
    };
    body - part.delta()
}

/// log r, where d is r − 1.
pub(super) fn log_ratio(d: Known, r: Known) -> Known {
    if d.value.abs() < 0.5 { d.log1p() } else { r.log() }
}

/// KL(Beta(p)‖Beta(q)) with c = q − p, and its gradient by q.
pub(super) fn beta_kl(p: [Known; 2], q: [Known; 2], c: [Known; 2]) -> (Known, [Known; 2]) {
    let (n, m, change) = (p[0] + p[1], q[0] + q[1], c[0] + c[1]);
    let cross = p[0] * c[1] - p[1] * c[0];
    let d = [cross / (n * q[0]), -cross / (n * q[1])];
    let r = [0, 1].map(|i| (p[i] / n) * (m / q[i]));
    let means = q[0] * d[0].excess(r[0]) + q[1] * d[1].excess(r[1]);
    let root = |c: Known, p: Known, q: Known| (c / p).excess(q / p);
    let roots = root(c[0], p[0], q[0]) + root(c[1], p[1], q[1]) - root(change, n, m);
    let bends = delta_bend(p[0], q[0], c[0]) + delta_bend(p[1], q[1], c[1]) - delta_bend(n, m, change);
    let shared = rho_change(n, m, change);
    let gradient = [0, 1].map(|i| shared - log_ratio(d[i], r[i]) - rho_change(p[i], q[i], c[i]));
    (means + roots.times(0.5) + bends, gradient)
}

pub(super) fn beta_fisher(p: [Known; 2], v: [Known; 2]) -> [Known; 2] {
    let n = p[0] + p[1];
    let cross = v[0] * p[1] - v[1] * p[0];
    let shared = n.sigma() * (v[0] + v[1]);
    [0, 1].map(|i| (if i == 0 { cross } else { -cross }) / (p[i] * n) + p[i].sigma() * v[i] - shared)
}

pub(super) fn beta(out: &mut Terms, new: &[f64], old: Option<&[f64]>, action: &[f64]) {
    let dims = new.len() / 2;
    for d in 0..dims {
        let raw = [new[d], new[dims + d]];
        let less = raw.map(less);
        let p = less.map(|less| exact(1.0) + less);
        let n = p[0] + p[1];
        let x = exact(action[d]);
        let rest = exact(1.0) - x;
        let excess = x * p[1] - rest * p[0];
        let logs = [x.gamma_log(), (-x).log1p()];
        let shares = [log_share(p[0], p[1]), log_share(p[1], p[0])];
        out.add(
            0,
            logp_side(p[0], less[0], logs[0], shares[0], excess)
                + logp_side(p[1], less[1], logs[1], shares[1], -excess)
                + n.log().times(0.5)
                - rounded(HALF_LOG_TAU)
                + n.delta(),
        );
        out.add(
            1,
            (shares[0] + shares[1] - n.log()).times(0.5) + rounded(HALF_LOG_TAU) + p[0].delta() + p[1].delta()
                - n.delta()
                + less[0] * p[0].rho()
                + less[1] * p[1].rho()
                - (less[0] + less[1]) * n.rho(),
        );
        let slopes = raw.map(|raw| exact(raw).sigmoid());
        let change = old.map(|old| [rise(old[d], raw[0]), rise(old[dims + d], raw[1])]);
        let shared = (less[0] + less[1]) * n.sigma();
        for i in 0..2 {
            let r = [x, rest][i] * (n / p[i]);
            let away = if i == 0 { excess / p[0] } else { -(excess / p[1]) };
            let rhos = p[i].rho() - n.rho();
            let place = i * dims + d;
            out.gradients[0][place] = (log_ratio(away, r) + rhos) * slopes[i];
            let two = (exact(2.0) / n) - shared;
            out.gradients[1][place] = (exact(1.0) / p[i] - less[i] * p[i].sigma() - two) * slopes[i];
        }
        if let (Some(old), Some(change)) = (old, change) {
            let q = [old[d], old[dims + d]].map(|raw| exact(1.0) + exact(raw).softplus());
            let (old_new, by_new) = beta_kl(q, p, change);
            out.add(2, old_new);
            out.add(3, beta_kl(p, q, change.map(|c| -c)).0);
            let fisher = beta_fisher(p, change);
            for i in 0..2 {
                out.gradients[2][i * dims + d] = by_new[i] * slopes[i];
                out.gradients[3][i * dims + d] = fisher[i] * slopes[i];
            }
        }
    }
}
