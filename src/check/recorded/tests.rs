use super::*;
use crate::agent::{ActMode, Agent};
use crate::config::Config;
use crate::cpu::CpuLearner;
use crate::data::Rollout;
use crate::env::Autoreset;
use crate::policy::{Bounds, Head, Std, initial_parameters};

fn heads() -> Vec<Head> {
    let bounds = || Bounds::uniform(2, -2.0, 2.0);
    vec![
        Head::categorical(5),
        Head::Categorical { actions: 40, masked: true },
        Head::multi_discrete(vec![3, 4]),
        Head::bernoulli(6),
        Head::gaussian(2),
        Head::Gaussian { dims: 2, std: Std { from_state: true, ..Std::FREE }, bounds: None },
        Head::TanhGaussian { dims: 2, std: Std::default(), bounds: bounds() },
        Head::Beta { dims: 2, bounds: bounds() },
        Head::Discretised { dims: 2, bins: 11, bounds: bounds() },
    ]
}

/// A policy with large weights, as after training, and a window that it acted in, in f32.
fn acted(head: Head, activation: Activation, obs_scale: f32) -> (PolicySpec, Vec<f32>, Recording) {
    let spec = PolicySpec::mlp(6, &[24], &[32, 16], &[32, 16], activation, head);
    let parameters: Vec<f32> = initial_parameters(&spec, 3).iter().map(|x| 1.5 * x).collect();
    let mut learner = CpuLearner::<f32>::new(spec.clone(), Config::sb3(), 3).unwrap();
    learner.set_parameters(&parameters).unwrap();
    let (steps, envs) = (16, 3);
    let rows = steps * envs;
    let obs = Array2::from_shape_fn((rows, 6), |(row, i)| obs_scale * ((row * 6 + i) as f32 * 0.7).sin());
    let allowed = Array2::from_shape_fn((rows, spec.head.raw_outputs()), |(row, i)| (row + i) % 3 != 0);
    let allowed = spec.head.is_masked().then(|| allowed.view());
    let acted = learner.act_masked(obs.view(), allowed, ActMode::Sample).unwrap();
    let zeros = || Array2::zeros((steps, envs));
    let rollout = Rollout {
        steps,
        envs,
        obs,
        actions: acted.actions,
        logp: acted.logp,
        rewards: zeros(),
        values: Array2::zeros((steps + 1, envs)),
        final_values: None,
        terminated: Array2::zeros((steps, envs)),
        truncated: Array2::zeros((steps, envs)),
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    };
    let (obs_roundoff, logp_roundoff) = (EPS, EPS);
    let recording = Recording { rollout, order: None, converted: Vec::new(), obs_roundoff, logp_roundoff };
    (spec, parameters, recording)
}

/// Rounding is never taken for a mistake, and the bound is not so wide that a mistake of a hundredth would pass.
#[test]
fn rounding_is_explained_and_mistakes_are_not() {
    for head in heads() {
        for activation in [Activation::Tanh, Activation::Elu, Activation::GeluErf] {
            for scale in [1.0, 30.0] {
                let (spec, parameters, recording) = acted(head.clone(), activation, scale);
                let good = recorded_ratio(&spec, &parameters, &recording).unwrap();
                assert_eq!((good.rows, good.off), (48, 0), "{head:?}, {activation:?}, {scale}: {good:?}");
                if scale == 1.0 {
                    assert!(good.worst.explained < 1e-2, "{head:?}, {activation:?}: {good:?}");
                }
                // Another policy, observations in other units, and a probability in place of its logarithm.
                let other: Vec<f32> = parameters.iter().map(|x| 0.9 * x).collect();
                let off = recorded_ratio(&spec, &other, &recording).unwrap();
                assert!(off.off > 12, "{head:?}, {activation:?}, {scale}: {off:?}");
                let mut raw = recording.clone();
                raw.rollout.obs.mapv_inplace(|x| 2.0 * x + 0.5);
                let off = recorded_ratio(&spec, &parameters, &raw).unwrap();
                assert!(off.off > 12, "{head:?}, {activation:?}, {scale}: {off:?}");
                assert!(off.worst.excess() > 1.0 && off.min < 1.0 || off.max > 1.0);
            }
        }
    }
}

/// Observations and log-probabilities that were stored in halves are off by what that rounds away, and not by more.
#[test]
fn halves_are_explained() {
    for head in heads() {
        let (spec, parameters, mut recording) = acted(head.clone(), Activation::Tanh, 1.0);
        recording.rollout.obs.mapv_inplace(|x| half::bf16::from_f32(x).to_f32());
        recording.rollout.logp.mapv_inplace(|x| half::bf16::from_f32(x).to_f32());
        let wrong = recorded_ratio(&spec, &parameters, &recording).unwrap();
        assert!(wrong.off > 0, "{head:?}: {wrong:?}");
        let halves = Recording { obs_roundoff: 0.5_f64.powi(8), logp_roundoff: 0.5_f64.powi(8), ..recording };
        let right = recorded_ratio(&spec, &parameters, &halves).unwrap();
        assert_eq!(right.off, 0, "{head:?}: {right:?}");
    }
}

/// Rows that do not count are not looked at, and of a large rollout some are.
#[test]
fn rows_are_chosen() {
    let (spec, parameters, mut recording) = acted(Head::gaussian(2), Activation::Tanh, 1.0);
    recording.rollout.logp[7] = 3.0;
    let off = recorded_ratio(&spec, &parameters, &recording).unwrap();
    assert_eq!((off.off, off.worst.row, off.worst.recorded), (1, 7, 3.0));
    recording.rollout.valid = Some(Array2::from_shape_fn((16, 3), |(t, n)| u32::from((t, n) != (2, 1))));
    let masked = recorded_ratio(&spec, &parameters, &recording).unwrap();
    assert_eq!((masked.rows, masked.off), (47, 0));
    let short = recorded_ratio(&spec, &parameters[1..], &recording).unwrap_err();
    assert!(short.to_string().contains("parameters"), "{short}");
}
