//! A learner from rollouts.

use crate::compute::{self, Shared};
use crate::place::Chosen;
use crate::{errors, json, parameters, rollouts, stats};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wgpo::checkpoint::{learner_from_bytes, load_learner};
use wgpo::place::Place;
use wgpo::policy::PolicySpec;
use wgpo::state::LearnerState;
use wgpo::{Config, CpuLearner, GpuLearner, OnPolicy, SaveAgent};

/// What bytes are called in errors.
pub const BYTES: &str = "state";

/// Where a learner begins.
enum Start {
    Seed(u64),
    State(Box<LearnerState>),
}

/// A learner at `place`; in f64 on the CPU if `double`.
fn make(
    place: &Place,
    spec: PolicySpec,
    config: Config,
    start: &Start,
    double: bool,
) -> wgpo::Result<Box<dyn OnPolicy>> {
    Ok(match (place, start) {
        (Place::Gpu(gpu), Start::Seed(seed)) => Box::new(GpuLearner::new(gpu, spec, config, *seed)?),
        (Place::Gpu(gpu), Start::State(state)) => Box::new(GpuLearner::from_state(gpu, spec, config, state)?),
        (Place::Cpu, Start::Seed(seed)) if double => Box::new(CpuLearner::<f64>::new(spec, config, *seed)?),
        (Place::Cpu, Start::Seed(seed)) => Box::new(CpuLearner::<f32>::new(spec, config, *seed)?),
        (Place::Cpu, Start::State(state)) if double => Box::new(CpuLearner::<f64>::from_state(spec, config, state)?),
        (Place::Cpu, Start::State(state)) => Box::new(CpuLearner::<f32>::from_state(spec, config, state)?),
    })
}

/// Whether `dtype` is f64, which only the CPU computes in.
fn is_double(py: Python<'_>, dtype: &str, place: &Place) -> PyResult<bool> {
    match dtype {
        "f32" | "float32" => Ok(false),
        "f64" | "float64" if place.gpu().is_none() => Ok(true),
        "f64" | "float64" => {
            Err(errors::config(py, "dtype: is \"f64\", which only the CPU computes in; choose backend \"cpu\""))
        }
        _ => Err(errors::config(py, format!("dtype: is \"{dtype}\", expected \"f32\" or \"f64\""))),
    }
}

/// A policy that acts, and learns from rollouts of its own: PPO, A2C, TRPO and their relatives.
///
/// `spec` and `config` are JSON (`default_spec`, `default_config`, `config_with`). `backend` is what `choose_backend` takes. All draws are from
/// `seed`. `dtype` is `f32`, or on the CPU `f64`; arrays are float32 all the same.
///
/// Raises `ConfigError`, `LimitError`, `OutOfMemoryError` or `DeviceError`, before anything was drawn. A call that raises has changed nothing.
#[pyclass(frozen, module = "wgpo._native")]
pub struct Learner {
    inner: Shared<Box<dyn OnPolicy>>,
    spec: PolicySpec,
    config: Arc<Mutex<Config>>,
    place: Chosen,
    seed: Arc<AtomicU64>,
    double: bool,
}

impl Learner {
    fn begin(
        py: Python<'_>,
        spec: PolicySpec,
        config: Config,
        place: Chosen,
        start: Start,
        double: bool,
    ) -> PyResult<Self> {
        let seed = match &start {
            Start::Seed(seed) => *seed,
            Start::State(state) => state.seed,
        };
        let (own_spec, own_config, own_place) = (spec.clone(), config.clone(), place.place.clone());
        let inner = compute::long(py, move || make(&own_place, own_spec, own_config, &start, double))?;
        let (inner, seed) = (Shared::new(inner), Arc::new(AtomicU64::new(seed)));
        Ok(Self { inner, spec, config: Arc::new(Mutex::new(config)), place, seed, double })
    }
}

#[pymethods]
impl Learner {
    #[new]
    #[pyo3(signature = (spec, config, backend = "auto", seed = 1, dtype = "f32"))]
    fn new(py: Python<'_>, spec: &str, config: &str, backend: &str, seed: u64, dtype: &str) -> PyResult<Self> {
        let (spec, config) = (json::read(py, "spec", spec)?, json::read(py, "config", config)?);
        let place = Chosen::new(py, backend)?;
        let double = is_double(py, dtype, &place.place)?;
        Self::begin(py, spec, config, place, Start::Seed(seed), double)
    }

    /// A learner that goes on from a file of `save`, of the program's or of another trainer's policy (docs/rollout-format.md). `config` (JSON)
    /// replaces the file's settings.
    ///
    /// Raises `FileError`, `FormatError`, and what the constructor raises.
    #[staticmethod]
    #[pyo3(signature = (path, backend = "auto", dtype = "f32", config = None))]
    fn load(py: Python<'_>, path: PathBuf, backend: &str, dtype: &str, config: Option<&str>) -> PyResult<Self> {
        let place = Chosen::new(py, backend)?;
        let double = is_double(py, dtype, &place.place)?;
        let saved = compute::long(py, move || load_learner(&path))?;
        let config = config.map(|text| json::read(py, "config", text)).transpose()?.unwrap_or(saved.config);
        Self::begin(py, saved.spec, config, place, Start::State(Box::new(saved.state)), double)
    }

