//! `wgpo update`.

mod report;
pub mod run;
