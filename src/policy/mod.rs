//! What a policy is: layer sizes, activation, action head, and where each number lies in the one flat
//! parameter vector.
//!
//! ```
//! use wgpo::policy::{Activation, Head, PolicySpec};
//!
//! let spec = PolicySpec::separate(4, &[64, 64], Activation::Tanh, Head::categorical(2));
//! let layout = spec.layout();
//! assert_eq!(layout.get("policy.0.weight").map(|range| range.shape.clone()), Some(vec![64, 4]));
//! assert_eq!(layout.len(), 2 * (4 * 64 + 64 + 64 * 64 + 64) + (64 * 2 + 2) + (64 + 1));
//! ```

mod bounds;
mod head;
mod init;
mod layout;

pub use bounds::Bounds;
pub use head::{Head, Std, StdLimit, StdType};
pub use init::{Init, InitScheme, initial_parameters, initial_parameters_with};
pub use layout::{LayerRange, ParamLayout, ParamRange};

use crate::error::{Error, Result};
use crate::memory::{total, word};
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

/// Everything about a policy but its numbers: an actor and a critic, apart or on a shared trunk.
///
/// ```text
/// obs ─► trunk.0 ─► … ─► policy.0 ─► … ─► policy.P  ─► head (distribution over actions)
///                    └─► value.0  ─► … ─► value.V   ─► V(s)
/// ```
///
/// The activation follows every layer of the trunk and every layer but the last of `policy` and `value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicySpec {
    /// Width of an observation, at least 1.
    pub obs_dim: usize,
    /// Widths of the shared layers; empty for separate networks.
    #[serde(default)]
    pub trunk: Vec<usize>,
    /// Widths of the actor's own hidden layers.
    pub policy_hidden: Vec<usize>,
    /// Widths of the critic's own hidden layers.
    pub value_hidden: Vec<usize>,
    /// The nonlinearity of all hidden layers.
    pub activation: Activation,
    /// The distribution over actions.
    pub head: Head,
}

impl PolicySpec {
    /// Actor and critic as two networks with the same hidden widths.
    pub fn separate(obs_dim: usize, hidden: &[usize], activation: Activation, head: Head) -> Self {
        Self {
            obs_dim,
            trunk: Vec::new(),
            policy_hidden: hidden.to_vec(),
            value_hidden: hidden.to_vec(),
            activation,
            head,
        }
    }

    /// All hidden layers shared, with one linear layer each for actor and critic.
    pub fn shared(obs_dim: usize, hidden: &[usize], activation: Activation, head: Head) -> Self {
        Self { obs_dim, trunk: hidden.to_vec(), policy_hidden: Vec::new(), value_hidden: Vec::new(), activation, head }
    }

    /// Widths of `network` from input to output, the output included.
    pub fn sizes(&self, network: Network) -> Vec<usize> {
        let trunk_out = self.trunk.last().copied().unwrap_or(self.obs_dim);
        match network {
            Network::Trunk => std::iter::once(self.obs_dim).chain(self.trunk.iter().copied()).collect(),
            Network::Policy => std::iter::once(trunk_out)
                .chain(self.policy_hidden.iter().copied())
                .chain(std::iter::once(self.head.raw_outputs()))
                .collect(),
            Network::Value => {
                std::iter::once(trunk_out).chain(self.value_hidden.iter().copied()).chain(std::iter::once(1)).collect()
            }
        }
    }

    /// Where each weight, bias and free parameter lies in the flat vector.
    pub fn layout(&self) -> ParamLayout {
        ParamLayout::new(self)
    }

    /// Refuses widths of 0, heads without actions, and more parameters than an index on a device can tell apart (2³² − 1).
    ///
    /// # Errors
    /// [`Error::Config`] naming the first bad width, [`Error::OwnLimit`] with the number of parameters.
    pub fn validate(&self) -> Result<()> {
        if self.obs_dim == 0 {
            return Err(Error::config("obs_dim", "is 0, must be at least 1"));
        }
        for (field, widths) in
            [("trunk", &self.trunk), ("policy_hidden", &self.policy_hidden), ("value_hidden", &self.value_hidden)]
        {
            if widths.contains(&0) {
                return Err(Error::config(field, format!("is {widths:?}, every width must be at least 1")));
            }
        }
        self.head.validate()?;
        let needs = self.parameter_count();
        if needs > u128::from(u32::MAX) {
            let what = format!("a policy on {} observed numbers with {}", self.obs_dim, self.widths());
            return Err(Error::OwnLimit { what, limit: "parameters", needs: word(needs), has: u32::MAX.into() });
        }
        Ok(())
    }

    /// Trainable numbers, whatever the sizes.
    pub(crate) fn parameter_count(&self) -> u128 {
        let of_layer = |pair: &[usize]| total(&[pair, &pair[1..]]);
        let layers = Network::ALL
            .into_iter()
            .flat_map(|network| self.sizes(network).windows(2).map(of_layer).collect::<Vec<_>>());
        layers.fold(self.head.free_parameters() as u128, u128::saturating_add)
    }

    /// Its hidden layers in words.
    fn widths(&self) -> String {
        let named =
            [("trunk", &self.trunk), ("policy_hidden", &self.policy_hidden), ("value_hidden", &self.value_hidden)];
        let told =
            named.into_iter().filter(|(_, widths)| !widths.is_empty()).map(|(name, widths)| match widths.len() {
                0..=8 => format!("{name} {widths:?}"),
                layers => format!("{name} of {layers} layers up to {} wide", widths.iter().max().unwrap_or(&0)),
            });
        told.chain([format!("{} raw outputs", self.head.raw_outputs())]).collect::<Vec<_>>().join(", ")
    }
}

/// One of the three chains of layers. The names are those in parameter names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// Layers shared by actor and critic; none if they are separate.
    Trunk,
    /// The actor, up to the raw outputs of its head.
    Policy,
    /// The critic, with one output.
    Value,
}

impl Network {
    /// All three, in the order of their first weights in the flat vector.
    pub const ALL: [Self; 3] = [Self::Trunk, Self::Policy, Self::Value];

    /// `trunk`, `policy` or `value`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trunk => "trunk",
            Self::Policy => "policy",
            Self::Value => "value",
        }
    }
}
