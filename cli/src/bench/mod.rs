//! `wgpo bench`.

mod compare;
mod date;
mod figure;
mod place;
mod record;
mod report;
mod roofline;
pub mod run;
mod style;
mod table;
