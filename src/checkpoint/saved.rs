//! What a file held, and what its writer noted about it.

use super::format::format_error;
use super::writer::Writer;
use crate::config::Config;
use crate::error::Result;
use crate::policy::PolicySpec;
use std::collections::BTreeMap;
use std::path::Path;

/// What a caller says of a file: which run it is of, which score its policy had. Each is a key `label.<name>` in `__metadata__`.
pub type Labels = BTreeMap<String, String>;

/// Before the names of labels.
pub(super) const LABEL: &str = "label.";

/// What a file held.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved<S> {
    /// The policy's shape.
    pub spec: PolicySpec,
    /// The settings that it was trained with.
    pub config: Config,
    /// Parameters, moments and counters.
    pub state: S,
    /// What its writer noted about it.
    pub labels: Labels,
}

impl<S> Saved<S> {
    /// Refuses a file of another policy than `spec`. `name` is the file, for the error, or what its bytes are called.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) with both specs.
    pub fn expect_spec(&self, name: &Path, spec: &PolicySpec) -> Result<()> {
        if self.spec == *spec {
            return Ok(());
        }
        // In the words of files.
        let told = |spec: &PolicySpec| serde_json::to_string(spec).unwrap_or_else(|_| format!("{spec:?}"));
        Err(format_error(name, format!("holds the policy {}, expected {}", told(&self.spec), told(spec))))
    }
}

pub(super) fn labelled(writer: Writer, labels: &Labels) -> Writer {
    labels.iter().fold(writer, |writer, (name, value)| writer.text(&format!("{LABEL}{name}"), value))
}
