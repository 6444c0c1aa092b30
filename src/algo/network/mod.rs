//! The branches of a policy as lists of calls: forward, along a tangent, backward.

mod activations;
mod backward;
mod forward;
mod layer_dispatch;
mod networks;
mod tangents;

pub(super) use activations::{Activations, Gradients};
pub(super) use layer_dispatch::FEW_ROWS;
pub(super) use networks::{Block, Networks};
