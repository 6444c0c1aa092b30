//! PPO's loss: gradients at the heads and partial sums.

mod bounds;
mod inputs;
mod minibatch;
mod rows;
mod run;
#[cfg(test)]
mod tests;

pub(super) use bounds::{Bounds, Room};
pub(super) use inputs::{CLIP, ENT_COEF, GROUP, Loss, VF_COEF, usual};
pub(super) use minibatch::Minibatch;
pub(super) use rows::FAMILY;
pub(super) use run::compare_sums;
