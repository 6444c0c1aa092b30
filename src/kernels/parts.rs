//! The shared WGSL of `shaders/parts/`.

use crate::gpu::Part;
use crate::policy::Head;

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident = $file:literal),* $(,)?) => {
        $($(#[$doc])* pub const $name: Part =
            Part { name: $file, source: include_str!(concat!("../../shaders/parts/", $file, ".wgsl")) };)*

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
    /// The value's error in each form, by [`crate::ValueLoss::code`].
    VALUE = "value",
    /// The bootstrap rule of all advantage kernels.
    ADVANTAGE = "advantage",
    /// Categorical head.
    HEAD_CATEGORICAL = "head_categorical",
    /// Diagonal Gaussian head.
    HEAD_GAUSSIAN = "head_gaussian",
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
