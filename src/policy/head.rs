//! Action heads: how a row of raw network outputs becomes a distribution over actions.

use super::bounds::Bounds;
use crate::error::{Error, Result};
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

/// Where a Gaussian's standard deviation σ comes from, and how it is limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "StdFields")]
pub struct Std {
    /// Whether the network gives the trained number per row and dimension; else it is a free parameter per dimension.
    pub from_state: bool,
    /// What the trained number is: log σ, or σ itself.
    #[serde(skip_serializing_if = "StdType::is_log")]
    pub std_type: StdType,
    /// From that number l to log σ. A file that does not name it has the default with [`StdType::Log`], and rsl_rl's
    /// [`Std::SCALAR`] range with [`StdType::Scalar`].
    pub limit: StdLimit,
}

impl Std {
    /// σ = exp(l), without a limit: what most libraries compute.
    pub const FREE: Self = Self { from_state: false, std_type: StdType::Log, limit: StdLimit::Free };

    /// σ is a free parameter itself, clamped to [1e-6, 1e6]: rsl_rl's default (`std_type = "scalar"`, its `std_range`). As there,
    /// a parameter below the range, negative ones among them, has σ = 1e-6 and no gradient.
    pub const SCALAR: Self = Self {
        from_state: false,
        std_type: StdType::Scalar,
        // log 1e-6 and log 1e6.
        limit: StdLimit::Clamp { low: -13.815_511, high: 13.815_511 },
    };

    /// The same source with another limit.
    pub const fn limited(self, limit: StdLimit) -> Self {
        Self { limit, ..self }
    }
}

/// [`Std`] as files have it, where what is missing depends on the rest.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StdFields {
    from_state: bool,
    std_type: StdType,
    limit: Option<StdLimit>,
}

impl From<StdFields> for Std {
    fn from(fields: StdFields) -> Self {
        let usual = match fields.std_type {
            StdType::Log => Self::default(),
            StdType::Scalar => Self::SCALAR,
        };
        let StdFields { from_state, std_type, limit } = fields;
        Self { from_state, std_type, limit: limit.unwrap_or(usual.limit) }
    }
}

/// What a Gaussian's trained number l is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StdType {
    /// The logarithm of the standard deviation; a free one is the parameter `log_std`.
    #[default]
    Log,
    /// The standard deviation, a plain number that may be trained to 0 and below, so that its limit must be
    /// [`StdLimit::Clamp`]; a free one is the parameter `std`. It begins at exp([`Init::log_std`](super::Init::log_std)).
    Scalar,
}

impl StdType {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
    const fn is_log(&self) -> bool {
        matches!(self, Self::Log)
    }
}

/// How log σ follows from the trained number l, or from log l where the number is σ itself ([`StdType::Scalar`]). Rows beyond a
/// limit are counted ([`head_hits`](crate::data::MinibatchStats::head_hits)).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StdLimit {
    /// log σ = m + softplus(l − m): never below m = `log_std`, and with a gradient everywhere, so that l finds its way back.
    SoftFloor {
        /// m.
        log_std: f32,
    },
    /// log σ = clamp(l, low, high), or σ = clamp(l, e^low, e^high). Outside, l has no gradient from the distribution and may
    /// stay there for good.
    Clamp {
        /// Least log σ.
        low: f32,
        /// Greatest log σ.
        high: f32,
    },
    /// log σ = l.
    Free,
}

impl Default for StdLimit {
    /// A soft floor at log σ = −20, which changes l above −4 by at most 1.2e-7, and l near 0 by 2.1e-9.
    fn default() -> Self {
        Self::SoftFloor { log_std: -20.0 }
    }
}

/// Most action dimensions of a head: its table of dimensions is a uniform of fixed size.
pub(super) const MAX_DIMS: usize = 256;

/// Most outputs of the actor's last layer: far more than any network has, and no size that follows from it overflows.
const MAX_RAW_OUTPUTS: usize = 1 << 24;

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

    /// Raw outputs that are (log) standard deviations: their biases begin where [`Init::log_std`](super::Init::log_std) says. Empty
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
        if let Some(Std { std_type: StdType::Scalar, limit: StdLimit::SoftFloor { .. } | StdLimit::Free, .. }) =
            self.std()
        {
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
            _ => Ok(()),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
