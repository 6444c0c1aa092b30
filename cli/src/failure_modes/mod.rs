//! `wgpo failure-modes`.

mod figure;
mod folder;
mod modes;
mod outcome;
pub mod run;
