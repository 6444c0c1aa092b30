//! `wgpo train`: one run, or several seeds at once.

mod ask;
mod chart;
mod curve;
mod files;
pub mod interrupts;
mod judge;
mod plan;
mod progress;
pub mod run;
pub mod seeds;
mod words;
