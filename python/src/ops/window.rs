//! A window's arrays, as a caller gives them and as the library takes them.

use super::number::Number;
use crate::arrays::{flags, shaped};
use crate::errors;
use ndarray::{Array2, ArrayD, Ix2};
use pyo3::prelude::*;
use wgpo::gpu::Gpu;
use wgpo::low_level::algo::{AdvantagePlan, Estimator, RolloutBuffers};
use wgpo::low_level::reference::advantage_gae::Window;

/// A window's arrays, copied.
pub struct Owned<F> {
    rewards: Array2<F>,
    values: Array2<F>,
    final_values: Option<Array2<F>>,
    terminated: Array2<u32>,
    truncated: Array2<u32>,
    pub log_rhos: Option<Array2<F>>,
    /// Whether they had no dimension of environments.
    pub is_line: bool,
}

/// A window's arrays as they are given.
pub struct Given<'a, 'py> {
    pub rewards: &'a Bound<'py, PyAny>,
    pub values: Option<&'a Bound<'py, PyAny>>,
    pub terminated: &'a Bound<'py, PyAny>,
    pub truncated: Option<&'a Bound<'py, PyAny>>,
    pub final_values: Option<&'a Bound<'py, PyAny>>,
    pub log_rhos: Option<&'a Bound<'py, PyAny>>,
}

impl Given<'_, '_> {
    /// The arrays in one precision.
    pub fn read<F: Number>(&self) -> PyResult<Owned<F>> {
        let py = self.rewards.py();
        let rewards = F::read("rewards", self.rewards)?;
        let (steps, envs, is_line) = match rewards.shape() {
            [steps, envs] => (*steps, *envs, false),
            [steps] => (*steps, 1, true),
            other => return Err(errors::shape(py, "rewards", other, "[steps, envs] or [steps]")),
        };
        if steps == 0 || envs == 0 {
            return Err(errors::shape(py, "rewards", rewards.shape(), "at least one step of one environment"));
        }
        let window = [steps, envs];
        let floats = |name: &str, given: &Bound<'_, PyAny>| matrix(py, name, F::read(name, given)?, window);
        let truncated = match self.truncated {
            Some(given) => matrix(py, "truncated", flags("truncated", given)?.mapv(u32::from), window)?,
            None => Array2::zeros(window),
        };
        let terminated = matrix(py, "terminated", flags("terminated", self.terminated)?.mapv(u32::from), window)?;
        let needs = |(cut, over): (&u32, &u32)| *cut != 0 && *over == 0;
        if self.values.is_some() && self.final_values.is_none() && truncated.iter().zip(&terminated).any(needs) {
            return Err(errors::config(
                py,
                "\"final_values\" is missing: V of the real last observation where \"truncated\"",
            ));
        }
        Ok(Owned {
            rewards: matrix(py, "rewards", rewards, window)?,
            values: match self.values {
                Some(given) => matrix(py, "values", F::read("values", given)?, [steps + 1, envs])?,
                None => Array2::zeros([steps + 1, envs]),
            },
            final_values: self.final_values.map(|given| floats("final_values", given)).transpose()?,
            log_rhos: self.log_rhos.map(|given| floats("log_rhos", given)).transpose()?,
            terminated,
            truncated,
            is_line,
        })
    }
}

fn matrix<T: Clone>(py: Python<'_>, name: &str, array: ArrayD<T>, shape: [usize; 2]) -> PyResult<Array2<T>> {
    let wanted = format!("{shape:?}");
    if array.shape() != shape && !(shape[1] == 1 && array.shape() == &shape[..1]) {
        return Err(errors::shape(py, name, array.shape(), &wanted));
    }
    shaped(py, name, array, Ix2(shape[0], shape[1]), &wanted)
}

impl<F: Number> Owned<F> {
    /// Calls `formula` with the arrays as the reference takes them.
    pub fn with<A>(&self, formula: impl FnOnce(&Window<'_, F>) -> wgpo::Result<A>) -> wgpo::Result<A> {
        let none = Array2::zeros(if self.final_values.is_some() { (0, 0) } else { self.rewards.dim() });
        formula(&Window {
            rewards: self.rewards.view(),
            values: self.values.view(),
            final_values: self.final_values.as_ref().unwrap_or(&none).view(),
            terminated: self.terminated.view(),
            truncated: self.truncated.view(),
        })
    }
}

impl Owned<f32> {
    /// Advantages and returns on a device.
    pub fn on(&self, gpu: &Gpu, gamma: f32, estimator: Estimator) -> wgpo::Result<(Array2<f32>, Array2<f32>)> {
        let (steps, envs) = self.rewards.dim();
        let word = |what: &'static str, size: usize| {
            u32::try_from(size).map_err(|_| wgpo::Error::OwnLimit {
                what: "advantages".to_owned(),
                limit: what,
                needs: size as u64,
                has: u32::MAX.into(),
            })
        };
        let all = |array: &Array2<f32>| array.iter().copied().collect::<Vec<f32>>();
        let bits = |array: &Array2<u32>| array.iter().copied().collect::<Vec<u32>>();
        let final_values = self.final_values.as_ref().map_or_else(|| vec![0.0; steps * envs], all);
        let rollout = RolloutBuffers {
            steps: word("steps", steps)?,
            envs: word("envs", envs)?,
            rewards: gpu.upload("rewards", &all(&self.rewards))?,
            values: gpu.upload("values", &all(&self.values))?,
            final_values: gpu.upload("final_values", &final_values)?,
            terminated: gpu.upload("terminated", &bits(&self.terminated))?,
            truncated: gpu.upload("truncated", &bits(&self.truncated))?,
            log_rhos: self.log_rhos.as_ref().map(|rhos| gpu.upload("log_rhos", &all(rhos))).transpose()?,
            valid: None,
        };
        let plan = AdvantagePlan::new(gpu, &rollout, gamma, estimator)?;
        gpu.run("advantages", plan.calls(), Default::default())?;
        let read = |buffer| {
            let values = gpu.read(buffer)?;
            Array2::from_shape_vec((steps, envs), values)
                .map_err(|_| wgpo::Error::Internal("advantages of another shape"))
        };
        Ok((read(&plan.advantages)?, read(&plan.returns)?))
    }
}
