//! The command line: one file per command, and what several of them share.

pub mod bench;
pub mod check;
pub mod choice;
pub mod command;
pub mod eval;
pub mod failure_modes;
pub mod info;
pub mod lecture;
pub mod place;
pub mod play;
pub mod preset;
mod range;
pub mod std_limit;
pub mod task;
pub mod train;
pub mod update;
