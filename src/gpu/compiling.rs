//! How long a driver compiles each kernel.

use super::Gpu;
use super::kernel::{KernelDef, Variant};
use super::pipeline::layout_entries;
use super::pipeline_cache::Pipeline;
use super::watch::Compiling;
use crate::error::Result;

impl Gpu {
    /// Compiles a kernel without binding or running it.
    #[cfg(feature = "cpu")] // only the table of checks asks
    pub(crate) fn compile_only(&self, def: &KernelDef, variant: &Variant) -> Result<()> {
        self.pipeline(def, variant).map(|_| ())
    }

    /// Calls `watcher` before and after each pipeline that is compiled from now on. Some drivers compile at the first dispatch and
    /// not when a pipeline is made, so each is dispatched once with no workgroups, and waited for: this costs a submission
    /// per pipeline and is for finding out what a driver takes long over. The first watcher stays; another is not taken.
    pub fn watch_compiling(&self, watcher: impl Fn(&Compiling) + Send + Sync + 'static) {
        self.inner.watch.set(Box::new(watcher));
    }

    /// `make`, watched.
    pub(super) fn watched(
        &self,
        def: &KernelDef,
        variant: &Variant,
        make: impl FnOnce() -> Result<Pipeline>,
    ) -> Result<Pipeline> {
        let Some(watcher) = self.inner.watch.get() else { return make() };
        let pipeline = describe(def, variant);
        watcher(&Compiling { pipeline: pipeline.clone(), took: None });
        let begin = std::time::Instant::now();
        let made = make()?;
        self.dispatch_nothing(def, &made)?;
        watcher(&Compiling { pipeline, took: Some(begin.elapsed()) });
        Ok(made)
    }

    /// One dispatch without workgroups, over buffers of no meaning.
    fn dispatch_nothing(&self, def: &KernelDef, made: &Pipeline) -> Result<()> {
        let entries = layout_entries(def);
        let buffers: Vec<_> = entries
            .iter()
            .map(|entry| {
                let uniform =
                    matches!(entry.ty, wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Uniform, .. });
                let usage = if uniform { wgpu::BufferUsages::UNIFORM } else { wgpu::BufferUsages::STORAGE };
                self.device().create_buffer(&wgpu::BufferDescriptor {
                    label: Some("nothing"),
                    size: 8192,
                    usage,
                    mapped_at_creation: false,
                })
            })
            .collect();
        let group_entries: Vec<_> = entries
            .iter()
            .zip(&buffers)
            .map(|(entry, buffer)| {
                let wgpu::BindingType::Buffer { min_binding_size, has_dynamic_offset, .. } = entry.ty else {
                    return wgpu::BindGroupEntry { binding: entry.binding, resource: buffer.as_entire_binding() };
                };
                let size = if has_dynamic_offset { min_binding_size } else { None };
                let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size });
                wgpu::BindGroupEntry { binding: entry.binding, resource }
            })
            .collect();
        self.scoped(def.name, || {
            let group = self.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("nothing"),
                layout: &made.layout,
                entries: &group_entries,
            });
            let mut encoder = self.encoder("nothing");
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(&made.pipeline);
                let offsets: &[u32] = if def.ring > 0 { &[0, 0] } else { &[0] };
                pass.set_bind_group(0, &group, offsets);
                pass.dispatch_workgroups(0, 0, 0);
            }
            self.queue().submit([encoder.finish()]);
        })?;
        self.wait()
    }
}

fn describe(def: &KernelDef, variant: &Variant) -> String {
    let mut text = def.name.to_owned();
    for part in &variant.chosen {
        text.push(' ');
        text.push_str(part.name);
    }
    for (name, value) in &variant.constants {
        text.push_str(&format!(" {name}={value}"));
    }
    text
}
