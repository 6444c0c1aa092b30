//! The interval that each dimension of an action is mapped to.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Most action dimensions of a head: its table of dimensions is a uniform of fixed size.
pub(super) const MAX_DIMS: usize = 256;

/// Lowest and highest value of each action dimension, as the environment takes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Lower ends, one per dimension.
    pub low: Vec<f32>,
    /// Upper ends, one per dimension; each above its lower end.
    pub high: Vec<f32>,
}

impl Bounds {
    /// The same interval in all of `dims` dimensions. Beyond what a head may have (256) there are only 257, which no head takes.
    pub fn uniform(dims: usize, low: f32, high: f32) -> Self {
        let dims = dims.min(MAX_DIMS + 1);
        Self { low: vec![low; dims], high: vec![high; dims] }
    }

    /// `(low, high)` of dimension `d`.
    pub fn of(&self, d: usize) -> (f32, f32) {
        (self.low.get(d).copied().unwrap_or(f32::MIN), self.high.get(d).copied().unwrap_or(f32::MAX))
    }

    /// # Errors
    /// [`Error::Config`] if there are not `dims` finite intervals whose lengths are finite and above 0.
    pub(super) fn validate(&self, dims: usize) -> Result<()> {
        for (name, ends) in [("bounds.low", &self.low), ("bounds.high", &self.high)] {
            if ends.len() != dims {
                return Err(Error::config(name, format!("has {} numbers, the head has {dims} dimensions", ends.len())));
            }
        }
        for d in 0..dims {
            let (low, high) = self.of(d);
            if !(low.is_finite() && high.is_finite() && low < high && (high - low).is_finite()) {
                return Err(Error::config(
                    "bounds",
                    format!("are [{low}, {high}] in dimension {d}, must be an interval"),
                ));
            }
        }
        Ok(())
    }
}
