//! How long compute passes take, by the device's own clock.

use super::readback::ReadBack;
use super::record::Call;
use super::{Gpu, Slot};
use crate::error::Result;

/// Room for the times of some passes. Made of timestamps at the ends of a pass: what the device does between two passes
/// does not count, nor does what the host does.
#[derive(Debug)]
pub struct Timestamps {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: ReadBack<u32>,
    passes: u32,
    /// Seconds of one tick.
    period: f64,
}

impl Timestamps {
    /// Most passes that one set takes: WebGPU allows 4,096 queries.
    pub const MOST: u32 = 2048;

    /// Room for `passes` passes (at most [`MOST`](Self::MOST)). `None` where the device has no timestamps
    /// ([`GpuOptions::timestamps`](super::GpuOptions::timestamps)).
    ///
    /// # Errors
    /// A wgpu error, or out of memory.
    pub fn new(gpu: &Gpu, passes: u32) -> Result<Option<Self>> {
        if !gpu.has_timestamps() {
            return Ok(None);
        }
        let passes = passes.clamp(1, Self::MOST);
        let count = 2 * passes;
        let (set, resolved) = gpu.scoped("timestamps", || {
            let set = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let resolved = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: u64::from(count) * 8,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            (set, resolved)
        })?;
        let staging = ReadBack::new(gpu, "timestamps", 2 * u64::from(count))?;
        let period = f64::from(gpu.queue().get_timestamp_period()) * 1e-9;
        Ok(Some(Self { set, resolved, staging, passes, period }))
    }

    /// Records `calls` as one pass whose time is number `pass`.
    pub fn record(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        label: &str,
        calls: &[Call],
        slot: Slot,
        pass: u32,
    ) {
        let first = 2 * (pass % self.passes);
        let writes = wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        };
        gpu.record_with(encoder, label, calls, slot, Some(writes));
    }

    /// Records the copy that [`seconds`](Self::seconds) reads; after the last pass, all of which must have been recorded.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        let count = 2 * self.passes;
        encoder.resolve_query_set(&self.set, 0..count, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.staging.staging, 0, u64::from(count) * 8);
    }

    /// Seconds of each pass, waiting for the submission.
    ///
    /// # Errors
    /// A lost device; [`Error::Waits`](crate::Error::Waits) in a browser.
    pub fn seconds(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        gpu.block_on(self.seconds_async(gpu))
    }

    /// Seconds of each pass, once the submission has run.
    ///
    /// # Errors
    /// A lost device.
    pub async fn seconds_async(&self, gpu: &Gpu) -> Result<Vec<f64>> {
        let ticks = self.ticks(gpu).await?;
        Ok(ticks.chunks(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 * self.period).collect())
    }

    /// Seconds from the beginning of the first pass to the end of the last one, once the submission has run: where the clock's steps are long
    /// beside a pass, as a browser's are.
    ///
    /// # Errors
    /// A lost device.
    pub async fn span_async(&self, gpu: &Gpu) -> Result<f64> {
        let ticks = self.ticks(gpu).await?;
        let (first, last) = (ticks.first().copied(), ticks.last().copied());
        Ok(last.unwrap_or_default().saturating_sub(first.unwrap_or_default()) as f64 * self.period)
    }

    /// Beginning and end of each pass.
    async fn ticks(&self, gpu: &Gpu) -> Result<Vec<u64>> {
        let words = self.staging.fetch_async(gpu).await?;
        Ok(words.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).collect())
    }
}
