//! Sizes that nothing can hold: whatever takes sizes refuses them by an error with both numbers, before anything is made. Nothing panics,
//! wraps or takes memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crate::support;

use ndarray::{Array1, Array2};
use std::path::{Path, PathBuf};
use support::gpu::gpu;
use wgpo::checkpoint::{load_learner, load_trainer, read_rollout, save_trainer, write_rollout};
use wgpo::cpu::{CpuLearner, CpuTrainer, evaluate};
use wgpo::data::{Actions, Rollout};
use wgpo::env::Autoreset;
use wgpo::env::Env;
use wgpo::low_level::reference::vec_env::VecEnv;
use wgpo::policy::{Activation, Bounds, Branch, Head, InitScheme, PolicySpec, Std, initial_parameters};
use wgpo::state::{NormalizerState, RunningMoments, TrainerState};
use wgpo::{ActMode, Config, Error, GpuLearner, GpuTrainer, GpuTrainerGroup, Model, OnPolicy, Trainer};

/// None of them is a size of anything; their products wrap in 64 bits, the last two's in 32.
const EXTREME: [usize; 5] = [usize::MAX, usize::MAX - 1, usize::MAX / 2 + 1, 1 << 40, 1 << 33];

fn heads(size: usize) -> Vec<Head> {
    let bounds = || Bounds::uniform(size, -1.0, 1.0);
    let std = |from_state| Std { from_state, ..Std::default() };
    vec![
        Head::categorical(size),
        Head::Categorical { actions: size, masked: true },
        Head::multi_discrete(vec![size, size]),
        Head::MultiDiscrete { nvec: vec![size, 2], masked: true },
        Head::bernoulli(size),
        Head::gaussian(size),
        Head::Gaussian { dims: size, std: std(true), bounds: Some(bounds()) },
        Head::TanhGaussian { dims: size, std: std(true), bounds: bounds() },
        Head::Beta { dims: size, bounds: bounds() },
        Head::Discretised { dims: size, bins: size, bounds: bounds() },
        Head::Discretised { dims: 2, bins: size, bounds: Bounds::uniform(2, -1.0, 1.0) },
    ]
}

/// Policies with something extreme in them.
fn specs(size: usize) -> Vec<PolicySpec> {
    let (tanh, head) = (Activation::Tanh, || Head::categorical(2));
    let mut specs = vec![
        PolicySpec::separate(4, &[size], tanh, head()),
        PolicySpec::separate(4, &[size, size], tanh, head()),
        PolicySpec::separate(4, &[8, size, 8], tanh, head()),
        PolicySpec::separate(size, &[8], tanh, head()),
        PolicySpec::separate(size, &[], tanh, head()),
        PolicySpec::shared(4, &[size, size], tanh, head()),
        PolicySpec::separate(4, &[8], tanh, head()).with_hidden(Branch::VALUE, &[size]),
        // Each width alone would do.
        PolicySpec::separate(4, &[100_000, 100_000], tanh, head()),
        PolicySpec::separate(4, &[1 << 32, 1 << 32], tanh, head()),
    ];
    specs.extend(heads(size).into_iter().map(|head| PolicySpec::separate(4, &[8], tanh, head)));
    specs
}

/// Settings whose batches are no batches.
fn configs(size: usize) -> Vec<Config> {
    let usual = Config::cleanrl;
    vec![
        Config { num_envs: size, ..usual() },
        Config { num_steps: size, ..usual() },
        Config { num_envs: size, num_steps: size, ..usual() },
        Config { num_envs: 1 << 16, num_steps: 1 << 16, ..usual() },
        // 2³² − 1 rows, but the values have a step more.
        Config { num_envs: (1 << 16) + 1, num_steps: (1 << 16) - 1, ..usual() },
    ]
}

/// That `outcome` is a refusal that is about sizes and has both numbers.
#[track_caller]
fn refused<T>(outcome: Result<T, Error>, what: &str) {
    let Err(error) = outcome else { panic!("{what} was not refused") };
    let sizes = matches!(
        error,
        Error::OwnLimit { .. }
            | Error::Limit { .. }
            | Error::Memory { .. }
            | Error::Config { .. }
            | Error::Shape { .. }
    );
    assert!(sizes, "{what}: {error}");
    let text = error.to_string();
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).count();
    assert!(numbers >= 2, "{what}: not both numbers in: {text}");
}

