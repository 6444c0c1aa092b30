//! Where a record was made.

use serde::{Deserialize, Serialize};
use wgpo::place::Place;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRecord {
    /// `gpu` or `cpu`.
    pub backend: String,
    pub adapter: Option<String>,
    pub api: Option<String>,
    pub device_type: Option<String>,
    pub driver: Option<String>,
    pub driver_info: Option<String>,
    #[serde(default)]
    pub kernels: Option<String>,
    pub timestamps: bool,
    pub threads: Option<usize>,
    pub architecture: String,
    pub system: String,
}

impl PlaceRecord {
    /// Of a place and this program.
    pub fn new(place: &Place) -> Self {
        let (architecture, system) = (std::env::consts::ARCH.to_owned(), std::env::consts::OS.to_owned());
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
                threads: Some(rayon::current_num_threads()),
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
                format!("{} ({}, {})", word(&self.adapter), word(&self.api), driver.trim())
            }
        }
    }
}
