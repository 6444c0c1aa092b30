//! The adapters of this machine, by what users call them, and devices on them.

use crate::settings::RunConfig;
use anyhow::{Context, Result, bail};
use wgpo::gpu::{AdapterChoice, AdapterSummary, Gpu, GpuOptions};

/// The adapter that `name` means: an index or a part of a name; without one, the best that is there.
pub fn adapter_choice(name: Option<&str>) -> AdapterChoice {
    match name.map(str::parse) {
        Some(Ok(choice)) => choice,
        None => AdapterChoice::Best,
    }
}

/// The name of the API behind an adapter.
pub fn api(info: &wgpo::wgpu::AdapterInfo) -> String {
    format!("{:?}", info.backend)
}

/// The index of the adapter that a run was on, or its name where the run does not say what reached it. Of several the one behind the same
/// driver, if it is still there.
pub fn same_adapter(saved: &RunConfig) -> Result<Option<String>> {
    let (Some(name), Some(before)) = (&saved.adapter, &saved.api) else { return Ok(saved.adapter.clone()) };
    let all = adapters()?;
    let alike = || all.iter().filter(|one| one.info.name == *name && api(&one.info) == *before);
    let same = alike().find(|one| saved.driver.as_ref().is_some_and(|driver| *driver == driver_of(one)));
    match same.or_else(|| alike().next()) {
        Some(found) => Ok(Some(found.index.to_string())),
        None => bail!("it was on {name} by {before}, which is not here"),
    }
}

/// The driver of an adapter and its version, as [`Gpu::driver`] has it.
fn driver_of(adapter: &AdapterSummary) -> String {
    format!("{} {}", adapter.info.driver, adapter.info.driver_info).trim().to_owned()
}

/// Why `auto` found no GPU, in the user's words.
pub fn why_no_gpu(error: &wgpo::Error) -> String {
    let software =
        adapters().map_or(Vec::new(), |all| all.into_iter().filter(AdapterSummary::is_software).collect::<Vec<_>>());
    match (error, software.first()) {
        (wgpo::Error::NoAdapter(_), Some(one)) => {
            let (name, handle) = (short(&one.info.name), quoted(&one.handle));
            format!("no hardware GPU found, only {name}, a software one; --adapter {handle} takes it")
        }
        (wgpo::Error::NoAdapter(_), None) => "no GPU found".to_owned(),
        (error, _) => format!("the GPU cannot be used: {error}"),
    }
}

/// As a shell takes it for one word.
pub fn quoted(handle: &str) -> String {
    if handle.contains(' ') { format!("\"{handle}\"") } else { handle.to_owned() }
}

/// The first word of an adapter's name.
fn short(name: &str) -> &str {
    name.split_whitespace().next().unwrap_or(name)
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
pub fn roomy(gpu: &Gpu, bytes: u64) -> Result<Gpu> {
    if bytes <= gpu.limits().max_storage_buffer_binding_size {
        return Ok(gpu.clone());
    }
    again(gpu, GpuOptions { binding_bytes: Some(bytes), ..GpuOptions::default() })
        .context("these settings need larger buffers than WebGPU's default; smaller --envs or --rollout may do")
}

/// The adapter of `gpu`, opened again.
pub fn again(gpu: &Gpu, options: GpuOptions) -> Result<Gpu> {
    let same = |summary: &AdapterSummary| {
        let (a, b) = (&summary.info, gpu.adapter_info());
        let place = (a.device, &a.device_pci_bus_id) == (b.device, &b.device_pci_bus_id);
        place && a.name == b.name && a.backend == b.backend && driver_of(summary) == gpu.driver()
    };
    let index = adapters()?.iter().position(same).context("the adapter is gone")?;
    Ok(Gpu::new(&GpuOptions { adapter: AdapterChoice::Index(index), products: gpu.products(), ..options })?)
}

/// The adapter that `auto` would take.
pub fn automatic() -> Option<wgpo::wgpu::AdapterInfo> {
    Gpu::new(&GpuOptions::default()).ok().map(|gpu| gpu.adapter_info())
}
