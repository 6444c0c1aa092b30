//! The adapters of this machine, by what users call them, and devices on them.

use anyhow::{Context, Result};
use wgpo::gpu::{AdapterChoice, AdapterSummary, Gpu, GpuOptions};
use wgpo::place::{self, Place};

/// The adapter that `name` means: an index or a part of a name; without one, the best that is there.
pub fn adapter_choice(name: Option<&str>) -> AdapterChoice {
    match name.map(str::parse) {
        Some(Ok(choice)) => choice,
        None => AdapterChoice::Best,
    }
}

/// As a shell takes it for one word.
pub fn quoted(handle: &str) -> String {
    if handle.contains(' ') { format!("\"{handle}\"") } else { handle.to_owned() }
}

/// Every adapter that wgpu finds.
pub fn adapters() -> Result<Vec<AdapterSummary>> {
    Ok(pollster::block_on(wgpo::gpu::adapters())?)
}

/// A device on the adapter that `name` means; without a name, on the best one, software included.
pub fn device(name: Option<&str>) -> Result<Gpu> {
    let options = GpuOptions { adapter: adapter_choice(name), allow_software: true, ..GpuOptions::default() };
    Ok(Gpu::new(&options)?)
}

/// `gpu`, or the same adapter opened again with larger bindings where `bytes` are more than WebGPU's default.
pub fn with_binding_bytes(gpu: &Gpu, bytes: u64) -> Result<Gpu> {
    pollster::block_on(place::with_binding_bytes(gpu, bytes))
        .context("these settings need larger buffers than WebGPU's default; smaller --envs or --rollout may do")
}

/// The adapter of `gpu`, opened again.
pub fn reopen(gpu: &Gpu, options: &GpuOptions) -> Result<Gpu> {
    Ok(pollster::block_on(place::reopen(gpu, options))?)
}

/// The adapter that `auto` would take.
pub fn automatic() -> Option<wgpo::wgpu::AdapterInfo> {
    let (place, _) = Place::choose(&place::PlaceChoice::Auto, &GpuOptions::default()).ok()?;
    place.gpu().map(Gpu::adapter_info)
}
