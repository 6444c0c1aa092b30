//! The shared WGSL of `shaders/parts/`.

use crate::env::Env;
use crate::gpu::{Part, Variant};
use crate::policy::{Head, StdLimit, StdType};

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident = $file:literal $([$($need:ident),*])?),* $(,)?) => {
        $($(#[$doc])* pub const $name: Part = Part {
            name: $file,
            source: $crate::kernels::text::shader!("parts/", $file, ".wgsl"),
            needs: &[$($($need),*)?],
        };)*

        /// All parts, for the tests that walk them.
        pub const ALL: &[Part] = &[$($name),*];
    };
}

parts! {
    /// Elementary functions with known accuracy: tanh, expm1, log1p, erf, sin, cos, the normal quantile.
    MATH = "math",
    /// Activations and their slopes, by [`crate::policy::Activation::code`].
    ACTIVATION = "activation",
    /// Sums of a dense layer for a block of rows in workgroup memory.
    CHAIN = "chain",
    /// Rows of a narrow network in workgroup memory.
    BLOCK = "block",
    /// Its hidden layers, forward and backward.
    BLOCK_LAYERS = "block_layers",
    /// PPO's loss of such rows.
    BLOCK_TERMS = "block_terms",
    /// The gradients of such a network's weights.
    BLOCK_WEIGHTS = "block_weights",
    /// Outputs of a dense layer from its sums.
    DENSE = "dense",
    /// All layers of a network on such a block.
    NETWORK = "network",
    /// Philox4x32-10.
    PHILOX = "philox",
    /// The keyed bijection of row numbers.
    SHUFFLE = "shuffle",
    /// The order of an epoch's rows. Needs [`PHILOX`], [`SHUFFLE`] and [`SCHEDULE`].
    ORDER = "order",
    /// The per-update uniform, [`super::per_update::PerUpdate`].
    SCHEDULE = "schedule",
    /// Words and log-probability of an action.
    ACT = "act",
    /// Who resets an environment, by [`crate::env::Autoreset::code`].
    AUTORESET = "autoreset",
    /// A step of an environment with its episode's end and start.
    EPISODE = "episode",
    /// Where the words of a replay ring lie.
    REPLAY = "replay",
    /// Noise of actions in [−1, 1]. Needs [`MATH`] and [`PHILOX`].
    EXPLORE = "explore",
    /// Sums over a workgroup.
    PARTIAL = "partial",
    /// The weight of the entropy in soft values. Needs [`MATH`].
    TEMPERATURE = "temperature",
    /// Log-probabilities of choices. Needs [`MATH`].
    SOFT = "soft",
    /// Words of the control buffer.
    CONTROL = "control",
    /// Columns of the trace.
    TRACE = "trace",
    /// Scalars and phases of conjugate gradients.
    CG = "cg",
    /// The value's error in each form, by [`crate::config::ValueLoss::code`].
    VALUE = "value",
    /// The bootstrap rule of all advantage kernels.
    ADVANTAGE = "advantage",
    /// The policy's part of PPO's loss.
    SURROGATE = "surrogate",
    /// The statistics of a minibatch from partial sums of its loss.
    LOSS_TOTALS = "loss_totals",
    /// The sum of partial gradients.
    SLICES = "slices",
    /// The gradient's norm over spans of it.
    NORM = "norm",
    /// Clip factors and the permission to step.
    CLIP = "clip",
    /// Which way the KL is taken, by [`crate::config::KlDirection::code`].
    DIVERGENCE = "divergence",
    /// The two phases of a sum over more than a workgroup.
    PHASES = "phases",
    /// A learning rate that follows the KL.
    RATE = "rate",
    /// Numbers of 48 bits as pairs of f32: sums, products, quotients and roots that survive a compiler's liberties.
    TWOFLOAT = "twofloat",
    /// Running mean and variance. Needs [`MATH`] and [`TWOFLOAT`].
    STATISTIC = "statistic",
    /// What Stirling's formula leaves of the logarithm of the gamma function and its derivatives.
    GAMMA = "gamma",
    /// The Beta distribution.
    BETA = "beta",
    /// What tanh does to the density and the entropy of a normal.
    SQUASH = "squash",
    /// Count, mean and squared deviations of two sets of numbers, put together. Needs [`TWOFLOAT`].
    MOMENTS = "moments",
    /// One dimension of a categorical row, walked by a workgroup.
    WIDE = "wide",
    /// A draw from such a dimension.
    DRAW = "draw",
    /// The mark of masked rows.
    SAMPLE = "sample",
    /// Loops that are not unrolled on drivers that compute on the CPU.
    LOOPS = "loops",
    /// 8 × 8 sums of an invocation, see [`super::tile::Tile`].
    TILE = "tile",
    /// The product of such a tile.
    TILE_PRODUCT = "tile_product",
    /// The two products of a tangent.
    TILE_TANGENT = "tile_tangent",
    /// One dimension of a categorical row, choice by choice.
    HEAD_CHOICE = "head_choice",
    /// Categorical, multi-discrete and discretised heads, with or without masks.
    HEAD_CATEGORICAL = "head_categorical" [HEAD_CHOICE],
    /// Rows whose log-probabilities, entropies and divergences are known already: those of wide categorical heads.
    HEAD_KNOWN = "head_known",
    /// Bernoulli head.
    HEAD_BERNOULLI = "head_bernoulli",
    /// Gaussian head, squashed by tanh or not.
    HEAD_GAUSSIAN = "head_gaussian" [SQUASH],
    /// Beta head.
    HEAD_BETA = "head_beta" [GAMMA, BETA],
    /// CartPole-v1.
    ENV_CARTPOLE = "env_cartpole",
    /// Pendulum-v1.
    ENV_PENDULUM = "env_pendulum",
    /// Acrobot-v1.
    ENV_ACROBOT = "env_acrobot",
    /// MountainCarContinuous-v0.
    ENV_MOUNTAIN_CAR = "env_mountain_car",
    /// A bandit whose reward has bounded support.
    ENV_BANDIT_BOUNDED = "env_bandit_bounded",
    /// A bandit of a hundred arms.
    ENV_BANDIT_SPARSE = "env_bandit_sparse",
    /// A bandit with two bumps.
    ENV_BANDIT_BUMPS = "env_bandit_bumps",
}

