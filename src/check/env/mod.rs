//! Environments.

mod expected;
mod steps;

pub(super) use expected::{SEED, Seen, Want, action, compare, words};
pub(super) use steps::FAMILY;