fn cartpole() -> PolicySpec {
    Env::CartPole.policy(&[8])
}

#[test]
fn policies_are_refused_and_their_layouts_do_not_wrap() {
    for size in EXTREME {
        for spec in specs(size) {
            let what = format!("{:?} {:?}", spec.hidden(Branch::POLICY), spec.head.name());
            refused(spec.validate(), &what);
            // A layout of what is not valid is of no use, but asking for it does no harm.
            let layout = spec.layout();
            assert!(layout.len() > 1 << 32 || spec.head.validate().is_err(), "{what}: {}", layout.len());
            assert!(layout.ranges().iter().all(|range| range.indices().end >= range.offset), "{what}");
            let _ = (Branch::OUTPUTS.map(|name| spec.sizes(name)), initial_parameters(&spec, 1));
            refused(CpuLearner::<f32>::new(spec.clone(), Config::cleanrl(), 1), &what);
            refused(CpuLearner::<f64>::new(spec.clone(), Config::cleanrl(), 1), &what);
            assert!(CpuTrainer::new(Env::CartPole, spec.clone(), Config::cleanrl(), 1).is_err(), "{what}");
            let _ = GpuTrainer::binding_bytes(&spec, &Config { num_envs: size, ..Config::cleanrl() });
        }
        for head in heads(size) {
            let _ = (head.width(), head.action_words(), head.action_dims(), head.log_std_outputs(), head.choices());
            assert!(head.validate().is_err(), "{head:?}");
        }
        let (moments, config) = (RunningMoments::new(size, 0.0), Config { num_envs: size, ..Config::cleanrl() });
        assert_eq!((moments.mean.len(), NormalizerState::new(&config, size)), (0, NormalizerState::default()));
    }
}

#[test]
fn batches_are_refused() {
    for size in EXTREME {
        for config in configs(size) {
            let what = format!("{} × {}", config.num_steps, config.num_envs);
            refused(config.validate(), &what);
            let _ = (config.batch_size(), config.num_updates(), config.order_epochs());
            refused(CpuTrainer::new(Env::CartPole, cartpole(), config.clone(), 1), &what);
            refused(CpuLearner::<f32>::new(cartpole(), config, 1), &what);
        }
        refused(VecEnv::new(Env::Acrobot, size, 1), "VecEnv");
        let mut learner = CpuLearner::<f32>::new(cartpole(), Config::cleanrl(), 1).unwrap();
        refused(evaluate(&mut learner, Env::CartPole, size, 1, ActMode::Greedy), "evaluate");
    }
    // Passes without end over a batch: their statistics alone are more than there is.
    for update_epochs in [usize::MAX, 1 << 50] {
        let config = Config { update_epochs, ..Config::cleanrl() };
        let _ = config.order_epochs();
        refused(CpuTrainer::new(Env::CartPole, cartpole(), config, 1), "update_epochs");
    }
}

/// A rollout of 2 steps × 3 environments that says it is of `steps` × `envs`.
fn rollout(steps: usize, envs: usize) -> Rollout {
    let window = || Array2::zeros((2, 3));
    Rollout {
        steps,
        envs,
        obs: Array2::zeros((6, 4)),
        actions: Actions::Discrete(Array2::zeros((6, 1))),
        logp: Array1::zeros(6),
        rewards: window(),
        values: Array2::zeros((3, 3)),
        final_values: None,
        terminated: Array2::zeros((2, 3)),
        truncated: Array2::zeros((2, 3)),
        valid: None,
        autoreset: Autoreset::SameStep,
        ended_before: None,
    }
}

#[test]
fn rollouts_that_claim_sizes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.safetensors");
    let mut learner = CpuLearner::<f32>::new(cartpole(), Config::cleanrl(), 1).unwrap();
    for size in EXTREME {
        for (steps, envs) in [(size, size), (size, 3), (2, size)] {
            let rollout = rollout(steps, envs);
            refused(rollout.validate(&cartpole()), "a rollout");
            refused(learner.update(&rollout), "an update");
            let _ = rollout.rows();
            assert!(write_rollout(&path, &rollout).is_err() && !path.exists());
        }
    }
}

