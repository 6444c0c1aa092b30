//! Rollouts and batches of rows from dictionaries of arrays.

use crate::arrays::{counts, flags, floats, owned, shaped};
use crate::errors;
use crate::fields::Fields;
use ndarray::{Array1, Array2, ArrayD, Ix1, Ix2};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use wgpo::data::{Actions, Autoreset};
use wgpo::policy::{Head, PolicySpec};
use wgpo::{Batch, Rollout};

/// The names of a rollout, those of docs/rollout-format.md.
const ROLLOUT: [&str; 12] = [
    "obs",
    "actions",
    "allowed",
    "logp",
    "rewards",
    "values",
    "final_values",
    "terminated",
    "truncated",
    "valid",
    "autoreset",
    "ended_before",
];

const BATCH: [&str; 9] =
    ["obs", "actions", "allowed", "logp_old", "advantages", "returns", "values_old", "old_dist", "valid"];

fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |product: usize, size| product.saturating_mul(*size))
}

/// `array` as `[rows, width]`: rows may be apart as `lead` says, and what belongs to a row may have several dimensions, or none if it is one
/// number.
pub fn by_rows<T: Clone>(
    py: Python<'_>,
    name: &str,
    array: ArrayD<T>,
    lead: &[usize],
    width: usize,
) -> PyResult<Array2<T>> {
    let rows = product(lead);
    let shape = array.shape();
    let rest = match shape {
        [first, rest @ ..] if *first == rows && !shape.starts_with(lead) => Some(rest),
        _ => shape.strip_prefix(lead),
    };
    let whole = [lead, &[width]].concat();
    let wanted = if lead.len() > 1 { format!("{whole:?} or {:?}", [rows, width]) } else { format!("{whole:?}") };
    if rest.is_none_or(|rest| product(rest) != width) {
        return Err(errors::shape(py, name, shape, &wanted));
    }
    shaped(py, name, array, Ix2(rows, width), &wanted)
}

/// Actions as the head draws them, with the choices that were allowed.
pub fn actions(fields: &Fields<'_, '_>, head: &Head, lead: &[usize]) -> PyResult<Actions> {
    let given = fields.need("actions")?;
    let (py, dims) = (given.py(), head.action_dims());
    let allowed = fields.get("allowed")?;
    if !head.is_discrete() {
        if allowed.is_some() {
            return Err(errors::config(
                py,
                format!("\"allowed\" is given, but the {} head is not masked", head.name()),
            ));
        }
        return Ok(Actions::Continuous(by_rows(py, "actions", owned(&floats("actions", &given)?), lead, dims)?));
    }
    let indices = by_rows(py, "actions", counts("actions", &given)?, lead, dims)?;
    match (allowed, head.is_masked()) {
        (None, false) => Ok(Actions::Discrete(indices)),
        (Some(allowed), true) => {
            let allowed = by_rows(py, "allowed", flags("allowed", &allowed)?, lead, head.raw_outputs())?;
            Ok(Actions::Masked { indices, allowed })
        }
        (None, true) => Err(errors::config(py, format!("\"allowed\" is missing: the {} head is masked", head.name()))),
        (Some(_), false) => {
            Err(errors::config(py, format!("\"allowed\" is given, but the {} head is not masked", head.name())))
        }
    }
}

fn matrix(fields: &Fields<'_, '_>, name: &str, shape: [usize; 2]) -> PyResult<Array2<f32>> {
    let given = fields.need(name)?;
    exact(given.py(), name, owned(&floats(name, &given)?), shape)
}

fn exact<T: Clone>(py: Python<'_>, name: &str, array: ArrayD<T>, shape: [usize; 2]) -> PyResult<Array2<T>> {
    if array.shape() != shape {
        return Err(errors::shape(py, name, array.shape(), &format!("{shape:?}")));
    }
    shaped(py, name, array, Ix2(shape[0], shape[1]), &format!("{shape:?}"))
}

/// Numbers of rows, which may be apart as `lead` says.
fn column(fields: &Fields<'_, '_>, name: &str, lead: &[usize]) -> PyResult<Array1<f32>> {
    let given = fields.need(name)?;
    let rows = by_rows(given.py(), name, owned(&floats(name, &given)?), lead, 1)?;
    let len = rows.len();
    shaped(given.py(), name, rows.into_dyn(), Ix1(len), "a number a row")
}

