//! The native half of the Python package `wgpo`: the library's learners, trainers and formulas on NumPy arrays, and the whole program.
//!
//! Python sees it as `wgpo._native`; what is meant for users is in the package beside it (`python/wgpo/`). Settings and specs travel as JSON, in
//! the words of the library's files. Every call that computes releases the interpreter's lock. Nothing here panics: what goes wrong is an exception
//! of the family `WgpoError`, with the library's own sentence.

mod arrays;
mod batches;
mod compute;
mod errors;
mod fields;
mod json;
mod learner;
mod off_policy;
mod ops;
mod parameters;
mod place;
mod program;
mod rollouts;
mod settings;
mod stats;
mod trainer;

use pyo3::prelude::*;

/// Learners, trainers and formulas of the Rust library wgpo on NumPy arrays.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    errors::add(module)?;
    module.add_function(wrap_pyfunction!(program::main, module)?)?;
    settings::add(module)?;
    module.add_function(wrap_pyfunction!(place::choose_backend, module)?)?;
    module.add_class::<learner::Learner>()?;
    module.add_class::<off_policy::OffPolicyLearner>()?;
    module.add_class::<trainer::Trainer>()?;
    ops::add(module)
}
