//! [`wgpo::collective::Collective`] over MPI, whichever `mpicc` is of.
//!
//! With the feature `mpi`, which needs `mpicc` and libclang to be built, there is `Mpi`; without it the crate is empty, so that a workspace is
//! built on a machine without MPI.

#[cfg(feature = "mpi")]
mod world;

#[cfg(feature = "mpi")]
pub use world::Mpi;