fn flag_matrix(fields: &Fields<'_, '_>, name: &str, shape: [usize; 2]) -> PyResult<Array2<u32>> {
    let given = fields.need(name)?;
    exact(given.py(), name, flags(name, &given)?.mapv(u32::from), shape)
}

/// A rollout, copied.
pub fn rollout(given: &Bound<'_, PyDict>, spec: &PolicySpec) -> PyResult<Rollout> {
    let py = given.py();
    let fields = Fields::new("rollout", given, &ROLLOUT)?;
    let rewards = owned(&floats("rewards", &fields.need("rewards")?)?);
    let [steps, envs] = rewards.shape()[..] else {
        return Err(errors::shape(py, "rewards", rewards.shape(), "[steps, envs]"));
    };
    let window = [steps, envs];
    let obs = by_rows(py, "obs", owned(&floats("obs", &fields.need("obs")?)?), &window, spec.obs_dim())?;
    let autoreset = match fields.get("autoreset")? {
        None => Autoreset::default(),
        Some(name) => {
            let name: String = name.extract().map_err(|_| errors::dtype(py, "\"autoreset\" is no string"))?;
            name.parse().map_err(|error| errors::raise(py, &error))?
        }
    };
    let ended_before = match fields.get("ended_before")? {
        None => None,
        Some(given) => {
            let flags = flags("ended_before", &given)?.mapv(u32::from);
            Some(shaped(py, "ended_before", flags, Ix1(envs), &format!("[{envs}]"))?)
        }
    };
    Ok(Rollout {
        steps,
        envs,
        obs,
        actions: actions(&fields, &spec.head, &window)?,
        logp: column(&fields, "logp", &window)?,
        rewards: exact(py, "rewards", rewards, window)?,
        values: matrix(&fields, "values", [steps.saturating_add(1), envs])?,
        final_values: match fields.get("final_values")? {
            None => None,
            Some(_) => Some(matrix(&fields, "final_values", window)?),
        },
        terminated: flag_matrix(&fields, "terminated", window)?,
        truncated: flag_matrix(&fields, "truncated", window)?,
        valid: match fields.get("valid")? {
            None => None,
            Some(_) => Some(flag_matrix(&fields, "valid", window)?),
        },
        autoreset,
        ended_before,
    })
}

/// Rows with their advantages, copied.
pub fn batch(given: &Bound<'_, PyDict>, spec: &PolicySpec) -> PyResult<Batch> {
    let py = given.py();
    let fields = Fields::new("batch", given, &BATCH)?;
    let advantages = owned(&floats("advantages", &fields.need("advantages")?)?);
    let lead = advantages.shape().to_vec();
    let rows = product(&lead);
    let wanted = format!("[{rows}]");
    let obs = by_rows(py, "obs", owned(&floats("obs", &fields.need("obs")?)?), &lead, spec.obs_dim())?;
    let width = spec.head.width();
    Ok(Batch {
        obs,
        actions: actions(&fields, &spec.head, &lead)?,
        logp_old: column(&fields, "logp_old", &lead)?,
        advantages: shaped(py, "advantages", advantages, Ix1(rows), &wanted)?,
        returns: column(&fields, "returns", &lead)?,
        values_old: column(&fields, "values_old", &lead)?,
        old_dist: match fields.get("old_dist")? {
            None => None,
            Some(given) => Some(by_rows(py, "old_dist", owned(&floats("old_dist", &given)?), &lead, width)?),
        },
        valid: match fields.get("valid")? {
            None => None,
            Some(given) => {
                let flags = by_rows(py, "valid", flags("valid", &given)?.mapv(u32::from), &lead, 1)?;
                Some(shaped(py, "valid", flags.into_dyn(), Ix1(rows), &wanted)?)
            }
        },
    })
}

/// The rows of each epoch in their order, `[epochs, rows]` or flat.
pub fn order(given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<u32>>> {
    given.map(|given| Ok(counts("order", given)?.into_iter().collect())).transpose()
}
