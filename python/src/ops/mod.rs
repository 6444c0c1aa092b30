//! `ops`: formulas on arrays, without a learner.

mod advantages;
mod distributions;
mod number;
mod solve;
mod window;

use crate::place::Chosen;
use pyo3::prelude::*;
use wgpo::gpu::Gpu;

/// Formulas of the library on arrays: advantages, distributions, Fisher products and conjugate gradients.
///
/// Arrays in, arrays out. Floats are computed in float64 if the first array is of float64, else in float32; `dtype` ("f32", "f64") says
/// it outright. Where there is a `backend`, it is "cpu" or what `choose_backend` takes for a GPU, which computes in float32. On the CPU these are
/// the formulas of the reference, which every kernel is compared with.
pub fn add(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = parent.py();
    let module = PyModule::new(py, "ops")?;
    module.setattr(
        "__doc__",
        "Formulas of the library on arrays: advantages, distributions, Fisher products, conjugate gradients.",
    )?;
    advantages::add(&module)?;
    distributions::add(&module)?;
    solve::add(&module)?;
    parent.add_submodule(&module)?;
    // So that it can be imported by its own name.
    py.import("sys")?.getattr("modules")?.set_item("wgpo._native.ops", &module)
}

/// The device that `backend` names; `None` for the CPU.
fn device(py: Python<'_>, backend: &str) -> PyResult<Option<Gpu>> {
    if backend == "cpu" {
        return Ok(None);
    }
    Ok(Chosen::new(py, backend)?.place.gpu().cloned())
}
