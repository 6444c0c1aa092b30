//! The device's limits in a record.

use crate::bench::{Roof, STEADY};
use serde::{Deserialize, Serialize};

/// The two limits that are measured twice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HalfRecord {
    /// [`Roof::bandwidth`].
    pub bytes_per_second: f64,
    /// [`Roof::peak`].
    pub flops_per_second: f64,
}

/// [`Roof`], the better of what was measured before the rows and after them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoofRecord {
    /// [`Roof::bandwidth`].
    pub bytes_per_second: f64,
    /// [`Roof::peak`].
    pub flops_per_second: f64,
    /// [`Roof::dispatch`].
    pub dispatch_seconds: Option<f64>,
    /// [`Roof::submission`].
    pub submission_seconds: Option<f64>,
    /// [`Roof::readback`].
    pub readback_seconds: Option<f64>,
    /// Before the rows.
    #[serde(default)]
    pub before: Option<HalfRecord>,
    /// After them.
    #[serde(default)]
    pub after: Option<HalfRecord>,
    /// [`Roof::apart`] of these two.
    #[serde(default)]
    pub halves_apart: Option<f64>,
    /// [`Roof::method`].
    pub method: String,
}

impl RoofRecord {
    /// The better of what was measured before the rows and after them.
    pub fn new(before: &Roof, after: &Roof) -> Self {
        let half = |roof: &Roof| HalfRecord { bytes_per_second: roof.bandwidth, flops_per_second: roof.peak };
        let better = before.better(after);
        Self {
            bytes_per_second: better.bandwidth,
            flops_per_second: better.peak,
            dispatch_seconds: better.dispatch,
            submission_seconds: better.submission,
            readback_seconds: better.readback,
            before: Some(half(before)),
            after: Some(half(after)),
            halves_apart: Some(before.apart(after)),
            method: better.method,
        }
    }

    /// What is wrong with it, if it was measured in a busy moment.
    pub fn doubt(&self) -> Option<String> {
        let apart = self.halves_apart.filter(|apart| *apart > STEADY)?;
        let percent = 100.0 * apart;
        Some(format!("before and after the rows they differed by {percent:.0} %; the better one of each is taken"))
    }
}
