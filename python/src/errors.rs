//! wgpo's errors as Python's.

use pyo3::exceptions::{PyException, PyMemoryError, PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};
use wgpo::Error;

/// A class of the family: what it is for, and which of Python's own classes it is, too.
struct Kind {
    name: &'static str,
    about: &'static str,
    own: fn(Python<'_>) -> Bound<'_, PyType>,
}

const BASE: usize = 0;
const SHAPE: usize = 1;
const CONFIG: usize = 2;
const DATA: usize = 3;
const DTYPE: usize = 4;
const LIMIT: usize = 5;
const MEMORY: usize = 6;
const DEVICE: usize = 7;
const ENVIRONMENT: usize = 8;
const FILE: usize = 9;
const FORMAT: usize = 10;
const INTERNAL: usize = 11;

const KINDS: [Kind; 12] = [
    Kind { name: "WgpoError", about: "Whatever wgpo refuses or fails at.", own: |py| py.get_type::<PyException>() },
    Kind {
        name: "ShapeError",
        about: "An array has another shape than is wanted.",
        own: |py| py.get_type::<PyValueError>(),
    },
    Kind {
        name: "ConfigError",
        about: "A setting, a name or an argument is unknown, out of its range, or against another one.",
        own: |py| py.get_type::<PyValueError>(),
    },
    Kind {
        name: "DataError",
        about: "An element of an array cannot be used: NaN, infinite, or an index out of range.",
        own: |py| py.get_type::<PyValueError>(),
    },
    Kind {
        name: "DtypeError",
        about: "An array or argument is of another type than is wanted.",
        own: |py| py.get_type::<PyTypeError>(),
    },
    Kind {
        name: "LimitError",
        about: "A shape is beyond a limit of the device or of wgpo.",
        own: |py| py.get_type::<PyValueError>(),
    },
    Kind {
        name: "OutOfMemoryError",
        about: "The machine or the device has too little memory.",
        own: |py| py.get_type::<PyMemoryError>(),
    },
    Kind {
        name: "DeviceError",
        about: "There is no suitable adapter, or the device failed or is lost.",
        own: |py| py.get_type::<PyRuntimeError>(),
    },
    Kind { name: "EnvError", about: "An environment failed.", own: |py| py.get_type::<PyRuntimeError>() },
    Kind { name: "FileError", about: "A file cannot be read or written.", own: |py| py.get_type::<PyOSError>() },
    Kind {
        name: "FormatError",
        about: "A file or bytes are not what they should be.",
        own: |py| py.get_type::<PyValueError>(),
    },
    Kind {
        name: "InternalError",
        about: "A fault of wgpo itself; please report it.",
        own: |py| py.get_type::<PyRuntimeError>(),
    },
];

static TYPES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();

fn types(py: Python<'_>) -> PyResult<&Vec<Py<PyType>>> {
    TYPES.get_or_try_init(py, || {
        let mut all: Vec<Py<PyType>> = Vec::with_capacity(KINDS.len());
        for Kind { name, about, own } in KINDS {
            let bases = match all.first() {
                None => PyTuple::new(py, [own(py)])?,
                Some(base) => PyTuple::new(py, [base.bind(py).clone(), own(py)])?,
            };
            let fields = PyDict::new(py);
            fields.set_item("__module__", "wgpo")?;
            fields.set_item("__doc__", about)?;
            let class = py.get_type::<PyType>().call1((name, bases, fields))?;
            all.push(class.cast_into::<PyType>()?.unbind());
        }
        Ok(all)
    })
}

/// Puts the classes into the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let all = types(module.py())?;
    KINDS.iter().zip(all).try_for_each(|(kind, class)| module.add(kind.name, class.bind(module.py())))
}

fn of_kind(py: Python<'_>, kind: usize, words: String) -> PyErr {
    match types(py) {
        Ok(all) => all.get(kind).map_or_else(
            || PyRuntimeError::new_err(words.clone()),
            |class| PyErr::from_type(class.bind(py).clone(), (words.clone(),)),
        ),
        Err(error) => error,
    }
}

/// The library's error with its own sentence.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let kind = match error {
        Error::BufferLength { .. } | Error::Shape { .. } => SHAPE,
        Error::Config { .. } => CONFIG,
        Error::Value { .. } => DATA,
        Error::Limit { .. } | Error::OwnLimit { .. } => LIMIT,
        Error::Memory { .. } | Error::OutOfMemory { .. } => MEMORY,
        Error::NoAdapter(_)
        | Error::NoDevice { .. }
        | Error::Wgpu { .. }
        | Error::DeviceLost(_)
        | Error::Variable { .. } => DEVICE,
        Error::Environment { .. } => ENVIRONMENT,
        Error::Io { .. } => FILE,
        Error::Format { .. } => FORMAT,
        Error::Internal(_) => INTERNAL,
        _ => BASE,
    };
    of_kind(py, kind, error.to_string())
}

/// A setting, a name or an argument that is none.
pub fn config(py: Python<'_>, words: impl Into<String>) -> PyErr {
    of_kind(py, CONFIG, words.into())
}

/// Something of another type than is wanted.
pub fn dtype(py: Python<'_>, words: impl Into<String>) -> PyErr {
    of_kind(py, DTYPE, words.into())
}

/// An array of another shape than is wanted.
pub fn shape(py: Python<'_>, name: &str, got: &[usize], wanted: &str) -> PyErr {
    of_kind(py, SHAPE, format!("\"{name}\" has shape {got:?}, expected {wanted}"))
}

/// An element that cannot be used.
pub fn data(py: Python<'_>, words: impl Into<String>) -> PyErr {
    of_kind(py, DATA, words.into())
}

/// A fault of ours.
pub fn internal(py: Python<'_>, words: impl Into<String>) -> PyErr {
    of_kind(py, INTERNAL, words.into())
}
