//! The device and what wgpo keeps beside it.

use super::adapter::{pick, shortfall};
use super::counts::Counts;
use super::health::Health;
use super::options::{GpuOptions, ProductPath};
use super::pipeline_cache::PipelineCache;
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A device with its queue, our pipelines and our counters. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Gpu {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub limits: wgpu::Limits,
    pub bounds_checks: bool,
    pub products: ProductPath,
    pub software: bool,
    pub pipelines: PipelineCache,
    #[cfg(not(target_arch = "wasm32"))]
    pub watch: super::watch::Watch,
    pub dispatches: AtomicU64,
    pub submissions: AtomicU64,
    pub readbacks: AtomicU64,
    pub created: AtomicU64,
    /// Of devices that we made.
    pub health: Health,
}

impl Gpu {
    /// Asks wgpu for an adapter and a device.
    ///
    /// The limits are WebGPU's defaults; `options.binding_bytes` raises the size of bindings and buffers. No optional
    /// feature is requested, except timestamp queries if `options.timestamps` asks for them and the adapter has them.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::Variable`] or [`Error::NoDevice`]; [`Error::Limit`] if `binding_bytes` is more than the adapter has.
    pub async fn request(options: &GpuOptions) -> Result<Self> {
        let adapter = pick(options).await?;
        let name = adapter.get_info().name;
        let limits = limits_for(&adapter.limits(), options, &name)?;
        let wanted = if options.timestamps { wgpu::Features::TIMESTAMP_QUERY } else { wgpu::Features::empty() };
        let features = wanted & adapter.features();
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("wgpo"),
            required_features: features,
            required_limits: limits,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::NoDevice { adapter: name, message: error.to_string() })?;
        let gpu = Self::wrap(device, queue, options.bounds_checks, options.products);
        gpu.watch();
        Ok(gpu)
    }

    /// [`request`](Self::request), waiting for the answer.
    ///
    /// # Errors
    /// As `request`.
    #[cfg(not(target_arch = "wasm32"))] // the browser answers later
    pub fn new(options: &GpuOptions) -> Result<Self> {
        pollster::block_on(Self::request(options))
    }

    /// A device and queue that belong to someone else. Their error and loss callbacks are left alone, nothing is polled, and
    /// bounds checks stay on unless `trusted` says that wgpo's own shaders may run without.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if the device's limits are below WebGPU's defaults where the kernels need them.
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue, trusted: bool) -> Result<Self> {
        if let Some(shortfall) = shortfall(&device.limits()) {
            let adapter = device.adapter_info().name;
            return Err(Error::NoDevice { adapter, message: format!("its limits are too low: {shortfall}") });
        }
        Ok(Self::wrap(device, queue, !trusted, ProductPath::Auto))
    }

    fn wrap(device: wgpu::Device, queue: wgpu::Queue, bounds_checks: bool, products: ProductPath) -> Self {
        let limits = device.limits();
        let software = device.adapter_info().device_type == wgpu::DeviceType::Cpu;
        let products = match products {
            ProductPath::Auto if software => ProductPath::Direct,
            ProductPath::Auto => ProductPath::Fused,
            chosen => chosen,
        };
        Self {
            inner: Arc::new(Inner {
                device,
                queue,
                limits,
                bounds_checks,
                products,
                software,
                pipelines: PipelineCache::default(),
                #[cfg(not(target_arch = "wasm32"))]
                watch: super::watch::Watch::default(),
                dispatches: AtomicU64::new(0),
                submissions: AtomicU64::new(0),
                readbacks: AtomicU64::new(0),
                created: AtomicU64::new(0),
                health: Health::default(),
            }),
        }
    }

    /// The same device and queue with other kernels, and with pipelines and [`counts`](Self::counts) of its own. Plans and
    /// learners keep the kernels that they were made with.
    #[must_use]
    pub fn with_products(&self, products: ProductPath) -> Self {
        let (device, queue) = (self.inner.device.clone(), self.inner.queue.clone());
        let mut other = Self::wrap(device, queue, self.inner.bounds_checks, products);
        if let Some(inner) = Arc::get_mut(&mut other.inner) {
            inner.health = self.inner.health.clone();
        }
        other
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    /// Whether the adapter computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.inner.software
    }

    /// Which kernels compute products; never [`ProductPath::Auto`].
    pub fn products(&self) -> ProductPath {
        self.inner.products
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// What the device allows.
    pub fn limits(&self) -> &wgpu::Limits {
        &self.inner.limits
    }

    /// Name, backend and driver of the adapter.
    pub fn adapter_info(&self) -> wgpu::AdapterInfo {
        self.inner.device.adapter_info()
    }

    /// The driver and its version.
    pub fn driver(&self) -> String {
        let info = self.adapter_info();
        format!("{} {}", info.driver, info.driver_info).trim().to_owned()
    }

    /// One line: name, backend, driver.
    pub fn describe(&self) -> String {
        let info = self.adapter_info();
        format!("{} ({:?}, {} {})", info.name, info.backend, info.driver, info.driver_info)
    }

    /// Whether the device was made with timestamp queries.
    pub fn has_timestamps(&self) -> bool {
        self.inner.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Dispatches, submissions and read-backs so far.
    pub fn counts(&self) -> Counts {
        Counts {
            dispatches: self.inner.dispatches.load(Ordering::Relaxed),
            submissions: self.inner.submissions.load(Ordering::Relaxed),
            readbacks: self.inner.readbacks.load(Ordering::Relaxed),
            created: self.inner.created.load(Ordering::Relaxed),
        }
    }

    /// An encoder for commands, labelled.
    pub fn encoder(&self, label: &str) -> wgpu::CommandEncoder {
        self.inner.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(label) })
    }

    /// Finishes `encoder` and submits it, inside error scopes.
    ///
    /// # Errors
    /// A wgpu error of the recorded commands, or a lost device.
    pub fn submit(&self, encoder: wgpu::CommandEncoder) -> Result<()> {
        self.healthy()?;
        self.scoped("submission", || self.inner.queue.submit(Some(encoder.finish())))?;
        self.inner.submissions.fetch_add(1, Ordering::Relaxed);
        self.healthy()
    }

    /// Counts something made.
    pub(super) fn count_created(&self) {
        self.inner.created.fetch_add(1, Ordering::Relaxed);
    }
}

