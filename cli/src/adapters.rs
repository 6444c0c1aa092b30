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

/// The index of the adapter that a run was on, or its name where the run does not say what reached it.
pub fn same_adapter(saved: &RunConfig) -> Result<Option<String>> {
    let (Some(name), Some(before)) = (&saved.adapter, &saved.api) else { return Ok(saved.adapter.clone()) };
    match adapters()?.iter().find(|one| one.info.name == *name && api(&one.info) == *before) {
        Some(found) => Ok(Some(found.index.to_string())),
        None => bail!("it was on {name} by {before}, which is not here"),
    }
}

/// Why `auto` found no GPU, in the user's words.
pub fn why_no_gpu(error: &wgpo::Error) -> String {
    let software = adapters().map_or(Vec::new(), |all| {
        all.iter().filter(|one| one.is_software()).map(|one| one.info.name.clone()).collect::<Vec<_>>()
    });
    match (error, software.first()) {
        (wgpo::Error::NoAdapter(_), Some(name)) => {
            format!("no hardware GPU found, only {0}, a software one; --adapter {0} takes it", short(name))
        }
        (wgpo::Error::NoAdapter(_), None) => "no GPU found".to_owned(),
        (error, _) => format!("the GPU cannot be used: {error}"),
    }
}

/// The first word of an adapter's name, which is enough to choose it.
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
        (&a.name, a.backend, a.device, &a.device_pci_bus_id) == (&b.name, b.backend, b.device, &b.device_pci_bus_id)
    };
    let index = adapters()?.iter().position(same).context("the adapter is gone")?;
    Ok(Gpu::new(&GpuOptions { adapter: AdapterChoice::Index(index), products: gpu.products(), ..options })?)
}

/// The adapter that `auto` would take.
pub fn automatic() -> Option<wgpo::wgpu::AdapterInfo> {
    Gpu::new(&GpuOptions::default()).ok().map(|gpu| gpu.adapter_info())
}
