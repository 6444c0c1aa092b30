//! The replay ring: what a step leaves in it, and the batches drawn from it.

mod cases;
mod world;

pub(super) use cases::FAMILY;
