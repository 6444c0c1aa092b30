//! Initial parameters: orthogonal (Saxe et al. 2013, as PyTorch's `orthogonal_` does it) or uniform, seeded by Philox.

use super::branch::Branch;
use super::head::StdType;
use super::layout::LayerRange;
use super::spec::PolicySpec;
#[cfg(feature = "cpu")]
use crate::parallel::prelude::*;
use crate::rng::{Draw, block, normal, uniform};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// How weights and biases are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InitScheme {
    /// Orthogonal weights times the layer's gain, biases 0.
    #[default]
    Orthogonal,
    /// Weights and biases uniform in ±1/√inputs, whatever the gains: what PyTorch's `Linear` does unless told otherwise
    /// (Spinning Up, rsl_rl).
    PytorchDefault,
}

/// Where training begins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Init {
    /// How weights and biases are drawn.
    pub scheme: InitScheme,
    /// Gain of every layer but the two output layers: √2 (CleanRL, Stable-Baselines3, baselines) or 1 (ten-tricks).
    pub hidden_gain: f64,
    /// Gain of the actor's last layer.
    pub policy_gain: f64,
    /// Gain of the critic's last layer.
    pub value_gain: f64,
    /// The log standard deviation at first: of the free parameter, or of the biases of raw outputs that are one. With
    /// [`StdType::Scalar`] they begin at its exponential.
    pub log_std: f64,
}

impl Init {
    /// CleanRL's and Stable-Baselines3's.
    pub const ORTHOGONAL: Self = Self {
        scheme: InitScheme::Orthogonal,
        hidden_gain: std::f64::consts::SQRT_2,
        policy_gain: 0.01,
        value_gain: 1.0,
        log_std: 0.0,
    };
}

impl Default for Init {
    fn default() -> Self {
        Self::ORTHOGONAL
    }
}

/// [`initial_parameters_with`] the usual gains: √2 for hidden layers, 0.01 for the actor's last layer, 1 for the critic's
/// (CleanRL, Stable-Baselines3), and `log_std` 0.
pub fn initial_parameters(spec: &PolicySpec, seed: u64) -> Vec<f32> {
    initial_parameters_with(spec, &Init::default(), seed)
}

/// Initial parameters. The numbers depend on `init`, on `seed` and on the layer only, not on the machine; they are
/// not PyTorch's numbers for the same seed. None for a `spec` that [`PolicySpec::validate`] refuses.
pub fn initial_parameters_with(spec: &PolicySpec, init: &Init, seed: u64) -> Vec<f32> {
    if spec.validate().is_err() {
        return Vec::new();
    }
    #[cfg(test)]
    tests::DRAWN.with(|drawn| drawn.set(drawn.get() + 1));
    let layout = spec.layout();
    let mut parameters = vec![0.0_f32; layout.len()];
    let deviation = match spec.head.std().map(|std| std.std_type) {
        Some(StdType::Scalar) => init.log_std.exp(),
        _ => init.log_std,
    } as f32;
    let mut layers = Vec::new();
    for branch in layout.branches() {
        for (index, layer) in branch.layers.iter().enumerate() {
            let gain = match branch.name.as_str() {
                _ if !branch.is_output(index) => init.hidden_gain,
                Branch::POLICY => init.policy_gain,
                _ => init.value_gain,
            };
            layers.push((*layer, gain));
        }
    }
    // Draws are by the layer's number, so they do not depend on who is first.
    let draw = |(matrix, (layer, gain)): (usize, &(LayerRange, f64))| match init.scheme {
        InitScheme::Orthogonal => {
            (orthogonal(layer.outputs, layer.inputs, *gain, seed, matrix as u32), vec![0.0; layer.outputs])
        }
        InitScheme::PytorchDefault => {
            let bound = 1.0 / (layer.inputs as f64).sqrt();
            (
                symmetric(layer.outputs * layer.inputs, bound, seed, matrix as u32, 0),
                symmetric(layer.outputs, bound, seed, matrix as u32, 1),
            )
        }
    };
    for ((layer, _), (weights, biases)) in layers.iter().zip(side_by_side(&layers, draw)) {
        parameters[layer.weight..layer.weight + weights.len()].copy_from_slice(&weights);
        parameters[layer.bias..layer.bias + biases.len()].copy_from_slice(&biases);
    }
    if let Some(last) = layout.layers(Branch::POLICY).last() {
        let outputs = spec.head.log_std_outputs();
        parameters[last.bias + outputs.start..last.bias + outputs.end].fill(deviation);
    }
    if let Some(start) = layout.log_std() {
        parameters[start..].fill(deviation);
    }
    parameters
}

/// `draw` of every layer, in order: on the caller's pool of threads if there are pools, and where that takes longer than handing it to them.
fn side_by_side<T: Send>(
    layers: &[(LayerRange, f64)],
    draw: impl Fn((usize, &(LayerRange, f64))) -> T + Sync + Send,
) -> Vec<T> {
    // A factorisation takes rows · columns · the smaller operations: some 100 µs of them.
    #[cfg(feature = "cpu")]
    if layers.iter().map(|(layer, _)| operations(layer)).sum::<f64>() > 1e5 {
        return layers.par_iter().enumerate().with_max_len(1).map(draw).collect();
    }
    layers.iter().enumerate().map(draw).collect()
}

/// Operations of a factorisation, without their constant factor.
#[cfg(feature = "cpu")]
fn operations(layer: &LayerRange) -> f64 {
    layer.inputs.min(layer.outputs) as f64 * (layer.inputs * layer.outputs) as f64
}

/// `count` numbers uniform in ±`bound`; `dimension` keeps a layer's biases apart from its weights.
fn symmetric(count: usize, bound: f64, seed: u64, matrix: u32, dimension: u32) -> Vec<f32> {
    (0..count as u64)
        .map(|index| {
            let u = f64::from(uniform(block(seed, Draw::Initialisation, matrix, dimension, index)[0]));
            (bound * (2.0 * u - 1.0)) as f32
        })
        .collect()
}

/// A `[rows, columns]` matrix, row-major, with orthonormal rows or columns (whichever are fewer), times `gain`.
fn orthogonal(rows: usize, columns: usize, gain: f64, seed: u64, matrix: u32) -> Vec<f32> {
    // QR wants a tall matrix; a wide one is the transpose of a tall one.
    let (tall, short) = (rows.max(columns), rows.min(columns));
    let normals = DMatrix::from_fn(tall, short, |i, j| {
        let index = (i * short + j) as u64;
        f64::from(normal(block(seed, Draw::Initialisation, matrix, 0, index)[0]))
    });
    let qr = normals.qr();
    let (q, r) = (qr.q(), qr.r());
    let mut weight = Vec::with_capacity(rows * columns);
    for i in 0..rows {
        for j in 0..columns {
            let (long, brief) = if rows >= columns { (i, j) } else { (j, i) };
            // The sign of R's diagonal makes Q uniform over orthogonal matrices (Mezzadri 2007).
            let sign = if r[(brief, brief)] < 0.0 { -1.0 } else { 1.0 };
            weight.push((gain * sign * q[(long, brief)]) as f32);
        }
    }
    weight
}

#[cfg(test)]
mod tests;
