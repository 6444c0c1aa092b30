//! `wgpo train --seeds N`.

mod figure;
mod plan;
mod report;
pub mod run;
