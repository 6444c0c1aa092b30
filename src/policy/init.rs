//! Initial parameters: orthogonal (Saxe et al. 2013, as PyTorch's `orthogonal_` does it) or uniform, seeded by Philox.

use super::{LayerRange, Network, PolicySpec, StdType};
use crate::rng::{Draw, block, normal, uniform};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// [`StdType::Scalar`](super::StdType::Scalar) they begin at its exponential.
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
    for network in Network::ALL {
        let of_network = layout.layers(network);
        for (index, layer) in of_network.iter().enumerate() {
            let gain = match network {
                _ if index + 1 < of_network.len() => init.hidden_gain,
                Network::Policy => init.policy_gain,
                Network::Value => init.value_gain,
                Network::Trunk => init.hidden_gain,
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
    if let Some(last) = layout.layers(Network::Policy).last() {
        let outputs = spec.head.log_std_outputs();
        parameters[last.bias + outputs.start..last.bias + outputs.end].fill(deviation);
    }
    if let Some(start) = layout.log_std() {
        parameters[start..].fill(deviation);
    }
    parameters
}

/// `draw` of every layer, in order. Where that takes longer than threads take to start, several are drawn at a time.
fn side_by_side<T: Send>(
    layers: &[(LayerRange, f64)],
    draw: impl Fn((usize, &(LayerRange, f64))) -> T + Sync,
) -> Vec<T> {
    // A factorisation takes rows · columns · the smaller operations: some 100 µs of them.
    let work: f64 = layers
        .iter()
        .map(|(layer, _)| layer.inputs.min(layer.outputs) as f64 * (layer.inputs * layer.outputs) as f64)
        .sum();
    let cores = if work > 1e5 { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    let next = AtomicUsize::new(0);
    let take = || {
        let mut drawn = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(layer) = layers.get(index) else { return drawn };
            drawn.push((index, draw((index, layer))));
        }
    };
    let mut drawn = std::thread::scope(|scope| {
        // Without a further thread, as in a browser, this one draws all.
        let others: Vec<_> = (1..cores.min(layers.len()))
            .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, take).ok())
            .collect();
        let mut drawn = take();
        for other in others {
            match other.join() {
                Ok(more) => drawn.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        drawn
    });
    drawn.sort_unstable_by_key(|(index, _)| *index);
    drawn.into_iter().map(|(_, drawn)| drawn).collect()
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
mod tests {
    use super::*;
    use crate::policy::{Activation, Head};
    use std::cell::Cell;

    thread_local! {
        /// How often weights were drawn by this thread.
        pub(super) static DRAWN: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    #[cfg(feature = "cpu")]
    fn what_goes_on_from_a_state_draws_no_weights() {
        use crate::config::PpoConfig;
        use crate::cpu::{CpuLearner, CpuTrainer};
        use crate::env::Env;
        use crate::learner::Learner;
        use crate::trainer::Trainer;
        let drawn = || DRAWN.with(Cell::get);
        let (config, hidden) = Env::CartPole.tuned();
        let spec = Env::CartPole.policy(&hidden);
        let mut trainer =
            CpuTrainer::new(Env::CartPole, spec.clone(), PpoConfig { num_envs: 2, num_steps: 8, ..config }, 7).unwrap();
        assert_eq!(drawn(), 1);
        trainer.iterate().unwrap();
        let (state, config) = (trainer.state().unwrap(), trainer.learner().config().clone());
        let mut again = CpuTrainer::from_state(spec.clone(), config.clone(), &state).unwrap();
        assert_eq!(again.state().unwrap(), state);
        // It goes on with the same bits.
        assert_eq!(
            (again.iterate().unwrap(), again.state().unwrap()),
            (trainer.iterate().unwrap(), trainer.state().unwrap())
        );
        let learner = CpuLearner::<f32>::from_state(spec.clone(), config.clone(), &state.learner).unwrap();
        assert_eq!(learner.state().unwrap(), state.learner);
        assert_eq!(drawn(), 1, "a state has its weights");
        // What does not belong to the policy is refused as it always was.
        let short = crate::learner::LearnerState { parameters: vec![0.0; 3], ..state.learner };
        assert!(matches!(CpuLearner::<f32>::from_state(spec, config, &short), Err(crate::error::Error::Shape { .. })));
    }

    #[test]
    fn a_spec_that_is_refused_has_no_weights() {
        let spec = PolicySpec::separate(4, &[usize::MAX, 2], Activation::Tanh, Head::categorical(2));
        assert!(spec.validate().is_err() && initial_parameters(&spec, 1).is_empty());
    }

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

    /// Layers large enough for threads, and more of them than most machines have cores: each is where it belongs.
    #[test]
    fn threads_draw_what_one_would() {
        let spec = PolicySpec::separate(70, &[60; 9], Activation::Tanh, Head::categorical(5));
        let (parameters, layout) = (initial_parameters(&spec, 4), spec.layout());
        let layers = Network::ALL.into_iter().flat_map(|network| layout.layers(network).to_vec());
        for (matrix, layer) in layers.enumerate() {
            let last = layer.outputs == 5 || layer.outputs == 1;
            let gain = if !last {
                Init::default().hidden_gain
            } else if layer.outputs == 5 {
                0.01
            } else {
                1.0
            };
            let alone = orthogonal(layer.outputs, layer.inputs, gain, 4, matrix as u32);
            assert_eq!(parameters[layer.weight..layer.weight + alone.len()], alone, "layer {matrix}");
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

    #[test]
    fn init_decides_gains_and_log_std() {
        let spec = PolicySpec {
            obs_dim: 3,
            trunk: vec![9],
            policy_hidden: vec![8],
            value_hidden: vec![7],
            activation: Activation::Tanh,
            head: Head::gaussian(2),
        };
        let layout = spec.layout();
        let of = |parameters: &[f32], name: &str| parameters[layout.get(name).unwrap().indices()].to_vec();
        let usual = initial_parameters(&spec, 3);
        assert_eq!(usual, initial_parameters_with(&spec, &Init::default(), 3));
        // Gains only scale: each layer's numbers over its gain are the same, but for the rounding to f32.
        let init =
            Init { hidden_gain: 1.0, policy_gain: 0.5, value_gain: 2.0, log_std: -0.5, scheme: InitScheme::Orthogonal };
        let other = initial_parameters_with(&spec, &init, 3);
        for (name, ratio) in [
            ("trunk.0.weight", 1.0 / 2.0_f64.sqrt()),
            ("policy.0.weight", 1.0 / 2.0_f64.sqrt()),
            ("policy.1.weight", 0.5 / 0.01),
            ("value.0.weight", 1.0 / 2.0_f64.sqrt()),
            ("value.1.weight", 2.0),
        ] {
            for (a, b) in of(&usual, name).iter().zip(of(&other, name)) {
                assert!(
                    (f64::from(*a) * ratio - f64::from(b)).abs() <= f64::from(b).abs() * 2.0_f64.powi(-22),
                    "{name}"
                );
            }
        }
        assert_eq!((of(&usual, "log_std"), of(&other, "log_std")), (vec![0.0; 2], vec![-0.5; 2]));
        assert_eq!(of(&other, "policy.1.bias"), [0.0; 2]);
    }

    #[test]
    fn pytorchs_default_is_uniform_by_the_inputs() {
        let spec = PolicySpec::separate(16, &[64, 64], Activation::Tanh, Head::gaussian(3));
        let init = Init { scheme: InitScheme::PytorchDefault, log_std: -0.5, ..Init::default() };
        let parameters = initial_parameters_with(&spec, &init, 5);
        let layout = spec.layout();
        for network in Network::ALL {
            for layer in layout.layers(network) {
                let bound = 1.0 / (layer.inputs as f64).sqrt();
                let weights = &parameters[layer.weight..layer.weight + layer.outputs * layer.inputs];
                let numbers = [weights, &parameters[layer.bias..layer.bias + layer.outputs]].concat();
                let largest = numbers.iter().fold(0.0, |most, x| f64::max(most, x.abs().into()));
                assert!(largest <= bound * (1.0 + 1e-7), "{largest} of {bound}");
                let n = numbers.len() as f64;
                let mean = numbers.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
                let variance = numbers.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / n;
                // Five standard deviations: the mean's is b/√(3n), that of x² over b²/3 is √(4/5)/√n.
                assert!(mean.abs() < 5.0 * bound / (3.0 * n).sqrt(), "{mean}");
                assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 5.0 * 0.9 / n.sqrt(), "{variance}");
            }
        }
        assert_eq!(parameters[layout.log_std().unwrap()..], [-0.5; 3]);
        let first = layout.layers(Network::Policy)[0];
        assert_ne!(parameters[first.weight..first.weight + 64], parameters[first.bias..first.bias + 64]);
    }
}
