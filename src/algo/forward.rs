//! Forward passes after which nothing goes backward: acting, values, candidates of a line search, statistics.

use super::network::{Activations, Block, Networks};
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::mlp_forward_fused;
use crate::policy::{Branch, PolicySpec};

/// Where a forward pass leaves its distribution rows. In one dispatch where the networks are narrow enough
/// ([`mlp_forward_fused::fits`]), layer by layer otherwise; the bits are the same.
#[derive(Debug)]
pub(super) struct ForwardOnly {
    wanted: Vec<&'static str>,
    /// Activations of the layers, where they go through memory.
    kept: Option<Activations>,
    /// Distribution rows; one element that nobody writes where only values are wanted.
    head_outputs: Buffer<f32>,
    /// Stands in for the values where only distribution rows are wanted.
    unused: Buffer<f32>,
}

impl ForwardOnly {
    /// Room for `rows` rows at a time, of those of actor and critic that `wanted` names.
    pub fn new(gpu: &Gpu, spec: &PolicySpec, rows: u32, wanted: &[&'static str]) -> Result<Self> {
        let unused = gpu.buffer("no values", 1)?;
        let wanted = wanted.to_vec();
        if is_fused(gpu, spec) {
            let width = if wanted.contains(&Branch::POLICY) { spec.head.width() as u64 * u64::from(rows) } else { 1 };
            return Ok(Self { wanted, kept: None, head_outputs: gpu.buffer("head_outputs", width)?, unused });
        }
        let kept = Activations::new(gpu, spec, rows, &wanted)?;
        let head_outputs = kept.head_outputs(&unused).clone();
        Ok(Self { wanted, kept: Some(kept), head_outputs, unused })
    }

    /// Distribution rows, `[rows, width]`, if the policy is wanted.
    pub fn head_outputs(&self) -> &Buffer<f32> {
        &self.head_outputs
    }
}

/// Whether nothing goes through memory between the layers, so that any number of rows costs no room. Not on software adapters:
/// their workgroup memory is memory, and tiles in registers take a fifth of the time.
pub(super) fn is_fused(gpu: &Gpu, spec: &PolicySpec) -> bool {
    gpu.products().stages() && mlp_forward_fused::fits(spec)
}

impl Networks<'_> {
    /// Calls of each block, in order. Values go to `values` at the block's offset.
    pub fn forward_only(
        &self,
        obs: &Buffer<f32>,
        to: &ForwardOnly,
        values: Option<&Buffer<f32>>,
        blocks: &[Block],
    ) -> Result<Vec<Vec<Call>>> {
        let values = values.unwrap_or(&to.unused);
        if let Some(kept) = &to.kept {
            return self.forward(&to.wanted, obs, kept, values, blocks);
        }
        let table = mlp_forward_fused::Params::new(self.spec, self.layout, &to.wanted);
        let params: Vec<_> = blocks
            .iter()
            .map(|block| mlp_forward_fused::Params {
                rows: block.rows,
                obs_offset: block.obs_offset,
                obs_stride: block.obs_stride,
                value_offset: block.value_offset,
                ..table
            })
            .collect();
        let io = mlp_forward_fused::Io { parameters: self.parameters, obs, head_outputs: &to.head_outputs, values };
        let calls = mlp_forward_fused::bind(self.gpu, self.spec, &params, &io)?;
        Ok(calls.into_iter().map(|call| vec![call]).collect())
    }
}
