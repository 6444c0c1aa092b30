//! `wgpo info`.

use crate::args::info::InfoArgs;
use crate::files;
use crate::place::adapters;
use crate::program::{SUCCESS, Status};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use wgpo::bench::KERNELS;
use wgpo::gpu::AdapterSummary;
use wgpo::low_level::kernels::{ALL, variants};
use wgpo::wgpu::Features;

/// Features that a kernel variant may one day be chosen by.
const FEATURES: [(&str, Features); 4] = [
    ("subgroups", Features::SUBGROUP),
    ("shader-f16", Features::SHADER_F16),
    ("timestamp-query", Features::TIMESTAMP_QUERY),
    ("immediates", Features::IMMEDIATES),
];

/// How kernels are chosen.
const VARIANTS: [(&str, &str); 3] = [
    ("all kernels", "portable form: WebGPU's default limits, no optional feature"),
    (
        "networks",
        "`direct` on a software adapter, `fused` on hardware; --kernels names others, or finds out the fastest; with less than \
         32 rows the plain ones, but rollouts of narrow policies in one dispatch",
    ),
    ("advantage_gae", "advantage_gae_chunked where the window is long and environments are few"),
];

/// Lists what wgpu finds.
pub fn info(args: &InfoArgs) -> Result<Status> {
    if let Some(folder) = &args.wgsl {
        return wgsl(folder);
    }
    let adapters = adapters::adapters()?;
    let best = adapters::automatic().map(|info| info.name);
    if args.json {
        let adapters: Vec<Value> = adapters.iter().map(as_json).collect();
        let variants: serde_json::Map<_, _> =
            VARIANTS.iter().map(|(kernel, form)| ((*kernel).to_owned(), json!(form))).collect();
        let version = env!("CARGO_PKG_VERSION");
        say!("{:#}", json!({ "version": version, "automatic": best, "adapters": adapters, "kernels": variants }));
        return Ok(SUCCESS);
    }
    say!("wgpo {}", env!("CARGO_PKG_VERSION"));
    if adapters.is_empty() {
        say!("\nno adapter: there is no driver for Vulkan, Metal, DX12 or GL here{}", wgpo::gpu::narrowed());
    }
    for adapter in &adapters {
        say!("\n{}", as_text(adapter).trim_end());
    }
    say!("\nkernel variants");
    for (kernel, form) in VARIANTS {
        say!("  {kernel}: {form}");
    }
    say!(
        "\n`--backend auto` takes {}",
        best.as_deref().unwrap_or("the CPU reference, because there is no hardware GPU")
    );
    Ok(SUCCESS)
}

/// Writes every text that a kernel may have, `mlp_forward.wgsl` or `loss_ppo.head_gaussian.wgsl`.
fn wgsl(folder: &Path) -> Result<Status> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    files::tidy(&folder.join("any"));
    let mut count = 0;
    for def in ALL.iter().chain(KERNELS) {
        for variant in variants(def) {
            let parts = variant.chosen.iter().map(|part| format!(".{}", part.name));
            let name = format!("{}{}.wgsl", def.name, parts.collect::<String>());
            files::write(&folder.join(name), def.compose(&variant).as_bytes())?;
            count += 1;
        }
    }
    say!("{count} files written: {}", folder.display());
    Ok(SUCCESS)
}

/// The limits that decide what fits.
fn limits(adapter: &AdapterSummary) -> [(&'static str, u64); 7] {
    let limits = &adapter.limits;
    [
        ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size),
        ("max_buffer_size", limits.max_buffer_size),
        ("max_storage_buffers_per_shader_stage", limits.max_storage_buffers_per_shader_stage.into()),
        ("max_compute_workgroup_storage_size", limits.max_compute_workgroup_storage_size.into()),
        ("max_compute_invocations_per_workgroup", limits.max_compute_invocations_per_workgroup.into()),
        ("max_compute_workgroups_per_dimension", limits.max_compute_workgroups_per_dimension.into()),
        ("min_storage_buffer_offset_alignment", limits.min_storage_buffer_offset_alignment.into()),
    ]
}

fn features(adapter: &AdapterSummary) -> Vec<&'static str> {
    FEATURES.iter().filter(|(_, feature)| adapter.features.contains(*feature)).map(|(name, _)| *name).collect()
}

fn as_text(adapter: &AdapterSummary) -> String {
    let info = &adapter.info;
    let kind = if adapter.is_software() { "software".to_owned() } else { format!("{:?}", info.device_type) };
    let mut text = format!("{}: {} ({:?}, {kind})\n", adapter.index, info.name, info.backend);
    text += &format!("  to use it: --adapter {}\n", adapters::quoted(&adapter.handle));
    text += &format!("  driver: {} {}\n", info.driver, info.driver_info);
    if !info.device_pci_bus_id.is_empty() {
        text += &format!("  PCI bus id: {}\n", info.device_pci_bus_id);
    }
    if let Some(shortfall) = adapter.shortfall() {
        text += &format!("  cannot be used: {shortfall}\n");
    }
    for (name, value) in limits(adapter) {
        text += &format!("  {name:<38} {value}\n");
    }
    let features = features(adapter);
    text +=
        &format!("  features: {}\n", if features.is_empty() { "none of interest".into() } else { features.join(", ") });
    text
}

fn as_json(adapter: &AdapterSummary) -> Value {
    let info = &adapter.info;
    let limits: serde_json::Map<_, _> =
        limits(adapter).iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "index": adapter.index,
        "adapter": adapter.handle,
        "name": info.name,
        "backend": format!("{:?}", info.backend),
        "device_type": format!("{:?}", info.device_type),
        "driver": info.driver,
        "driver_info": info.driver_info,
        "pci_bus_id": info.device_pci_bus_id,
        "software": adapter.is_software(),
        "shortfall": adapter.shortfall(),
        "limits": limits,
        "features": features(adapter),
    })
}
