//! Distributions over actions by name, with the bounds that an environment has.

use super::info::ActionSpace;
use super::table::Env;
use crate::error::{Error, Result};
use crate::policy::{Bounds, Head, Std};
use std::str::FromStr;

/// A distribution over actions as users spell it; it becomes a [`Head`] once the environment is known. [`FromStr`] reads what [`Display`](std::fmt::Display)
/// writes: `gaussian-state-std`, `discretised:21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadName {
    /// `categorical`.
    Categorical,
    /// `multi-discrete`.
    MultiDiscrete,
    /// `bernoulli`.
    Bernoulli,
    /// `gaussian` and `gaussian-state-std`.
    Gaussian {
        /// Whether the network gives the deviation.
        from_state: bool,
    },
    /// `tanh-gaussian` and `tanh-gaussian-state-std`.
    TanhGaussian {
        /// Whether the network gives the deviation.
        from_state: bool,
    },
    /// `beta`.
    Beta,
    /// `discretised` and `discretised:BINS`.
    Discretised {
        /// Choices per dimension.
        bins: usize,
    },
}

/// Choices per dimension where nobody says how many: Tang and Agrawal's (2020).
const BINS: usize = 11;
/// Bins that are worth their outputs.
const MOST_BINS: usize = 1024;

impl HeadName {
    /// All of them, with the usual number of bins.
    pub const ALL: [Self; 9] = [
        Self::Categorical,
        Self::MultiDiscrete,
        Self::Bernoulli,
        Self::Gaussian { from_state: false },
        Self::Gaussian { from_state: true },
        Self::TanhGaussian { from_state: false },
        Self::TanhGaussian { from_state: true },
        Self::Beta,
        Self::Discretised { bins: BINS },
    ];

    /// Its name without bins.
    const fn kind(self) -> &'static str {
        match self {
            Self::Categorical => "categorical",
            Self::MultiDiscrete => "multi-discrete",
            Self::Bernoulli => "bernoulli",
            Self::Gaussian { from_state: false } => "gaussian",
            Self::Gaussian { from_state: true } => "gaussian-state-std",
            Self::TanhGaussian { from_state: false } => "tanh-gaussian",
            Self::TanhGaussian { from_state: true } => "tanh-gaussian-state-std",
            Self::Beta => "beta",
            Self::Discretised { .. } => "discretised",
        }
    }

    /// The name that stands for `head`; what a name cannot say (masks, limits of the deviation) is left out. Today every head has one.
    pub fn of(head: &Head) -> Option<Self> {
        Some(match head {
            Head::Categorical { .. } => Self::Categorical,
            Head::MultiDiscrete { .. } => Self::MultiDiscrete,
            Head::Bernoulli { .. } => Self::Bernoulli,
            Head::Gaussian { std, .. } => Self::Gaussian { from_state: std.from_state },
            Head::TanhGaussian { std, .. } => Self::TanhGaussian { from_state: std.from_state },
            Head::Beta { .. } => Self::Beta,
            Head::Discretised { bins, .. } => Self::Discretised { bins: *bins },
        })
    }

    /// As a part of a folder's name, which has no colon.
    pub fn in_path(self) -> String {
        self.to_string().replace(':', "")
    }

    /// The head over the actions of `env`, if there is one of that name.
    pub fn over(self, env: Env) -> Option<Head> {
        let head = match (env.actions(), self) {
            (ActionSpace::Discrete(actions), Self::Categorical) => Head::categorical(actions),
            (ActionSpace::Discrete(actions), Self::MultiDiscrete) => Head::multi_discrete(vec![actions]),
            (ActionSpace::Discrete(_), Self::Bernoulli) => Head::bernoulli(1),
            (ActionSpace::Box { low, high }, name) => {
                let dims = low.len();
                let bounds = Bounds { low: low.to_vec(), high: high.to_vec() };
                match name {
                    Self::Gaussian { from_state } => {
                        Head::Gaussian { dims, std: Std { from_state, ..Std::default() }, bounds: Some(bounds) }
                    }
                    Self::TanhGaussian { from_state } => {
                        Head::TanhGaussian { dims, std: Std { from_state, ..Std::default() }, bounds }
                    }
                    Self::Beta => Head::Beta { dims, bounds },
                    Self::Discretised { bins } => Head::Discretised { dims, bins, bounds },
                    _ => return None,
                }
            }
            _ => return None,
        };
        env.check_head(&head).is_ok().then_some(head)
    }

    /// The head over the actions of `env`.
    ///
    /// # Errors
    /// [`Error::Config`] with those that suit, if there is none of that name.
    pub fn head(self, env: Env) -> Result<Head> {
        let Some(head) = self.over(env) else {
            let suits = Self::ALL.into_iter().filter(|name| name.over(env).is_some());
            let suits: Vec<_> = suits.map(|name| name.spelling().to_owned()).collect();
            let (env, suits) = (env.name(), suits.join(", "));
            return Err(Error::config("head", format!("{self} does not suit the actions of {env}; these do: {suits}")));
        };
        Ok(head)
    }

    /// As a list of possible values has it.
    const fn spelling(self) -> &'static str {
        match self {
            Self::Discretised { .. } => "discretised[:BINS]",
            _ => self.kind(),
        }
    }
}

