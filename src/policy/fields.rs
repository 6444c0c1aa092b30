//! A policy's description as files have it.

use super::activation::Activation;
use super::branch::Branch;
use super::head::Head;
use serde::{Deserialize, Serialize};

/// [`PolicySpec`](super::PolicySpec) in a file: dense layers behind one trunk or none as three lists of widths, in the words of version 0.1;
/// anything else has keys of its own besides.
#[derive(Serialize, Deserialize)]
pub(super) struct SpecFields {
    pub obs_dim: usize,
    /// Only of more than one dimension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obs_shape: Option<Vec<usize>>,
    #[serde(default)]
    pub trunk: Vec<usize>,
    pub policy_hidden: Vec<usize>,
    pub value_hidden: Vec<usize>,
    pub activation: Activation,
    pub head: Head,
    /// What the three lists cannot say; they are then empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<Vec<Branch>>,
}
