//! Heads of choices and of bits.

use super::terms::Terms;
use crate::check::accuracy::{Known, TINY, exact, roundings, sum};
use crate::check::support::EPS;

/// log(q / p) of an outcome from the logits of p and q.
pub(super) fn log_quotient(l: f64, m: f64) -> Known {
    let change = exact(m) - exact(l);
    if change.value.abs() < 0.5 {
        -(exact(l).sigmoid() * change.expm1()).log1p()
    } else {
        exact(l).softplus() - exact(m).softplus()
    }
}

pub(super) fn bit_kl(l: f64, m: f64) -> Known {
    let (one, zero) = (log_quotient(-l, -m), log_quotient(l, m));
    let (p, q) = (exact(l).sigmoid(), exact(-l).sigmoid());
    if one.value.abs() < 0.5 && zero.value.abs() < 0.5 { p * one.k3() + q * zero.k3() } else { -(p * one) - q * zero }
}

pub(super) fn bit(out: &mut Terms, d: usize, l: f64, old: Option<f64>, set: bool) {
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
pub(super) struct Choices {
    pub logp: Vec<Option<Known>>,
    /// The error that all share, from the sum's logarithm.
    pub common: f64,
    pub open: bool,
}

impl Choices {
    pub fn new(logits: &[f64]) -> Self {
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

    pub fn p(&self, i: usize) -> Known {
        self.logp[i].map_or(Known::zero(), Known::exp)
    }

    /// Of the log-probability, what it does not share with the others.
    pub fn own(&self, i: usize) -> f64 {
        self.logp[i].map_or(0.0, |logp| logp.error - self.common)
    }
}

/// KL(p‖q) of two rows of log-probabilities. Errors that all log-probabilities of a row share do not count to first order: probabilities sum
/// to 1, so that Σ (p − q) = 0.
pub(super) fn choice_kl(p: &Choices, q: &Choices) -> Known {
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

pub(super) fn choice(out: &mut Terms, first: usize, new: &[f64], old: Option<&[f64]>, chosen: usize) {
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
