//! The shared WGSL of `shaders/parts/`.

use crate::gpu::Part;
use crate::policy::Head;

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident = $file:literal $([$($need:ident),*])?),* $(,)?) => {
        $($(#[$doc])* pub const $name: Part = Part {
            name: $file,
            source: include_str!(concat!("../../shaders/parts/", $file, ".wgsl")),
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
    /// Philox4x32-10.
    PHILOX = "philox",
    /// The keyed bijection of row numbers.
    SHUFFLE = "shuffle",
    /// The per-update uniform, [`crate::gpu::Schedule`].
    SCHEDULE = "schedule",
    /// Words of the control buffer.
    CONTROL = "control",
    /// Columns of the trace.
    TRACE = "trace",
    /// Places of the scalars of conjugate gradients.
    CG = "cg",
    /// The bootstrap rule of all advantage kernels.
    ADVANTAGE = "advantage",
    /// What Stirling's formula leaves of the logarithm of the gamma function and its derivatives.
    GAMMA = "gamma",
    /// The Beta distribution.
    BETA = "beta",
    /// What tanh does to the density and the entropy of a normal.
    SQUASH = "squash",
    /// Categorical head.
    HEAD_CATEGORICAL = "head_categorical",
    /// Gaussian head, squashed by tanh or not.
    HEAD_GAUSSIAN = "head_gaussian" [SQUASH],
    /// Beta head.
    HEAD_BETA = "head_beta" [GAMMA, BETA],
}

/// The head part of a kernel with `head: true`.
pub const fn head(head: &Head) -> Part {
    match head {
        Head::Categorical { .. } => HEAD_CATEGORICAL,
        Head::Gaussian { .. } => HEAD_GAUSSIAN,
    }
}

/// All head parts, for the tests that walk them.
pub const HEADS: &[Part] = &[HEAD_CATEGORICAL, HEAD_GAUSSIAN];

#[cfg(test)]
mod tests;
