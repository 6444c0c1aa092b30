//! Where a record was made.

use crate::place::Place;
use serde::{Deserialize, Serialize};

/// Where a record was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRecord {
    /// `gpu` or `cpu`.
    pub backend: String,
    /// Its name. A browser may not tell it: it is empty then.
    pub adapter: Option<String>,
    /// What reaches it: `Vulkan`, …; `BrowserWebGpu`.
    pub api: Option<String>,
    /// Its kind: `DiscreteGpu`, …; `Cpu` is software. A browser says `Other`.
    pub device_type: Option<String>,
    /// As the driver names itself; in a browser empty.
    pub driver: Option<String>,
    /// As the driver names its version; in a browser empty.
    pub driver_info: Option<String>,
    /// Which kernels compute networks.
    #[serde(default)]
    pub kernels: Option<String>,
    /// Whether the device has a clock for passes.
    pub timestamps: bool,
    /// Threads of the reference, on the CPU.
    pub threads: Option<usize>,
    /// Of the machine, as Rust names it; `wasm32` in a browser.
    pub architecture: String,
    /// Of the machine, as Rust names it. In a browser its name and version, which the library does not know: `browser` until somebody says them.
    pub system: String,
}

impl PlaceRecord {
    /// Of a place and this program.
    pub fn new(place: &Place) -> Self {
        let architecture = std::env::consts::ARCH.to_owned();
        let system = if cfg!(target_arch = "wasm32") { "browser" } else { std::env::consts::OS }.to_owned();
        match place {
            Place::Gpu(gpu) => {
                let info = gpu.adapter_info();
                Self {
                    backend: "gpu".to_owned(),
                    adapter: Some(info.name),
                    api: Some(format!("{:?}", info.backend)),
                    device_type: Some(format!("{:?}", info.device_type)),
                    driver: Some(info.driver),
                    driver_info: Some(info.driver_info),
                    kernels: Some(gpu.products().name().to_owned()),
                    timestamps: gpu.has_timestamps(),
                    threads: None,
                    architecture,
                    system,
                }
            }
            Place::Cpu => Self {
                backend: "cpu".to_owned(),
                adapter: None,
                api: None,
                device_type: None,
                driver: None,
                driver_info: None,
                kernels: None,
                timestamps: false,
                threads: Some(crate::parallel::current_num_threads()),
                architecture,
                system,
            },
        }
    }

    /// One line.
    pub fn describe(&self) -> String {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        match self.threads {
            Some(threads) => {
                format!("CPU reference in f32, {threads} threads ({}, {})", self.architecture, self.system)
            }
            None => {
                let driver = format!("{} {}", word(&self.driver), word(&self.driver_info));
                // A browser says nothing of the driver, and of the adapter what it likes.
                let behind = if driver.trim().is_empty() { &self.system } else { driver.trim() };
                let adapter = word(&self.adapter);
                let adapter = if adapter.is_empty() { "an adapter without a name" } else { &adapter };
                format!("{adapter} ({}, {behind})", word(&self.api))
            }
        }
    }
}
