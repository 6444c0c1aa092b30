//! Action heads: how a row of raw network outputs becomes a distribution over actions.

mod deviation;
mod sizes;
mod validate;

pub(crate) use deviation::LogStd;
pub use deviation::{Std, StdLimit, StdType};

use super::bounds::Bounds;
use serde::{Deserialize, Serialize};

/// The distribution over actions.
///
/// A *distribution row* is what the head's functions see of one batch row: the network's
/// [`raw_outputs`](Head::raw_outputs), followed by the free parameters that do not depend on the state. It is
/// [`width`](Head::width) numbers wide. For a Gaussian that is `[mean (D), log_std (D)]`, whether the log_std comes from the
/// network or is a copy of the policy's free parameter, so that both are one piece of code. With [`StdType::Scalar`] the second
/// half has deviations in place of their logarithms.
///
/// | kind | raw outputs | action that is stored | what the environment gets |
/// | --- | --- | --- | --- |
/// | categorical | K logits | index | index |
/// | multi-discrete | Σ nvec logits, dimension by dimension | D indices | D indices |
/// | Bernoulli | D logits of "1" | D bits | D bits |
/// | Gaussian | D means (and D log_std) | D floats as drawn | clamped to the bounds, if there are any |
/// | tanh-Gaussian | D means (and D log_std) | D floats u before squashing | low + (tanh u + 1)/2 · (high − low) |
/// | Beta | D numbers a, then D numbers b | D floats x in (0, 1) | low + x (high − low) |
/// | discretised | D · bins logits | D indices j | low + j/(bins − 1) · (high − low) |
///
/// Log-probabilities, entropies and divergences are in nats and summed over dimensions. Log-probabilities are those of the
/// stored action; only the tanh-Gaussian's includes the Jacobian of its squashing (to (−1, 1)).
///
/// The entropy of a tanh-Gaussian has no closed form. Ours is the normal's plus E log(1 − tanh² u), which is −∫ p log p of tanh u,
/// by a fixed quadrature with an error near 1e-6: the same number on every call, and differentiable by mean and deviation.
/// Others estimate it from one sample, with its noise: Stable-Baselines3 by −log π of the action, Brax by the normal's entropy and
/// the Jacobian at one drawn u.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "HeadFields")]
#[non_exhaustive]
pub enum Head {
    /// One of `actions` choices.
    Categorical {
        /// Number of choices, at least 1.
        actions: usize,
        /// Whether each action comes with the choices that were allowed, see [`Actions::Masked`](crate::data::Actions).
        #[serde(skip_serializing_if = "is_false")]
        masked: bool,
    },
    /// One of `nvec[d]` choices in each of D dimensions, independently.
    MultiDiscrete {
        /// Number of choices of each dimension, each at least 1.
        nvec: Vec<usize>,
        /// As for [`Categorical`](Self::Categorical).
        #[serde(skip_serializing_if = "is_false")]
        masked: bool,
    },
    /// `dims` independent bits (multi-binary); bit d is 1 with probability sigmoid(logit d).
    Bernoulli {
        /// Bits, at least 1.
        dims: usize,
    },
    /// Independent normals.
    Gaussian {
        /// Action dimensions, at least 1.
        dims: usize,
        /// Where the standard deviation comes from and how it is limited.
        std: Std,
        /// What the environment takes: actions are clamped to it on their way there, never where they are stored or
        /// evaluated. Without, nothing is clamped.
        #[serde(skip_serializing_if = "Option::is_none")]
        bounds: Option<Bounds>,
    },
    /// Independent normals squashed by tanh to the bounds.
    TanhGaussian {
        /// Action dimensions, at least 1.
        dims: usize,
        /// Where the standard deviation of the normal comes from and how it is limited.
        std: Std,
        /// The interval of each dimension.
        bounds: Bounds,
    },
    /// Independent Beta distributions on the bounds, α = 1 + softplus(a), β = 1 + softplus(b): with one mode and finite at the ends
    /// (Chou, Maturana and Scherer 2017).
    Beta {
        /// Action dimensions, at least 1.
        dims: usize,
        /// The interval of each dimension.
        bounds: Bounds,
    },
    /// A float per dimension, one of `bins` evenly spaced between the bounds, both ends among them (Tang and Agrawal 2020).
    Discretised {
        /// Action dimensions, at least 1.
        dims: usize,
        /// Choices per dimension, at least 2.
        bins: usize,
        /// The interval of each dimension.
        bounds: Bounds,
    },
}

