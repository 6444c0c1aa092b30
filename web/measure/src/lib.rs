//! The module that checks and measures: [`Check`] has the rows of `wgpo check`, [`Bench`] those of `wgpo bench`.

mod bench;
mod check;

pub use bench::Bench;
pub use check::Check;
