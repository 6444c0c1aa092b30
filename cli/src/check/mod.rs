//! `wgpo check`.

mod progress;
pub mod run;
