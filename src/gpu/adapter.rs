//! Which adapter to use.

use crate::{Error, Result};

/// Which adapter [`super::Gpu::new`] takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// The best hardware adapter: discrete before integrated before virtual.
    #[default]
    Best,
    /// The best (in the order of [`Best`](Self::Best), software last) whose name, driver or backend contains this text, whatever
    /// its case.
    Name(String),
    /// This index into [`adapters`].
    Index(usize),
}

impl std::str::FromStr for AdapterChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Index))
    }
}

/// Which kernels compute networks. The bits are the same on a device that does not fuse multiplications and additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductPath {
    /// [`Direct`](Self::Direct) on an adapter that computes on the CPU, [`Fused`](Self::Fused) on others.
    /// [`bench::Tuning`](crate::bench::Tuning) finds out which is the fastest.
    #[default]
    Auto,
    /// The plain kernels everywhere, also where a faster one would do: to compare, and to find a faulty driver.
    Plain,
    /// Large tiles in registers, each invocation loading its own numbers, layer by layer; rollouts of fewer than 32
    /// environments in one dispatch.
    Direct,
    /// Large tiles, through workgroup memory where the shape suits; forward passes of networks up to 128 wide and rollouts of such
    /// actors in one dispatch ([`crate::kernels::mlp_forward_fused`], [`crate::kernels::rollout_fused`]).
    Staged,
    /// As `Staged`, and the gradients of narrow networks in one dispatch ([`crate::kernels::loss_ppo_fused`]).
    Fused,
}

impl ProductPath {
    /// Every path that [`Gpu::products`](super::Gpu::products) may name.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Direct, Self::Staged, Self::Fused];

    /// In one word, as in files: `fused`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Plain => "plain",
            Self::Direct => "direct",
            Self::Staged => "staged",
            Self::Fused => "fused",
        }
    }

    /// Whether tiles go through workgroup memory.
    pub(crate) const fn stages(self) -> bool {
        matches!(self, Self::Staged | Self::Fused)
    }
}

/// What [`super::Gpu::new`] asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuOptions {
    /// Which adapter. An adapter named or indexed is taken even if it is software.
    pub adapter: AdapterChoice,
    /// With [`AdapterChoice::Best`]: whether a software adapter will do where there is no other.
    pub allow_software: bool,
    /// Keep wgpu's bounds checks in our shaders. They are off by default: every kernel is tested with them on and stays
    /// inside its buffers.
    pub bounds_checks: bool,
    /// Largest storage binding that will be needed, in bytes. WebGPU's 128 MiB by default; more is asked of the adapter only
    /// when this says so.
    pub binding_bytes: Option<u64>,
    /// Ask for timestamp queries where the adapter has them ([`super::Timestamps`]); without them nothing fails. No kernel needs
    /// them, so only a benchmark asks.
    pub timestamps: bool,
    /// Which kernels compute networks.
    pub products: ProductPath,
}

/// One adapter as wgpu describes it.
#[derive(Debug, Clone)]
pub struct AdapterSummary {
    /// Index for [`AdapterChoice::Index`].
    pub index: usize,
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
    if wgpu::Instance::enabled_backend_features().is_empty() {
        return Err(Error::NoAdapter(
            "no wgpu backend is compiled in; turn on wgpo's feature `backends` or one of wgpu's own".to_owned(),
        ));
    }
    Ok(wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env()))
}

async fn enumerate() -> Result<Vec<wgpu::Adapter>> {
    Ok(instance()?.enumerate_adapters(wgpu::Backends::all()).await)
}

fn summary(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    AdapterSummary { index, info: adapter.get_info(), limits: adapter.limits(), features: adapter.features() }
}

/// All adapters that wgpu finds. Environment variables `WGPU_BACKEND` and `VK_DRIVER_FILES` narrow the list.
///
/// # Errors
/// [`Error::NoAdapter`] if no wgpu backend is compiled in.
pub async fn adapters() -> Result<Vec<AdapterSummary>> {
    Ok(enumerate().await?.iter().enumerate().map(|(index, adapter)| summary(index, adapter)).collect())
}

/// The adapter that `options` asks for.
pub(super) async fn pick(options: &GpuOptions) -> Result<wgpu::Adapter> {
    let all = enumerate().await?;
    let summaries: Vec<_> = all.iter().enumerate().map(|(index, adapter)| summary(index, adapter)).collect();
    let usable = |s: &&AdapterSummary| s.shortfall().is_none();
    let chosen = match &options.adapter {
        AdapterChoice::Index(index) => summaries.get(*index),
        AdapterChoice::Name(name) => {
            let name = name.to_lowercase();
            let matches = |s: &&AdapterSummary| {
                let text = format!("{} {} {} {:?}", s.info.name, s.info.driver, s.info.driver_info, s.info.backend);
                text.to_lowercase().contains(&name)
            };
            best(summaries.iter().filter(usable).filter(matches)).or_else(|| best(summaries.iter().filter(matches)))
        }
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
        let asked = match &options.adapter {
            AdapterChoice::Best if options.allow_software => "none is usable".to_owned(),
            AdapterChoice::Best => "no hardware adapter (a software one is taken only when asked for)".to_owned(),
            AdapterChoice::Name(name) => format!("none matches \"{name}\""),
            AdapterChoice::Index(index) => format!("there is no index {index}"),
        };
        let there = if there.is_empty() { "none".to_owned() } else { there.join("; ") };
        return Err(Error::NoAdapter(format!("{asked}; found: {there}")));
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
mod tests {
    use super::*;

    #[test]
    fn hardware_comes_before_software_and_native_before_gl() {
        use wgpu::{Backend, DeviceType};
        let all: Vec<_> = [
            (DeviceType::Cpu, Backend::Vulkan),
            (DeviceType::DiscreteGpu, Backend::Gl),
            (DeviceType::IntegratedGpu, Backend::Vulkan),
            (DeviceType::DiscreteGpu, Backend::Vulkan),
            (DeviceType::DiscreteGpu, Backend::Vulkan),
        ]
        .into_iter()
        .enumerate()
        .map(|(index, (kind, backend))| AdapterSummary {
            index,
            info: wgpu::AdapterInfo::new(kind, backend),
            limits: wgpu::Limits::default(),
            features: wgpu::Features::empty(),
        })
        .collect();
        let index = |some: &[AdapterSummary]| best(some.iter()).map(|one| one.index);
        assert_eq!(index(&all), Some(3));
        assert_eq!(index(&all[..3]), Some(1));
        assert_eq!(index(&all[..1]), Some(0));
        assert_eq!(index(&[]), None);
    }
}
