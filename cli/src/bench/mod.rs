//! `wgpo bench`.

mod compare;
mod figure;
mod read;
mod report;
mod roofline;
pub mod run;
mod style;
mod table;
