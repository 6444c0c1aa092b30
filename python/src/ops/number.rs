//! The precision that a formula is computed in.

use crate::arrays::{doubles, floats, owned};
use crate::errors;
use ndarray::ArrayD;
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use wgpo::low_level::reference::Real;

/// A number of the reference that NumPy has.
pub trait Number: Real + numpy::Element {
    /// An array of them, copied.
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<ArrayD<Self>>;
}

impl Number for f32 {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<ArrayD<Self>> {
        Ok(owned(&floats(name, value)?))
    }
}

impl Number for f64 {
    fn read(name: &str, value: &Bound<'_, PyAny>) -> PyResult<ArrayD<Self>> {
        Ok(owned(&doubles(name, value)?))
    }
}

/// Whether to compute in f64: as `dtype` says, else as the first array is.
pub fn is_double(first: &Bound<'_, PyAny>, dtype: Option<&str>, on_device: bool) -> PyResult<bool> {
    let py = first.py();
    match dtype {
        Some("f32" | "float32") => Ok(false),
        Some("f64" | "float64") if on_device => {
            Err(errors::config(py, "dtype: is \"f64\", which only the CPU computes in"))
        }
        Some("f64" | "float64") => Ok(true),
        Some(other) => Err(errors::config(py, format!("dtype: is \"{other}\", expected \"f32\" or \"f64\""))),
        None => {
            let own = first.cast::<PyUntypedArray>().ok();
            Ok(!on_device && own.is_some_and(|array| array.dtype().kind() == b'f' && array.dtype().itemsize() == 8))
        }
    }
}
