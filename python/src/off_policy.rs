//! A learner from a replay memory.

use crate::compute::{self, Shared};
use crate::learner::BYTES;
use crate::place::Chosen;
use crate::{batches, errors, json, parameters, stats};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wgpo::checkpoint::{Labels, learner_from_bytes, learner_to_bytes, load_learner, save_learner};
use wgpo::place::Place;
use wgpo::policy::PolicySpec;
use wgpo::state::LearnerState;
use wgpo::{Config, CpuOffPolicy, GpuOffPolicy, OffPolicy};

fn make(place: &Place, spec: PolicySpec, config: Config, seed: u64) -> wgpo::Result<Box<dyn OffPolicy>> {
    Ok(match place {
        Place::Gpu(gpu) => Box::new(GpuOffPolicy::new(gpu, spec, config, seed)?),
        Place::Cpu => Box::new(CpuOffPolicy::<f32>::new(spec, config, seed)?),
    })
}

fn make_from(
    place: &Place,
    spec: PolicySpec,
    config: Config,
    state: &LearnerState,
) -> wgpo::Result<Box<dyn OffPolicy>> {
    Ok(match place {
        Place::Gpu(gpu) => Box::new(GpuOffPolicy::from_state(gpu, spec, config, state)?),
        Place::Cpu => Box::new(CpuOffPolicy::<f32>::from_state(spec, config, state)?),
    })
}

/// The state, with or without the transitions.
fn state_of(own: &dyn OffPolicy, replay: bool) -> wgpo::Result<LearnerState> {
    let mut state = own.state()?;
    if let Some(own) = state.off_policy.as_mut().filter(|_| !replay) {
        own.replay = None;
    }
    Ok(state)
}

/// A policy that acts, and learns from a replay memory: DQN, DDPG, TD3 and SAC.
///
/// `spec`, `config`, `backend` and `seed` as for `Learner`. With environments of your own: `act`, step them, `store`, and `learn(due(…))`.
///
/// Raises as `Learner`.
#[pyclass(frozen, module = "wgpo._native")]
pub struct OffPolicyLearner {
    inner: Shared<Box<dyn OffPolicy>>,
    spec: PolicySpec,
    config: Config,
    place: Chosen,
    seed: Arc<AtomicU64>,
}

#[pymethods]
impl OffPolicyLearner {
    #[new]
    #[pyo3(signature = (spec, config, backend = "auto", seed = 1))]
    fn new(py: Python<'_>, spec: &str, config: &str, backend: &str, seed: u64) -> PyResult<Self> {
        let (spec, config): (PolicySpec, Config) = (json::read(py, "spec", spec)?, json::read(py, "config", config)?);
        let place = Chosen::new(py, backend)?;
        let (own_spec, own_config, own_place) = (spec.clone(), config.clone(), place.place.clone());
        let inner = compute::long(py, move || make(&own_place, own_spec, own_config, seed))?;
        Ok(Self { inner: Shared::new(inner), spec, config, place, seed: Arc::new(AtomicU64::new(seed)) })
    }

    /// A learner that goes on from a file. `config` (JSON) replaces the file's settings.
    ///
    /// Raises `FileError`, `FormatError`, and what the constructor raises.
    #[staticmethod]
    #[pyo3(signature = (path, backend = "auto", config = None))]
    fn load(py: Python<'_>, path: PathBuf, backend: &str, config: Option<&str>) -> PyResult<Self> {
        let place = Chosen::new(py, backend)?;
        let saved = compute::long(py, move || load_learner(&path))?;
        let config: Config = config.map(|text| json::read(py, "config", text)).transpose()?.unwrap_or(saved.config);
        let (spec, seed) = (saved.spec, Arc::new(AtomicU64::new(saved.state.seed)));
        let (own_spec, own_config, own_place) = (spec.clone(), config.clone(), place.place.clone());
        let inner = compute::long(py, move || make_from(&own_place, own_spec, own_config, &saved.state))?;
        Ok(Self { inner: Shared::new(inner), spec, config, place, seed })
    }

