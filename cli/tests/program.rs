//! The program `wgpo`, as a user starts it. One module's tests: `cargo test --test program train`.

mod bench;
mod drivers;
mod eval;
mod failure_modes;
mod files;
mod gpu;
mod off_policy;
#[cfg(feature = "mpi")]
mod ranks;
mod resume;
mod sizes;
mod support;
mod train;
mod update;
mod update_heads;
mod update_recorded;
mod usage;
mod visit;
