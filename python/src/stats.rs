//! What the library tells of its work, as dictionaries.

use numpy::{IntoPyArray, PyArray1};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use wgpo::UpdateStats;
use wgpo::data::{Acted, Actions, MinibatchStats, OffPolicyStats, TrustRegionStats};
use wgpo::state::EpisodeStats;
use wgpo::trainer::IterationStats;

/// Fields under their own names, which are made strings of Python's once.
macro_rules! put {
    ($to:ident, $from:ident: $($field:ident)*) => {
        $($to.set_item(intern!($to.py(), stringify!($field)), $from.$field)?;)*
    };
}

/// A minibatch.
fn minibatch<'py>(py: Python<'py>, stats: &MinibatchStats) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    put!(told, stats: rows policy_loss value_loss entropy loss kl old_approx_kl approx_kl_k2 approx_kl clipfrac ratio_min
        ratio_max non_finite_rows head_hits grad_norm stepped);
    Ok(told)
}

fn trust_region<'py>(py: Python<'py>, stats: &TrustRegionStats) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    put!(told, stats: kl_before kl_after surrogate_before surrogate_after expected_improvement tries accepted accepted_try
        cg_iterations negative_curvature gradient_norm quadratic_form step_scale entropy head_hits);
    told.set_item("residuals", &stats.residuals)?;
    Ok(told)
}

fn off_policy<'py>(py: Python<'py>, stats: &OffPolicyStats) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    put!(told, stats: gradient_steps q_values targets alpha epsilon);
    Ok(told)
}

/// An update: what CleanRL logs of it, all that the library says, and each minibatch.
pub fn update<'py>(py: Python<'py>, stats: &UpdateStats) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    let last = stats.last_counted();
    put!(told, last: policy_loss value_loss entropy loss old_approx_kl approx_kl clipfrac grad_norm);
    put!(told, stats: optimizer_steps epochs last_epoch skipped_steps explained_variance learning_rate stopped_early kl kl_coef);
    told.set_item("mean_grad_norm", stats.mean_grad_norm())?;
    told.set_item("head_hits", stats.head_hits())?;
    told.set_item("not_finite", stats.not_finite())?;
    told.set_item("trust_region", stats.trust_region.as_ref().map(|own| trust_region(py, own)).transpose()?)?;
    told.set_item("off_policy", stats.off_policy.as_ref().map(|own| off_policy(py, own)).transpose()?)?;
    let minibatches: PyResult<Vec<_>> = stats.minibatches.iter().map(|own| minibatch(py, own)).collect();
    told.set_item("minibatches", PyList::new(py, minibatches?)?)?;
    Ok(told)
}

/// Episodes.
pub fn episodes<'py>(py: Python<'py>, stats: &EpisodeStats) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    let some = |value: f64| (stats.count > 0).then_some(value);
    told.set_item("count", stats.count)?;
    told.set_item("mean_return", stats.mean_return())?;
    told.set_item("mean_length", stats.mean_length())?;
    told.set_item("min_return", some(stats.return_min))?;
    told.set_item("max_return", some(stats.return_max))?;
    Ok(told)
}

/// An iteration: its update, its episodes, and the counts since the start.
pub fn iteration<'py>(py: Python<'py>, stats: &IterationStats) -> PyResult<Bound<'py, PyDict>> {
    let told = update(py, &stats.update)?;
    told.set_item("episodes", episodes(py, &stats.episodes)?)?;
    put!(told, stats: env_steps updates);
    Ok(told)
}

/// Indices as int64, which every library takes, floats as float32; `[rows, action_dims]`.
fn actions<'py>(py: Python<'py>, actions: Actions) -> Bound<'py, PyAny> {
    match actions {
        Actions::Continuous(floats) => floats.into_pyarray(py).into_any(),
        Actions::Discrete(indices) | Actions::Masked { indices, .. } => {
            indices.mapv(i64::from).into_pyarray(py).into_any()
        }
    }
}

/// What a learner did with rows of observations.
pub fn acted<'py>(py: Python<'py>, acted: Acted) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    told.set_item("actions", actions(py, acted.actions))?;
    told.set_item("env_actions", actions(py, acted.env_actions))?;
    told.set_item("logp", acted.logp.into_pyarray(py))?;
    told.set_item("values", acted.values.into_pyarray(py))?;
    told.set_item("obs", acted.obs.into_pyarray(py))?;
    Ok(told)
}

/// A vector, moved.
pub fn vector(py: Python<'_>, values: Vec<f32>) -> Bound<'_, PyArray1<f32>> {
    values.into_pyarray(py)
}