/// The head part of a kernel with `head: true`.
pub const fn head(head: &Head) -> Part {
    match head {
        Head::Categorical { .. } | Head::MultiDiscrete { .. } | Head::Discretised { .. } => HEAD_CATEGORICAL,
        Head::Bernoulli { .. } => HEAD_BERNOULLI,
        Head::Gaussian { .. } | Head::TanhGaussian { .. } => HEAD_GAUSSIAN,
        Head::Beta { .. } => HEAD_BETA,
    }
}

/// The environment part of a kernel with `env: true`.
pub const fn env(env: Env) -> Part {
    match env {
        Env::CartPole => ENV_CARTPOLE,
        Env::Pendulum => ENV_PENDULUM,
        Env::Acrobot => ENV_ACROBOT,
        Env::MountainCar => ENV_MOUNTAIN_CAR,
        Env::BanditBounded => ENV_BANDIT_BOUNDED,
        Env::BanditSparse => ENV_BANDIT_SPARSE,
        Env::BanditBumps => ENV_BANDIT_BUMPS,
    }
}

/// All head parts, for the tests that walk them.
pub const HEADS: &[Part] = &[HEAD_CATEGORICAL, HEAD_BERNOULLI, HEAD_GAUSSIAN, HEAD_BETA];

/// Those whose rows a workgroup walks.
pub const HEADS_WALKED: &[Part] = &[HEAD_CATEGORICAL];

/// Those of a loss, which also takes rows that were walked before.
pub const HEADS_OR_KNOWN: &[Part] = &[HEAD_CATEGORICAL, HEAD_BERNOULLI, HEAD_GAUSSIAN, HEAD_BETA, HEAD_KNOWN];

/// How a kernel with `head: true` is specialised and what it is told of the action dimensions: `(dimensions, mask words, 0, 0)`,
/// then per dimension `(first raw output, choices, low, high)` with the bits of the bounds, ±the largest float where there are none.
pub fn variant(head: &Head) -> Variant {
    let choices = head.choices();
    let mut table = vec![[head.action_dims() as u32, head.mask_words() as u32, 0, 0]];
    let mut first = 0;
    for d in 0..head.action_dims() {
        let count = choices.get(d).map_or(1, |count| *count as u32);
        let (low, high) = head.bounds().map_or((f32::MIN, f32::MAX), |bounds| bounds.of(d));
        table.push([first, count, low.to_bits(), high.to_bits()]);
        first += if matches!(head, Head::Bernoulli { .. }) { 1 } else { count };
    }
    let constants = match head {
        Head::Categorical { masked, .. } | Head::MultiDiscrete { masked, .. } => {
            vec![("HEAD_MASKED", f64::from(u8::from(*masked)))]
        }
        Head::Discretised { .. } => vec![("HEAD_CENTRES", 1.0)],
        Head::Gaussian { std, .. } | Head::TanhGaussian { std, .. } => {
            let (limit, low, high) = match (std.limit, std.std_type) {
                (StdLimit::Clamp { low, high }, StdType::Scalar) => (3.0, f64::from(low).exp(), f64::from(high).exp()),
                (StdLimit::Clamp { low, high }, StdType::Log) => (2.0, low.into(), high.into()),
                (StdLimit::SoftFloor { log_std }, _) => (1.0, log_std.into(), 0.0),
                (StdLimit::Tanh { low, high }, _) => (4.0, low.into(), high.into()),
                (StdLimit::Free, _) => (0.0, 0.0, 0.0),
            };
            vec![
                ("HEAD_SQUASH", f64::from(u8::from(matches!(head, Head::TanhGaussian { .. })))),
                ("HEAD_STD_LIMIT", limit),
                ("HEAD_STD_LOW", low),
                ("HEAD_STD_HIGH", high),
            ]
        }
        Head::Bernoulli { .. } | Head::Beta { .. } => Vec::new(),
    };
    Variant { chosen: vec![self::head(head)], table, constants }
}

/// The variant of a loss whose rows [`super::head_evaluate_wide`] has walked, with [`HEAD_KNOWN`]; no dimension is known of it.
pub fn known() -> Variant {
    Variant { chosen: vec![HEAD_KNOWN], table: vec![[0; 4]], ..Variant::default() }
}

#[cfg(test)]
#[cfg(feature = "cpu")] // compares with the reference and with statrs
mod tests;
