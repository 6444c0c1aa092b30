//! How well f32 knows what a head says of a row: the head parts of the shaders, written once more in numbers that carry a bound of their
//! error ([`Known`]).

mod beta;
mod choices;
pub(super) mod gaussian;
mod terms;

use super::accuracy::{Known, SHARE, exact, quantile_accuracy, sum};
use crate::data::Actions;
use crate::policy::Head;
use beta::{beta, beta_fisher, less};
use choices::{Choices, bit, choice};
use gaussian::{Sigma, gaussian};
use ndarray::Array2;
use terms::Terms;

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
