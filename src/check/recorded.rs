//! Whether recorded log-probabilities are those of a policy, as far as f32 can tell.
//!
//! Before the first step of an update the policy is the one that acted, so that the ratio exp(logp − logp_old) of every row is 1 except for
//! rounding. Another number is a mistake in the recording. How much rounding explains follows from the policy and the row, by a
//! running error analysis (Higham 2002, chapter 3): each layer y = f(W x + b) of n inputs, whose x is known to e, is known to
//!
//! ```text
//! L (|W| e + roundings(n + 2) · (|W| (|x| + e) + |b|)) + 8 u · max(|y|, min(|z|, 1))         u = 2⁻²⁴
//! ```
//!
//! where L is the largest slope of f and 8 u allows a library four units in the last place of f; at the input, e is what the
//! observation's type rounds away. The row's distribution carries its error on by |∂ logp| and half its Fisher information, and
//! the formula of logp adds its own. The bound is one of the other trainer's arithmetic in f32: what it is compared with is computed in f64.

use super::accuracy::roundings;
use super::head_accuracy::accuracy;
use super::support::EPS;
use crate::checkpoint::Recording;
use crate::data::{Actions, check_shape};
use crate::error::{Error, Result};
use crate::policy::{Activation, Branch, PolicySpec};
use crate::reference::{head, mlp};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate};

/// Most products that the check computes: some tenths of a second.
const MOST_PRODUCTS: usize = 1 << 28;

/// Fewest rows that it looks at, if there are as many. What is wrong with a recording is wrong in nearly all of them.
const FEWEST_ROWS: usize = 16;

/// The ratio of the rows of a recording before the first step.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRatio {
    /// Rows that were looked at: all that count, or so many evenly among them as [`recorded_ratio`] says.
    pub rows: usize,
    /// Smallest ratio.
    pub min: f64,
    /// Largest ratio.
    pub max: f64,
    /// Rows whose ratio rounding does not explain.
    pub off: usize,
    /// The row that is furthest beyond what rounding explains, or nearest to it where all are within.
    pub worst: RecordedRow,
}

/// One row of a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RecordedRow {
    /// t · N + n.
    pub row: usize,
    /// log π(action | obs) as recorded.
    pub recorded: f64,
    /// The same of the policy, in f64.
    pub own: f64,
    /// How far apart rounding may have brought the two.
    pub explained: f64,
}

impl RecordedRow {
    /// The difference in units of what rounding explains.
    fn excess(&self) -> f64 {
        let off = (self.own - self.recorded).abs();
        // Where nothing bounds the rounding, everything is explained; a difference that is no number never is.
        if self.explained == f64::INFINITY {
            0.0
        } else if off.is_nan() {
            f64::INFINITY
        } else {
            off / self.explained
        }
    }
}

/// Compares the recorded log-probabilities with those of the policy of `parameters` in f64. It looks at all rows that count, or at fewer
/// where they would take more than 2²⁸ products, evenly spread and at least 16.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Value`] if spec, parameters and recording do not fit.
pub fn recorded_ratio(spec: &PolicySpec, parameters: &[f32], recording: &Recording) -> Result<RecordedRatio> {
    let layout = spec.layout();
    check_shape("parameters", &[parameters.len()], &[layout.len()])?;
    let rollout = &recording.rollout;
    rollout.validate(spec)?;
    let counted = rollout.counted();
    let all: Vec<usize> = match &counted {
        Some(valid) => valid.iter().enumerate().filter(|(_, valid)| **valid != 0).map(|(row, _)| row).collect(),
        None => (0..rollout.rows()).collect(),
    };
    let most = (MOST_PRODUCTS / layout.len().max(1)).max(FEWEST_ROWS).min(all.len());
    let rows: Vec<usize> = (0..most).map(|i| all[i * all.len() / most]).collect();
    let actions = rollout.actions.select(&rows);
    let obs = rollout.obs.select(Axis(0), &rows).mapv(f64::from);
    let (dist, error) = distribution(spec, parameters, obs, recording.obs_roundoff)?;
    let (own, explained) = log_probabilities(spec, dist, &error, &actions)?;
    let mut result =
        RecordedRatio { rows: rows.len(), min: f64::INFINITY, max: 0.0, off: 0, worst: RecordedRow::default() };
    for (i, row) in rows.into_iter().enumerate() {
        let recorded = f64::from(rollout.logp[row]);
        // Stored in another type, or in f64 and read as f32; F16 has nothing between 0 and 2⁻²⁴.
        let stored = recorded.abs() * (recording.logp_roundoff + EPS) + 0.5_f64.powi(25);
        let one = RecordedRow { row, recorded, own: own[i], explained: explained[i] + stored };
        let ratio = (one.own - recorded).exp();
        (result.min, result.max) = (result.min.min(ratio), result.max.max(ratio));
        result.off += usize::from(one.excess() > 1.0);
        if i == 0 || one.excess() > result.worst.excess() {
            result.worst = one;
        }
    }
    Ok(result)
}

