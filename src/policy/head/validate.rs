//! What a head may be.

use super::Head;
use super::deviation::{StdLimit, StdType};
use crate::error::{Error, Result};
use crate::policy::bounds::MAX_DIMS;

/// Most outputs of the actor's last layer: far more than any network has, and no size that follows from it overflows.
const MAX_RAW_OUTPUTS: usize = 1 << 24;

impl Head {
    /// Refuses a head without actions, or with numbers out of range.
    ///
    /// # Errors
    /// [`Error::Config`] with what is wrong.
    pub fn validate(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::config("head", message));
        let dims = self.action_dims();
        if dims == 0 || self.raw_outputs() == 0 {
            return wrong(format!("{self:?} has no action"));
        }
        if self.raw_outputs() > MAX_RAW_OUTPUTS {
            let raw = self.raw_outputs();
            return wrong(format!("{} has {raw} raw outputs, at most {MAX_RAW_OUTPUTS} are possible", self.name()));
        }
        if dims > MAX_DIMS {
            return wrong(format!("{} has {dims} action dimensions, at most {MAX_DIMS} are possible", self.name()));
        }
        if let Some(d) = self.choices().iter().position(|choices| *choices == 0) {
            return wrong(format!("{} has no choice in dimension {d}", self.name()));
        }
        if let Self::Discretised { bins, .. } = self
            && *bins < 2
        {
            return wrong(format!("discretised has bins {bins}, needs at least 2"));
        }
        if let Some(bounds) = self.bounds() {
            bounds.validate(dims)?;
        }
        let is_clamp = |limit: &StdLimit| matches!(limit, StdLimit::Clamp { .. });
        if self.std().is_some_and(|std| std.std_type == StdType::Scalar && !is_clamp(&std.limit)) {
            return wrong(
                "with std_type scalar a deviation may be trained to 0 and below: its limit must be a clamp".into(),
            );
        }
        match self.std().map(|std| std.limit) {
            Some(StdLimit::SoftFloor { log_std }) if !(-40.0..=40.0).contains(&log_std) => {
                wrong(format!("the soft floor of log_std is {log_std}, must be in [-40, 40]"))
            }
            Some(StdLimit::Clamp { low, high }) if !(low >= -40.0 && high <= 40.0 && low < high) => {
                wrong(format!("log_std is clamped to [{low}, {high}], must be an interval within [-40, 40]"))
            }
            Some(StdLimit::Tanh { low, high }) if !(low >= -40.0 && high <= 40.0 && low < high) => {
                wrong(format!("log_std is squashed by tanh to [{low}, {high}], must be an interval within [-40, 40]"))
            }
            _ => Ok(()),
        }
    }
}
