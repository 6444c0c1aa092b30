//! How well f32 knows what a head says of a row: the head parts of the shaders, written once more in numbers that carry a bound of their
//! error ([`Known`]).

use super::accuracy::{
    Known, SHARE, SQUASH, TINY, delta_bend, exact, quantile_accuracy, rho_change, rounded, roundings, sum,
};
use super::support::EPS;
use crate::data::Actions;
use crate::policy::{Head, Std, StdLimit, StdType};
use crate::reference::squash;
use ndarray::Array2;

/// ½ log 2π, ½ log 2πe and log 2.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;
const HALF_LOG_TAU_E: f64 = HALF_LOG_TAU + 0.5;
const LN_2: f64 = std::f64::consts::LN_2;

/// What the oracle itself rounds away of numbers of the row's size: some roundings of f64. A logarithm of an almost certain choice, which is
/// 1e-12 and which f32 has to 1e-6 of itself, is known to f64 no better.
fn oracle(row: &[f64]) -> f64 {
    let most = row.iter().filter(|x| x.is_finite()).fold(1.0, |most: f64, x| most.max(x.abs()));
    4.0 * f64::EPSILON * (1.0 + most)
}

/// Bounds of the errors of all rows: of the log-probability, the entropy, KL(old‖new) and KL(new‖old), and of their derivatives by each
/// element of the new row.
pub(super) struct HeadAccuracy {
    pub values: [Vec<f64>; 4],
    pub gradients: [Array2<f64>; 4],
}

/// The same of one row, with about the numbers themselves.
struct Row {
    values: [Known; 4],
    gradients: [Vec<Known>; 4],
}

/// `old`: only where a divergence is asked for.
pub(super) fn accuracy(head: &Head, new: &Array2<f64>, old: Option<&Array2<f64>>, actions: &Actions) -> HeadAccuracy {
    let rows: Vec<Row> = (0..new.nrows())
        .map(|r| row(head, &new.row(r).to_vec(), old.map(|old| old.row(r).to_vec()).as_deref(), &taken(actions, r)))
        .collect();
    let own: Vec<f64> = (0..new.nrows()).map(|r| oracle(&new.row(r).to_vec())).collect();
    HeadAccuracy {
        values: [0, 1, 2, 3].map(|i| rows.iter().zip(&own).map(|(row, own)| row.values[i].error + own).collect()),
        gradients: [0, 1, 2, 3]
            .map(|i| Array2::from_shape_fn(new.dim(), |(r, j)| rows[r].gradients[i][j].error + own[r])),
    }
}

/// A row's action: floats, or indices.
fn taken(actions: &Actions, row: usize) -> Vec<f64> {
    match actions {
        Actions::Continuous(floats) => floats.row(row).iter().map(|x| f64::from(*x)).collect(),
        Actions::Discrete(indices) | Actions::Masked { indices, .. } => {
            indices.row(row).iter().map(|i| f64::from(*i)).collect()
        }
    }
}

fn row(head: &Head, new: &[f64], old: Option<&[f64]>, action: &[f64]) -> Row {
    let mut out = Terms::new(new.len());
    match head {
        Head::Categorical { .. } | Head::MultiDiscrete { .. } | Head::Discretised { .. } => {
            let mut first = 0;
            for (count, chosen) in head.choices().into_iter().zip(action) {
                let own = first..first + count;
                choice(&mut out, first, &new[own.clone()], old.map(|old| &old[own]), *chosen as usize);
                first += count;
            }
        }
        Head::Bernoulli { .. } => {
            for (d, l) in new.iter().enumerate() {
                bit(&mut out, d, *l, old.map(|old| old[d]), action[d] != 0.0);
            }
        }
        Head::Gaussian { std, .. } => gaussian(&mut out, *std, false, new, old, action),
        Head::TanhGaussian { std, .. } => gaussian(&mut out, *std, true, new, old, action),
        Head::Beta { .. } => beta(&mut out, new, old, action),
    }
    Row { values: out.terms.each_ref().map(|terms| sum(terms)), gradients: out.gradients }
}

/// Terms of the four values, and the gradients.
struct Terms {
    terms: [Vec<Known>; 4],
    gradients: [Vec<Known>; 4],
}

