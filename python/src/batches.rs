//! Steps of environments and batches of transitions from dictionaries of arrays.

use crate::arrays::{flags, floats, owned, shaped};
use crate::errors;
use crate::fields::Fields;
use crate::rollouts::{actions, by_rows};
use ndarray::{Array1, Array2, Ix1};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use wgpo::data::{EnvStep, TransitionBatch};
use wgpo::policy::PolicySpec;

const STEP: [&str; 6] = ["obs", "actions", "rewards", "next_obs", "terminated", "truncated"];

const BATCH: [&str; 8] = ["obs", "actions", "rewards", "next_obs", "terminated", "discounts", "next_noise", "noise"];

fn matrix(fields: &Fields<'_, '_>, name: &str, rows: usize, width: usize) -> PyResult<Array2<f32>> {
    let given = fields.need(name)?;
    by_rows(given.py(), name, owned(&floats(name, &given)?), &[rows], width)
}

fn column(fields: &Fields<'_, '_>, name: &str, rows: usize) -> PyResult<Array1<f32>> {
    let given = fields.need(name)?;
    shaped(given.py(), name, matrix(fields, name, rows, 1)?.into_dyn(), Ix1(rows), &format!("[{rows}]"))
}

fn flag_column(fields: &Fields<'_, '_>, name: &str, rows: usize) -> PyResult<Array1<u32>> {
    let given = fields.need(name)?;
    let flags = by_rows(given.py(), name, flags(name, &given)?.mapv(u32::from), &[rows], 1)?;
    shaped(given.py(), name, flags.into_dyn(), Ix1(rows), &format!("[{rows}]"))
}

/// How many rows there are: numbers of `rewards`.
fn rows(fields: &Fields<'_, '_>) -> PyResult<usize> {
    let given = fields.need("rewards")?;
    let rewards = floats("rewards", &given)?;
    match rewards.as_array().shape() {
        [rows] | [rows, 1] => Ok(*rows),
        other => Err(errors::shape(given.py(), "rewards", other, "a number a row, [rows]")),
    }
}

/// A step of all environments, copied.
pub fn step(given: &Bound<'_, PyDict>, spec: &PolicySpec) -> PyResult<EnvStep> {
    let fields = Fields::new("step", given, &STEP)?;
    let rows = rows(&fields)?;
    Ok(EnvStep {
        obs: matrix(&fields, "obs", rows, spec.obs_dim())?,
        actions: actions(&fields, &spec.head, &[rows])?,
        rewards: column(&fields, "rewards", rows)?,
        next_obs: matrix(&fields, "next_obs", rows, spec.obs_dim())?,
        terminated: flag_column(&fields, "terminated", rows)?,
        truncated: flag_column(&fields, "truncated", rows)?,
    })
}

/// A batch of transitions, copied. Without `discounts` each has `gamma`.
pub fn transitions(given: &Bound<'_, PyDict>, spec: &PolicySpec, gamma: f64) -> PyResult<TransitionBatch> {
    let fields = Fields::new("batch", given, &BATCH)?;
    let rows = rows(&fields)?;
    let noise = |name| match fields.get(name)? {
        None => Ok::<_, PyErr>(None),
        Some(_) => Ok(Some(matrix(&fields, name, rows, spec.head.action_dims())?)),
    };
    Ok(TransitionBatch {
        obs: matrix(&fields, "obs", rows, spec.obs_dim())?,
        actions: actions(&fields, &spec.head, &[rows])?,
        rewards: column(&fields, "rewards", rows)?,
        next_obs: matrix(&fields, "next_obs", rows, spec.obs_dim())?,
        terminated: flag_column(&fields, "terminated", rows)?,
        discounts: match fields.get("discounts")? {
            None => Array1::from_elem(rows, gamma as f32),
            Some(_) => column(&fields, "discounts", rows)?,
        },
        next_noise: noise("next_noise")?,
        noise: noise("noise")?,
    })
}
