//! What every file of ours says of itself, and what is said of one that is wrong.

use crate::error::{Error, Result};
use std::path::Path;

/// The value of the key `format` in `__metadata__`.
pub const FORMAT: &str = "wgpo-1";

/// `name` is the file, or what the caller calls the bytes.
pub(super) fn format_error(name: &Path, message: impl Into<String>) -> Error {
    Error::Format { path: name.into(), message: message.into() }
}

pub(super) fn json<T: serde::Serialize>(name: &Path, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| format_error(name, format!("cannot be written: {error}")))
}
