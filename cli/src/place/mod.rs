//! Where to compute: what the command line asks for, and trainers and learners that compute there.

pub mod adapters;
pub mod choose;
pub mod group;
pub mod make;
pub mod tune;