/// [`Head`] as files have it: one table for all kinds, so that what is wrong with a field is said by its name.
#[derive(Deserialize)]
struct HeadFields {
    kind: HeadKind,
    actions: Option<usize>,
    masked: Option<bool>,
    nvec: Option<Vec<usize>>,
    dims: Option<usize>,
    bins: Option<usize>,
    std: Option<Std>,
    bounds: Option<Bounds>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeadKind {
    Categorical,
    MultiDiscrete,
    Bernoulli,
    Gaussian,
    TanhGaussian,
    Beta,
    Discretised,
}

impl TryFrom<HeadFields> for Head {
    type Error = String;

    fn try_from(fields: HeadFields) -> std::result::Result<Self, String> {
        fn needed<T>(kind: &str, name: &str, field: Option<T>) -> std::result::Result<T, String> {
            field.ok_or_else(|| format!("a head of kind \"{kind}\" needs {name}"))
        }
        let HeadFields { kind, actions, masked, nvec, dims, bins, std, bounds } = fields;
        let (masked, std) = (masked.unwrap_or(false), std.unwrap_or_default());
        Ok(match kind {
            HeadKind::Categorical => Self::Categorical { actions: needed("categorical", "actions", actions)?, masked },
            HeadKind::MultiDiscrete => Self::MultiDiscrete { nvec: needed("multi_discrete", "nvec", nvec)?, masked },
            HeadKind::Bernoulli => Self::Bernoulli { dims: needed("bernoulli", "dims", dims)? },
            HeadKind::Gaussian => Self::Gaussian { dims: needed("gaussian", "dims", dims)?, std, bounds },
            HeadKind::TanhGaussian => {
                let dims = needed("tanh_gaussian", "dims", dims)?;
                Self::TanhGaussian { dims, std, bounds: needed("tanh_gaussian", "bounds", bounds)? }
            }
            HeadKind::Beta => {
                let dims = needed("beta", "dims", dims)?;
                Self::Beta { dims, bounds: needed("beta", "bounds", bounds)? }
            }
            HeadKind::Discretised => {
                let (dims, bins) = (needed("discretised", "dims", dims)?, needed("discretised", "bins", bins)?);
                Self::Discretised { dims, bins, bounds: needed("discretised", "bounds", bounds)? }
            }
        })
    }
}

impl Head {
    /// One of `actions` choices, without masks.
    pub const fn categorical(actions: usize) -> Self {
        Self::Categorical { actions, masked: false }
    }

    /// One of `nvec[d]` choices per dimension, without masks.
    pub const fn multi_discrete(nvec: Vec<usize>) -> Self {
        Self::MultiDiscrete { nvec, masked: false }
    }

    /// `dims` normals with free parameters `log_std` above the default floor, and no bounds.
    pub fn gaussian(dims: usize) -> Self {
        Self::Gaussian { dims, std: Std::default(), bounds: None }
    }

    /// `dims` bits.
    pub const fn bernoulli(dims: usize) -> Self {
        Self::Bernoulli { dims }
    }

    /// The bounds of what the environment gets, if there are any.
    pub const fn bounds(&self) -> Option<&Bounds> {
        match self {
            Self::Gaussian { bounds, .. } => bounds.as_ref(),
            Self::TanhGaussian { bounds, .. } | Self::Beta { bounds, .. } | Self::Discretised { bounds, .. } => {
                Some(bounds)
            }
            _ => None,
        }
    }

    /// The standard deviation's source and limit, if there is one.
    pub const fn std(&self) -> Option<&Std> {
        match self {
            Self::Gaussian { std, .. } | Self::TanhGaussian { std, .. } => Some(std),
            _ => None,
        }
    }

    /// The same head with another source, type and limit of its standard deviation; unchanged where there is none.
    pub fn with_std(mut self, other: Std) -> Self {
        if let Self::Gaussian { std, .. } | Self::TanhGaussian { std, .. } = &mut self {
            *std = other;
        }
        self
    }

    /// `categorical`, `gaussian`, …: as files and messages spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Categorical { .. } => "categorical",
            Self::MultiDiscrete { .. } => "multi_discrete",
            Self::Bernoulli { .. } => "bernoulli",
            Self::Gaussian { .. } => "gaussian",
            Self::TanhGaussian { .. } => "tanh_gaussian",
            Self::Beta { .. } => "beta",
            Self::Discretised { .. } => "discretised",
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
