//! The device of the tests, or the reason why there is none.

use std::ops::Deref;
use wgpo::gpu::{Gpu, GpuOptions};

/// A device that must be without faults when its test ends: what wgpu reports to nobody in particular fails the test too.
#[derive(Debug)]
pub struct Healthy(Gpu);

impl Deref for Healthy {
    type Target = Gpu;

    fn deref(&self) -> &Gpu {
        &self.0
    }
}

impl Drop for Healthy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.healthy().unwrap_or_else(|error| panic!("the test passed, but the device did not: {error}"));
        }
    }
}

/// A device with the given bounds checks; prints which. Without an adapter it says so and returns nothing, or panics where
/// `REQUIRE_GPU=1` asks for one.
pub fn gpu(bounds_checks: bool) -> Option<Healthy> {
    let options = GpuOptions { allow_software: true, bounds_checks, ..GpuOptions::default() };
    match Gpu::new(&options) {
        Ok(gpu) => {
            println!("adapter: {}, bounds checks {}", gpu.describe(), if bounds_checks { "on" } else { "off" });
            Some(Healthy(gpu))
        }
        Err(error) => {
            assert!(std::env::var("REQUIRE_GPU").as_deref() != Ok("1"), "REQUIRE_GPU=1, but {error}");
            println!("SKIPPED, no GPU: {error}");
            None
        }
    }
}
