//! A network forward and backward, with how well each number is known.

use crate::check::accuracy::FUNCTION;
use crate::check::mlp::fused::STEEPEST;
use crate::check::support::EPS;
use crate::policy::{LayerRange, PolicySpec};
use crate::reference::mlp::{activate, derivative};
use ndarray::{Array1, Array2, Axis};

/// A network forward: what each layer but the last gets and the result, how well that is known, and preactivations.
pub(super) struct Pass {
    layers: Vec<LayerRange>,
    inputs: Vec<[Array2<f64>; 2]>,
    /// Of the hidden layers.
    arguments: Vec<[Array2<f64>; 2]>,
    pub result: [Array2<f64>; 2],
}

fn squares(x: &Array2<f64>) -> Array2<f64> {
    x * x
}

/// √(A² B²): what independent deviations of `a` are worth after a product with `b`.
fn carried(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    squares(a).dot(&squares(b)).mapv(f64::sqrt)
}

pub(super) fn forward(spec: &PolicySpec, flat: &[f64], obs: &Array2<f64>, name: &str) -> Pass {
    let layers = spec.layout().layers(name).to_vec();
    let (mut x, mut room) = (obs.clone(), Array2::zeros(obs.dim()));
    let (mut inputs, mut arguments) = (Vec::new(), Vec::new());
    for (index, range) in layers.iter().enumerate() {
        let w =
            Array2::from_shape_fn((range.inputs, range.outputs), |(i, o)| flat[range.weight + o * range.inputs + i]);
        let bias = Array1::from_shape_fn(range.outputs, |o| flat[range.bias + o]);
        let own = (x.mapv(f64::abs).dot(&w.mapv(f64::abs)) + bias.mapv(f64::abs))
            * (EPS * (range.inputs as f64 + 2.0).sqrt());
        let z_room = carried(&room, &w) + own;
        let z = x.dot(&w) + &bias;
        inputs.push([x, room]);
        if index + 1 == layers.len() {
            return Pass { layers, inputs, arguments, result: [z, z_room] };
        }
        x = z.mapv(|z| activate(spec.activation, z));
        room = &z_room * STEEPEST + z.mapv(|z| FUNCTION * z.abs().max(1e-3));
        arguments.push([z, z_room]);
    }
    // A network has a last layer.
    Pass { layers, inputs, arguments, result: [x, room] }
}

/// Adds a slice's gradient of one network to `want` and how well that is known to `room`, from the rows `range` of `d`.
pub(super) fn backward(
    spec: &PolicySpec,
    flat: &[f64],
    pass: &Pass,
    d: [Array2<f64>; 2],
    rows: &[usize],
    out: &mut [[f64; 2]],
) {
    let [mut d, mut d_room] = d;
    for (index, range) in pass.layers.iter().enumerate().rev() {
        let (inputs, outputs) = (range.inputs, range.outputs);
        let [x, x_room] = pass.inputs[index].each_ref().map(|x| x.select(Axis(0), rows));
        let terms = EPS * (rows.len() as f64 + 2.0).sqrt();
        let transposed = d.t().to_owned();
        let own = transposed.mapv(f64::abs).dot(&x.mapv(f64::abs)) * terms;
        let weight = transposed.dot(&x);
        let weight_room = own + carried(&d_room.t().to_owned(), &x) + carried(&transposed, &x_room);
        let bias = d.sum_axis(Axis(0));
        let bias_room = d.mapv(f64::abs).sum_axis(Axis(0)) * terms + squares(&d_room).sum_axis(Axis(0)).mapv(f64::sqrt);
        for o in 0..outputs {
            for i in 0..inputs {
                out[range.weight + o * inputs + i] = [weight[[o, i]], weight_room[[o, i]]];
            }
            out[range.bias + o] = [bias[o], bias_room[o]];
        }
        if index == 0 {
            return;
        }
        let w = Array2::from_shape_fn((outputs, inputs), |(o, i)| flat[range.weight + o * inputs + i]);
        let sums = d.dot(&w);
        let own = d.mapv(f64::abs).dot(&w.mapv(f64::abs)) * (EPS * (outputs as f64 + 2.0).sqrt());
        let sums_room = carried(&d_room, &w) + own;
        let [z, z_room] = pass.arguments[index - 1].each_ref().map(|z| z.select(Axis(0), rows));
        let slope = Array2::from_shape_fn(z.dim(), |at| derivative(spec.activation, z[at], x[at]));
        // Slopes change by at most twice what their argument does, and have a few roundings of their own.
        d_room = sums_room * STEEPEST + &sums.mapv(f64::abs) * &(z_room * 2.0 + 8.0 * EPS);
        d = sums * slope;
    }
}
