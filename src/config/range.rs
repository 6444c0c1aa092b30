//! Ranges of numbers.

use crate::error::{Error, Result};

/// A setting and where it may lie.
pub(super) struct Range {
    field: &'static str,
    value: f64,
    low: f64,
    high: f64,
    /// Whether the ends are themselves allowed.
    with_low: bool,
    with_high: bool,
}

impl Range {
    /// [low, high].
    pub const fn closed(field: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { field, value, low, high, with_low: true, with_high: true }
    }

    /// (low, high].
    pub const fn above(field: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { with_low: false, ..Self::closed(field, value, low, high) }
    }

    /// [low, high).
    pub const fn below(field: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { with_high: false, ..Self::closed(field, value, low, high) }
    }

    /// (low, high).
    pub const fn inside(field: &'static str, value: f64, low: f64, high: f64) -> Self {
        Self { with_low: false, ..Self::below(field, value, low, high) }
    }
}

/// The first setting out of range, as an error; NaN always is.
pub(super) fn check(ranges: &[Range]) -> Result<()> {
    for Range { field, value, low, high, with_low, with_high } in ranges {
        let above = if *with_low { value >= low } else { value > low };
        let below = if *with_high { value <= high } else { value < high };
        if !(above && below) {
            let (open, close) = (if *with_low { '[' } else { '(' }, if *with_high { ']' } else { ')' });
            return Err(Error::config(field, format!("is {value}, must be in {open}{low}, {high}{close}")));
        }
    }
    Ok(())
}
