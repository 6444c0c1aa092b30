//! A device that is lost, or that has refused something.

use super::Gpu;
use super::health::Fault;
use crate::error::Result;
use std::future::poll_fn;
use std::sync::Arc;

impl Gpu {
    /// Turns loss and uncaptured errors of our own device into values that the next call returns.
    pub(super) fn watch(&self) {
        let health = self.inner.health.clone();
        self.inner.device.set_device_lost_callback(move |reason, message| {
            health.note(Fault::Lost(format!("{reason:?}: {message}")));
        });
        let health = self.inner.health.clone();
        self.inner.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            health.note(Fault::Uncaptured(error.to_string()));
        }));
    }

    /// The first loss or uncaptured error of a device made by [`Gpu::new`], if there was one. It stays.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::Error::DeviceLost) or [`Error::Wgpu`](crate::Error::Wgpu).
    pub fn healthy(&self) -> Result<()> {
        self.inner.health.fault()
    }

    /// The reason, once a device made by [`Gpu::new`] or [`Gpu::request`] is lost; it never comes for a device that belongs to someone else, whose
    /// callback is left alone. Natively the loss is seen when the device is polled.
    pub async fn lost(&self) -> String {
        let health = self.inner.health.clone();
        poll_fn(move |context| health.lost(context.waker())).await
    }
}
