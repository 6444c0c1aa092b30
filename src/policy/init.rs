//! Orthogonal initialisation (Saxe et al. 2013, as PyTorch's `orthogonal_` does it), seeded by Philox.

use super::{Network, PolicySpec};
use crate::rng::{Draw, block, normal};
use nalgebra::DMatrix;

/// Initial parameters: orthogonal weights with a gain per layer, zero biases, `log_std` 0.
///
/// Gains are those of CleanRL and Stable-Baselines3: √2 for hidden layers, 0.01 for the actor's last layer, 1 for
/// the critic's last layer. The numbers depend on `seed` and the layer only, not on the machine; they are
/// not PyTorch's numbers for the same seed.
pub fn initial_parameters(spec: &PolicySpec, seed: u64) -> Vec<f32> {
    let layout = spec.layout();
    let mut parameters = vec![0.0_f32; layout.len()];
    let mut matrix = 0_u32;
    for network in Network::ALL {
        let layers = layout.layers(network);
        for (index, layer) in layers.iter().enumerate() {
            let last = index + 1 == layers.len();
            let gain = match network {
                Network::Policy if last => 0.01,
                Network::Value if last => 1.0,
                _ => std::f64::consts::SQRT_2,
            };
            let weight = orthogonal(layer.outputs, layer.inputs, gain, seed, matrix);
            parameters[layer.weight..layer.weight + weight.len()].copy_from_slice(&weight);
            matrix += 1;
        }
    }
    parameters
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
mod tests {
    use super::*;
    use crate::policy::{Activation, Head};

    #[test]
    fn weights_are_orthogonal_with_their_gain() {
        for (rows, columns) in [(1, 1), (1, 5), (5, 1), (64, 4), (4, 64), (33, 33)] {
            let gain = 1.5;
            let w = orthogonal(rows, columns, gain, 7, 0);
            let matrix = DMatrix::from_row_slice(rows, columns, &w).map(f64::from);
            let gram = if rows <= columns { &matrix * matrix.transpose() } else { matrix.transpose() * &matrix };
            let identity = DMatrix::<f64>::identity(gram.nrows(), gram.ncols()) * (gain * gain);
            // Entries were rounded to f32; a dot product of n of them is off by at most n · 2^-24 · gain².
            let bound = rows.max(columns) as f64 * 2.0_f64.powi(-24) * gain * gain + 1e-12;
            assert!((gram - identity).abs().max() <= bound, "{rows} × {columns}");
        }
    }

    #[test]
    fn the_seed_decides_and_layers_differ() {
        let spec = PolicySpec::separate(8, &[8, 8], Activation::Tanh, Head::categorical(8));
        let (a, b) = (initial_parameters(&spec, 1), initial_parameters(&spec, 1));
        assert_eq!(a, b);
        assert_ne!(a, initial_parameters(&spec, 2));
        assert_ne!(a[0..64], a[72..136], "two layers of the same shape must not share numbers");
    }
}
