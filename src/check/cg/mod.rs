//! Conjugate gradients around a diagonal operator that the case computes between the phases.
//!
//! Each phase is compared with its formula in f64 on the f32 state before it, so that errors do not add up over iterations; the solve as a
//! whole by its true residual.

mod rows;
mod solve;
mod state;

pub(super) use rows::FAMILY;
