//! How a setting changes from update to update.

use serde::{Deserialize, Serialize};

/// How a setting moves over the run, by its [`progress`](super::Config::progress).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anneal {
    /// It stays.
    #[default]
    None,
    /// From its own value in a straight line to `to`: `value + (to − value) · progress`, and `to` from the end of the run on. The same
    /// counting as `anneal_lr`, so the last update does not reach `to` quite.
    Linear {
        /// Where it ends.
        to: f64,
    },
}

impl Anneal {
    /// The value that it ends at, 0 if it stays: for ranges.
    pub(super) const fn end(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Linear { to } => to,
        }
    }

    /// The value at `progress` of a setting that is `value` at first.
    pub fn at(self, value: f64, progress: f64) -> f64 {
        match self {
            Self::None => value,
            Self::Linear { to } if progress >= 1.0 => to,
            Self::Linear { to } => value + (to - value) * progress,
        }
    }
}