impl std::fmt::Display for HeadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Discretised { bins } if *bins != BINS => write!(f, "{}:{bins}", self.kind()),
            _ => f.write_str(self.kind()),
        }
    }
}

impl FromStr for HeadName {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (kind, bins) = text.split_once(':').map_or((text, None), |(kind, bins)| (kind, Some(bins)));
        let Some(name) = Self::ALL.into_iter().find(|name| name.kind() == kind) else {
            let all: Vec<_> = Self::ALL.into_iter().map(Self::spelling).collect();
            return Err(format!("must be one of {}", all.join(", ")));
        };
        match (name, bins) {
            (name, None) => Ok(name),
            (Self::Discretised { .. }, Some(bins)) => match bins.parse() {
                Ok(bins) if (2..=MOST_BINS).contains(&bins) => Ok(Self::Discretised { bins }),
                _ => Err(format!("BINS is {bins}, must be a whole number from 2 to {MOST_BINS}")),
            },
            (_, Some(_)) => Err(format!("{kind} has no number; only discretised:BINS has")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_heads_belong_together() {
        for name in HeadName::ALL.into_iter().chain([HeadName::Discretised { bins: 21 }]) {
            assert_eq!(name.to_string().parse(), Ok(name));
            for env in Env::ALL {
                let Some(head) = name.over(env) else { continue };
                head.validate().unwrap();
                assert_eq!(HeadName::of(&head), Some(name));
            }
        }
        // What an environment has by itself has a name, and is what the name means.
        for env in Env::ALL {
            assert_eq!(HeadName::of(&env.head()).and_then(|name| name.over(env)), Some(env.head()), "{env:?}");
        }
        assert_eq!("discretised:21".parse::<HeadName>().unwrap().in_path(), "discretised21");
    }

    #[test]
    fn bounds_are_the_environments() {
        let head = HeadName::Beta.head(Env::Pendulum).unwrap();
        assert_eq!(head, Head::Beta { dims: 1, bounds: Bounds::uniform(1, -2.0, 2.0) });
    }

    #[test]
    fn what_does_not_suit_is_told_with_what_does() {
        let message = |name: HeadName, env| name.head(env).unwrap_err().to_string();
        let text = message(HeadName::Categorical, Env::Pendulum);
        assert!(text.contains("pendulum; these do: gaussian, gaussian-state-std, tanh-gaussian,"), "{text}");
        let text = message(HeadName::Beta, Env::CartPole);
        assert!(text.ends_with("these do: categorical, multi-discrete, bernoulli"), "{text}");
        let text = message(HeadName::Bernoulli, Env::Acrobot);
        assert!(text.ends_with("these do: categorical, multi-discrete"), "{text}");
        for (text, words) in [
            ("normal", "must be one of categorical, "),
            ("beta:3", "only discretised:BINS"),
            ("discretised:1", "from 2 to 1024"),
            ("discretised:many", "from 2 to 1024"),
        ] {
            let error = text.parse::<HeadName>().unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
