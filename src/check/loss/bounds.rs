//! How well f32 knows what a loss gives.

use super::inputs::CLIP;
use super::minibatch::Minibatch;
use crate::check::accuracy::{Known, exact, exp_accuracy};
use crate::check::head_accuracy::accuracy;
use crate::check::support::EPS;
use crate::config::{Config, KlDirection, Surrogate, ValueLoss};
use crate::data::Actions;
use crate::error::Result;
use crate::reference::head::{entropy, entropy_grad, kl_new_old_grad, kl_old_new_grad, log_prob, log_prob_grad};
use crate::reference::surrogate;
use ndarray::{Array1, Array2, Axis};

/// How far each number that a row gives may be off: WGSL's accuracy and the head's, carried through the loss to first order.
pub(in crate::check) struct Bounds {
    /// Of the ratio, relative.
    pub ratio: Vec<f64>,
    /// Row by row, of a mean over all rows.
    pub d_dist: Vec<f64>,
    pub d_values: Vec<f64>,
    /// The size of each term of the sums, and the bound of its error.
    terms: Vec<[[f64; 2]; 8]>,
}

/// How well the distribution rows and the values are known that a loss begins with.
pub(in crate::check) struct Room {
    pub dist: Array2<f64>,
    pub values: Vec<f64>,
}

impl Bounds {
    /// Of a term's share in a sum over a workgroup: its own error, a tree of 6 levels, the weight and the result.
    pub(in crate::check) fn in_sum(&self, row: usize, i: usize) -> f64 {
        let [size, error] = self.terms[row][i];
        error + 8.0 * EPS * size
    }

    pub(in crate::check) fn new(m: &Minibatch, rows: usize, room: Option<&Room>) -> Result<Self> {
        let slopes = Slopes::new(m, rows, room)?;
        let (mut ratio, mut d_dist, mut d_values, mut terms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in 0..rows {
            let policy = slopes.policy(m, row)?;
            for i in 0..m.dist.ncols() {
                d_dist.push(slopes.d_dist(m, &policy, [row, i]) / rows as f64);
            }
            let [target, value_old] = [2, 3].map(|i: usize| m.samples[i][row]);
            let (error, passes) = value_error(&m.config, m.values[row], target, value_old);
            let of_error = error.error + room.map_or(0.0, |room| room.values[row]);
            let size = error.value.abs();
            let (scale, n) = (m.config.vf_loss_scale, rows as f64);
            let of_slope = m.config.vf_coef * scale * 2.0 * (of_error + 6.0 * EPS * size) / n;
            d_values.push(if passes { of_slope } else { 0.0 });
            let square = scale * size * size;
            let value = [square, scale * 2.0 * size * of_error + 4.0 * EPS * square];
            terms.push(policy.terms(value, [slopes.entropies[row].abs(), slopes.entropy_bound[row]]));
            ratio.push(policy.of_ratio);
        }
        Ok(Self { ratio, d_dist, d_values, terms })
    }
}

/// What the head gives of all rows, with bounds of their errors.
struct Slopes {
    logp: Array1<f64>,
    logp_bound: Vec<f64>,
    entropies: Array1<f64>,
    entropy_bound: Vec<f64>,
    /// Derivatives of logp, of the entropy and of both divergences.
    slopes: [Array2<f64>; 4],
    slope_bounds: [Array2<f64>; 4],
    /// β of both divergences.
    betas: [f64; 2],
}

impl Slopes {
    fn new(m: &Minibatch, rows: usize, room: Option<&Room>) -> Result<Self> {
        let actions = m.actions()?;
        let (head, p, q, ones) = (&m.head, m.dist.view(), m.old.view(), Array1::ones(rows));
        let penalty = m.config.kl_penalty().filter(|penalty| penalty.kl_coef != 0.0);
        let weight = |direction: KlDirection| penalty.filter(|p| p.direction == direction).map_or(0.0, |p| p.kl_coef);
        let betas = [weight(KlDirection::OldNew), weight(KlDirection::NewOld)];
        let with_kl = betas != [0.0; 2];
        let of_kl = |gradient: Result<Array2<f64>>| if with_kl { gradient } else { Ok(Array2::zeros(m.dist.dim())) };
        let slopes = [
            log_prob_grad(head, p, &actions, ones.view())?,
            entropy_grad(head, p, ones.view())?,
            of_kl(kl_old_new_grad(head, q, p, ones.view()))?,
            of_kl(kl_new_old_grad(head, q, p, ones.view()))?,
        ];
        let known = accuracy(head, &m.dist, with_kl.then_some(&m.old), &actions);
        let [logp_bound, entropy_bound, ..] = known.values;
        let (logp, entropies) = (log_prob(head, p, &actions)?, entropy(head, p)?);
        let slope_bounds = known.gradients;
        let mut all = Self { logp, logp_bound, entropies, entropy_bound, slopes, slope_bounds, betas };
        if let Some(room) = room {
            all.widen(m, &actions, room)?;
        }
        Ok(all)
    }

    /// Rows that are themselves known only so well.
    fn widen(&mut self, m: &Minibatch, actions: &Actions, room: &Room) -> Result<()> {
        let (head, ones) = (&m.head, Array1::ones(m.dist.nrows()));
        let along = |slopes: &Array2<f64>| (slopes.mapv(f64::abs) * &room.dist).sum_axis(Axis(1));
        self.logp_bound.iter_mut().zip(along(&self.slopes[0])).for_each(|(bound, more)| *bound += more);
        self.entropy_bound.iter_mut().zip(along(&self.slopes[1])).for_each(|(bound, more)| *bound += more);
        // How far the slopes move with the rows; a larger change, so that it is seen in f64.
        for i in 0..m.dist.ncols() {
            let mut moved = m.dist.clone();
            moved.column_mut(i).scaled_add(16.0, &room.dist.column(i));
            let change = log_prob_grad(head, moved.view(), actions, ones.view())? - &self.slopes[0];
            self.slope_bounds[0] += &change.mapv(|change| change.abs() / 16.0);
            let change = entropy_grad(head, moved.view(), ones.view())? - &self.slopes[1];
            self.slope_bounds[1] += &change.mapv(|change| change.abs() / 16.0);
        }
        Ok(())
    }

