//! From buffers to bound calls, and from calls to a compute pass.

use super::Gpu;
use super::buffer::{Buffer, Element};
use super::kernel::{Access, KernelDef, Variant};
use super::ring::{Slot, UniformRing};
use crate::error::{Error, Result};
use crate::memory::require;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes from one parameter block to the next: WebGPU's alignment of dynamic uniform offsets.
const BLOCK: u64 = 256;

/// One dispatch, bound and checked: pipeline, bind group, parameter block and grid. Recording it costs no allocation.
#[derive(Debug, Clone)]
pub struct Call {
    bound: Arc<Bound>,
    block: u32,
    grid: [u32; 2],
}

impl Call {
    /// Stem of the kernel.
    pub fn kernel(&self) -> &'static str {
        self.bound.name
    }
}

/// A pipeline with its buffers. Calls of one `bind` share it.
#[derive(Debug)]
struct Bound {
    name: &'static str,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    ring: bool,
}

/// A buffer under the name of its binding.
#[derive(Debug)]
pub(crate) struct Bind<'a> {
    name: &'static str,
    access: Access,
    binding: wgpu::BufferBinding<'a>,
}

impl<'a> Bind<'a> {
    pub(crate) fn new<T: Element>(name: &'static str, access: Access, buffer: &'a Buffer<T>) -> Self {
        Self { name, access, binding: buffer.binding() }
    }
}

/// How many workgroups a call runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grid {
    /// One invocation for each of so many items, 64 to a workgroup.
    Items(u64),
    /// So many workgroups.
    Groups(u64),
}

/// Invocations of a workgroup in every kernel of ours (`override WG`, or a fixed 64).
const WORKGROUP: u64 = 64;

impl Grid {
    /// Workgroups along x and y; kernels number them `y · groups.x + x` and skip those past the end.
    fn size(self, kernel: &'static str, limit: u32) -> Result<[u32; 2]> {
        let groups = match self {
            Self::Items(items) => items.div_ceil(WORKGROUP),
            Self::Groups(groups) => groups,
        };
        let limit = u64::from(limit);
        let rows = groups.div_ceil(limit);
        // Invocation numbers are u32 in the shaders.
        if groups == 0 || rows > limit || groups > u64::from(u32::MAX) / WORKGROUP {
            return Err(Error::Limit {
                what: kernel.to_owned(),
                limit: "workgroups (at least 1, invocations below 2³²)",
                needs: groups,
                has: (limit * limit).min(u64::from(u32::MAX) / WORKGROUP),
            });
        }
        // Even rows waste the fewest workgroups.
        let x = groups.div_ceil(rows);
        Ok([x as u32, rows as u32])
    }
}

/// That there is memory for recording at least so many calls: each is a block of parameters, and what refers to it.
pub(crate) fn require_calls(what: impl FnOnce() -> String, calls: u128) -> Result<()> {
    require(what, calls.saturating_mul(u128::from(BLOCK) + size_of::<Call>() as u128))
}

/// That ring and table are those of the definition.
fn check_uniforms(def: &KernelDef, variant: &Variant, ring: Option<&UniformRing>) -> Result<()> {
    if ring.map_or(0, UniformRing::size) != def.ring {
        let (holds, needs) = (ring.map_or(0, UniformRing::size) as u64, def.ring as u64);
        return Err(Error::BufferLength {
            kernel: def.name,
            buffer: "ring",
            holds,
            needs,
            shape: "bytes of a slot".to_owned(),
        });
    }
    if let Some((name, elements)) = def.table
        && !(1..=elements).contains(&variant.table.len())
    {
        let (needs, has) = (variant.table.len() as u64, elements as u64);
        return Err(Error::OwnLimit {
            what: format!("{}: {name}", def.name),
            limit: "elements (at least 1)",
            needs,
            has,
        });
    }
    Ok(())
}

