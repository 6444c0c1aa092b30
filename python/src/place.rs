//! Where to compute.

use crate::{compute, errors};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use wgpo::gpu::{Gpu, GpuOptions};
use wgpo::place::{self, Place, PlaceChoice};

/// A place with the reason for it.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub place: Place,
    reason: String,
}

/// Devices that are open, by what was asked for: kernels that one learner compiled are there for the next.
static OPEN: Mutex<BTreeMap<String, Chosen>> = Mutex::new(BTreeMap::new());

impl Chosen {
    /// `auto` (a hardware GPU if there is one, else the CPU), `gpu`, `cpu`, or the index or name of an adapter.
    pub fn new(py: Python<'_>, backend: &str) -> PyResult<Self> {
        let name = backend.to_owned();
        compute::long(py, move || {
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(chosen) =
                open.get(&name).filter(|chosen| chosen.place.gpu().is_none_or(|gpu| gpu.healthy().is_ok()))
            {
                return Ok(chosen.clone());
            }
            let choice: PlaceChoice = name.parse().unwrap_or_default();
            let (place, reason) = Place::choose(&choice, &GpuOptions::default())?;
            let chosen = Self { place, reason: reason.to_string() };
            open.insert(name, chosen.clone());
            Ok(chosen)
        })
    }

    /// What users are told of it.
    pub fn dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let told = PyDict::new(py);
        told.set_item("kind", self.place.name())?;
        told.set_item("name", self.place.describe())?;
        told.set_item("reason", &self.reason)?;
        told.set_item("adapter", self.place.gpu().map(|gpu| gpu.adapter_info().name))?;
        told.set_item("software", self.place.gpu().is_some_and(Gpu::is_software))?;
        Ok(told)
    }
}

/// `gpu`, or the same adapter opened again with larger bindings where `bytes` are more than WebGPU's default.
pub fn with_binding_bytes(gpu: &Gpu, bytes: u64) -> wgpo::Result<Gpu> {
    pollster::block_on(place::with_binding_bytes(gpu, bytes))
}

/// Where learners compute: `auto` (a hardware GPU if there is one, else the CPU), `gpu`, `cpu`, or the name of an adapter or a part of it,
/// which may be a software one.
///
/// Returns a dictionary: `kind` (`gpu` or `cpu`), `name`, `reason`, `adapter` (its name, or None), `software`.
///
/// Raises `DeviceError` if a GPU is asked for and there is none.
#[pyfunction]
#[pyo3(signature = (name = "auto"))]
pub fn choose_backend<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyDict>> {
    if name.is_empty() {
        return Err(errors::config(py, "backend: is empty, expected auto, gpu, cpu or the name of an adapter"));
    }
    Chosen::new(py, name)?.dict(py)
}