    /// Actions for `obs` `[rows, obs_dim]`, as the environment gave them. `mask` `[rows, raw outputs]` has the choices that are allowed, for masked
    /// heads. `mode` is `sample` (drawn; running statistics take the observations in) or `greedy`.
    ///
    /// Returns `actions` (to be stored), `env_actions` (for the environment: within its bounds), both `[rows, action_dims]`, int64 or float32;
    /// `logp` (nats) and `values` (units of the rewards), `[rows]`; `obs`, as the networks saw them, to be stored.
    ///
    /// Raises `ShapeError`, `DataError` or `DtypeError` if `obs` does not fit.
    #[pyo3(signature = (obs, mask = None, mode = "sample"))]
    fn act<'py>(
        &self,
        obs: &Bound<'py, PyAny>,
        mask: Option<&Bound<'py, PyAny>>,
        mode: &str,
    ) -> PyResult<Bound<'py, PyDict>> {
        parameters::act(&self.inner, &self.spec, obs, mask, mode)
    }

    /// V of `obs` `[rows, obs_dim]` that are not acted on, `[rows]`; running statistics stay as they are.
    fn values<'py>(&self, obs: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        parameters::values(&self.inner, &self.spec, obs)
    }

    /// Advantages and one update on a rollout: a dictionary with the names and shapes of docs/rollout-format.md, rewards being the environment's
    /// own. `order` `[epochs, steps · envs]` gives the rows of each epoch in another trainer's order, row `t · envs + n` being step t of
    /// environment n.
    ///
    /// Returns statistics: of the last minibatch under CleanRL's names (`policy_loss`, `value_loss`, `entropy`, `old_approx_kl`, `approx_kl`,
    /// `clipfrac`, `grad_norm`), of the whole update, and `minibatches`, a dictionary for each.
    ///
    /// Raises `ShapeError`, `DataError`, `DtypeError` or `ConfigError` naming the array. Ctrl-C ends the waiting; the update itself is done when
    /// the next call returns.
    #[pyo3(signature = (rollout, order = None))]
    fn update<'py>(
        &self,
        rollout: &Bound<'py, PyDict>,
        order: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = rollout.py();
        let (rollout, order) = (rollouts::rollout(rollout, &self.spec)?, rollouts::order(order)?);
        let stats = self.inner.long(py, move |own| own.update_in_order(&rollout, order.as_deref()))?;
        stats::update(py, &stats)
    }

    /// One update on rows with given advantages: `obs`, `actions`, `allowed`, `logp_old`, `advantages` (not normalised), `returns`,
    /// `values_old`, `old_dist`, `valid`. `order` as for `update`.
    ///
    /// Returns and raises as `update`.
    #[pyo3(signature = (batch, order = None))]
    fn update_batch<'py>(
        &self,
        batch: &Bound<'py, PyDict>,
        order: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = batch.py();
        let (batch, order) = (rollouts::batch(batch, &self.spec)?, rollouts::order(order)?);
        let stats = self.inner.long(py, move |own| own.update_batch(&batch, order.as_deref()))?;
        stats::update(py, &stats)
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

    /// How far it has come: `update`, `env_steps`, `policy_step`, `optimizer_step`, `seed`.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        parameters::counters(py, &self.inner)
    }

    /// Everything that decides its future, as the bytes of a safetensors file.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.inner.long(py, |own| own.to_bytes())?;
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
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.inner.long(py, move |own| own.save(&path))
    }

    /// Goes on with other settings (JSON), everything else as it is. Raises `ConfigError`.
    fn set_config(&self, py: Python<'_>, config: &str) -> PyResult<()> {
        let config: Config = json::read(py, "config", config)?;
        let (told, place, spec, double) =
            (Arc::clone(&self.config), self.place.place.clone(), self.spec.clone(), self.double);
        self.inner.long(py, move |own| {
            let state = Start::State(Box::new(own.state()?));
            *own = make(&place, spec, config.clone(), &state, double)?;
            // Here, as Ctrl-C ends the waiting and not the work.
            *told.lock().unwrap_or_else(PoisonError::into_inner) = config;
            Ok(())
        })
    }

    /// The policy, JSON.
    #[getter]
    fn spec(&self, py: Python<'_>) -> PyResult<String> {
        json::write(py, &self.spec)
    }

    /// The settings, JSON. It waits for what Ctrl-C left to itself.
    #[getter]
    fn config(&self, py: Python<'_>) -> PyResult<String> {
        self.inner.settle(py)?;
        json::write(py, &*self.config.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// `f32` or `f64`.
    #[getter]
    const fn dtype(&self) -> &'static str {
        if self.double { "f64" } else { "f32" }
    }
}
