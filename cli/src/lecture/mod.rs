//! `wgpo lecture`: two pictures of a lecture on policy optimisation, drawn from what the reference computes.

mod clip;
mod figure;
mod ridge;
pub mod run;
