//! Storage buffers with a type and a length.

use super::Gpu;
use crate::error::{Error, Result};
use crate::memory::require;
use std::marker::PhantomData;

/// What a storage buffer may hold: WGSL's `f32`, `u32`, `vec2<f32>`, `vec4<f32>`.
pub trait Element: bytemuck::Pod {
    /// The WGSL type.
    const WGSL: &'static str;
}

impl Element for f32 {
    const WGSL: &'static str = "f32";
}
impl Element for u32 {
    const WGSL: &'static str = "u32";
}
impl Element for [f32; 2] {
    const WGSL: &'static str = "vec2<f32>";
}
impl Element for [f32; 4] {
    const WGSL: &'static str = "vec4<f32>";
}

/// A range of a storage buffer that holds `len` elements of type `T`. Cheap to clone; clones are the same memory.
#[derive(Debug)]
pub struct Buffer<T> {
    raw: wgpu::Buffer,
    offset: u64,
    len: u64,
    element: PhantomData<T>,
}

impl<T> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Self { raw: self.raw.clone(), offset: self.offset, len: self.len, element: PhantomData }
    }
}

impl<T: Element> Buffer<T> {
    /// A range of a buffer that belongs to someone else, from byte `offset` on.
    ///
    /// # Errors
    /// [`Error::Wgpu`] if the buffer lacks `STORAGE` usage, the offset is not a multiple of 256 or the range goes past
    /// the end.
    pub fn from_wgpu(raw: &wgpu::Buffer, offset: u64, len: u64) -> Result<Self> {
        let refuse = |message: String| Err(Error::Wgpu { what: "Buffer::from_wgpu".to_owned(), message });
        if !raw.usage().contains(wgpu::BufferUsages::STORAGE) {
            return refuse(format!("usage {:?} lacks STORAGE", raw.usage()));
        }
        if !offset.is_multiple_of(256) {
            return refuse(format!("offset {offset} is not a multiple of 256"));
        }
        let bytes = len.checked_mul(size_of::<T>() as u64).and_then(|bytes| bytes.checked_add(offset));
        if len == 0 || bytes.is_none_or(|end| end > raw.size()) {
            let size = size_of::<T>();
            return refuse(format!("{len} elements of {size} bytes from {offset} do not fit in {} bytes", raw.size()));
        }
        Ok(Self { raw: raw.clone(), offset, len, element: PhantomData })
    }

    /// Number of elements.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no elements (never, see [`Gpu::buffer`]).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.len * size_of::<T>() as u64
    }

    /// First byte inside [`raw`](Self::raw).
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The wgpu buffer.
    pub fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    /// The same memory as elements of another type of the same or a smaller size.
    pub(crate) fn cast<U: Element>(&self) -> Buffer<U> {
        let len = self.bytes() / size_of::<U>() as u64;
        Buffer { raw: self.raw.clone(), offset: self.offset, len, element: PhantomData }
    }

    /// The same memory, four numbers at a time. The last vector may hold what lies past the end; it is missing in a buffer of
    /// someone else that is too short for it.
    pub(crate) fn quads(&self) -> Buffer<[f32; 4]> {
        let len = if self.has_whole_quads() { self.bytes().div_ceil(16) } else { self.bytes() / 16 };
        Buffer { raw: self.raw.clone(), offset: self.offset, len, element: PhantomData }
    }

    /// Whether [`quads`](Self::quads) has all numbers.
    pub(crate) fn has_whole_quads(&self) -> bool {
        self.offset + 16 * self.bytes().div_ceil(16) <= self.raw.size()
    }

    /// The range from the first element of either to the last, and where each begins in it; if both are ranges of one wgpu buffer.
    pub(crate) fn joined(&self, other: &Self) -> Option<(Self, [u32; 2])> {
        let size = size_of::<T>() as u64;
        let offset = self.offset.min(other.offset);
        let len = ((self.offset + self.bytes()).max(other.offset + other.bytes()) - offset) / size;
        let place = |buffer: &Self| u32::try_from((buffer.offset - offset) / size).ok();
        let places = [place(self)?, place(other)?];
        (self.raw == other.raw).then(|| (Self { raw: self.raw.clone(), offset, len, element: PhantomData }, places))
    }

    pub(super) fn binding(&self) -> wgpu::BufferBinding<'_> {
        wgpu::BufferBinding { buffer: &self.raw, offset: self.offset, size: std::num::NonZeroU64::new(self.bytes()) }
    }
}

impl Gpu {
    /// A buffer of `len` zeros.
    ///
    /// # Errors
    /// [`Error::Limit`] if it is empty or larger than the device allows in one binding, [`Error::OutOfMemory`], on a software adapter
    /// [`Error::Memory`].
    pub fn buffer<T: Element>(&self, label: &str, len: u64) -> Result<Buffer<T>> {
        let bytes = len.saturating_mul(size_of::<T>() as u64);
        if len == 0 {
            let what = format!("buffer \"{label}\" of 0 elements");
            return Err(Error::Limit { what, limit: "smallest buffer (elements)", needs: 0, has: 1 });
        }
        let limits = self.limits();
        for (limit, has) in [
            ("max_storage_buffer_binding_size (bytes)", limits.max_storage_buffer_binding_size),
            ("max_buffer_size (bytes)", limits.max_buffer_size),
        ] {
            if bytes > has {
                return Err(Error::Limit { what: format!("buffer \"{label}\""), limit, needs: bytes, has });
            }
        }
        if self.is_software() {
            // Its memory is the machine's.
            require(|| format!("buffer \"{label}\""), bytes.into())?;
        }
        self.count_created();
        let raw = self.scoped(label, || {
            self.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                // Whole vectors of four, for those who read it so.
                size: bytes.next_multiple_of(16),
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        })?;
        Ok(Buffer { raw, offset: 0, len, element: PhantomData })
    }

    /// A buffer with a copy of `data`.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn upload<T: Element>(&self, label: &str, data: &[T]) -> Result<Buffer<T>> {
        let buffer = self.buffer(label, data.len() as u64)?;
        self.write(&buffer, 0, data)?;
        Ok(buffer)
    }

    /// Copies `data` to the elements from `start` on. It happens before all commands of the next submission.
    ///
    /// # Errors
    /// [`Error::BufferLength`] if it does not fit.
    pub fn write<T: Element>(&self, buffer: &Buffer<T>, start: u64, data: &[T]) -> Result<()> {
        let needs = start.saturating_add(data.len() as u64);
        if needs > buffer.len {
            let shape = format!("start {start} + {} elements", data.len());
            return Err(Error::BufferLength { kernel: "write", buffer: "data", holds: buffer.len, needs, shape });
        }
        if data.is_empty() {
            return Ok(());
        }
        let first = buffer.offset + start * size_of::<T>() as u64;
        self.scoped("write", || self.queue().write_buffer(&buffer.raw, first, bytemuck::cast_slice(data)))
    }
}
