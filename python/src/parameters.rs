//! What learners and trainers have in common: acting, parameters by number and by name, counters.

use crate::arrays::{flags, floats, owned};
use crate::compute::Shared;
use crate::{errors, rollouts, stats};
use ndarray::{Array2, ArrayView2, Ix2};
use numpy::{IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use wgpo::policy::PolicySpec;
use wgpo::trainer::Trainer;
use wgpo::{ActMode, Agent, OffPolicy, OnPolicy};
use wgpo_cli::settings::given::did_you_mean;

/// What has an agent inside.
pub trait Holder: Send + 'static {
    fn agent(&self) -> &dyn Agent;
    fn agent_mut(&mut self) -> &mut dyn Agent;
}

macro_rules! holder {
    ($($held:ty, $agent:expr, $agent_mut:expr;)*) => {$(
        impl Holder for Box<$held> {
            fn agent(&self) -> &dyn Agent {
                let get: fn(&Self) -> &dyn Agent = $agent;
                get(self)
            }

            fn agent_mut(&mut self) -> &mut dyn Agent {
                let get: fn(&mut Self) -> &mut dyn Agent = $agent_mut;
                get(self)
            }
        }
    )*};
}

holder! {
    dyn OnPolicy, |own| own.as_ref(), |own| own.as_mut();
    dyn OffPolicy, |own| own.as_ref(), |own| own.as_mut();
    dyn Trainer, |own| own.learner(), |own| own.learner_mut();
}

/// `sample` or `greedy`.
pub fn mode(py: Python<'_>, name: &str) -> PyResult<ActMode> {
    match name {
        "sample" => Ok(ActMode::Sample),
        "greedy" => Ok(ActMode::Greedy),
        _ => Err(errors::config(py, format!("mode: is \"{name}\", expected \"sample\" or \"greedy\""))),
    }
}

/// Calls `then` with observations as `[rows, obs_dim]`, where they are if they are C-contiguous float32.
fn with_obs<A>(
    obs: &Bound<'_, PyAny>,
    spec: &PolicySpec,
    then: impl FnOnce(ArrayView2<'_, f32>) -> PyResult<A>,
) -> PyResult<A> {
    let array = floats("obs", obs)?;
    let view = array.as_array();
    let width = spec.obs_dim();
    if let Ok(rows) = view.view().into_dimensionality::<Ix2>()
        && rows.ncols() == width
    {
        return then(rows);
    }
    let rows = view.shape().first().copied().unwrap_or(1);
    then(rollouts::by_rows(obs.py(), "obs", owned(&array), &[rows], width)?.view())
}

/// Actions for observations.
pub fn act<'py, H: Holder>(
    shared: &Shared<H>,
    spec: &PolicySpec,
    obs: &Bound<'py, PyAny>,
    mask: Option<&Bound<'py, PyAny>>,
    mode: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let py = obs.py();
    let mode = self::mode(py, mode)?;
    with_obs(obs, spec, |obs| {
        let mask: Option<Array2<bool>> = match mask {
            None => None,
            Some(mask) => {
                Some(rollouts::by_rows(py, "mask", flags("mask", mask)?, &[obs.nrows()], spec.head.raw_outputs())?)
            }
        };
        let allowed = mask.as_ref().map(|mask| mask.view());
        let acted = shared.short(py, |own| own.agent_mut().act_masked(obs, allowed, mode))?;
        stats::acted(py, acted)
    })
}

/// V of observations.
pub fn values<'py, H: Holder>(
    shared: &Shared<H>,
    spec: &PolicySpec,
    obs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray1<f32>>> {
    let py = obs.py();
    with_obs(obs, spec, |obs| Ok(shared.short(py, |own| own.agent_mut().values(obs))?.into_pyarray(py)))
}

/// The flat vector.
pub fn parameters<'py, H: Holder>(py: Python<'py>, shared: &Shared<H>) -> PyResult<Bound<'py, PyArray1<f32>>> {
    Ok(stats::vector(py, shared.short(py, |own| own.agent().parameters())?))
}

/// Replaces the flat vector.
pub fn set_parameters<H: Holder>(shared: &Shared<H>, flat: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = flat.py();
    let flat: Vec<f32> = floats("parameters", flat)?.as_array().iter().copied().collect();
    shared.short(py, |own| own.agent_mut().set_parameters(&flat))
}

/// Each tensor under its name, in its shape.
pub fn named<'py, H: Holder>(py: Python<'py>, shared: &Shared<H>, spec: &PolicySpec) -> PyResult<Bound<'py, PyDict>> {
    let flat = shared.short(py, |own| own.agent().parameters())?;
    let told = PyDict::new(py);
    for range in spec.layout().ranges() {
        let values = flat.get(range.indices()).unwrap_or_default();
        told.set_item(&range.name, PyArray1::from_slice(py, values).reshape(range.shape.clone())?)?;
    }
    Ok(told)
}

/// Replaces the tensors that are named; the others stay.
pub fn set_named<H: Holder>(shared: &Shared<H>, spec: &PolicySpec, tensors: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = tensors.py();
    let layout = spec.layout();
    let mut given = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors.iter() {
        let name = name.cast_into::<PyString>().map_err(|_| errors::dtype(py, "a tensor's name is no string"))?;
        let name = name.to_string_lossy().into_owned();
        let Some(range) = layout.ranges().iter().find(|range| range.name == name) else {
            let near = did_you_mean(&name, layout.ranges().iter().map(|range| range.name.as_str()));
            return Err(errors::config(py, format!("the policy has no tensor \"{name}\"{near}")));
        };
        let tensor = floats(&name, &tensor)?;
        let tensor = tensor.as_array();
        if tensor.shape() != range.shape {
            return Err(errors::shape(py, &name, tensor.shape(), &format!("{:?}", range.shape)));
        }
        given.push((range.indices(), tensor.iter().copied().collect::<Vec<f32>>()));
    }
    shared.short(py, |own| {
        let mut flat = own.agent().parameters()?;
        for (indices, values) in &given {
            if let Some(place) = flat.get_mut(indices.clone()) {
                place.copy_from_slice(values);
            }
        }
        own.agent_mut().set_parameters(&flat)
    })
}

/// How far it has come.
pub fn counters<'py, H: Holder>(py: Python<'py>, shared: &Shared<H>) -> PyResult<Bound<'py, PyDict>> {
    let state = shared.short(py, |own| own.agent().state())?;
    let told = PyDict::new(py);
    told.set_item("update", state.update)?;
    told.set_item("env_steps", state.env_steps)?;
    told.set_item("policy_step", state.policy_step)?;
    told.set_item("optimizer_step", state.optimizer_step)?;
    told.set_item("seed", state.seed)?;
    Ok(told)
}
