//! Steps of a policy in its environments: each against the reference from what the device had before it, then all of them in
//! one dispatch against those.

mod rows;
mod run;

pub(super) use rows::FAMILY;