/// A safetensors file with nothing in it but `metadata`, and one tensor whose header says `shape`.
fn claim(folder: &Path, metadata: &[(&str, String)], tensor: &str, shape: &[usize]) -> PathBuf {
    let metadata: serde_json::Map<_, _> =
        metadata.iter().map(|(key, text)| ((*key).to_owned(), text.clone().into())).collect();
    let bytes = shape.iter().fold(4_usize, |bytes, size| bytes.wrapping_mul(*size));
    let header = serde_json::json!({
        "__metadata__": metadata,
        tensor: { "dtype": "F32", "shape": shape, "data_offsets": [0, bytes.min(64)] },
    });
    let header = header.to_string().into_bytes();
    let path = folder.join("claim.safetensors");
    std::fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 64]].concat()).unwrap();
    path
}

#[test]
fn files_that_claim_sizes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let json = |spec: &PolicySpec| serde_json::to_string(spec).unwrap();
    let config = serde_json::to_string(&Config::cleanrl()).unwrap();
    for size in EXTREME {
        for spec in specs(size) {
            for contents in ["policy", "learner", "trainer"] {
                let metadata = [
                    ("format", "wgpo-1".to_owned()),
                    ("contents", contents.to_owned()),
                    ("spec", json(&spec)),
                    ("config", config.clone()),
                ];
                let path = claim(folder.path(), &metadata, "policy.0.weight", &[4, 4]);
                assert!(matches!(load_learner(&path), Err(Error::Format { .. })), "{spec:?}");
                assert!(matches!(load_trainer(&path), Err(Error::Format { .. })), "{spec:?}");
            }
        }
        for shape in [[size, 3, 4], [2, size, 4], [size, size, 4], [2, 2, size]] {
            let path = claim(folder.path(), &[], "obs", &shape);
            assert!(matches!(read_rollout(&path, &cartpole()), Err(Error::Format { .. })), "{shape:?}");
        }
        // A state of more environments than it has words.
        let mut trainer = CpuTrainer::new(Env::CartPole, cartpole(), Config::cleanrl(), 1).unwrap();
        let state = trainer.state().unwrap();
        for config in configs(size) {
            let path = folder.path().join("t.safetensors");
            assert!(save_trainer(&path, &cartpole(), &config, &state).is_err() && !path.exists());
            refused(CpuTrainer::from_state(cartpole(), config, &state), "from_state");
        }
        // Counters at their ends go on.
        let far = TrainerState { env_step: u64::MAX, ..state.clone() };
        trainer.set_state(&far).unwrap();
        trainer.iterate().unwrap();
    }
}

#[test]
fn the_device_refuses_before_it_draws() {
    let Some(gpu) = gpu(false) else { return };
    let made = gpu.counts().submissions;
    for size in [usize::MAX, 1 << 33] {
        for spec in specs(size) {
            let (what, config) = (format!("{spec:?}"), Config::cleanrl());
            refused(GpuLearner::new(&gpu, spec.clone(), config.clone(), 1), &what);
            refused(Model::new(&gpu, &spec, &config, &[], 1).map(drop), &what);
            assert!(GpuTrainer::new(&gpu, Env::CartPole, spec.clone(), config.clone(), 1).is_err(), "{what}");
            assert!(GpuTrainerGroup::new(&gpu, Env::CartPole, &spec, &config, &[1, 2]).is_err(), "{what}");
        }
        for config in configs(size) {
            let what = format!("{} × {}", config.num_steps, config.num_envs);
            refused(GpuTrainer::new(&gpu, Env::CartPole, cartpole(), config.clone(), 1), &what);
            refused(GpuLearner::new(&gpu, cartpole(), config, 1), &what);
        }
        refused(gpu.buffer::<f32>("a buffer", size as u64), "a buffer");
        refused(gpu.buffer::<[f32; 4]>("a buffer", size as u64), "a buffer");
    }
    let mut config = Config { update_epochs: 1 << 40, ..Config::cleanrl() };
    refused(GpuTrainer::new(&gpu, Env::CartPole, cartpole(), config.clone(), 1), "update_epochs");
    // Within our own limits and above the device's: a weight of 2 GB, whose orthogonal matrix would take a day to draw.
    config = Config::cleanrl();
    config.init.scheme = InitScheme::Orthogonal;
    let wide = Env::CartPole.policy(&[22_000, 22_000]);
    refused(GpuTrainer::new(&gpu, Env::CartPole, wide.clone(), config.clone(), 1), "22000 × 22000");
    refused(GpuLearner::new(&gpu, wide, config, 1), "22000 × 22000");
    assert_eq!(gpu.counts().submissions, made, "nothing was done");
}
