//! Compiled kernels, made once per device and variant.

use super::Gpu;
use super::kernel::{Access, KernelDef, Variant};
use super::pipeline_cache::Pipeline;
use crate::error::{Error, Result};
use std::num::NonZeroU64;

impl Gpu {
    /// Whether kernels check every index, see [`GpuOptions::bounds_checks`](super::GpuOptions::bounds_checks).
    pub fn has_bounds_checks(&self) -> bool {
        self.inner.bounds_checks
    }

    /// The compiled kernel, from the cache if it was made before.
    pub(super) fn pipeline(&self, def: &KernelDef, variant: &Variant) -> Result<Pipeline> {
        let constants = variant.constants.iter().map(|(name, value)| (*name, value.to_bits())).collect();
        let chosen = variant.chosen.iter().map(|part| part.name).collect();
        let key = (def.name, def.source, chosen, constants);
        if let Some(found) = self.inner.pipelines.get(&key) {
            return Ok(found);
        }
        // No lock is held: compiling may take long.
        #[cfg(not(target_arch = "wasm32"))]
        let made = self.watched(def, variant, || self.compile(def, variant))?;
        #[cfg(target_arch = "wasm32")]
        let made = self.compile(def, variant)?;
        Ok(self.inner.pipelines.keep(key, made))
    }

    fn compile(&self, def: &KernelDef, variant: &Variant) -> Result<Pipeline> {
        if def.choices.len() != variant.chosen.len() {
            let names = if def.choices.is_empty() { "none".to_owned() } else { def.choices.join(", ") };
            let message =
                format!("{} parts were chosen, of {} choices ({names})", variant.chosen.len(), def.choices.len());
            return Err(Error::Wgpu { what: def.name.to_owned(), message });
        }
        self.count_created();
        let device = self.device();
        let source = def.compose(variant);
        let mut constants = variant.constants.clone();
        if source.contains("override LOOPS:") && super::loops::wanted(&self.adapter_info(), def.for_hardware) {
            constants.push(("LOOPS", 1.0));
        }
        self.scoped(def.name, || {
            let module = self.module(def.name, source);
            let entries = layout_entries(def);
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(def.name),
                entries: &entries,
            });
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(def.name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(def.name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(def.name),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    // Kernels initialise the workgroup memory that they read.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
            Pipeline { pipeline, layout }
        })
    }

    fn module(&self, label: &str, source: String) -> wgpu::ShaderModule {
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(source.into()) };
        if self.inner.bounds_checks {
            return self.device().create_shader_module(descriptor);
        }
        // SAFETY: the text is one of our own kernels, never a caller's. `bind` has checked every buffer against the shape;
        // indices that come from data (actions, orders) are clamped in the shader; loops have bounds that do not depend on
        // floats; divisors are checked on the host. Tests run every kernel with all checks on and with guard bands around every
        // output, on the same cases.
        #[allow(unsafe_code, reason = "the one place where checks are switched off; argued above")]
        unsafe {
            self.device().create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        }
    }
}

pub(super) fn layout_entries(def: &KernelDef) -> Vec<wgpu::BindGroupLayoutEntry> {
    let entry = |binding: u32, ty: wgpu::BufferBindingType, dynamic: bool, size: usize| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: dynamic,
            min_binding_size: NonZeroU64::new(size as u64),
        },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, true, def.params_size)];
    if def.ring > 0 {
        entries.push(entry(1, wgpu::BufferBindingType::Uniform, true, def.ring));
    }
    if def.table.is_some() {
        entries.push(entry(def.table_binding(), wgpu::BufferBindingType::Uniform, false, def.table_bytes()));
    }
    for (number, binding) in (def.first_binding()..).zip(def.bindings) {
        let read_only = binding.access == Access::Read;
        entries.push(entry(number, wgpu::BufferBindingType::Storage { read_only }, false, 0));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::GpuOptions;
    use crate::kernels::{advantage_gae, loss_ppo};

    #[test]
    fn a_shader_that_does_not_compile_is_an_error() {
        let gpu = match Gpu::new(&GpuOptions { allow_software: true, bounds_checks: true, ..GpuOptions::default() }) {
            Ok(gpu) => gpu,
            Err(error) => {
                assert!(std::env::var("REQUIRE_GPU").as_deref() != Ok("1"), "REQUIRE_GPU=1, but {error}");
                return println!("SKIPPED, no GPU: {error}");
            }
        };
        let plain = Variant::default();
        let whole = advantage_gae::DEF;
        // Words that are no WGSL; an entry point under another name; a binding of another kind; a part missing; no such constant.
        let broken = [
            (KernelDef { source: "this is no shader", ..whole }, plain.clone()),
            (KernelDef { name: "another_name", ..whole }, plain.clone()),
            (KernelDef { name: "other_bindings", bindings: &[], ..whole }, plain.clone()),
            (KernelDef { name: "no_parts", parts: &[], ..whole }, plain.clone()),
            (whole, Variant { constants: vec![("NO_SUCH", 1.0)], ..Variant::default() }),
            (loss_ppo::DEF, plain.clone()),
        ];
        for (def, variant) in broken {
            let made = gpu.pipeline(&def, &variant);
            assert!(matches!(made, Err(Error::Wgpu { .. })), "{}: {made:?}", def.name);
        }
        // A failure leaves neither the device nor the cache in a bad state.
        gpu.healthy().unwrap();
        gpu.pipeline(&whole, &plain).unwrap();
        gpu.healthy().unwrap();
    }
}
