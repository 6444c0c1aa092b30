//! Running statistics, and what is normalised with them.

mod obs;
mod rewards;
mod rows;
mod statistics;

pub(super) use rows::FAMILY;
