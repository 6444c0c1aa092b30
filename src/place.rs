//! Where to compute, and why there: on a GPU or on the CPU.
//!
//! Every program around wgpo has to make this choice, and should make the same one. [`PlaceChoice`] is what a user asks for, in one word;
//! [`Place::choose`] finds it and says why; [`AdapterIdentity`] is what a file keeps of it, so that a run goes on where it was.
//!
//! - `auto` is a hardware GPU if there is one, else the CPU. A software adapter is used only if it is named (or
//!   [`GpuOptions::allow_software`] says so): it computes on the CPU, and the reference does that faster.
//! - A name is a part of an adapter's name, driver, driver's version, backend or PCI bus id. wgpu shows no UUIDs; the PCI bus id is what
//!   tells two cards of one model apart.
//!
//! ```no_run
//! use wgpo::gpu::GpuOptions;
//! use wgpo::place::{Place, PlaceChoice};
//!
//! let asked: PlaceChoice = "auto".parse().unwrap_or_default();
//! let (place, reason) = Place::choose(&asked, &GpuOptions::default())?;
//! println!("{} ({reason})", place.describe());
//! match place {
//!     Place::Gpu(gpu) => println!("a device of {}", gpu.driver()),
//!     Place::Cpu => println!("the reference"),
//! }
//! # Ok::<(), wgpo::Error>(())
//! ```

use crate::error::{Error, Result};
use crate::gpu::{AdapterChoice, AdapterSummary, Gpu, GpuOptions, adapters};

/// Where to compute.
#[derive(Debug, Clone)]
pub enum Place {
    /// The kernels on a device. A benchmark makes it with [`timestamps`](GpuOptions::timestamps), for the device's own clock.
    Gpu(Gpu),
    /// The reference in f32, on all threads.
    Cpu,
}

/// Where a user asks to compute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PlaceChoice {
    /// A hardware GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// A GPU: the best hardware one, or the one that is named, which may be software.
    Gpu(AdapterChoice),
    /// The CPU.
    Cpu,
}

impl std::str::FromStr for PlaceChoice {
    type Err = std::convert::Infallible;

    /// `auto`, `cpu`, `gpu`; anything else is the index or the name of an adapter.
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu(AdapterChoice::Best),
            name => Self::Gpu(name.parse()?),
        })
    }
}

/// Why a place was taken. As text it is a clause to follow the place's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It was asked for.
    Asked,
    /// It is the best hardware GPU here.
    Best,
    /// It is a software adapter: there is no other, and [`GpuOptions::allow_software`] lets `auto` take one.
    Software,
    /// It is the CPU, because the only adapters are software ones.
    OnlySoftware {
        /// First word of the best one's name.
        name: String,
        /// What [`AdapterChoice::Name`] has to say to take it.
        handle: String,
    },
    /// It is the CPU, because there is no adapter at all.
    NoGpu,
    /// It is the CPU, because the GPU failed with this message.
    Unusable(String),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asked => f.write_str("as asked for"),
            Self::Best => f.write_str("the best hardware GPU here"),
            Self::Software => f.write_str("no hardware GPU found, and a software one may be taken"),
            Self::OnlySoftware { name, .. } => write!(f, "no hardware GPU found, only {name}, a software one"),
            Self::NoGpu => f.write_str("no GPU found"),
            Self::Unusable(why) => write!(f, "the GPU cannot be used: {why}"),
        }
    }
}

impl Reason {
    /// Why `auto` found no GPU, of the error that it got and of the adapters that there are.
    pub fn no_gpu(error: &Error, all: &[AdapterSummary]) -> Self {
        if !matches!(error, Error::NoAdapter(_)) {
            return Self::Unusable(error.to_string());
        }
        match all.iter().find(|one| one.is_software()) {
            Some(one) => {
                let name = one.info.name.split_whitespace().next().unwrap_or_default().to_owned();
                Self::OnlySoftware { name, handle: one.handle.clone() }
            }
            None => Self::NoGpu,
        }
    }
}

impl Place {
    /// The place that is asked for, and why it is that one. `options.adapter` is not looked at: `choice` says which.
    ///
    /// # Errors
    /// As [`Gpu::request`] if a GPU is asked for. With [`PlaceChoice::Auto`] none of them: then it is the CPU. Without the feature `cpu`
    /// there is no CPU to compute on: asking for it is [`Error::Config`], and `auto` fails as the GPU does.
    pub async fn request(choice: &PlaceChoice, options: &GpuOptions) -> Result<(Self, Reason)> {
        let on = |adapter: &AdapterChoice| GpuOptions { adapter: adapter.clone(), ..options.clone() };
        match choice {
            PlaceChoice::Cpu => Ok((Self::cpu()?, Reason::Asked)),
            PlaceChoice::Gpu(adapter) => Ok((Self::Gpu(Gpu::request(&on(adapter)).await?), Reason::Asked)),
            PlaceChoice::Auto => match Gpu::request(&on(&AdapterChoice::Best)).await {
                Ok(gpu) => {
                    let reason = if gpu.is_software() { Reason::Software } else { Reason::Best };
                    Ok((Self::Gpu(gpu), reason))
                }
                Err(error) => match Self::cpu() {
                    Ok(place) => Ok((place, Reason::no_gpu(&error, &adapters().await.unwrap_or_default()))),
                    // Without a CPU to fall back to, what is wrong with the GPU is the answer.
                    Err(_) => Err(error),
                },
            },
        }
    }

