//! Several networks of one shape in one dispatch, forward and backward.

mod backward;
mod forward;
mod rows;
mod shape;

pub(in crate::check) use rows::FAMILY;
