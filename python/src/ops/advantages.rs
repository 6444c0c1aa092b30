//! Advantages and returns of a window.

use super::number::{Number, is_double};
use super::window::{Given, Owned};
use crate::{compute, errors};
use ndarray::Array2;
use numpy::{IntoPyArray, PyArrayDyn};
use pyo3::prelude::*;
use wgpo::low_level::algo::Estimator;
use wgpo::low_level::reference::advantage_gae;
use wgpo::low_level::reference::advantage_k_step::advantage_k_step;
use wgpo::low_level::reference::advantage_normalize::advantage_normalize;
use wgpo::low_level::reference::advantage_vtrace::{self, VtraceBars};

pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(gae, module)?)?;
    module.add_function(wrap_pyfunction!(vtrace, module)?)?;
    module.add_function(wrap_pyfunction!(k_step_advantages, module)?)?;
    module.add_function(wrap_pyfunction!(discounted_returns, module)?)?;
    module.add_function(wrap_pyfunction!(normalize, module)?)
}

/// Two arrays as Python has them.
type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// What to compute, on either side.
#[derive(Clone, Copy)]
enum Formula {
    Gae { lambda: f64 },
    KStep { k: usize },
    Vtrace { lambda: f64, bars: [f64; 3] },
    RewardsOnly,
}

impl Formula {
    fn on_cpu<F: Number>(self, own: &Owned<F>, gamma: f64) -> wgpo::Result<(Array2<F>, Array2<F>)> {
        let gamma = F::of(gamma);
        own.with(|window| match self {
            Self::Gae { lambda } => advantage_gae::advantage_gae(window, gamma, F::of(lambda)),
            Self::KStep { k } => advantage_k_step(window, k, gamma),
            Self::Vtrace { lambda, bars } => {
                let [rho_bar, c_bar, pg_rho_bar] = bars.map(F::of);
                let none = Array2::zeros((0, 0));
                let log_rhos = own.log_rhos.as_ref().unwrap_or(&none).view();
                advantage_vtrace::vtrace(
                    window,
                    log_rhos,
                    gamma,
                    F::of(lambda),
                    VtraceBars { rho_bar, c_bar, pg_rho_bar },
                )
            }
            Self::RewardsOnly => {
                let returns = advantage_gae::discounted_reward(window, gamma)?;
                Ok((&returns - &window.state_values(), returns))
            }
        })
    }

    fn estimator(self) -> wgpo::Result<Estimator> {
        Ok(match self {
            Self::Gae { lambda } => Estimator::Gae { gae_lambda: lambda as f32 },
            Self::KStep { k } => Estimator::KStep {
                k: u32::try_from(k).map_err(|_| wgpo::Error::Config { field: "k", message: format!("is {k}") })?,
            },
            Self::Vtrace { lambda, bars: [rho, c, pg] } => Estimator::Vtrace {
                gae_lambda: lambda as f32,
                rho_bar: rho as f32,
                c_bar: c as f32,
                pg_rho_bar: pg as f32,
            },
            Self::RewardsOnly => Estimator::RewardsOnly,
        })
    }

    fn run<'py>(self, given: &Given<'_, 'py>, gamma: f64, backend: &str, dtype: Option<&str>) -> PyResult<Pair<'py>> {
        let py = given.rewards.py();
        if !(0.0..=1.0).contains(&gamma) {
            return Err(errors::config(py, format!("gamma: is {gamma}, must be in [0, 1]")));
        }
        let gpu = super::device(py, backend)?;
        if is_double(given.rewards, dtype, gpu.is_some())? {
            let own = given.read::<f64>()?;
            let is_line = own.is_line;
            return told(py, compute::long(py, move || self.on_cpu(&own, gamma))?, is_line);
        }
        let own = given.read::<f32>()?;
        let is_line = own.is_line;
        let both = compute::long(py, move || match gpu {
            Some(gpu) => own.on(&gpu, gamma as f32, self.estimator()?),
            None => self.on_cpu(&own, gamma),
        })?;
        told(py, both, is_line)
    }
}

fn told<F: Number>(py: Python<'_>, both: (Array2<F>, Array2<F>), is_line: bool) -> PyResult<Pair<'_>> {
    let one = |array: Array2<F>| -> Bound<'_, PyArrayDyn<F>> {
        let array = if is_line { array.remove_axis(ndarray::Axis(1)).into_dyn() } else { array.into_dyn() };
        array.into_pyarray(py)
    };
    Ok((one(both.0).into_any(), one(both.1).into_any()))
}

