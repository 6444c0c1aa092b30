//! From the device to the host.

use super::Gpu;
use super::buffer::{Buffer, Element};
use super::signal::Signal;
use crate::error::{Error, Result};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A staging buffer that is kept, so that reading every update allocates nothing.
#[derive(Debug)]
pub struct ReadBack<T> {
    pub(super) staging: wgpu::Buffer,
    len: u64,
    in_use: Arc<AtomicBool>,
    element: PhantomData<T>,
}

impl<T: Element> ReadBack<T> {
    /// Room for `len` elements.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], or [`Error::Limit`] if `len` is 0.
    pub fn new(gpu: &Gpu, label: &str, len: u64) -> Result<Self> {
        if len == 0 {
            let what = format!("read-back \"{label}\"");
            return Err(Error::Limit { what, limit: "smallest buffer (elements)", needs: 0, has: 1 });
        }
        gpu.count_created();
        let staging = gpu.scoped(label, || {
            gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: len * size_of::<T>() as u64,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            })
        })?;
        Ok(Self { staging, len, in_use: Arc::default(), element: PhantomData })
    }

    /// Whether `count` elements from `to` on fit, for callers that make several copies or none.
    pub(crate) fn check(&self, to: u64, count: u64) -> Result<()> {
        if to.checked_add(count).is_none_or(|end| end > self.len) {
            let (holds, needs) = (self.len, to.saturating_add(count));
            let shape = format!("start {to} + {count} elements");
            return Err(Error::BufferLength { kernel: "read-back", buffer: "staging", holds, needs, shape });
        }
        Ok(())
    }

    /// Records a copy of `count` elements of `source`, from its element `first` on, to element `to` of the staging buffer.
    ///
    /// # Errors
    /// [`Error::BufferLength`] if either side is too short.
    pub fn copy(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        source: &Buffer<T>,
        first: u64,
        to: u64,
        count: u64,
    ) -> Result<()> {
        for (buffer, holds, start) in [("source", source.len(), first), ("staging", self.len, to)] {
            if start.checked_add(count).is_none_or(|end| end > holds) {
                let shape = format!("start {start} + {count} elements");
                return Err(Error::BufferLength {
                    kernel: "read-back",
                    buffer,
                    holds,
                    needs: start.saturating_add(count),
                    shape,
                });
            }
        }
        let size = size_of::<T>() as u64;
        let from = source.offset() + first * size;
        encoder.copy_buffer_to_buffer(source.raw(), from, &self.staging, to * size, count * size);
        Ok(())
    }

    /// The staging buffer's content once the submission that fills it has run. Someone must poll the device
    /// meanwhile; a browser does so by itself.
    ///
    /// # Errors
    /// A lost device.
    pub async fn fetch_async(&self, gpu: &Gpu) -> Result<Vec<T>> {
        self.begin(gpu)?.finish().await
    }

    /// [`fetch_async`](Self::fetch_async), waiting.
    ///
    /// # Errors
    /// A lost device; [`Error::Waits`] in a browser.
    pub fn fetch(&self, gpu: &Gpu) -> Result<Vec<T>> {
        gpu.block_on(self.fetch_async(gpu))
    }

    /// The first half of [`fetch_async`](Self::fetch_async): asks for the content, which [`Fetch::finish`] gives. Until then, or until the
    /// [`Fetch`] is dropped, the staging buffer is in use and nothing may be copied into it.
    ///
    /// # Errors
    /// A lost device; [`Error::Wgpu`] if it is in use already.
    pub fn begin(&self, gpu: &Gpu) -> Result<Fetch<T>> {
        if self.in_use.swap(true, Ordering::AcqRel) {
            let message = "its staging buffer is being read: finish that first".to_owned();
            return Err(Error::Wgpu { what: "read-back".to_owned(), message });
        }
        gpu.inner.readbacks.fetch_add(1, Ordering::Relaxed);
        let mapped = Signal::default();
        let fetch = Fetch {
            gpu: gpu.clone(),
            staging: self.staging.clone(),
            in_use: Arc::clone(&self.in_use),
            mapped: mapped.clone(),
            element: PhantomData,
        };
        // On a device that is lost, the staging buffer may be no buffer.
        gpu.scoped("read-back", || {
            self.staging.map_async(wgpu::MapMode::Read, .., move |outcome| {
                mapped.set(outcome.map_err(|error| Error::DeviceLost(error.to_string())));
            });
        })?;
        Ok(fetch)
    }

    /// Whether a [`Fetch`] of it is there, so that nothing may be copied into it.
    pub(crate) fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::Acquire)
    }
}

/// A staging buffer's content that was asked for, see [`ReadBack::begin`].
#[derive(Debug)]
#[must_use = "what was asked for comes by `finish`"]
pub struct Fetch<T> {
    gpu: Gpu,
    staging: wgpu::Buffer,
    in_use: Arc<AtomicBool>,
    mapped: Signal,
    element: PhantomData<T>,
}

impl<T: Element> Fetch<T> {
    /// The content, once the submission that fills the staging buffer has run. Someone must poll the device meanwhile; a browser does so
    /// by itself.
    ///
    /// # Errors
    /// A lost device.
    pub async fn finish(self) -> Result<Vec<T>> {
        if let Err(error) = self.mapped.clone().await {
            // The device's own words say more than those of the buffer.
            self.gpu.healthy()?;
            return Err(error);
        }
        let copied = self
            .staging
            .get_mapped_range(..)
            .map(|view| bytemuck::pod_collect_to_vec(&view))
            .map_err(|error| Error::DeviceLost(error.to_string()));
        self.gpu.healthy()?;
        copied
    }
}

impl<T> Drop for Fetch<T> {
    fn drop(&mut self) {
        // Where it was never mapped, natively an error that nobody has to hear of.
        let _ = self.gpu.scoped("read-back", || self.staging.unmap());
        self.in_use.store(false, Ordering::Release);
    }
}

impl Gpu {
    /// Copies a whole buffer to the host, waiting for everything submitted before.
    ///
    /// # Errors
    /// A lost device; [`Error::Waits`] in a browser.
    pub fn read<T: Element>(&self, buffer: &Buffer<T>) -> Result<Vec<T>> {
        self.block_on(self.read_async(buffer))
    }

    /// Copies a whole buffer to the host, once everything submitted before has run. Someone must poll the device meanwhile; a browser does
    /// so by itself.
    ///
    /// # Errors
    /// A lost device.
    pub async fn read_async<T: Element>(&self, buffer: &Buffer<T>) -> Result<Vec<T>> {
        let staging = ReadBack::new(self, "read", buffer.len())?;
        let mut encoder = self.encoder("read");
        staging.copy(&mut encoder, buffer, 0, 0, buffer.len())?;
        self.submit(encoder)?;
        staging.fetch_async(self).await
    }
}
