//! What several processes that train one policy say to each other: sums, and small things that all get of all.
//!
//! A process is a **rank**, of `size` ranks that are numbered from 0. All ranks make the same calls with the same lengths, in the same
//! order; a call returns when all have made it. The library does not know what carries the messages: [`Threads`] is for tests, and
//! the member crate `wgpo-mpi` has one for MPI.
//!
//! **Sums are in rank order.** Element i of a sum is `((x₀ + x₁) + x₂) + …` of the ranks' elements i, of `f32` too in `f64`, and rounded once.
//! So a sum's bits depend on its terms alone, not on the vector's length, the operation or the network, and all ranks get the same ones.

mod agree;
mod line;
mod share;
mod threads;

pub use agree::{agree, broadcast, gather};
pub use line::{Collective, in_rank_order};
pub use share::Share;
pub use threads::Threads;

#[cfg(test)]
mod tests;