/// Generalised advantage estimation (Schulman et al. 2016, equation 16): `(advantages, returns)`, both `[steps, envs]`.
///
/// `rewards` `[steps, envs]`; `values` `[steps + 1, envs]`, the last row being V of the observation after the window; `terminated` and `truncated`
/// `[steps, envs]`, flags of the transition that ended the episode; `final_values` `[steps, envs]`, V of the real last observation where truncated.
/// Without a dimension of environments it is one environment.
///
/// Raises `ShapeError`, `DtypeError` or `ConfigError`.
#[pyfunction]
#[pyo3(signature = (rewards, values, terminated, truncated = None, final_values = None, gamma = 0.99, gae_lambda = 0.95, backend = "cpu", dtype = None))]
fn gae<'py>(
    rewards: &Bound<'py, PyAny>,
    values: &Bound<'py, PyAny>,
    terminated: &Bound<'py, PyAny>,
    truncated: Option<&Bound<'py, PyAny>>,
    final_values: Option<&Bound<'py, PyAny>>,
    gamma: f64,
    gae_lambda: f64,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Pair<'py>> {
    let given = Given { rewards, values: Some(values), terminated, truncated, final_values, log_rhos: None };
    Formula::Gae { lambda: gae_lambda }.run(&given, gamma, backend, dtype)
}

/// V-trace (Espeholt et al. 2018): `(advantages, value targets)`, both `[steps, envs]`. `log_rhos` `[steps, envs]` are log-probabilities of the
/// present policy minus those of the one that acted; the rest as for `gae`.
#[pyfunction]
#[pyo3(signature = (log_rhos, rewards, values, terminated, truncated = None, final_values = None, gamma = 0.99, gae_lambda = 1.0, rho_bar = 1.0, c_bar = 1.0, pg_rho_bar = 1.0, backend = "cpu", dtype = None))]
fn vtrace<'py>(
    log_rhos: &Bound<'py, PyAny>,
    rewards: &Bound<'py, PyAny>,
    values: &Bound<'py, PyAny>,
    terminated: &Bound<'py, PyAny>,
    truncated: Option<&Bound<'py, PyAny>>,
    final_values: Option<&Bound<'py, PyAny>>,
    gamma: f64,
    gae_lambda: f64,
    rho_bar: f64,
    c_bar: f64,
    pg_rho_bar: f64,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Pair<'py>> {
    let given = Given { rewards, values: Some(values), terminated, truncated, final_values, log_rhos: Some(log_rhos) };
    Formula::Vtrace { lambda: gae_lambda, bars: [rho_bar, c_bar, pg_rho_bar] }.run(&given, gamma, backend, dtype)
}

/// k-step advantages and returns: at most `k` rewards, then V. Arguments as for `gae`.
#[pyfunction]
#[pyo3(signature = (k, rewards, values, terminated, truncated = None, final_values = None, gamma = 0.99, backend = "cpu", dtype = None))]
fn k_step_advantages<'py>(
    k: usize,
    rewards: &Bound<'py, PyAny>,
    values: &Bound<'py, PyAny>,
    terminated: &Bound<'py, PyAny>,
    truncated: Option<&Bound<'py, PyAny>>,
    final_values: Option<&Bound<'py, PyAny>>,
    gamma: f64,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Pair<'py>> {
    let given = Given { rewards, values: Some(values), terminated, truncated, final_values, log_rhos: None };
    Formula::KStep { k }.run(&given, gamma, backend, dtype)
}

/// Discounted returns `[steps, envs]`, afresh behind each end. With `values` they go on with V where the window or a truncated episode ends;
/// without, they are sums of the rewards in the window alone.
#[pyfunction]
#[pyo3(signature = (rewards, terminated, truncated = None, values = None, final_values = None, gamma = 0.99, backend = "cpu", dtype = None))]
fn discounted_returns<'py>(
    rewards: &Bound<'py, PyAny>,
    terminated: &Bound<'py, PyAny>,
    truncated: Option<&Bound<'py, PyAny>>,
    values: Option<&Bound<'py, PyAny>>,
    final_values: Option<&Bound<'py, PyAny>>,
    gamma: f64,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let given = Given { rewards, values, terminated, truncated, final_values, log_rhos: None };
    let formula = if values.is_some() { Formula::Gae { lambda: 1.0 } } else { Formula::RewardsOnly };
    Ok(formula.run(&given, gamma, backend, dtype)?.1)
}

/// Advantages minus their mean, over their standard deviation (with `ddof` 0 or 1, at least `std_floor`) plus `eps`. Any shape; one alone stays
/// as it is.
#[pyfunction]
#[pyo3(signature = (advantages, ddof = 1, eps = 1e-8, std_floor = 0.0, dtype = None))]
fn normalize<'py>(
    advantages: &Bound<'py, PyAny>,
    ddof: u32,
    eps: f64,
    std_floor: f64,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    fn of<'py, F: Number>(
        advantages: &Bound<'py, PyAny>,
        ddof: u32,
        [eps, floor]: [f64; 2],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = advantages.py();
        let given = F::read("advantages", advantages)?;
        let shape = given.raw_dim();
        let flat: ndarray::Array1<F> = given.iter().copied().collect();
        let done = compute::short(py, || advantage_normalize(flat.view(), ddof, F::of(eps), F::of(floor)))?;
        let shaped = done.into_dyn().into_shape_with_order(shape);
        Ok(shaped.map_err(|error| errors::internal(py, error.to_string()))?.into_pyarray(py).into_any())
    }
    match is_double(advantages, dtype, false)? {
        true => of::<f64>(advantages, ddof, [eps, std_floor]),
        false => of::<f32>(advantages, ddof, [eps, std_floor]),
    }
}