    /// Actions for `obs` `[rows, obs_dim]`. `mode` is `sample` (with the algorithm's exploration) or `greedy`. Returns as `Learner.act`: `actions`
    /// are what `store` takes, indices or floats in [-1, 1].
    #[pyo3(signature = (obs, mode = "sample"))]
    fn act<'py>(&self, obs: &Bound<'py, PyAny>, mode: &str) -> PyResult<Bound<'py, PyDict>> {
        parameters::act(&self.inner, &self.spec, obs, None, mode)
    }

    /// Takes a step of all `num_envs` environments into the memory: `obs`, `actions`, `rewards`, `next_obs` (at an end the real last one),
    /// `terminated`, `truncated`, each with a row an environment.
    ///
    /// Raises `ShapeError`, `DataError`, `DtypeError` or `ConfigError` naming the array.
    fn store(&self, step: &Bound<'_, PyDict>) -> PyResult<()> {
        let (py, step) = (step.py(), batches::step(step, &self.spec)?);
        self.inner.short(py, |own| own.store(&step))
    }

    /// `gradient_steps` gradient steps, each on a batch drawn anew; an update. Returns statistics of the last one as `Learner.update`, with
    /// `off_policy`. Raises `ConfigError` if nothing was stored yet.
    fn learn<'py>(&self, py: Python<'py>, gradient_steps: u64) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.inner.long(py, move |own| own.learn(gradient_steps))?;
        stats::update(py, &stats)
    }

    /// A gradient step on a batch of the caller's: `obs`, `actions`, `rewards`, `next_obs`, `terminated`, `discounts` (by default gamma), and the
    /// standard normals `next_noise` (TD3, SAC) and `noise` (SAC) `[rows, action_dims]`. The memory has no part in it.
    fn learn_batch<'py>(&self, batch: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
        let (py, batch) = (batch.py(), batches::transitions(batch, &self.spec, self.config.gamma)?);
        let stats = self.inner.long(py, move |own| own.learn_batch(&batch))?;
        stats::update(py, &stats)
    }

    /// Gradient steps that are due when the environments, all together, have gone from `before` to `now` steps since the start.
    fn due(&self, py: Python<'_>, before: u64, now: u64) -> PyResult<u64> {
        let replay = self.config.replay();
        replay
            .map(|replay| replay.due(before, now))
            .ok_or_else(|| errors::config(py, "the settings have no replay memory"))
    }

    /// Transitions in the memory, of all environments.
    #[getter]
    fn stored(&self, py: Python<'_>) -> PyResult<u64> {
        self.inner.short(py, |own| Ok(own.stored()))
    }

    /// All trainable numbers, one flat vector in the order of `named_parameters`.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        parameters::parameters(py, &self.inner)
    }

    /// Replaces them; targets, optimiser moments and counters stay.
    fn set_parameters(&self, flat: &Bound<'_, PyAny>) -> PyResult<()> {
        parameters::set_parameters(&self.inner, flat)
    }

    /// Each weight and bias under its name, weights `[out, in]` as in PyTorch.
    fn named_parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        parameters::named(py, &self.inner, &self.spec)
    }

    /// Replaces those that `tensors` names; the others stay.
    fn set_named_parameters(&self, tensors: &Bound<'_, PyDict>) -> PyResult<()> {
        parameters::set_named(&self.inner, &self.spec, tensors)
    }

    /// Everything that decides its future, as the bytes of a safetensors file; with the transitions if `replay`.
    #[pyo3(signature = (replay = true))]
    fn state<'py>(&self, py: Python<'py>, replay: bool) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.inner.long(py, move |own| {
            learner_to_bytes(own.spec(), own.config(), &state_of(own.as_ref(), replay)?, &Labels::new())
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Goes on from what `state` gave, or from the bytes of a file. Settings stay.
    ///
    /// Raises `FormatError` if they are of another policy or damaged.
    fn load_state(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        let (bytes, spec, seed) = (bytes.to_vec(), self.spec.clone(), Arc::clone(&self.seed));
        self.inner.long(py, move |own| {
            let saved = learner_from_bytes(BYTES, &bytes)?;
            saved.expect_spec(Path::new(BYTES), &spec)?;
            own.set_state(&saved.state)?;
            // Here, as Ctrl-C ends the waiting and not the work.
            seed.store(saved.state.seed, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Writes `state` as a file, whole or not at all. Raises `FileError`.
    #[pyo3(signature = (path, replay = true))]
    fn save(&self, py: Python<'_>, path: PathBuf, replay: bool) -> PyResult<()> {
        self.inner.long(py, move |own| save_learner(&path, own.spec(), own.config(), &state_of(own.as_ref(), replay)?))
    }

    /// The policy, JSON.
    #[getter]
    fn spec(&self, py: Python<'_>) -> PyResult<String> {
        json::write(py, &self.spec)
    }

    /// The settings, JSON.
    #[getter]
    fn config(&self, py: Python<'_>) -> PyResult<String> {
        json::write(py, &self.config)
    }

    /// Where it computes, as `choose_backend` says it.
    #[getter]
    fn backend<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.place.dict(py)
    }

    /// Seconds that the library itself took for the latest call, without the way there from Python and back.
    #[getter]
    fn seconds(&self) -> f64 {
        self.inner.seconds()
    }

    /// The seed of its draws. It waits for what Ctrl-C left to itself.
    #[getter]
    fn seed(&self, py: Python<'_>) -> PyResult<u64> {
        self.inner.settle(py)?;
        Ok(self.seed.load(Ordering::Relaxed))
    }
}
