//! Gradient clipping and the optimisers, alone and over several steps.

mod clip;
mod device;
mod rows;
mod steps;

pub(super) use rows::FAMILY;