    /// The CPU, if this build has the reference.
    fn cpu() -> Result<Self> {
        if cfg!(feature = "cpu") {
            return Ok(Self::Cpu);
        }
        Err(Error::config(
            "place",
            "is cpu, but this build of wgpo is without its feature `cpu`; turn it on, or choose a GPU",
        ))
    }

    /// [`request`](Self::request), waiting for the answer.
    ///
    /// # Errors
    /// As `request`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn choose(choice: &PlaceChoice, options: &GpuOptions) -> Result<(Self, Reason)> {
        pollster::block_on(Self::request(choice, options))
    }

    /// `gpu` or `cpu`, as files have it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Gpu(_) => "gpu",
            Self::Cpu => "cpu",
        }
    }

    /// What it is, in a few words.
    pub fn describe(&self) -> String {
        match self {
            Self::Gpu(gpu) => format!("GPU {}", gpu.describe()),
            Self::Cpu => "CPU reference in f32".to_owned(),
        }
    }

    /// The device, if it is one.
    pub const fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Gpu(gpu) => Some(gpu),
            Self::Cpu => None,
        }
    }
}

/// Which adapter a run was on, as its files have it. Another driver is another compiler and may round differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterIdentity {
    /// Its name.
    pub name: String,
    /// What reaches it: `Vulkan`, `Metal`, `Dx12`, `Gl`.
    pub api: String,
    /// Its driver and that one's version, as [`Gpu::driver`] has them.
    pub driver: String,
}

impl AdapterIdentity {
    /// Of an adapter.
    pub fn of(info: &wgpu::AdapterInfo) -> Self {
        Self {
            name: info.name.clone(),
            api: format!("{:?}", info.backend),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        }
    }

    /// The one among `all` that has this name behind this API; of several, the one behind the same driver, else the first. `None` if there is none.
    /// An older file may not know the driver: then it is empty here, and the first is taken.
    pub fn find<'a>(&self, all: &'a [AdapterSummary]) -> Option<&'a AdapterSummary> {
        let alike = || {
            all.iter().filter(|one| {
                let other = Self::of(&one.info);
                (&other.name, &other.api) == (&self.name, &self.api)
            })
        };
        alike().find(|one| Self::of(&one.info).driver == self.driver).or_else(|| alike().next())
    }
}

/// The adapter of `gpu`, opened again with other options; its kernels stay. `options.adapter` and `options.products` are not looked at.
///
/// # Errors
/// [`Error::NoAdapter`] if the adapter is gone; else as [`Gpu::request`].
pub async fn reopen(gpu: &Gpu, options: &GpuOptions) -> Result<Gpu> {
    let before = gpu.adapter_info();
    let same = |summary: &AdapterSummary| {
        let own = &summary.info;
        let at = (own.device, &own.device_pci_bus_id) == (before.device, &before.device_pci_bus_id);
        at && AdapterIdentity::of(own) == AdapterIdentity::of(&before)
    };
    let index = adapters().await?.iter().position(same);
    let index = index.ok_or_else(|| Error::NoAdapter(format!("{} is gone", before.name)))?;
    let options = GpuOptions { adapter: AdapterChoice::Index(index), products: gpu.products(), ..options.clone() };
    Gpu::request(&options).await
}

/// `gpu` itself if its bindings hold `bytes`, else its adapter opened again with bindings that do. Timestamps and bounds checks are as before.
///
/// # Errors
/// As [`reopen`]; [`Error::Limit`] if the adapter has no bindings as large.
pub async fn with_binding_bytes(gpu: &Gpu, bytes: u64) -> Result<Gpu> {
    if bytes <= gpu.limits().max_storage_buffer_binding_size {
        return Ok(gpu.clone());
    }
    let options = GpuOptions {
        binding_bytes: Some(bytes),
        timestamps: gpu.has_timestamps(),
        bounds_checks: gpu.has_bounds_checks(),
        ..GpuOptions::default()
    };
    reopen(gpu, &options).await
}

#[cfg(test)]
mod tests;
