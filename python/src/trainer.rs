//! A trainer in built-in environments.

use crate::compute::{self, Shared};
use crate::learner::BYTES;
use crate::place::{Chosen, with_binding_bytes};
use crate::{errors, json, parameters, settings, stats};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wgpo::checkpoint::{load_trainer, trainer_from_bytes};
use wgpo::cpu::evaluate;
use wgpo::env::Env;
use wgpo::gpu::Gpu;
use wgpo::place::Place;
use wgpo::policy::PolicySpec;
use wgpo::state::TrainerState;
use wgpo::{ActMode, Config, CpuTrainer, GpuOffPolicyTrainer, GpuTrainer, SaveTrainer, Trainer as Train};

/// The device with bindings as large as such a trainer needs.
fn device(gpu: &Gpu, env: Env, spec: &PolicySpec, config: &Config) -> wgpo::Result<Gpu> {
    let bytes = match config.replay() {
        Some(_) => GpuOffPolicyTrainer::binding_bytes(env, spec, config)?,
        None => GpuTrainer::binding_bytes(spec, config),
    };
    with_binding_bytes(gpu, bytes)
}

fn make(place: &Place, env: Env, spec: PolicySpec, config: Config, seed: u64) -> wgpo::Result<Box<dyn Train>> {
    Ok(match place {
        Place::Gpu(gpu) => {
            // Before sizes are computed by them.
            spec.validate()?;
            config.validate()?;
            let gpu = device(gpu, env, &spec, &config)?;
            match config.replay() {
                Some(_) => Box::new(GpuOffPolicyTrainer::new(&gpu, env, spec, config, seed)?),
                None => Box::new(GpuTrainer::new(&gpu, env, spec, config, seed)?),
            }
        }
        Place::Cpu => Box::new(CpuTrainer::new(env, spec, config, seed)?),
    })
}

fn make_from(place: &Place, spec: PolicySpec, config: Config, state: &TrainerState) -> wgpo::Result<Box<dyn Train>> {
    Ok(match place {
        Place::Gpu(gpu) => {
            spec.validate()?;
            config.validate()?;
            let gpu = device(gpu, state.built_in()?, &spec, &config)?;
            match config.replay() {
                Some(_) => Box::new(GpuOffPolicyTrainer::from_state(&gpu, spec, config, state)?),
                None => Box::new(GpuTrainer::from_state(&gpu, spec, config, state)?),
            }
        }
        Place::Cpu => Box::new(CpuTrainer::from_state(spec, config, state)?),
    })
}

/// `num_envs` copies of a built-in environment with a learner, wholly on the device or on the CPU.
///
/// `env` is the environment's name or Gymnasium's id (`envs`, `env_info`); `spec`, `config` (both JSON, for example of `tuned`), `backend` and
/// `seed` as for `Learner`. Any algorithm.
///
/// Raises as `Learner`; `ConfigError` also for a policy that does not suit the environment.
#[pyclass(frozen, module = "wgpo._native")]
pub struct Trainer {
    inner: Shared<Box<dyn Train>>,
    env: Env,
    spec: PolicySpec,
    config: Config,
    place: Chosen,
    seed: Arc<AtomicU64>,
}

#[pymethods]
impl Trainer {
    #[new]
    #[pyo3(signature = (env, spec, config, backend = "auto", seed = 1))]
    fn new(py: Python<'_>, env: &str, spec: &str, config: &str, backend: &str, seed: u64) -> PyResult<Self> {
        let env = settings::env(py, env)?;
        let (spec, config): (PolicySpec, Config) = (json::read(py, "spec", spec)?, json::read(py, "config", config)?);
        let place = Chosen::new(py, backend)?;
        let (own_spec, own_config, own_place) = (spec.clone(), config.clone(), place.place.clone());
        let inner = compute::long(py, move || make(&own_place, env, own_spec, own_config, seed))?;
        Ok(Self { inner: Shared::new(inner), env, spec, config, place, seed: Arc::new(AtomicU64::new(seed)) })
    }

