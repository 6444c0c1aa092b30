//! From gradients at the outputs to partial gradients of the parameters.

use super::activations::{Activations, Gradients};
use super::layer_dispatch::BackwardLayer;
use super::networks::{Block, Networks, dense_params};
use crate::error::Result;
use crate::gpu::{Buffer, Call};
use crate::kernels::{mlp_backward_input, mlp_backward_weight};
use crate::policy::{Activation, Branch, LayerRange};

impl Networks<'_> {
    /// Calls of each block, in order, from the gradients at the outputs called `outputs` to partial gradients of the parameters of all branches on
    /// the way there. Partial gradients of the others are not written.
    pub fn backward(
        &self,
        outputs: &[&str],
        obs: &Buffer<f32>,
        kept: &Activations,
        gradients: &Gradients,
        blocks: &[Block],
    ) -> Result<Vec<Vec<Call>>> {
        self.backward_through(&self.spec.branches_to(outputs), obs, kept, gradients, blocks)
    }

    /// [`backward`](Self::backward) through the own layers of the branch called `output` and no others.
    pub fn backward_own(
        &self,
        output: &str,
        obs: &Buffer<f32>,
        kept: &Activations,
        gradients: &Gradients,
        blocks: &[Block],
    ) -> Result<Vec<Vec<Call>>> {
        let own: Vec<_> = self.spec.index(output).into_iter().collect();
        self.backward_through(&own, obs, kept, gradients, blocks)
    }

    fn backward_through(
        &self,
        wanted: &[usize],
        obs: &Buffer<f32>,
        kept: &Activations,
        gradients: &Gradients,
        blocks: &[Block],
    ) -> Result<Vec<Vec<Call>>> {
        let mut lists = vec![Vec::new(); blocks.len()];
        // All that take a branch's output add to the gradient there before the branch's own layers use it.
        let (feeding, mut order): (Vec<usize>, Vec<_>) = wanted.iter().partition(|at| self.branch(**at).feeds);
        order.extend(feeding.iter().rev());
        for group in self.groups(&order) {
            for index in (0..self.branch(group[0]).layers.len()).rev() {
                let layers: Vec<_> =
                    group.iter().map(|at| self.backward_layer(*at, index, obs, kept, gradients, blocks)).collect();
                self.bind_weights(&mut lists, &layers, &gradients.partials)?;
                if index > 0 {
                    self.bind_inputs(&mut lists, &layers, self.spec.activation, false)?;
                    continue;
                }
                // The first to take a branch's output stores its part, the last completes the sum.
                for (at, layer) in group.iter().zip(&layers) {
                    let before = self.branch(*at).input;
                    if before.is_none_or(|before| !order.contains(&before)) {
                        continue;
                    }
                    let takers: Vec<_> = order.iter().filter(|other| self.branch(**other).input == before).collect();
                    let complete = takers.last() == Some(&at);
                    let activation = if complete { self.spec.activation } else { Activation::Identity };
                    let accumulate = takers.first() != Some(&at);
                    self.bind_inputs(&mut lists, std::slice::from_ref(layer), activation, accumulate)?;
                }
            }
        }
        Ok(lists)
    }

    fn backward_layer<'b>(
        &self,
        at: usize,
        index: usize,
        obs: &'b Buffer<f32>,
        kept: &'b Activations,
        gradients: &'b Gradients,
        blocks: &[Block],
    ) -> BackwardLayer<'b> {
        let branch = self.branch(at);
        let (layer, last) = (&branch.layers[index], branch.is_output(index));
        let of_policy = last && branch.name == Branch::POLICY;
        let (d_output, stride) = match branch.name.as_str() {
            _ if of_policy => (&gradients.d_head_outputs, self.spec.head.width()),
            Branch::VALUE if last => (&gradients.d_values, 1),
            _ => (&gradients.hidden.of(at)[index], layer.outputs),
        };
        let (input, from_obs) = self.input(at, index, obs, kept);
        let (d_input, _) = self.input(at, index, obs, &gradients.hidden);
        let extra = self.layout.log_std().filter(|_| of_policy).map(|log_std| {
            // Free parameters are the last columns of a distribution row: their gradient is a sum over rows.
            let free = LayerRange { inputs: 0, outputs: self.spec.head.free_parameters(), weight: 0, bias: log_std };
            let mut params = self.weight_params(&free, stride, false, blocks);
            for p in &mut params {
                p.d_output_offset = self.spec.head.raw_outputs() as u32;
            }
            params
        });
        let inputs = blocks
            .iter()
            .map(|block| mlp_backward_input::Params {
                rows: block.rows,
                inputs: layer.inputs as u32,
                outputs: layer.outputs as u32,
                weight: layer.weight as u32,
                d_output_stride: stride as u32,
                ..Default::default()
            })
            .collect();
        BackwardLayer {
            weights: self.weight_params(layer, stride, from_obs, blocks),
            extra,
            inputs,
            d_output,
            input,
            d_input,
            on_load: self.on_load_of(from_obs),
        }
    }

    fn weight_params(
        &self,
        layer: &LayerRange,
        d_output_stride: usize,
        from_obs: bool,
        blocks: &[Block],
    ) -> Vec<mlp_backward_weight::Params> {
        let count = self.layout.len();
        let params = |block: &Block| {
            dense_params!(mlp_backward_weight, layer, block, from_obs, {
                d_output_stride: d_output_stride as u32,
                slice_rows: mlp_backward_weight::slice_rows(block.rows, count as u64),
                partial_stride: count as u32,
            })
        };
        blocks.iter().map(params).collect()
    }
}
