//! Shared by the tests that need a device.

pub mod gpu;
