//! Fisher products and conjugate gradients.

use super::number::{Number, is_double};
use crate::{compute, errors, json, rollouts};
use ndarray::{Array2, ArrayD};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use wgpo::Config;
use wgpo::config::FisherForm;
use wgpo::data::Actions;
use wgpo::gpu::Gpu;
use wgpo::low_level::algo::{FisherPlan, Model};
use wgpo::low_level::reference::cg::{self, CgReport, CgSettings};
use wgpo::low_level::reference::fisher::Fisher;
use wgpo::policy::PolicySpec;

pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(fisher_vector_product, module)?)?;
    module.add_function(wrap_pyfunction!(fisher_solve, module)?)?;
    module.add_function(wrap_pyfunction!(conjugate_gradient, module)?)
}

/// Calls `then` with the product by the Fisher matrix.
fn with_fisher<F: Number, A>(
    spec: &PolicySpec,
    parameters: &[F],
    obs: &Array2<F>,
    damping: f64,
    then: impl FnOnce(&Fisher<'_, F>) -> wgpo::Result<A>,
) -> wgpo::Result<A> {
    let layout = spec.layout();
    check_length("parameters", parameters.len(), spec)?;
    let none = Actions::Discrete(Array2::zeros((0, 0)));
    let form = FisherForm::GaussNewton;
    then(&Fisher::new(spec, &layout, parameters, obs.view(), &none, form, 1, F::of(damping))?)
}

/// F v on a device, damping included.
fn on_device(
    gpu: &Gpu,
    spec: &PolicySpec,
    parameters: &[f32],
    obs: &Array2<f32>,
    damping: f64,
    v: &[f32],
) -> wgpo::Result<Vec<f32>> {
    let rows = u32::try_from(obs.nrows()).map_err(|_| wgpo::Error::Internal("more rows than a device takes"))?;
    let model = Model::new(gpu, spec, &Config::trpo_sb3_contrib(), parameters, 0)?;
    let observed: Vec<f32> = obs.iter().copied().collect();
    let (obs, actions) = (gpu.upload("obs", &observed)?, gpu.buffer("actions", u64::from(rows))?);
    let plan = FisherPlan::new(gpu, &model, &obs, &actions, rows, 1, FisherForm::GaussNewton)?;
    let (vector, product) = (gpu.upload("v", v)?, gpu.buffer("product", v.len() as u64)?);
    let mut calls = plan.prepare().to_vec();
    calls.extend(plan.product(gpu, &model, &vector, &product)?);
    gpu.run("fisher", &calls, Default::default())?;
    let damped = |(product, v): (f32, &f32)| (f64::from(product) + damping * f64::from(*v)) as f32;
    Ok(gpu.read(&product)?.into_iter().zip(v).map(damped).collect())
}

fn vector<F: Number>(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<F>> {
    let array: ArrayD<F> = F::read(name, value)?;
    if array.ndim() != 1 {
        return Err(errors::shape(value.py(), name, array.shape(), "one dimension"));
    }
    match array.iter().position(|element| !element.is_finite()) {
        Some(index) => Err(errors::data(value.py(), format!("\"{name}\"[{index}] is not finite"))),
        None => Ok(array.iter().copied().collect()),
    }
}

/// `v` and the policy's numbers, as long as they must be.
fn check_length(name: &str, got: usize, spec: &PolicySpec) -> wgpo::Result<()> {
    let expected = spec.layout().len();
    if got == expected {
        return Ok(());
    }
    Err(wgpo::Error::Shape { tensor: name.to_owned(), got: vec![got], expected: vec![expected] })
}

fn observations<F: Number>(obs: &Bound<'_, PyAny>, spec: &PolicySpec) -> PyResult<Array2<F>> {
    let array = F::read("obs", obs)?;
    let rows = array.shape().first().copied().unwrap_or(0);
    if rows == 0 {
        return Err(errors::shape(obs.py(), "obs", array.shape(), "at least one row"));
    }
    if let Some(index) = array.iter().position(|element| !element.is_finite()) {
        return Err(errors::data(obs.py(), format!("\"obs\"[{index}] is not finite")));
    }
    rollouts::by_rows(obs.py(), "obs", array, &[rows], spec.obs_dim())
}

fn policy(py: Python<'_>, spec: &str) -> PyResult<PolicySpec> {
    let spec: PolicySpec = json::read(py, "spec", spec)?;
    spec.validate().map_err(|error| errors::raise(py, &error))?;
    Ok(spec)
}

/// F v, F being the Fisher matrix of a policy (mean over `obs`, Gauss-Newton form) plus `damping` times the identity, `[parameters]`.
///
/// `spec` is JSON; `parameters` and `v` are flat vectors in the policy's layout (`Learner.parameters`); the critic has no part in F. `obs` `[rows,
/// obs_dim]` is as the networks see it.
///
/// Raises `ShapeError`, `DataError`, `DtypeError` or `ConfigError`.
#[pyfunction]
#[pyo3(signature = (spec, parameters, obs, v, damping = 0.0, backend = "cpu", dtype = None))]
fn fisher_vector_product<'py>(
    py: Python<'py>,
    spec: &str,
    parameters: &Bound<'py, PyAny>,
    obs: &Bound<'py, PyAny>,
    v: &Bound<'py, PyAny>,
    damping: f64,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let spec = policy(py, spec)?;
    let gpu = super::device(py, backend)?;
    if is_double(parameters, dtype, gpu.is_some())? {
        let (parameters, v) = (vector::<f64>("parameters", parameters)?, vector::<f64>("v", v)?);
        let obs = observations::<f64>(obs, &spec)?;
        check_length("v", v.len(), &spec).map_err(|error| errors::raise(py, &error))?;
        let apply = move || with_fisher(&spec, &parameters, &obs, damping, |fisher| fisher.apply(&v));
        return Ok(compute::long(py, apply)?.into_pyarray(py).into_any());
    }
    let (parameters, v) = (vector::<f32>("parameters", parameters)?, vector::<f32>("v", v)?);
    let obs = observations::<f32>(obs, &spec)?;
    check_length("v", v.len(), &spec).map_err(|error| errors::raise(py, &error))?;
    let product = compute::long(py, move || match gpu {
        Some(gpu) => on_device(&gpu, &spec, &parameters, &obs, damping, &v),
        None => with_fisher(&spec, &parameters, &obs, damping, |fisher| fisher.apply(&v)),
    })?;
    Ok(product.into_pyarray(py).into_any())
}

fn report<'py>(py: Python<'py>, report: &CgReport) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    told.set_item("iterations", report.iterations)?;
    told.set_item("residuals", &report.residuals)?;
    told.set_item("negative_curvature", report.negative_curvature)?;
    Ok(told)
}

