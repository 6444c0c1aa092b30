//! When environments that step side by side are reset.

use crate::{Error, Result};
use std::str::FromStr;

/// Gymnasium's three modes. They differ in what a recorded window holds after the transition that ended an episode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Autoreset {
    /// The observation after an end is the next episode's first. V of the real last observation, lost from `values`, is in
    /// `final_values`.
    #[default]
    SameStep,
    /// The observation after an end is the real last one; the next step ignores its action, gives reward 0 and the next
    /// episode's first observation. That row is a filler: no transition, not trained on. Its value is V of the real last
    /// observation, so that `final_values` need not be given.
    NextStep,
    /// Nothing is reset by itself. What the window holds after an end is padding.
    Disabled,
}

impl Autoreset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SameStep, Self::NextStep, Self::Disabled];

    /// As files spell it: `same_step`, `next_step`, `disabled`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameStep => "same_step",
            Self::NextStep => "next_step",
            Self::Disabled => "disabled",
        }
    }

    /// As [`crate::kernels::batch_valid`] reads it.
    pub const fn code(self) -> u32 {
        match self {
            Self::SameStep => 0,
            Self::NextStep => 1,
            Self::Disabled => 2,
        }
    }
}

impl FromStr for Autoreset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| {
            Error::config("autoreset", format!("is \"{name}\", must be \"same_step\", \"next_step\" or \"disabled\""))
        })
    }
}
