//! The parts of a policy's network: named branches of layers.

use serde::{Deserialize, Serialize};

/// A chain of layers with a name, which parameters have in theirs (`policy.0.weight`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// Its name: a letter, then letters, digits and `_`. Every branch of a policy has another.
    pub name: String,
    /// What the first layer takes.
    pub input: Input,
    /// Input side first, at least one.
    pub layers: Vec<Layer>,
}

impl Branch {
    /// The actor's, up to the raw outputs of its head.
    pub const POLICY: &'static str = "policy";

    /// The critic's, with one output.
    pub const VALUE: &'static str = "value";

    /// The critics of DDPG, TD3 and SAC, on observation and action, with one output each; of SAC with choices on the observation, with an output for each
    /// choice. An algorithm with one critic has the first.
    pub const CRITICS: [&'static str; 2] = ["q1", "q2"];

    /// Actor and critic.
    pub const OUTPUTS: [&'static str; 2] = [Self::POLICY, Self::VALUE];

    /// What [`PolicySpec::mlp`](super::PolicySpec::mlp) calls the layers that actor and critic share.
    pub const TRUNK: &'static str = "trunk";

    /// Most that a policy may have.
    pub(crate) const MOST: usize = 64;

    /// Dense layers of these widths.
    pub fn dense(name: &str, input: Input, widths: &[usize]) -> Self {
        let layers = widths.iter().map(|outputs| Layer::Dense { outputs: *outputs }).collect();
        Self { name: name.to_owned(), input, layers }
    }

    /// Outputs of each layer per row.
    pub fn widths(&self) -> impl Iterator<Item = usize> + '_ {
        self.layers.iter().map(Layer::outputs)
    }
}

/// Where the input of a branch comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// The observation.
    Obs,
    /// The observation, and behind it the action: D numbers in [−1, 1], whatever the environment's bounds.
    ObsAction,
    /// The output of the branch with this name, which comes earlier, after the activation.
    Branch(String),
}

/// One layer. What it takes is what comes before it, so only the other end has a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Layer {
    /// y = x Wᵀ + b.
    Dense {
        /// Its width, at least 1.
        outputs: usize,
    },
}

impl Layer {
    /// Outputs per row.
    pub const fn outputs(&self) -> usize {
        match self {
            Self::Dense { outputs } => *outputs,
        }
    }
}
