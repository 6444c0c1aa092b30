//! The library's errors as JavaScript's.

use wasm_bindgen::JsValue;
use wgpo::Error;

/// What a function of the module returns.
pub type Outcome<T> = Result<T, Fault>;

/// An error on its way to the page.
#[derive(Debug)]
pub struct Fault {
    name: &'static str,
    message: String,
}

impl Fault {
    /// Of a setting that cannot be.
    pub fn config(message: impl Into<String>) -> Self {
        Self { name: "Config", message: message.into() }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let name = match &error {
            Error::NoAdapter(_) => "NoAdapter",
            Error::NoDevice { .. } => "NoDevice",
            Error::DeviceLost(_) => "DeviceLost",
            Error::Config { .. } | Error::Shape { .. } | Error::Value { .. } => "Config",
            _ => "Error",
        };
        Self { name, message: error.to_string() }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::config(error.to_string())
    }
}

impl From<Fault> for JsValue {
    fn from(fault: Fault) -> Self {
        let error = js_sys::Error::new(&fault.message);
        error.set_name(fault.name);
        error.into()
    }
}
