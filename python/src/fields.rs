//! A dictionary of arrays that a caller gives.

use crate::errors;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use wgpo_cli::settings::given::did_you_mean;

/// What a caller gives by names.
pub struct Fields<'a, 'py> {
    what: &'static str,
    given: &'a Bound<'py, PyDict>,
}

impl<'a, 'py> Fields<'a, 'py> {
    /// Refuses a name that is none of `names`.
    pub fn new(what: &'static str, given: &'a Bound<'py, PyDict>, names: &[&str]) -> PyResult<Self> {
        let py = given.py();
        for key in given.keys() {
            let key = key
                .cast_into::<PyString>()
                .map_err(|_| errors::dtype(py, format!("a key of the {what} is no string")))?;
            let key = key.to_string_lossy();
            if !names.contains(&key.as_ref()) {
                let near = did_you_mean(&key, names.iter().copied());
                let words = format!("the {what} has \"{key}\", which is none of {}{near}", names.join(", "));
                return Err(errors::config(py, words));
            }
        }
        Ok(Self { what, given })
    }

    /// What `name` holds; `None` if it is not there, or is Python's `None`.
    pub fn get(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.given.get_item(name)?.filter(|value| !value.is_none()))
    }

    /// What `name` holds.
    pub fn need(&self, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.get(name)?.ok_or_else(|| errors::config(self.given.py(), format!("the {} lacks \"{name}\"", self.what)))
    }
}
