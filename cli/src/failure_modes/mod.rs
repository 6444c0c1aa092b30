//! `wgpo failure-modes`.

mod figure;
mod folder;
mod outcome;
pub mod run;