    /// A trainer that goes on from a file of `save` or of a run folder. `config` (JSON) replaces the file's settings.
    ///
    /// Raises `FileError`, `FormatError`, and what the constructor raises.
    #[staticmethod]
    #[pyo3(signature = (path, backend = "auto", config = None))]
    fn load(py: Python<'_>, path: PathBuf, backend: &str, config: Option<&str>) -> PyResult<Self> {
        let place = Chosen::new(py, backend)?;
        let saved = compute::long(py, move || load_trainer(&path))?;
        let config: Config = config.map(|text| json::read(py, "config", text)).transpose()?.unwrap_or(saved.config);
        let env = saved.state.built_in().map_err(|error| errors::raise(py, &error))?;
        let (spec, seed) = (saved.spec, Arc::new(AtomicU64::new(saved.state.learner.seed)));
        let (own_spec, own_config, own_place) = (spec.clone(), config.clone(), place.place.clone());
        let inner = compute::long(py, move || make_from(&own_place, own_spec, own_config, &saved.state))?;
        Ok(Self { inner: Shared::new(inner), env, spec, config, place, seed })
    }

    /// One rollout and one update on it; off-policy as many steps with the gradient steps that are due.
    ///
    /// Returns the update's statistics (`Learner.update`), `episodes` that ended (`count`, `mean_return`, `mean_length`, `min_return`,
    /// `max_return`; None where none ended), `env_steps` and `updates` since the start.
    ///
    /// Ctrl-C ends the waiting; the iteration itself is done when the next call returns.
    fn iterate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.inner.long(py, |own| own.iterate())?;
        stats::iteration(py, &stats)
    }

    /// Returns of `episodes` whole episodes from start states of `seed`: `count`, `mean_return`, `mean_length`, `min_return`, `max_return`. The greedy
    /// policy leaves the learner as it was; a sampled one advances its draws.
    #[pyo3(signature = (episodes, greedy = true, seed = 1_000_000))]
    fn evaluate<'py>(&self, py: Python<'py>, episodes: usize, greedy: bool, seed: u64) -> PyResult<Bound<'py, PyDict>> {
        if episodes == 0 {
            return Err(errors::config(py, "episodes: is 0, must be at least 1"));
        }
        let (env, mode) = (self.env, if greedy { ActMode::Greedy } else { ActMode::Sample });
        let stats = self.inner.long(py, move |own| evaluate(own.learner_mut(), env, episodes, seed, mode))?;
        stats::episodes(py, &stats)
    }

    /// Actions of the learner for `obs` `[rows, obs_dim]`, as `Learner.act`.
    #[pyo3(signature = (obs, mode = "greedy"))]
    fn act<'py>(&self, obs: &Bound<'py, PyAny>, mode: &str) -> PyResult<Bound<'py, PyDict>> {
        parameters::act(&self.inner, &self.spec, obs, None, mode)
    }

    /// V of `obs` `[rows, obs_dim]`, `[rows]`.
    fn values<'py>(&self, obs: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        parameters::values(&self.inner, &self.spec, obs)
    }

    /// All trainable numbers, one flat vector in the order of `named_parameters`.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        parameters::parameters(py, &self.inner)
    }

    /// Replaces them; optimiser moments and counters stay.
    fn set_parameters(&self, flat: &Bound<'_, PyAny>) -> PyResult<()> {
        parameters::set_parameters(&self.inner, flat)
    }

    /// Each weight, bias and free parameter under its name, weights `[out, in]` as in PyTorch.
    fn named_parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        parameters::named(py, &self.inner, &self.spec)
    }

    /// Replaces those that `tensors` names; the others stay.
    fn set_named_parameters(&self, tensors: &Bound<'_, PyDict>) -> PyResult<()> {
        parameters::set_named(&self.inner, &self.spec, tensors)
    }

    /// Everything that decides its future, environments included, as the bytes of a safetensors file.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.inner.long(py, |own| own.to_bytes())?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Goes on from what `state` gave, or from the bytes of a trainer's file. Settings stay.
    ///
    /// Raises `FormatError` if they are of another policy or damaged, `ConfigError` if of another environment.
    fn load_state(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        let (bytes, spec, seed) = (bytes.to_vec(), self.spec.clone(), Arc::clone(&self.seed));
        self.inner.long(py, move |own| {
            let saved = trainer_from_bytes(BYTES, &bytes)?;
            saved.expect_spec(Path::new(BYTES), &spec)?;
            own.set_state(&saved.state)?;
            // Here, as Ctrl-C ends the waiting and not the work.
            seed.store(saved.state.learner.seed, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Writes `state` as a file, whole or not at all. Raises `FileError`.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.inner.long(py, move |own| own.save(&path))
    }

    /// The environment's name.
    #[getter]
    const fn env(&self) -> &'static str {
        self.env.name()
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