/// Largest slope of an activation.
const fn steepest(f: Activation) -> f64 {
    match f {
        // x sigmoid(x): 1.0998 near 2.4. x Φ(x): 1.1289 near 1.41.
        Activation::Silu => 1.1,
        Activation::GeluTanh | Activation::GeluErf => 1.13,
        _ => 1.0,
    }
}

/// Distribution rows in f64, and how far off f32 may have them.
fn distribution(
    spec: &PolicySpec,
    parameters: &[f32],
    obs: Array2<f64>,
    roundoff: f64,
) -> Result<(Array2<f64>, Array2<f64>)> {
    let layout = spec.layout();
    let mut error = obs.mapv(|x| x.abs() * roundoff);
    let mut x = obs;
    let path = layout.path(Branch::POLICY);
    for (index, layer) in path.iter().enumerate() {
        let part = |start: usize, len: usize| parameters.get(start..start + len).unwrap_or_default();
        let shape = (layer.outputs, layer.inputs);
        let weight = ArrayView2::from_shape(shape, part(layer.weight, layer.outputs * layer.inputs))
            .map_err(|_| Error::shape("parameters", &[parameters.len()], &[layout.len()]))?
            .mapv(f64::from);
        let bias = ArrayView1::from(part(layer.bias, layer.outputs)).mapv(f64::from);
        let size = weight.mapv(f64::abs);
        let z = x.dot(&weight.t()) + &bias;
        let added = (x.mapv(f64::abs) + &error).dot(&size.t()) + &bias.mapv(f64::abs);
        let carried = error.dot(&size.t()) + added * roundings(layer.inputs + 2);
        let last = index + 1 == path.len();
        if last {
            (x, error) = (z, carried);
        } else {
            let f = spec.activation;
            x = z.mapv(|z| mlp::activate(f, z));
            error = carried * steepest(f);
            ndarray::Zip::from(&mut error).and(&x).and(&z).for_each(|error, y, z| {
                *error += 8.0 * EPS * y.abs().max(z.abs().min(1.0));
            });
        }
    }
    let free = layout
        .log_std()
        .map_or(&[] as &[f32], |start| parameters.get(start..start + spec.head.free_parameters()).unwrap_or_default());
    let shared = Array2::from_shape_fn((x.nrows(), free.len()), |(_, d)| f64::from(free[d]));
    let both = |a: &Array2<f64>, b: &Array2<f64>| {
        concatenate(Axis(1), &[a.view(), b.view()]).map_err(|_| Error::shape("log_std", b.shape(), a.shape()))
    };
    Ok((both(&x, &shared)?, both(&error, &Array2::zeros(shared.dim()))?))
}

/// Log-probabilities in f64, and how far off f32 may have them.
fn log_probabilities(
    spec: &PolicySpec,
    mut dist: Array2<f64>,
    error: &Array2<f64>,
    actions: &Actions,
) -> Result<(Array1<f64>, Array1<f64>)> {
    head::forbid(&mut dist, actions)?;
    let head = &spec.head;
    let own = head::log_prob(head, dist.view(), actions)?;
    let slopes = head::log_prob_grad(head, dist.view(), actions, Array1::ones(dist.nrows()).view())?;
    let curved = head::fisher_vector(head, dist.view(), error.view())?;
    let formula = &accuracy(head, &dist, None, actions).values[0];
    let explained = (0..dist.nrows()).map(|r| {
        let (mut carried, mut terms, mut most) = (0.0, 1.0 + own[r].abs(), 0.0_f64);
        for (i, place) in dist.row(r).iter().enumerate().filter(|(_, place)| place.is_finite()) {
            let (slope, error) = (slopes[[r, i]].abs(), error[[r, i]]);
            // To second order: a mean at its own action has no slope.
            carried += slope * error + 0.5 * error * curved[[r, i]].abs();
            terms += slope * (1.0 + place.abs());
            most = most.max(error);
        }
        // A library's formula is a plainer one than ours: ours twice, and sixteen roundings of its terms.
        carried + 0.5 * most * most + 2.0 * formula[r] + 16.0 * EPS * terms
    });
    Ok((own.clone(), explained.collect()))
}

#[cfg(test)]
mod tests;
