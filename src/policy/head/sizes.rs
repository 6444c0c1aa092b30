//! How many numbers an action, its mask and its distribution have, and of which kind they are.

use super::Head;
use super::deviation::{Std, StdType};
use crate::policy::bounds::MAX_DIMS;

impl Head {
    /// Whether an environment gets the same kind of actions from both: as many dimensions, and indices with as many choices or floats.
    pub(crate) fn acts_alike(&self, other: &Self) -> bool {
        let discrete = self.env_is_discrete();
        discrete == other.env_is_discrete()
            && self.action_dims() == other.action_dims()
            && (!discrete || self.choices() == other.choices())
    }

    /// Outputs of the actor's last layer per row.
    pub fn raw_outputs(&self) -> usize {
        match self {
            Self::Categorical { actions, .. } => *actions,
            Self::MultiDiscrete { nvec, .. } => nvec.iter().fold(0, |sum: usize, choices| sum.saturating_add(*choices)),
            Self::Bernoulli { dims } => *dims,
            Self::Gaussian { dims, std, .. } | Self::TanhGaussian { dims, std, .. } => {
                if std.from_state {
                    dims.saturating_mul(2)
                } else {
                    *dims
                }
            }
            Self::Beta { dims, .. } => dims.saturating_mul(2),
            Self::Discretised { dims, bins, .. } => dims.saturating_mul(*bins),
        }
    }

    /// Free parameters that do not depend on the state (`log_std` or `std`), 0 if none.
    pub const fn free_parameters(&self) -> usize {
        match self {
            Self::Gaussian { dims, std, .. } | Self::TanhGaussian { dims, std, .. } if !std.from_state => *dims,
            _ => 0,
        }
    }

    /// What files call the free parameters: `log_std`, or `std` where they are deviations themselves.
    pub const fn free_name(&self) -> &'static str {
        match self.std() {
            Some(Std { std_type: StdType::Scalar, .. }) => "std",
            _ => "log_std",
        }
    }

    /// Raw outputs that are (log) standard deviations: their biases begin where [`Init::log_std`](crate::policy::Init::log_std) says. Empty
    /// where the deviation does not depend on the state.
    pub const fn log_std_outputs(&self) -> std::ops::Range<usize> {
        match self {
            Self::Gaussian { dims, std, .. } | Self::TanhGaussian { dims, std, .. } if std.from_state => {
                *dims..dims.saturating_mul(2)
            }
            _ => 0..0,
        }
    }

    /// Width of a distribution row: raw outputs plus free parameters.
    pub fn width(&self) -> usize {
        self.raw_outputs().saturating_add(self.free_parameters())
    }

    /// Numbers per action: 1 for an index, else the dimensions.
    pub const fn action_dims(&self) -> usize {
        match self {
            Self::Categorical { .. } => 1,
            Self::MultiDiscrete { nvec, .. } => nvec.len(),
            Self::Bernoulli { dims }
            | Self::Gaussian { dims, .. }
            | Self::TanhGaussian { dims, .. }
            | Self::Beta { dims, .. }
            | Self::Discretised { dims, .. } => *dims,
        }
    }

    /// Words that follow the action's own on the device: a bit per raw output, 1 where it is allowed. 0 without masks.
    pub fn mask_words(&self) -> usize {
        if self.is_masked() { self.raw_outputs().div_ceil(32) } else { 0 }
    }

    /// 32-bit words per action on the device: dimensions, then mask.
    pub fn action_words(&self) -> usize {
        self.action_dims().saturating_add(self.mask_words())
    }

    /// Whether actions come with the choices that were allowed.
    pub const fn is_masked(&self) -> bool {
        matches!(self, Self::Categorical { masked: true, .. } | Self::MultiDiscrete { masked: true, .. })
    }

    /// Whether stored actions are indices or bits (`u32`) rather than floats.
    pub const fn is_discrete(&self) -> bool {
        matches!(
            self,
            Self::Categorical { .. } | Self::MultiDiscrete { .. } | Self::Bernoulli { .. } | Self::Discretised { .. }
        )
    }

    /// Whether the environment gets indices or bits rather than floats.
    pub const fn env_is_discrete(&self) -> bool {
        self.is_discrete() && !matches!(self, Self::Discretised { .. })
    }

    /// Choices per dimension of a discrete head (2 for a bit); empty for floats, and where there are more dimensions than a head may
    /// have.
    pub fn choices(&self) -> Vec<usize> {
        match self {
            Self::Bernoulli { dims } | Self::Discretised { dims, .. } if *dims > MAX_DIMS => Vec::new(),
            Self::Categorical { actions, .. } => vec![*actions],
            Self::MultiDiscrete { nvec, .. } => nvec.clone(),
            Self::Bernoulli { dims } => vec![2; *dims],
            Self::Discretised { dims, bins, .. } => vec![*bins; *dims],
            _ => Vec::new(),
        }
    }
}