impl Terms {
    fn new(width: usize) -> Self {
        Self { terms: Default::default(), gradients: [0; 4].map(|_: i32| vec![Known::zero(); width]) }
    }

    fn add(&mut self, which: usize, term: Known) {
        self.terms[which].push(term);
    }
}

/// log σ and its slope.
fn limited(limit: StdLimit, l: f64) -> (Known, Known) {
    match limit {
        StdLimit::Free => (exact(l), exact(1.0)),
        StdLimit::Clamp { low, high } => {
            let (low, high) = (f64::from(low), f64::from(high));
            (exact(l.clamp(low, high)), exact(f64::from(u8::from((low..=high).contains(&l)))))
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
struct Sigma {
    log_std: Known,
    deviation: Known,
    inverse: Known,
    slope: Known,
}

impl Sigma {
    fn new(std: Std, l: f64) -> Self {
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
fn plain(limit: StdLimit, l: f64) -> Known {
    let StdLimit::Clamp { low, high } = limit else { return exact(l) };
    let (low, high) = (f64::from(low).exp(), f64::from(high).exp());
    if (low..=high).contains(&l) { exact(l) } else { rounded(l.clamp(low, high)) }
}

/// log σ of `after` − log σ of `before`.
fn log_rise(std: Std, before: f64, after: f64) -> Known {
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
        limit => limited(limit, after).0 - limited(limit, before).0,
    }
}

/// log(1 − tanh² u).
fn log_slope(u: f64) -> Known {
    let size = exact(u.abs());
    (rounded(LN_2) - size - size.times(-2.0).exp().log1p()).times(2.0)
}

fn gaussian(out: &mut Terms, std: Std, squashed: bool, new: &[f64], old: Option<&[f64]>, action: &[f64]) {
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

/// log(q / p) of an outcome from the logits of p and q.
fn log_quotient(l: f64, m: f64) -> Known {
    let change = exact(m) - exact(l);
    if change.value.abs() < 0.5 {
        -(exact(l).sigmoid() * change.expm1()).log1p()
    } else {
        exact(l).softplus() - exact(m).softplus()
    }
}

fn bit_kl(l: f64, m: f64) -> Known {
    let (one, zero) = (log_quotient(-l, -m), log_quotient(l, m));
    let (p, q) = (exact(l).sigmoid(), exact(-l).sigmoid());
    if one.value.abs() < 0.5 && zero.value.abs() < 0.5 { p * one.k3() + q * zero.k3() } else { -(p * one) - q * zero }
}

fn bit(out: &mut Terms, d: usize, l: f64, old: Option<f64>, set: bool) {
    let (p, q) = (exact(l).sigmoid(), exact(-l).sigmoid());
    out.add(0, -exact(if set { -l } else { l }).softplus());
    out.add(1, p * exact(-l).softplus() + q * exact(l).softplus());
    let slope = p * q;
    out.gradients[0][d] = if set { q } else { -p };
    out.gradients[1][d] = -(exact(l) * slope);
    if let Some(m) = old {
        out.add(2, bit_kl(m, l));
        out.add(3, bit_kl(l, m));
        let change = exact(m) - exact(l);
        out.gradients[2][d] =
            if change.value.abs() < 0.5 { -(p * exact(-m).sigmoid() * change.expm1()) } else { p - exact(m).sigmoid() };
        out.gradients[3][d] = slope * -change;
    }
}

/// One dimension's log-probabilities; nothing where a choice is forbidden.
struct Choices {
    logp: Vec<Option<Known>>,
    /// The error that all share, from the sum's logarithm.
    common: f64,
    open: bool,
}

impl Choices {
    fn new(logits: &[f64]) -> Self {
        let open = logits.iter().any(|l| l.is_finite());
        // Where nothing is allowed all choices are equal.
        let logits: Vec<f64> = if open { logits.to_vec() } else { vec![0.0; logits.len()] };
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let best = logits.iter().position(|l| *l == most);
        let rest: Vec<Known> = (0..logits.len())
            .filter(|i| Some(*i) != best && logits[*i].is_finite())
            .map(|i| (exact(logits[i]) - exact(most)).exp())
            .collect();
        // Forbidden choices are logits of −1e30, of which part math makes e⁻⁸⁷.
        let total = sum(&rest).give(TINY * logits.len() as f64).log1p();
        let logp = logits.iter().map(|l| l.is_finite().then(|| exact(*l) - exact(most) - total)).collect();
        Self { logp, common: total.error, open }
    }

    fn p(&self, i: usize) -> Known {
        self.logp[i].map_or(Known::zero(), Known::exp)
    }

    /// Of the log-probability, what it does not share with the others.
    fn own(&self, i: usize) -> f64 {
        self.logp[i].map_or(0.0, |logp| logp.error - self.common)
    }
}

/// KL(p‖q) of two rows of log-probabilities. Errors that all log-probabilities of a row share do not count to first order: probabilities sum
/// to 1, so that Σ (p − q) = 0.
fn choice_kl(p: &Choices, q: &Choices) -> Known {
    let (mut value, mut size, mut error) = (0.0, 0.0, 0.0);
    for i in 0..p.logp.len() {
        let (Some(log_p), Some(log_q)) = (p.logp[i], q.logp[i]) else { continue };
        let (own_p, own_q) = (p.own(i), q.own(i));
        let relative = |c: &Choices| c.p(i).error / c.p(i).value.max(1e-300) - c.common;
        let (relative_p, relative_q) = (relative(p), relative(q));
        let (p, q) = (log_p.value.exp(), log_q.value.exp());
        let delta = log_q.value - log_p.value;
        let known = Known { value: delta, error: own_p + own_q + EPS * delta.abs() };
        if delta.abs() < 0.5 {
            let term = known.k3();
            value += p * term.value;
            size += p * term.value;
            error += p * (term.error + term.value * (relative_p + EPS));
        } else {
            value += q - p - p * delta;
            size += p * delta.abs() + (q - p).abs();
            error += p * (known.error + delta.abs() * (relative_p + EPS)) + p * relative_p + q * relative_q;
        }
    }
    let common = p.common + q.common;
    Known { value, error: error + common * (size + common) + roundings(p.logp.len()) * size }
}

fn choice(out: &mut Terms, first: usize, new: &[f64], old: Option<&[f64]>, chosen: usize) {
    let own = Choices::new(new);
    let terms: Vec<Known> =
        (0..new.len()).map(|i| own.logp[i].map_or(Known::zero(), |logp| -(own.p(i) * logp))).collect();
    let entropy = sum(&terms);
    out.add(0, own.logp[chosen].unwrap_or(Known::zero()));
    out.add(1, entropy);
    let before = old.map(Choices::new);
    let kl = before.as_ref().map(|before| [choice_kl(before, &own), choice_kl(&own, before)]);
    if let Some(kl) = kl {
        out.add(2, kl[0]);
        out.add(3, kl[1]);
    }
    if !own.open {
        return;
    }
    for i in 0..new.len() {
        let Some(logp) = own.logp[i] else { continue };
        let p = own.p(i);
        out.gradients[0][first + i] = exact(f64::from(u8::from(i == chosen))) - p;
        out.gradients[1][first + i] = -(p * (logp + entropy));
        if let (Some(before), Some(kl)) = (&before, kl) {
            let Some(logp_old) = before.logp[i] else { continue };
            let (q, delta) = (before.p(i), logp - logp_old);
            out.gradients[2][first + i] = if delta.value.abs() < 0.5 { q * delta.expm1() } else { p - q };
            out.gradients[3][first + i] = p * (delta - kl[1]);
        }
    }
}

/// α − 1 or β − 1.
fn less(raw: f64) -> Known {
    exact(raw).softplus()
}

/// softplus(to) − softplus(before).
fn rise(before: f64, to: f64) -> Known {
    let change = exact(to) - exact(before);
    if change.value.abs() < 0.5 { (exact(before).sigmoid() * change.expm1()).log1p() } else { less(to) - less(before) }
}

fn log_share(part: Known, rest: Known) -> Known {
    let n = part + rest;
    if part.value < rest.value { (part / n).log() } else { (-(rest / n)).log1p() }
}

/// One of the pair in the log-probability.
fn logp_side(part: Known, less: Known, log_x: Known, log_share: Known, excess: Known) -> Known {
    let d = excess / part;
    let body = if d.value.abs() < 0.5 {
        -(part * d.excess(exact(1.0) + d)) - log_x + log_share.times(0.5)
    } else {
        less * log_x - (part - exact(0.5)) * log_share - excess
    };
    body - part.delta()
}

/// log r, where d is r − 1.
fn log_ratio(d: Known, r: Known) -> Known {
    if d.value.abs() < 0.5 { d.log1p() } else { r.log() }
}

/// KL(Beta(p)‖Beta(q)) with c = q − p, and its gradient by q.
fn beta_kl(p: [Known; 2], q: [Known; 2], c: [Known; 2]) -> (Known, [Known; 2]) {
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

fn beta_fisher(p: [Known; 2], v: [Known; 2]) -> [Known; 2] {
    let n = p[0] + p[1];
    let cross = v[0] * p[1] - v[1] * p[0];
    let shared = n.sigma() * (v[0] + v[1]);
    [0, 1].map(|i| (if i == 0 { cross } else { -cross }) / (p[i] * n) + p[i].sigma() * v[i] - shared)
}

fn beta(out: &mut Terms, new: &[f64], old: Option<&[f64]>, action: &[f64]) {
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

/// Of the Fisher matrix times a tangent.
pub(super) fn fisher(head: &Head, rows: &Array2<f64>, tangents: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros(rows.dim());
    for r in 0..rows.nrows() {
        let (row, tangent) = (rows.row(r).to_vec(), tangents.row(r).to_vec());
        let own = oracle(&row) * oracle(&tangent) / f64::EPSILON;
        for (place, product) in fisher_row(head, &row, &tangent).into_iter().enumerate() {
            out[[r, place]] = product.error + own;
        }
    }
    out
}

fn fisher_row(head: &Head, row: &[f64], tangent: &[f64]) -> Vec<Known> {
    let mut out = vec![Known::zero(); row.len()];
    let dims = row.len() / 2;
    match head {
        Head::Categorical { .. } | Head::MultiDiscrete { .. } | Head::Discretised { .. } => {
            let mut first = 0;
            for count in head.choices() {
                let own = Choices::new(&row[first..first + count]);
                let logits = &row[first..first + count];
                let best = (1..count).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
                let change = |i: usize| exact(tangent[first + i]) - exact(tangent[first + best]);
                let mean = sum(&(0..count).map(|i| own.p(i) * change(i)).collect::<Vec<_>>());
                for i in (0..count).filter(|i| own.open && own.logp[*i].is_some()) {
                    out[first + i] = own.p(i) * (change(i) - mean);
                }
                first += count;
            }
        }
        Head::Bernoulli { .. } => {
            for (d, l) in row.iter().enumerate() {
                out[d] = exact(*l).sigmoid() * exact(-*l).sigmoid() * exact(tangent[d]);
            }
        }
        Head::Gaussian { std, .. } | Head::TanhGaussian { std, .. } => {
            for d in 0..dims {
                let Sigma { inverse, slope, .. } = Sigma::new(*std, row[dims + d]);
                out[d] = exact(tangent[d]) * inverse * inverse;
                out[dims + d] = slope.times(2.0) * slope * exact(tangent[dims + d]);
            }
        }
        Head::Beta { .. } => {
            for d in 0..dims {
                let raw = [row[d], row[dims + d]];
                let slopes = raw.map(|raw| exact(raw).sigmoid());
                let p = raw.map(|raw| exact(1.0) + less(raw));
                let product = beta_fisher(p, [slopes[0] * exact(tangent[d]), slopes[1] * exact(tangent[dims + d])]);
                (out[d], out[dims + d]) = (slopes[0] * product[0], slopes[1] * product[1]);
            }
        }
    }
    out
}

/// Of a float that was drawn, `[rows, dims]`; greedy ones are the row's own number, or a quotient of two.
pub(super) fn draws(head: &Head, rows: &Array2<f64>, drawn: &Array2<f32>) -> Array2<f64> {
    let dims = drawn.ncols();
    Array2::from_shape_fn(drawn.dim(), |(r, d)| match head.std() {
        Some(&std) => {
            let deviation = Sigma::new(std, rows[[r, dims + d]]).deviation;
            let quantile = (f64::from(drawn[[r, d]]) - rows[[r, d]]) / deviation.value;
            let quantile = Known { value: quantile, error: quantile_accuracy(quantile) };
            (exact(rows[[r, d]]) + deviation * quantile).error
        }
        None => SHARE,
    })
}

#[cfg(test)]
mod tests;
