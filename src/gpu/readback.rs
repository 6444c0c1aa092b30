//! From the device to the host.

use super::Gpu;
use super::buffer::{Buffer, Element};
use crate::error::{Error, Result};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A staging buffer that is kept, so that reading every update allocates nothing.
#[derive(Debug)]
pub struct ReadBack<T> {
    pub(super) staging: wgpu::Buffer,
    len: u64,
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
        Ok(Self { staging, len, element: PhantomData })
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
        let mapped = self.start(gpu)?;
        mapped.await?;
        self.take(gpu)
    }

    /// [`fetch_async`](Self::fetch_async), waiting.
    ///
    /// # Errors
    /// A lost device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fetch(&self, gpu: &Gpu) -> Result<Vec<T>> {
        let mapped = self.start(gpu)?;
        gpu.wait()?;
        pollster::block_on(mapped)?;
        self.take(gpu)
    }

    fn start(&self, gpu: &Gpu) -> Result<Mapped> {
        gpu.inner.readbacks.fetch_add(1, Ordering::Relaxed);
        let mapped = Mapped::default();
        let shared = Arc::clone(&mapped.0);
        // On a device that is lost, the staging buffer may be no buffer.
        gpu.scoped("read-back", || {
            self.staging.map_async(wgpu::MapMode::Read, .., move |outcome| {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                state.outcome = Some(outcome.map_err(|error| Error::DeviceLost(error.to_string())));
                if let Some(waker) = state.waker.take() {
                    waker.wake();
                }
            });
        })?;
        Ok(mapped)
    }

    fn take(&self, gpu: &Gpu) -> Result<Vec<T>> {
        let copied = self
            .staging
            .get_mapped_range(..)
            .map(|view| bytemuck::pod_collect_to_vec(&view))
            .map_err(|error| Error::DeviceLost(error.to_string()));
        self.staging.unmap();
        gpu.healthy()?;
        copied
    }
}

/// Resolves when a buffer is mapped.
#[derive(Default)]
struct Mapped(Arc<Mutex<MapState>>);

#[derive(Default)]
struct MapState {
    outcome: Option<Result<()>>,
    waker: Option<Waker>,
}

impl Future for Mapped {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Gpu {
    /// Copies a whole buffer to the host, waiting for everything submitted before.
    ///
    /// # Errors
    /// A lost device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn read<T: Element>(&self, buffer: &Buffer<T>) -> Result<Vec<T>> {
        let staging = ReadBack::new(self, "read", buffer.len())?;
        let mut encoder = self.encoder("read");
        staging.copy(&mut encoder, buffer, 0, 0, buffer.len())?;
        self.submit(encoder)?;
        staging.fetch(self)
    }
}
