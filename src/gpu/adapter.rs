//! Which adapter to use.

use super::environment;
use super::options::{AdapterChoice, GpuOptions};
use crate::error::{Error, Result};

/// One adapter as wgpu describes it.
#[derive(Debug, Clone)]
pub struct AdapterSummary {
    /// Index for [`AdapterChoice::Index`].
    pub index: usize,
    /// A short text for [`AdapterChoice::Name`] that means this one among those that are here: `llvmpipe`, `nvidia`, `llvmpipe 25.0.7`.
    pub handle: String,
    /// Name, backend, driver, type.
    pub info: wgpu::AdapterInfo,
    /// What the hardware allows, which may be more than we ask for.
    pub limits: wgpu::Limits,
    /// Optional features that it has.
    pub features: wgpu::Features,
}

impl AdapterSummary {
    /// Whether it computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Whether it can compute at all within WebGPU's default limits.
    pub fn shortfall(&self) -> Option<String> {
        shortfall(&self.limits)
    }
}

/// The first of our needs that `limits` does not meet.
pub(super) fn shortfall(limits: &wgpu::Limits) -> Option<String> {
    let needs = wgpu::Limits::default();
    let pairs = [
        ("max_storage_buffers_per_shader_stage", limits.max_storage_buffers_per_shader_stage, 8),
        (
            "max_compute_workgroup_storage_size",
            limits.max_compute_workgroup_storage_size,
            needs.max_compute_workgroup_storage_size,
        ),
        (
            "max_compute_invocations_per_workgroup",
            limits.max_compute_invocations_per_workgroup,
            needs.max_compute_invocations_per_workgroup,
        ),
        (
            "max_compute_workgroups_per_dimension",
            limits.max_compute_workgroups_per_dimension,
            needs.max_compute_workgroups_per_dimension,
        ),
    ];
    pairs.iter().find(|(_, has, needs)| has < needs).map(|(name, has, needs)| format!("{name} is {has}, needs {needs}"))
}

fn instance() -> Result<wgpu::Instance> {
    let enabled = wgpu::Instance::enabled_backend_features();
    if enabled.is_empty() {
        return Err(Error::NoAdapter(
            "no wgpu backend is compiled in; turn on wgpo's feature `backends` or one of wgpu's own".to_owned(),
        ));
    }
    if let Some(value) = std::env::var_os(environment::BACKEND) {
        environment::backends(&value.to_string_lossy(), enabled)?;
    }
    Ok(wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env()))
}

/// The adapters in an order of our own, the best first: Vulkan's loader has another each time that a driver is installed.
async fn enumerate() -> Result<Vec<(wgpu::Adapter, AdapterSummary)>> {
    let mut all: Vec<_> = instance()?
        .enumerate_adapters(wgpu::Backends::all())
        .await
        .into_iter()
        .map(|adapter| {
            let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
            (adapter, AdapterSummary { index: 0, handle: String::new(), info, limits, features })
        })
        .collect();
    all.sort_by_cached_key(|(_, summary)| order(&summary.info));
    let summaries = numbered(all.iter().map(|(_, summary)| summary.clone()).collect());
    Ok(all.into_iter().map(|(adapter, _)| adapter).zip(summaries).collect())
}

/// All adapters that wgpu finds, the best first. Environment variables `WGPU_BACKEND` and `VK_DRIVER_FILES` narrow the list.
///
/// # Errors
/// [`Error::NoAdapter`] if no wgpu backend is compiled in, [`Error::Variable`] if `WGPU_BACKEND` names none.
pub async fn adapters() -> Result<Vec<AdapterSummary>> {
    Ok(enumerate().await?.into_iter().map(|(_, summary)| summary).collect())
}

/// The adapter that `options` asks for.
pub(super) async fn pick(options: &GpuOptions) -> Result<wgpu::Adapter> {
    let (all, summaries): (Vec<_>, Vec<_>) = enumerate().await?.into_iter().unzip();
    let usable = |s: &&AdapterSummary| s.shortfall().is_none();
    let chosen = match &options.adapter {
        AdapterChoice::Index(index) => summaries.get(*index),
        AdapterChoice::Name(name) => named(&summaries, name)?,
        AdapterChoice::Best => {
            best(summaries.iter().filter(usable).filter(|s| options.allow_software || !s.is_software()))
        }
    };
    let Some(chosen) = chosen else {
        let there: Vec<_> = summaries
            .iter()
            .map(|s| {
                let why = s.shortfall().map_or_else(String::new, |shortfall| format!(", unusable: {shortfall}"));
                format!("{}: {} ({:?}, {:?}{why})", s.index, s.info.name, s.info.backend, s.info.device_type)
            })
            .collect();
        let there = if there.is_empty() { vec![format!("none{}", environment::narrowed())] } else { there };
        let asked = match &options.adapter {
            AdapterChoice::Best if options.allow_software => "none is usable".to_owned(),
            AdapterChoice::Best => "no hardware adapter (a software one is taken only when asked for)".to_owned(),
            AdapterChoice::Name(name) => format!("none matches \"{name}\""),
            AdapterChoice::Index(index) => format!("there is no index {index}"),
        };
        return Err(Error::NoAdapter(format!("{asked}; found: {}", there.join("; "))));
    };
    if let Some(shortfall) = chosen.shortfall() {
        return Err(Error::NoAdapter(format!("{} is below WebGPU's default limits: {shortfall}", chosen.info.name)));
    }
    Ok(all[chosen.index].clone())
}

