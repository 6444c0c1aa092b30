//! Action heads: how a row of raw network outputs becomes a distribution over actions.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The distribution over actions.
///
/// A *distribution row* is what the head's functions see of one batch row: the network's
/// [`raw_outputs`](Head::raw_outputs), followed by the free parameters that do not depend on the state. It is
/// [`width`](Head::width) numbers wide. For a Gaussian that is `[mean (D), log_std (D)]`, the log_std being a copy of
/// the policy's free parameter, so that heads with and without a state-dependent deviation are one piece of code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Head {
    /// One of `actions` choices; raw outputs are logits. An action is one index.
    Categorical {
        /// Number of choices, at least 1.
        actions: usize,
    },
    /// Independent normals with a free, state-independent log standard deviation `log_std`; raw outputs are the
    /// means. An action is `dims` floats, unclipped.
    Gaussian {
        /// Action dimensions, at least 1.
        dims: usize,
    },
}

impl Head {
    /// Outputs of the actor's last layer per row.
    pub const fn raw_outputs(&self) -> usize {
        match self {
            Self::Categorical { actions } => *actions,
            Self::Gaussian { dims } => *dims,
        }
    }

    /// Free parameters that do not depend on the state (`log_std`), 0 if none.
    pub const fn free_parameters(&self) -> usize {
        match self {
            Self::Categorical { .. } => 0,
            Self::Gaussian { dims } => *dims,
        }
    }

    /// Raw outputs that are log standard deviations: their biases begin at [`Init::log_std`](super::Init::log_std). Empty where
    /// the deviation does not depend on the state.
    pub const fn log_std_outputs(&self) -> std::ops::Range<usize> {
        match self {
            Self::Categorical { .. } | Self::Gaussian { .. } => 0..0,
        }
    }

    /// Width of a distribution row: raw outputs plus free parameters.
    pub const fn width(&self) -> usize {
        self.raw_outputs() + self.free_parameters()
    }

    /// Numbers per action: 1 for an index, else the dimensions.
    pub const fn action_dims(&self) -> usize {
        match self {
            Self::Categorical { .. } => 1,
            Self::Gaussian { dims } => *dims,
        }
    }

    /// Whether actions are indices (stored as `u32`) rather than floats.
    pub const fn is_discrete(&self) -> bool {
        matches!(self, Self::Categorical { .. })
    }

    /// `categorical` or `gaussian`: the stem of the WGSL part and of the oracle.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Categorical { .. } => "categorical",
            Self::Gaussian { .. } => "gaussian",
        }
    }

    /// Refuses a head without actions.
    ///
    /// # Errors
    /// [`Error::Config`] if the number of choices or dimensions is 0.
    pub fn validate(&self) -> Result<()> {
        if self.raw_outputs() == 0 {
            return Err(Error::config("head", format!("{self:?} has no action")));
        }
        Ok(())
    }
}
