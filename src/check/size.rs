//! The sizes of a benchmark.

use crate::env::Env;
use crate::policy::Head;

/// Sizes of a kernel's case; each kernel reads those that it has a use for.
#[derive(Debug, Clone)]
pub struct Size {
    /// Rows of a minibatch.
    pub rows: usize,
    /// Steps of a window.
    pub steps: usize,
    /// Environments side by side.
    pub envs: usize,
    /// A dense layer's inputs and outputs.
    pub layer: (usize, usize),
    /// Whether that layer is its network's first.
    pub first: bool,
    /// Whether it is the last.
    pub last: bool,
    /// The head.
    pub head: Head,
    /// Numbers of an observation.
    pub obs_dim: usize,
    /// Parameters of the policy.
    pub parameters: usize,
    /// Slices of partial gradients.
    pub slices: usize,
    /// The environment.
    pub env: Env,
}

impl Size {
    /// Rows, inputs and outputs of the layer's product.
    pub(super) fn product(&self) -> (f64, f64, f64) {
        (self.rows as f64, self.layer.0 as f64, self.layer.1 as f64)
    }
}
