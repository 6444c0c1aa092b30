//! The standard deviation of a Gaussian: where it comes from and how it is limited.

use serde::{Deserialize, Serialize};

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

    /// SAC's: log σ depends on the state and is clamped to [−20, 2], as in the paper's code and in Stable-Baselines3.
    pub const SAC: Self =
        Self { from_state: true, std_type: StdType::Log, limit: StdLimit::Clamp { low: -20.0, high: 2.0 } };

    /// CleanRL's SAC: tanh holds log σ between −5 and 2.
    pub const SAC_CLEANRL: Self = Self::SAC.limited(StdLimit::Tanh { low: -5.0, high: 2.0 });

    /// Whether SAC can learn it: log σ depends on the state and has two limits.
    pub(crate) const fn suits_sac(&self) -> bool {
        self.from_state && self.std_type.is_log() && self.limit.two().is_some()
    }

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
    /// [`StdLimit::Clamp`]; a free one is the parameter `std`. It begins at exp([`Init::log_std`](crate::policy::Init::log_std)).
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
    /// log σ = low + ½ (high − low) (tanh l + 1): always between the two, and with a gradient everywhere. CleanRL's SAC has it with −5 and 2
    /// (`LOG_STD_MIN`, `LOG_STD_MAX`). No row is beyond it, so none is counted.
    Tanh {
        /// What log σ comes near to where l is far below 0.
        low: f32,
        /// Where it is far above.
        high: f32,
    },
    /// log σ = l.
    Free,
}

/// Two limits of log σ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LogStd {
    pub low: f32,
    pub high: f32,
    /// By tanh, not by a clamp.
    pub tanh: bool,
}

impl StdLimit {
    /// Both limits, if there are two.
    pub(crate) const fn two(&self) -> Option<LogStd> {
        match *self {
            Self::Clamp { low, high } => Some(LogStd { low, high, tanh: false }),
            Self::Tanh { low, high } => Some(LogStd { low, high, tanh: true }),
            Self::SoftFloor { .. } | Self::Free => None,
        }
    }
}

impl Default for StdLimit {
    /// A soft floor at log σ = −20, which changes l above −4 by at most 1.2e-7, and l near 0 by 2.1e-9.
    fn default() -> Self {
        Self::SoftFloor { log_std: -20.0 }
    }
}
