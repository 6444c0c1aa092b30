//! JSON from Python and back.

use crate::errors;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A value of the library from its text.
pub fn read<T: DeserializeOwned>(py: Python<'_>, what: &str, text: &str) -> PyResult<T> {
    serde_json::from_str(text).map_err(|error| errors::config(py, format!("{what}: {error}")))
}

/// The text of a value of the library.
pub fn write(py: Python<'_>, value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| errors::internal(py, error.to_string()))
}

/// What a caller gives as a dictionary, or already as text.
pub fn of_python(what: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    of_depth(what, value, 0)
}

fn of_depth(what: &str, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    let py = value.py();
    let no = || {
        let class = value.get_type().name().map_or_else(|_| "object".to_owned(), |class| class.to_string());
        errors::dtype(
            py,
            format!("{what}: is a {class}, expected a number, words, True or False, None, a list or a dictionary"),
        )
    };
    if depth > 16 {
        return Err(no());
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = value.cast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        if let Ok(whole) = value.extract::<i64>() {
            return Ok(Value::from(whole));
        }
        return value.extract::<u64>().map(Value::from).map_err(|_| no());
    }
    if value.is_instance_of::<PyFloat>() {
        let float: f64 = value.extract()?;
        let number = serde_json::Number::from_f64(float);
        return number
            .map(Value::Number)
            .ok_or_else(|| errors::config(py, format!("{what}: is {float}, expected a finite number")));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Value::String(text.to_string_lossy().into_owned()));
    }
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        let items: PyResult<Vec<_>> = value.try_iter()?.map(|item| of_depth(what, &item?, depth + 1)).collect();
        return Ok(Value::Array(items?));
    }
    if let Ok(table) = value.cast::<PyDict>() {
        let mut fields = Map::new();
        for (key, item) in table.iter() {
            let key = key
                .cast_into::<PyString>()
                .map_err(|_| errors::dtype(py, format!("{what}: has a key that is no string")))?;
            let key = key.to_string_lossy().into_owned();
            let inner = of_depth(&key, &item, depth + 1)?;
            fields.insert(key, inner);
        }
        return Ok(Value::Object(fields));
    }
    // A scalar or an array of NumPy's.
    if value.hasattr("tolist")? {
        return of_depth(what, &value.call_method0("tolist")?, depth + 1);
    }
    Err(no())
}
