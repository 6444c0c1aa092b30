//! NumPy's arrays, and what can be made one, as the library's.
//!
//! A C-contiguous, aligned array of the wanted type is read where it is. Any other is converted by NumPy: floats and whole numbers to float32 (rounded to
//! the nearest, as the library's files are), whole numbers to what holds them, each checked.

use crate::errors;
use ndarray::{Array, ArrayD, Dimension, IxDyn};
use numpy::{
    PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

fn numpy(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static NUMPY: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    Ok(NUMPY.get_or_try_init(py, || Ok::<_, PyErr>(py.import("numpy")?.unbind()))?.bind(py))
}

/// `value` as an array of NumPy's; one of another library by DLPack, without a copy where that works.
fn array<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = value.py();
    if let Ok(array) = value.cast::<PyUntypedArray>() {
        return Ok(array.clone());
    }
    let module = numpy(py)?;
    let by_dlpack = value.hasattr("__dlpack__")?.then(|| module.call_method1("from_dlpack", (value,)));
    let made = match by_dlpack {
        Some(Ok(array)) => Ok(array),
        _ => module.call_method1("asarray", (value,)),
    };
    let words = |error: &dyn std::fmt::Display| {
        let class = value.get_type().name().map_or_else(|_| "object".to_owned(), |class| class.to_string());
        errors::dtype(py, format!("\"{name}\" is a {class}, expected an array on the CPU: {error}"))
    };
    let made = made.map_err(|error| words(&error))?;
    made.cast_into::<PyUntypedArray>().map_err(|error| words(&error))
}

/// `array` with elements of type `T`, C-contiguous and aligned.
fn cast<'py, T: numpy::Element>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    let py = array.py();
    let named = PyDict::new(py);
    named.set_item("dtype", numpy::dtype::<T>(py))?;
    let made = numpy(py)?.call_method("ascontiguousarray", (array,), Some(&named))?;
    // NumPy makes a row of what has no dimension.
    let made = if array.ndim() == 0 { made.call_method1("reshape", (pyo3::types::PyTuple::empty(py),))? } else { made };
    let made = made.cast_into::<PyArrayDyn<T>>()?;
    // What was contiguous before is the same memory still, which may begin anywhere.
    if made.data().is_aligned() { Ok(made) } else { Ok(made.call_method0("copy")?.cast_into::<PyArrayDyn<T>>()?) }
}

fn readonly<'py, T: numpy::Element>(
    name: &str,
    array: Bound<'py, PyArrayDyn<T>>,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    let py = array.py();
    array.try_readonly().map_err(|error| errors::data(py, format!("\"{name}\" cannot be read: {error}")))
}

fn wrong(name: &str, array: &Bound<'_, PyUntypedArray>, wanted: &str) -> PyErr {
    errors::dtype(array.py(), format!("\"{name}\" has dtype {}, expected {wanted}", array.dtype()))
}

/// Floats, where they are if they are float32, C-contiguous and aligned.
pub fn floats<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, f32>> {
    if let Ok(own) = value.cast::<PyArrayDyn<f32>>()
        && own.is_c_contiguous()
        && own.data().is_aligned()
    {
        return readonly(name, own.clone());
    }
    let array = array(name, value)?;
    match array.dtype().kind() {
        b'f' | b'i' | b'u' | b'b' => readonly(name, cast::<f32>(&array)?),
        _ => Err(wrong(name, &array, "float32, or numbers that can be rounded to it")),
    }
}

/// Floats in double precision.
pub fn doubles<'py>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, f64>> {
    let array = array(name, value)?;
    match array.dtype().kind() {
        b'f' | b'i' | b'u' | b'b' => readonly(name, cast::<f64>(&array)?),
        _ => Err(wrong(name, &array, "float64 or other numbers")),
    }
}

/// Whole numbers from 0; floats that are whole will do.
pub fn counts(name: &str, value: &Bound<'_, PyAny>) -> PyResult<ArrayD<u32>> {
    let py = value.py();
    let array = array(name, value)?;
    let no = |index: usize, value: &dyn std::fmt::Display| {
        let words = format!("\"{name}\"[{index}] is {value}, expected a whole number from 0 to {}", u32::MAX);
        Err(errors::data(py, words))
    };
    match array.dtype().kind() {
        b'i' | b'u' | b'b' => {
            let whole = readonly(name, cast::<i64>(&array)?)?;
            let whole = whole.as_array();
            match whole.iter().enumerate().find(|(_, value)| u32::try_from(**value).is_err()) {
                Some((index, value)) => no(index, value),
                None => Ok(whole.mapv(|value| u32::try_from(value).unwrap_or(u32::MAX))),
            }
        }
        b'f' => {
            let floats = readonly(name, cast::<f64>(&array)?)?;
            let floats = floats.as_array();
            let fits = |value: f64| value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
            match floats.iter().enumerate().find(|(_, value)| !fits(**value)) {
                Some((index, value)) => no(index, value),
                None => Ok(floats.mapv(|value| value as u32)),
            }
        }
        _ => Err(wrong(name, &array, "whole numbers")),
    }
}

/// Flags: booleans, or whole numbers 0 and 1.
pub fn flags(name: &str, value: &Bound<'_, PyAny>) -> PyResult<ArrayD<bool>> {
    if let Ok(own) = value.cast::<PyArrayDyn<bool>>() {
        // As NumPy reads them: any byte but 0 is true (an array of bytes may be viewed as flags). Rust's are 0 or 1 and nothing else.
        let bytes = own.call_method1("view", (numpy::dtype::<u8>(value.py()),))?.cast_into::<PyArrayDyn<u8>>()?;
        return Ok(readonly(name, bytes)?.as_array().mapv(|byte| byte != 0));
    }
    let whole = counts(name, value)?;
    match whole.iter().position(|flag| *flag > 1) {
        Some(index) => Err(errors::data(
            value.py(),
            format!("\"{name}\"[{index}] is {}, expected 0 or 1", whole.as_slice().map_or(2, |all| all[index])),
        )),
        None => Ok(whole.mapv(|flag| flag == 1)),
    }
}

/// `array` in another shape of as many elements. `wanted` says the shape in words.
pub fn shaped<T: Clone, D: Dimension>(
    py: Python<'_>,
    name: &str,
    array: ArrayD<T>,
    shape: D,
    wanted: &str,
) -> PyResult<Array<T, D>> {
    let got = array.shape().to_vec();
    array.into_shape_with_order(shape).map_err(|_| errors::shape(py, name, &got, wanted))
}

/// A copy in C order.
pub fn owned<T: Clone + numpy::Element>(array: &PyReadonlyArrayDyn<'_, T>) -> ArrayD<T> {
    let view = array.as_array();
    Array::from_shape_vec(IxDyn(view.shape()), view.iter().cloned().collect()).unwrap_or_else(|_| view.to_owned())
}
