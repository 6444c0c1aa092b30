//! Buffers between guard words.

use super::report::{GUARD, Report, UNWRITTEN};
use crate::error::Result;
use crate::gpu::{Buffer, Element, Gpu, Slot, UniformRing};
use crate::kernels::per_update::PerUpdate;

/// What lies around an input: a NaN, so that a number read past an end shows even where it is multiplied by 0. Not around
/// an output, as it would come through arithmetic unchanged.
const OUTSIDE: u32 = 0x7fc5_a5a5;

/// A buffer between guard words.
pub(in crate::check) struct Guarded<T> {
    label: &'static str,
    words: Buffer<u32>,
    elements: Buffer<T>,
    len: usize,
    guard: u32,
}

impl<T: Element> Guarded<T> {
    /// `len` elements, none of them written yet.
    pub(in crate::check) fn output(gpu: &Gpu, label: &'static str, len: usize) -> Result<Self> {
        Self::new(gpu, label, len, UNWRITTEN)
    }

    /// A copy of `data`, to be read and written.
    pub(in crate::check) fn updated(gpu: &Gpu, label: &'static str, data: &[T]) -> Result<Self> {
        let guarded = Self::new(gpu, label, data.len(), UNWRITTEN)?;
        gpu.write(&guarded.elements, 0, data)?;
        Ok(guarded)
    }

    fn new(gpu: &Gpu, label: &'static str, len: usize, guard: u32) -> Result<Self> {
        let count = len * size_of::<T>() / 4;
        let words: Buffer<u32> = gpu.upload(label, &vec![guard; count + 2 * GUARD])?;
        // The binding takes the second guard in: no kernel asks for a binding's length.
        let elements = Buffer::from_wgpu(words.raw(), 4 * GUARD as u64, (len + 4 * GUARD / size_of::<T>()) as u64)?;
        Ok(Self { label, words, elements, len, guard })
    }

    /// A copy of `data`, to be read only.
    pub(in crate::check) fn holding(gpu: &Gpu, label: &'static str, data: &[T]) -> Result<Self> {
        let guarded = Self::new(gpu, label, data.len(), OUTSIDE)?;
        gpu.write(&guarded.elements, 0, data)?;
        Ok(guarded)
    }

    pub(in crate::check) fn io(&self) -> &Buffer<T> {
        &self.elements
    }

    /// The elements; a guard word that changed is a fault.
    pub(in crate::check) async fn read(&self, gpu: &Gpu, report: &Report) -> Result<Vec<T>> {
        let words = gpu.read_async(&self.words).await?;
        report.guards(self.label, &words, self.guard);
        let inside = &words[GUARD..GUARD + self.len * size_of::<T>() / 4];
        Ok(bytemuck::pod_collect_to_vec(inside))
    }
}

/// A ring with one slot filled.
pub(in crate::check) fn schedule(gpu: &Gpu, values: &PerUpdate) -> Result<(UniformRing, Slot)> {
    let ring = PerUpdate::ring(gpu)?;
    let slot = ring.push(gpu, values)?;
    Ok((ring, slot))
}
