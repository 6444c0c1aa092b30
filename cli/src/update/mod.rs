//! `wgpo update`.

mod batches;
mod report;
pub mod run;
