//! Along a tangent of the parameters, from observations to changes of distribution rows.

use super::activations::Activations;
use super::networks::{Block, Networks, dense_params};
use crate::error::Result;
use crate::gpu::{Buffer, Call};
use crate::kernels::mlp_jvp;
use crate::policy::{Activation, Branch};

impl Networks<'_> {
    /// Calls, in order, that carry the change `tangent` of the parameters forward through all branches on the way to the actor's output, at the
    /// activations `kept`; the last of `tangents` are changes of distribution rows.
    pub fn tangents(
        &self,
        obs: &Buffer<f32>,
        kept: &Activations,
        tangent: &Buffer<f32>,
        tangents: &Activations,
        block: Block,
    ) -> Result<Vec<Call>> {
        let mut calls = Vec::new();
        for at in self.spec.branches_to(&[Branch::POLICY]) {
            let branch = self.branch(at);
            for (index, layer) in branch.layers.iter().enumerate() {
                let last = branch.is_output(index);
                let (input, from_obs) = self.input(at, index, obs, kept);
                let (input_tangent, _) = self.input(at, index, obs, tangents);
                let extra = if last { self.spec.head.free_parameters() } else { 0 };
                let params = dense_params!(mlp_jvp, layer, block, from_obs, {
                    with_input_tangent: u32::from(!from_obs),
                    output_stride: (layer.outputs + extra) as u32,
                    extra: extra as u32,
                    extra_offset: self.layout.log_std().unwrap_or(0) as u32,
                });
                let io = mlp_jvp::Io {
                    parameters: self.parameters,
                    tangent,
                    input,
                    input_tangent,
                    kept: &kept.of(at)[index],
                    output_tangent: &tangents.of(at)[index],
                };
                let slope = if last { Activation::Identity } else { self.spec.activation };
                calls.extend(self.bind_tangent(self.on_load_of(from_obs), slope, params, &io)?);
            }
        }
        Ok(calls)
    }
}