/// The best of some, the first of equals.
fn best<'a>(some: impl Iterator<Item = &'a AdapterSummary>) -> Option<&'a AdapterSummary> {
    some.min_by_key(|s| (rank(&s.info), s.index))
}

/// The place of an adapter among others: better ones first, then by what tells two of a kind apart.
fn order(info: &wgpu::AdapterInfo) -> (u32, String, String, String, String, u32, u32) {
    let words = |text: &String| text.clone();
    let (name, driver, version) = (words(&info.name), words(&info.driver), words(&info.driver_info));
    (rank(info), name, driver, version, words(&info.device_pci_bus_id), info.vendor, info.device)
}

/// What an adapter may be named by, in one line.
fn line(info: &wgpu::AdapterInfo) -> String {
    let all = [&info.name, &info.driver, &info.driver_info, &format!("{:?}", info.backend), &info.device_pci_bus_id];
    all.map(|text| text.to_lowercase()).join(" ")
}

/// The best that answers to `name`: those that can compute before others. Of several devices of one model behind one driver it is the
/// first by their places in the machine.
///
/// # Errors
/// [`Error::NoAdapter`] if the best are several that are not the same.
fn named<'a>(all: &'a [AdapterSummary], name: &str) -> Result<Option<&'a AdapterSummary>> {
    let name = name.trim().to_lowercase();
    let (whole, words): (_, Vec<&str>) =
        (|s: &AdapterSummary| line(&s.info).contains(&name), name.split_whitespace().collect());
    let by_words = |s: &AdapterSummary| words.iter().all(|word| line(&s.info).contains(word));
    let of = |answers: &dyn Fn(&AdapterSummary) -> bool, usable: bool| {
        let found = all.iter().filter(|s| answers(s) && (!usable || s.shortfall().is_none()));
        found.collect::<Vec<_>>()
    };
    let tries = [of(&whole, true), of(&by_words, true), of(&whole, false), of(&by_words, false)];
    let Some(found) = tries.into_iter().find(|found| !found.is_empty()) else { return Ok(None) };
    let Some(first) = best(found.iter().copied()) else { return Ok(None) };
    let kind = |s: &AdapterSummary| (s.info.name.clone(), s.info.driver.clone(), s.info.driver_info.clone());
    let equal: Vec<_> = found.into_iter().filter(|s| rank(&s.info) == rank(&first.info)).collect();
    if name.is_empty() || equal.iter().all(|s| kind(s) == kind(first)) {
        return Ok((!name.is_empty()).then_some(first));
    }
    let told = equal.iter().map(|s| {
        let info = &s.info;
        format!("{} ({:?}, {} {}) is \"{}\"", info.name, info.backend, info.driver, info.driver_info, s.handle)
    });
    let told = told.collect::<Vec<_>>().join("; ");
    Err(Error::NoAdapter(format!("\"{name}\" matches {} adapters equally well: {told}", equal.len())))
}

/// The same with their indices and handles.
fn numbered(mut all: Vec<AdapterSummary>) -> Vec<AdapterSummary> {
    all.iter_mut().enumerate().for_each(|(index, s)| s.index = index);
    let handles: Vec<String> = all.iter().map(|s| handle(&all, s)).collect();
    all.iter_mut().zip(handles).for_each(|(s, handle)| s.handle = handle);
    all
}

/// The first of some texts that means `one` and nothing else; its index where there is none.
fn handle(all: &[AdapterSummary], one: &AdapterSummary) -> String {
    let info = &one.info;
    let tokens = |text: &str| {
        let parts = text.split(|c: char| c.is_whitespace() || "(),".contains(c));
        parts.filter(|part| !part.is_empty()).map(str::to_lowercase).collect::<Vec<_>>()
    };
    let first = tokens(&info.name).into_iter().next().unwrap_or_default();
    let api = format!("{:?}", info.backend).to_lowercase();
    // A version is enough without what a distribution adds to it.
    let short = |text: &str| {
        let parts = tokens(text).into_iter();
        parts.map(|part| part.split(['-', '~', '+']).next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let with = |others: Vec<String>| others.into_iter().map(|other| format!("{first} {other}")).collect::<Vec<_>>();
    let texts = [
        vec![first.clone(), info.name.to_lowercase()],
        with(vec![api]),
        with(short(&info.driver_info)),
        with(tokens(&info.driver_info)),
        with(tokens(&info.driver)),
        vec![info.device_pci_bus_id.to_lowercase()],
    ];
    // What begins with a digit might be read as an index.
    let means = |text: &String| {
        let number = text.parse::<usize>().is_ok();
        !number && named(all, text).is_ok_and(|found| found.is_some_and(|found| found.index == one.index))
    };
    texts.into_iter().flatten().find(means).unwrap_or_else(|| one.index.to_string())
}

/// Lower is better. Among equals, native APIs come before OpenGL.
fn rank(info: &wgpu::AdapterInfo) -> u32 {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    kind * 2 + u32::from(info.backend == wgpu::Backend::Gl)
}

#[cfg(test)]
mod tests;
