//! From observations to distribution rows and values, layer by layer.

use super::activations::Activations;
use super::layer_dispatch::ForwardLayer;
use super::networks::{Block, Networks, dense_params};
use crate::error::Result;
use crate::gpu::{Buffer, Call};
use crate::kernels::mlp_forward;
use crate::policy::{Activation, Branch};

impl Networks<'_> {
    /// Calls of each block, in order: all branches on the way to those called `outputs`. Values go to `values` at the block's offset.
    pub fn forward(
        &self,
        outputs: &[&str],
        obs: &Buffer<f32>,
        kept: &Activations,
        values: &Buffer<f32>,
        blocks: &[Block],
    ) -> Result<Vec<Vec<Call>>> {
        let mut lists = vec![Vec::new(); blocks.len()];
        for group in self.groups(&self.spec.branches_to(outputs)) {
            for index in 0..self.branch(group[0]).layers.len() {
                let layers: Vec<_> =
                    group.iter().map(|at| self.forward_layer(*at, index, obs, kept, values, blocks)).collect();
                self.bind_forward(&mut lists, &layers)?;
            }
        }
        Ok(lists)
    }

    fn forward_layer<'b>(
        &self,
        at: usize,
        index: usize,
        obs: &'b Buffer<f32>,
        kept: &'b Activations,
        values: &'b Buffer<f32>,
        blocks: &[Block],
    ) -> ForwardLayer<'b> {
        let branch = self.branch(at);
        let (layer, last) = (&branch.layers[index], branch.is_output(index));
        let to_values = last && branch.name == Branch::VALUE;
        let (input, from_obs) = self.input(at, index, obs, kept);
        let extra = if last && branch.name == Branch::POLICY { self.spec.head.free_parameters() } else { 0 };
        let params = |block: &Block| {
            dense_params!(mlp_forward, layer, block, from_obs, {
                output_offset: if to_values { block.value_offset } else { 0 },
                output_stride: (layer.outputs + extra) as u32,
                extra: extra as u32,
                extra_offset: self.layout.log_std().unwrap_or(0) as u32,
            })
        };
        ForwardLayer {
            params: blocks.iter().map(params).collect(),
            input,
            output: if to_values { values } else { &kept.of(at)[index] },
            on_load: self.on_load_of(from_obs),
            on_store: if last { Activation::Identity } else { self.on_store() },
        }
    }
}
