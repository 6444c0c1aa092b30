//! What a comparison found.

use crate::error::Error;
use crate::gpu::Gpu;
use serde::{Deserialize, Deserializer, Serialize};

/// What one case found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRow {
    /// Stem of the kernel, or name of the update.
    pub kernel: String,
    /// Sizes and choices of the case.
    pub shape: String,
    /// Largest error of any element; infinite where a fault makes it meaningless.
    #[serde(deserialize_with = "finite_or_none")]
    pub worst_error: f64,
    /// Largest error that passes.
    pub tolerance: f64,
    /// How far off a number may be, as a share of itself, and still pass: the median of tolerance · max(|want|, scale) / |want| over the
    /// elements of an output, of the output where it is largest. Elements that should be 0 are left out, as they have no share;
    /// 0 where everything is compared exactly.
    pub slack: f64,
    /// Why `slack` is above [`SLACK_LIMIT`], where it is.
    pub slack_reason: Option<String>,
    /// Whether there was no fault and the error stayed within the tolerance.
    pub passed: bool,
    /// Why the tolerance is what it is.
    pub reason: String,
    /// What is wrong, if it did not pass: the worst element, a guard word that changed, an element never written, an error of the
    /// device.
    pub fault: Option<String>,
}

/// JSON has no infinite number: it is null there.
fn finite_or_none<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::INFINITY))
}

/// What one adapter's rows came to: an element of `adapters` in what `wgpo check --json` prints, beside `passed` of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Its name; empty in a browser that does not tell it.
    pub adapter: String,
    /// What reaches it: `Vulkan`, …; `BrowserWebGpu`.
    pub backend: String,
    /// As the driver names itself; empty in a browser.
    pub driver: String,
    /// As the driver names its version; empty in a browser.
    pub driver_info: String,
    /// Whether all rows passed, and there was one.
    pub passed: bool,
    /// The rows. An infinite error is `null` in JSON.
    pub rows: Vec<CheckRow>,
}

impl CheckReport {
    /// Of `rows` that ran on `gpu`.
    pub fn new(gpu: &Gpu, rows: Vec<CheckRow>) -> Self {
        let info = gpu.adapter_info();
        Self {
            adapter: info.name,
            backend: format!("{:?}", info.backend),
            driver: info.driver,
            driver_info: info.driver_info,
            passed: !rows.is_empty() && rows.iter().all(|row| row.passed),
            rows,
        }
    }
}

impl CheckRow {
    /// Of what could not be run: not passed, and the fault is the error.
    pub(crate) fn not_run(kernel: String, shape: String, error: &Error) -> Self {
        Self {
            kernel,
            shape,
            worst_error: f64::INFINITY,
            tolerance: 0.0,
            slack: 0.0,
            slack_reason: None,
            passed: false,
            reason: "it could not be run".to_owned(),
            fault: Some(error.to_string()),
        }
    }
}

/// A comparison that lets more than this pass ([`CheckRow::slack`]) says why.
pub const SLACK_LIMIT: f64 = 1e-2;
