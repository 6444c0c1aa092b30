//! From observations to partial gradients in one dispatch.
//!
//! How well every number of the chain is known is carried along with it, as a standard deviation: roundings of a sum, those of the
//! activations and of the loss, and what was there before times weights and slopes. They are independent of each other, so they
//! add up by their squares; bounds by |weights| would allow for a missing row.

mod network;
mod rows;
mod run;

pub(super) use rows::FAMILY;
