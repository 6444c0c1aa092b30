//! The device of the tests, or the reason why there is none.

use wgpo::gpu::{Gpu, GpuOptions};

/// A device with the given bounds checks; prints which. Without an adapter it says so and returns nothing, or panics where
/// `REQUIRE_GPU=1` asks for one.
pub fn gpu(bounds_checks: bool) -> Option<Gpu> {
    let options = GpuOptions { allow_software: true, bounds_checks, ..GpuOptions::default() };
    match Gpu::new(&options) {
        Ok(gpu) => {
            println!("adapter: {}, bounds checks {}", gpu.describe(), if bounds_checks { "on" } else { "off" });
            Some(gpu)
        }
        Err(error) => {
            assert!(std::env::var("REQUIRE_GPU").as_deref() != Ok("1"), "REQUIRE_GPU=1, but {error}");
            println!("SKIPPED, no GPU: {error}");
            None
        }
    }
}