/// x with F x ≈ b by conjugate gradients, F as in `fisher_vector_product`: `(x, report)`, the report as of `conjugate_gradient`. On the CPU.
#[pyfunction]
#[pyo3(signature = (spec, parameters, obs, b, damping = 0.1, iterations = 10, tolerance = 1e-10, dtype = None))]
fn fisher_solve<'py>(
    py: Python<'py>,
    spec: &str,
    parameters: &Bound<'py, PyAny>,
    obs: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
    damping: f64,
    iterations: usize,
    tolerance: f64,
    dtype: Option<&str>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
    fn of<'py, F: Number>(
        spec: PolicySpec,
        [parameters, obs, b]: [&Bound<'py, PyAny>; 3],
        damping: f64,
        settings: CgSettings,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
        let py = b.py();
        let (parameters, b) = (vector::<F>("parameters", parameters)?, vector::<F>("b", b)?);
        let obs = observations::<F>(obs, &spec)?;
        let (x, how) = compute::long(py, move || {
            with_fisher(&spec, &parameters, &obs, damping, |fisher| {
                cg::conjugate_gradient(|v| fisher.apply(v), &b, None, &settings)
            })
        })?;
        Ok((x.into_pyarray(py).into_any(), report(py, &how)?))
    }
    let settings = CgSettings { iterations, tolerance, absolute_tolerance: 0.0 };
    let (spec, given) = (policy(py, spec)?, [parameters, obs, b]);
    match is_double(parameters, dtype, false)? {
        true => of::<f64>(spec, given, damping, settings),
        false => of::<f32>(spec, given, damping, settings),
    }
}

/// x with A x ≈ b by conjugate gradients (Hestenes and Stiefel 1952), A symmetric and positive definite: `(x, report)`.
///
/// `apply` is a function that gives A v for a vector v. It stops after `iterations`, at a squared residual of `tolerance` times that of b, or below
/// `absolute_tolerance`. `start` is where it begins, 0 without. The report has `iterations`, `residuals` (squared, at the start and after each)
/// and `negative_curvature` (whether it ended where A is not positive definite).
///
/// Raises what `apply` raises, `ShapeError`, `DataError` or `DtypeError`.
#[pyfunction]
#[pyo3(signature = (apply, b, start = None, iterations = 10, tolerance = 1e-10, absolute_tolerance = 0.0, dtype = None))]
fn conjugate_gradient<'py>(
    apply: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
    start: Option<&Bound<'py, PyAny>>,
    iterations: usize,
    tolerance: f64,
    absolute_tolerance: f64,
    dtype: Option<&str>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
    fn of<'py, F: Number>(
        apply: &Bound<'py, PyAny>,
        b: &Bound<'py, PyAny>,
        start: Option<&Bound<'py, PyAny>>,
        settings: &CgSettings,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
        let py = b.py();
        let b = vector::<F>("b", b)?;
        let start = start.map(|start| vector::<F>("start", start)).transpose()?;
        let mut raised = None;
        let product = |v: &[F]| {
            let given = v.to_vec().into_pyarray(py);
            let product = py
                .check_signals()
                .and_then(|()| apply.call1((given,)))
                .and_then(|product| vector::<F>("A v", &product));
            product.map_err(|error| {
                raised = Some(error);
                wgpo::Error::Internal("the caller's function raised")
            })
        };
        let answer = cg::conjugate_gradient(product, &b, start.as_deref(), settings);
        match (answer, raised) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(errors::raise(py, &error)),
            (Ok((x, how)), None) => Ok((x.into_pyarray(py).into_any(), report(py, &how)?)),
        }
    }
    let settings = CgSettings { iterations, tolerance, absolute_tolerance };
    match is_double(b, dtype, false)? {
        true => of::<f64>(apply, b, start, &settings),
        false => of::<f32>(apply, b, start, &settings),
    }
}
