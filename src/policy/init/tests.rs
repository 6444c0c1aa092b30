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
    use crate::agent::Agent;
    use crate::config::Config;
    use crate::cpu::{CpuLearner, CpuTrainer};
    use crate::env::Env;
    use crate::trainer::Trainer;
    let drawn = || DRAWN.with(Cell::get);
    let (config, hidden) = Env::CartPole.tuned();
    let spec = Env::CartPole.policy(&hidden);
    let mut trainer =
        CpuTrainer::new(Env::CartPole, spec.clone(), Config { num_envs: 2, num_steps: 8, ..config }, 7).unwrap();
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
    let short = crate::state::LearnerState { parameters: vec![0.0; 3], ..state.learner };
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
    let layers = layout.branches().iter().flat_map(|branch| branch.layers.clone());
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
    let spec = PolicySpec::mlp(3, &[9], &[8], &[7], Activation::Tanh, Head::gaussian(2));
    let layout = spec.layout();
    let of = |parameters: &[f32], name: &str| parameters[layout.get(name).unwrap().indices()].to_vec();
    let usual = initial_parameters(&spec, 3);
    assert_eq!(usual, initial_parameters_with(&spec, &Init::default(), 3));
    // Gains only scale: each layer's numbers over its gain are the same, except for the rounding to f32.
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
            assert!((f64::from(*a) * ratio - f64::from(b)).abs() <= f64::from(b).abs() * 2.0_f64.powi(-22), "{name}");
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
    for branch in layout.branches() {
        for layer in &branch.layers {
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
    let first = layout.layers(Branch::POLICY)[0];
    assert_ne!(parameters[first.weight..first.weight + 64], parameters[first.bias..first.bias + 64]);
}