/// WebGPU's defaults, with larger bindings where they were asked for.
fn limits_for(adapter: &wgpu::Limits, options: &GpuOptions, name: &str) -> Result<wgpu::Limits> {
    let mut limits = wgpu::Limits::default();
    if let Some(wanted) = options.binding_bytes {
        let has = adapter.max_storage_buffer_binding_size.min(adapter.max_buffer_size);
        if wanted > has {
            let what = format!("adapter \"{name}\"");
            return Err(Error::Limit { what, limit: "max_storage_buffer_binding_size", needs: wanted, has });
        }
        limits.max_storage_buffer_binding_size = limits.max_storage_buffer_binding_size.max(wanted);
        limits.max_buffer_size = limits.max_buffer_size.max(wanted);
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_bindings_are_asked_for_only_as_far_as_they_exist() {
        let adapter =
            wgpu::Limits { max_buffer_size: 1 << 30, max_storage_buffer_binding_size: 1 << 29, ..Default::default() };
        let limits = |wanted| limits_for(&adapter, &GpuOptions { binding_bytes: wanted, ..Default::default() }, "name");
        assert_eq!(limits(None).unwrap(), wgpu::Limits::default());
        assert_eq!(limits(Some(1)).unwrap(), wgpu::Limits::default());
        let raised = limits(Some(1 << 29)).unwrap();
        assert_eq!((raised.max_storage_buffer_binding_size, raised.max_buffer_size), (1 << 29, 1 << 29));
        assert!(matches!(limits(Some(1 << 30)), Err(Error::Limit { needs, has, .. }) if needs == 2 * has));
    }
}