    fn policy(&self, m: &Minibatch, row: usize) -> Result<Policy> {
        let [logp_old, advantage] = [0, 1].map(|i: usize| m.samples[i][row]);
        let difference = self.logp[row] - logp_old;
        let log_ratio = difference.clamp(-20.0, 20.0);
        // The ratio's relative error is the absolute one of its logarithm, and exp's own.
        let of_log = if difference == log_ratio { self.logp_bound[row] + EPS * difference.abs() } else { EPS };
        let of_ratio = of_log + exp_accuracy(log_ratio);
        let (loss, by_logp) = policy_loss(&m.config, self.logp[row], logp_old, advantage)?;
        let no_ratio = m.config.algorithm.surrogate() == Surrogate::LogProb;
        let follows_ratio = (loss + advantage * log_ratio.exp()).abs() <= 1e-9 * loss.abs();
        let loss_bound = match (no_ratio, follows_ratio) {
            (true, _) => advantage.abs() * self.logp_bound[row],
            (_, true) => loss.abs() * of_ratio,
            // A bound times the advantage.
            _ => 0.0,
        };
        let of_by_logp = if no_ratio { 0.0 } else { of_ratio };
        Ok(Policy { log_ratio, of_log, of_ratio, loss: loss.abs(), loss_bound, by_logp, of_by_logp })
    }

    /// The bound of a row's derivative by one number of the distribution, of a sum over rows.
    fn d_dist(&self, m: &Minibatch, policy: &Policy, at: [usize; 2]) -> f64 {
        // weight · slope, each with an error: first order has one summand for either.
        let weights = [policy.by_logp, m.config.ent_coef, self.betas[0], self.betas[1]];
        let relative = [policy.of_by_logp, 0.0, 0.0, 0.0];
        // A dozen roundings: of the shares, the products and the sum of four.
        let own =
            |i: usize| weights[i] * (self.slopes[i][at].abs() * (relative[i] + 12.0 * EPS) + self.slope_bounds[i][at]);
        (0..4).map(own).sum()
    }
}

/// A row's part of the policy's loss, with bounds.
struct Policy {
    log_ratio: f64,
    of_log: f64,
    of_ratio: f64,
    /// The size of the loss.
    loss: f64,
    loss_bound: f64,
    /// The size of its derivative by logp.
    by_logp: f64,
    of_by_logp: f64,
}

impl Policy {
    /// Size and bound of each term of the sums, with those of the value's loss and of the entropy.
    fn terms(&self, value: [f64; 2], entropy: [f64; 2]) -> [[f64; 2]; 8] {
        let Self { log_ratio, of_log, loss, loss_bound, .. } = *self;
        let k3 = exact(log_ratio).give(of_log).k3();
        [
            [loss, loss_bound + 2.0 * EPS * loss],
            value,
            entropy,
            [log_ratio.abs(), of_log],
            [0.5 * log_ratio * log_ratio, log_ratio.abs() * of_log + EPS * log_ratio * log_ratio],
            [k3.value, k3.error],
            [1.0, 0.0],
            [0.0, 0.0],
        ]
    }
}

/// The loss of one row, and the size of its derivative by logp.
fn policy_loss(config: &Config, logp: f64, logp_old: f64, advantage: f64) -> Result<(f64, f64)> {
    let own = |value: f64| Array1::from_elem(1, value);
    let (new, old, advantage) = (own(logp), own(logp_old), own(advantage));
    let (loss, by_logp) = match config.algorithm.surrogate() {
        Surrogate::LogProb => surrogate::policy_gradient(new.view(), advantage.view())?,
        Surrogate::Ratio => surrogate::unclipped(new.view(), old.view(), advantage.view())?,
        Surrogate::Clip => {
            let (clip, dual_clip) = (f64::from(CLIP), config.ppo().and_then(|ppo| ppo.dual_clip));
            surrogate::clip(new.view(), old.view(), advantage.view(), clip, clip, dual_clip)?
        }
    };
    Ok((loss, by_logp[0].abs()))
}

/// A number e of which the value's loss is about the square, and whether it has a gradient. Huber's line has the slope 2 e of such an e,
/// and a smaller loss.
fn value_error(config: &Config, value: f64, target: f64, old: f64) -> (Known, bool) {
    let plain = exact(value) - exact(target);
    let limit = config.value_limit_at(0.0).unwrap_or(f64::INFINITY);
    let moved = exact(value) - exact(old);
    let inside = moved.value.abs() <= limit;
    let change = if inside { moved } else { exact(limit.copysign(moved.value)) };
    let clipped = exact(old) + change - exact(target);
    match config.value_loss {
        // Inside they are one number, of which rounding takes either form.
        ValueLoss::ClipMax if inside => (clipped, true),
        ValueLoss::ClipMax if clipped.value.abs() > plain.value.abs() => (clipped, false),
        ValueLoss::ClipOnly => (clipped, inside),
        ValueLoss::ClampError { max } => (plain, plain.value * plain.value <= max),
        _ => (plain, true),
    }
}
