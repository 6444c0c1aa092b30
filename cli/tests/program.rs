//! The program `wgpo`, as a user starts it. One module's tests: `cargo test --test program train`.

mod bench;
mod drivers;
mod eval;
mod failure_modes;
mod files;
mod gpu;
mod sizes;
mod support;
mod train;
mod update;
mod usage;
