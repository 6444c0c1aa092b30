//! Records from files.

use crate::files;
use anyhow::{Context, Result, bail};
use std::path::Path;
use wgpo::bench::record::{FORMAT, Record};

/// What `wgpo bench --json`, or the page in a browser, has written.
pub fn record(path: &Path) -> Result<Record> {
    let text = files::read(path)?;
    let what = || format!("{}: no record of `wgpo bench --json`", path.display());
    let value: serde_json::Value = serde_json::from_str(&text).with_context(what)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => serde_json::from_value(value).with_context(what),
        Some(format) => bail!("{}: has format {format}, this program reads {FORMAT}", path.display()),
        None => bail!("{}, it names no format", what()),
    }
}
