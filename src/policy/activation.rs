//! The nonlinearities between layers.

use serde::{Deserialize, Serialize};

/// The nonlinearity after every layer but an output layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// f(x) = x.
    Identity,
    /// Hyperbolic tangent. The GPU has its own: WGSL's loses all digits near 0 and may be NaN beyond |x| = 44.
    Tanh,
    /// max(x, 0), with derivative 0 at 0 as PyTorch has it.
    Relu,
    /// x for x > 0, else e^x − 1 (α = 1).
    Elu,
    /// x · sigmoid(x).
    Silu,
    /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    GeluTanh,
    /// ½ x (1 + erf(x / √2)).
    GeluErf,
}

impl Activation {
    /// Every activation, in the order of their WGSL codes.
    pub const ALL: [Self; 7] =
        [Self::Identity, Self::Tanh, Self::Relu, Self::Elu, Self::Silu, Self::GeluTanh, Self::GeluErf];

    /// The number by which the shaders know it (`override ACTIVATION`).
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// Whether the derivative is not a function of the output, so that kernels keep the value before the
    /// activation and apply it where they load.
    pub const fn keeps_preactivation(self) -> bool {
        matches!(self, Self::Silu | Self::GeluTanh | Self::GeluErf)
    }
}