impl Gpu {
    /// Makes the bind group and one parameter block per call. Lengths were checked by the kernel's own `bind`.
    pub(crate) fn bind<P: bytemuck::Pod>(
        &self,
        def: &KernelDef,
        variant: &Variant,
        ring: Option<&UniformRing>,
        buffers: &[Bind<'_>],
        calls: &[(P, Grid)],
    ) -> Result<Vec<Call>> {
        let calls: Vec<_> = calls.iter().map(|(params, grid)| (bytemuck::bytes_of(params), *grid)).collect();
        self.bind_bytes(def, variant, ring, buffers, size_of::<P>(), &calls)
    }

    /// [`bind`](Self::bind) of parameters of `size` bytes; apart, since of that there is a copy for each kernel.
    fn bind_bytes(
        &self,
        def: &KernelDef,
        variant: &Variant,
        ring: Option<&UniformRing>,
        buffers: &[Bind<'_>],
        size: usize,
        calls: &[(&[u8], Grid)],
    ) -> Result<Vec<Call>> {
        self.healthy()?;
        let limit = self.limits().max_compute_workgroups_per_dimension;
        let grids = calls.iter().map(|(_, grid)| grid.size(def.name, limit)).collect::<Result<Vec<_>>>()?;
        self.check_buffers(def, buffers)?;
        check_uniforms(def, variant, ring)?;
        let pipeline = self.pipeline(def, variant)?;

        if calls.len() as u64 > u64::from(u32::MAX) / BLOCK {
            let (needs, has) = (calls.len() as u64, u64::from(u32::MAX) / BLOCK);
            return Err(Error::OwnLimit { what: def.name.to_owned(), limit: "calls of one bind", needs, has });
        }
        let mut blocks = vec![0_u8; calls.len() * BLOCK as usize];
        for (block, (params, _)) in blocks.chunks_exact_mut(BLOCK as usize).zip(calls) {
            block[..size].copy_from_slice(params);
        }
        self.count_created();
        let group = self.scoped(def.name, || {
            let uniform = self.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(def.name),
                size: blocks.len() as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            self.queue().write_buffer(&uniform, 0, &blocks);
            let table = def.table.map(|(name, _)| {
                let table = self.device().create_buffer(&wgpu::BufferDescriptor {
                    label: Some(name),
                    size: def.table_bytes() as u64,
                    usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                self.queue().write_buffer(&table, 0, bytemuck::cast_slice(&variant.table));
                table
            });
            let size = NonZeroU64::new(size as u64);
            let uniform = wgpu::BufferBinding { buffer: &uniform, offset: 0, size };
            let mut entries =
                vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) }];
            if let Some(ring) = ring {
                let resource = wgpu::BindingResource::Buffer(ring.binding());
                entries.push(wgpu::BindGroupEntry { binding: 1, resource });
            }
            if let Some(table) = &table {
                let resource = table.as_entire_binding();
                entries.push(wgpu::BindGroupEntry { binding: def.table_binding(), resource });
            }
            for (binding, buffer) in (def.first_binding()..).zip(buffers) {
                let resource = wgpu::BindingResource::Buffer(buffer.binding.clone());
                entries.push(wgpu::BindGroupEntry { binding, resource });
            }
            let descriptor =
                wgpu::BindGroupDescriptor { label: Some(def.name), layout: &pipeline.layout, entries: &entries };
            self.device().create_bind_group(&descriptor)
        })?;
        let bound = Arc::new(Bound { name: def.name, pipeline: pipeline.pipeline, group, ring: ring.is_some() });
        Ok((0_u32..).zip(grids).map(|(block, grid)| Call { bound: Arc::clone(&bound), block, grid }).collect())
    }

    /// Size limits, and that nothing written is bound twice.
    fn check_buffers(&self, def: &KernelDef, buffers: &[Bind<'_>]) -> Result<()> {
        let has = self.limits().max_storage_buffer_binding_size;
        for (index, buffer) in buffers.iter().enumerate() {
            let bytes = buffer.binding.size.map_or(0, NonZeroU64::get);
            if bytes > has {
                return Err(Error::Limit {
                    what: format!("{}: buffer \"{}\"", def.name, buffer.name),
                    limit: "max_storage_buffer_binding_size (bytes)",
                    needs: bytes,
                    has,
                });
            }
            let same = |other: &&Bind<'_>| other.binding.buffer == buffer.binding.buffer;
            if let Some(other) = buffers[..index].iter().find(same)
                && (buffer.access == Access::ReadWrite || other.access == Access::ReadWrite)
            {
                let message = format!(
                    "\"{}\" and \"{}\" are the same wgpu buffer and one is written; WebGPU forbids that even for disjoint ranges",
                    other.name, buffer.name
                );
                return Err(Error::Wgpu { what: def.name.to_owned(), message });
            }
        }
        Ok(())
    }

    /// Records `calls` into one compute pass of the caller's encoder. `slot` is read by kernels with a ring.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, label: &str, calls: &[Call], slot: Slot) {
        self.record_with(encoder, label, calls, slot, None);
    }

    /// [`record`](Self::record), with timestamps at the pass's ends.
    pub(super) fn record_with(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        label: &str,
        calls: &[Call],
        slot: Slot,
        timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
    ) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        let mut current: Option<&Arc<Bound>> = None;
        for call in calls {
            let bound = &call.bound;
            if current.is_none_or(|last| last.pipeline != bound.pipeline) {
                pass.set_pipeline(&bound.pipeline);
            }
            let offset = call.block * BLOCK as u32;
            if bound.ring {
                pass.set_bind_group(0, &bound.group, &[offset, slot.0]);
            } else {
                pass.set_bind_group(0, &bound.group, &[offset]);
            }
            pass.dispatch_workgroups(call.grid[0], call.grid[1], 1);
            current = Some(bound);
        }
        self.inner.dispatches.fetch_add(calls.len() as u64, Ordering::Relaxed);
    }

    /// Records `calls` into an encoder of its own and submits it.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn run(&self, label: &str, calls: &[Call], slot: Slot) -> Result<()> {
        let mut encoder = self.encoder(label);
        self.record(&mut encoder, label, calls, slot);
        self.submit(encoder)
    }
}
