//! What a policy is: branches of layers, activation, action head, and where each number lies in the one flat
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

mod activation;
mod bounds;
mod branch;
mod fields;
mod head;
mod init;
mod layout;
mod spec;
mod validate;

pub use activation::Activation;
pub use bounds::Bounds;
pub use branch::{Branch, Input, Layer};
pub(crate) use head::LogStd;
pub use head::{Head, Std, StdLimit, StdType};
pub use init::{Init, InitScheme, initial_parameters, initial_parameters_with};
pub use layout::{BranchRange, LayerRange, ParamLayout, ParamRange};
pub use spec::PolicySpec;
