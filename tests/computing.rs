//! The tests that compute, on the device and on the CPU.
//!
//! Few test programs, because each of them compiles the reference's generic code and links all dependencies anew. One module's tests:
//! `cargo test --test computing kernels`.

mod continuous_heads;
mod golden;
mod group;
mod hashes;
mod head_range;
mod heads;
mod host;
mod in_flight;
mod kernels;
mod learning_cpu;
mod learning_gpu;
mod normalize;
mod off_policy;
mod off_policy_choices;
mod off_policy_gpu;
mod own_envs;
mod plans;
mod products;
mod reference;
mod reinforce;
mod rollout_fused;
mod sizes;
mod support;
mod switches;
mod trust_region;
mod trust_region_gpu;
mod update;
mod update_family;
mod validity;
mod wide;
