//! Folders of runs: which files are in them, whose they are, and who may write there.

pub mod board;
pub mod group;
pub mod label;
pub mod lock;
pub mod metrics;
pub mod run;
