//! What goes through memory between the layers.

use crate::error::Result;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::mlp_backward_weight;
use crate::policy::{Branch, ParamLayout, PolicySpec};

/// What the forward pass keeps of each layer, branch by branch, input side first: the activation's output, or its argument where the
/// activation needs that ([`Activation::keeps_preactivation`](crate::policy::Activation::keeps_preactivation)). The last of the actor are
/// distribution rows.
#[derive(Debug)]
pub(in crate::algo) struct Activations {
    branches: Vec<Vec<Buffer<f32>>>,
    policy: Option<usize>,
}

impl Activations {
    /// Room for `rows` rows of all branches on the way to those called `outputs`.
    pub fn new(gpu: &Gpu, spec: &PolicySpec, rows: u32, outputs: &[&str]) -> Result<Self> {
        let wanted = spec.branches_to(outputs);
        let (policy, value) = (spec.index(Branch::POLICY), spec.index(Branch::VALUE));
        let of = |at: usize| -> Vec<u64> {
            if !wanted.contains(&at) {
                return Vec::new();
            }
            let mut sizes: Vec<_> = spec.branches[at].widths().collect();
            // A distribution row also carries the free parameters.
            if let (true, Some(last)) = (policy == Some(at), sizes.last_mut()) {
                *last = spec.head.width();
            }
            sizes.into_iter().map(|size| u64::from(rows) * size as u64).collect()
        };
        let lengths: Vec<_> = (0..spec.branches.len()).map(of).collect();
        let mut made: Vec<Vec<Buffer<f32>>> = vec![Vec::new(); lengths.len()];
        let limit = gpu.limits().max_storage_buffer_binding_size;
        for index in 0..lengths.iter().map(Vec::len).max().unwrap_or(0) {
            let hidden = |at: Option<usize>| {
                let lengths = &lengths[at?];
                Some((at?, lengths.get(index).copied().filter(|_| index + 1 < lengths.len())?))
            };
            if let (Some((policy, first)), Some((value, second))) = (hidden(policy), hidden(value)) {
                // One buffer, so that one dispatch reaches both; bindings begin at multiples of 256 bytes.
                let start = first.next_multiple_of(64);
                if 4 * (start + second) <= limit {
                    let both: Buffer<f32> = gpu.buffer(&format!("hidden {index}"), start + second)?;
                    made[policy].push(Buffer::from_wgpu(both.raw(), 0, first)?);
                    made[value].push(Buffer::from_wgpu(both.raw(), 4 * start, second)?);
                }
            }
            for (branch, (made, lengths)) in spec.branches.iter().zip(made.iter_mut().zip(&lengths)) {
                if let Some(length) = lengths.get(index).filter(|_| made.len() == index) {
                    made.push(gpu.buffer(&format!("{}.{index} output", branch.name), *length)?);
                }
            }
        }
        Ok(Self { branches: made, policy })
    }

    /// Those of branch `at`; empty if it is not among the wanted.
    pub(super) fn of(&self, at: usize) -> &[Buffer<f32>] {
        &self.branches[at]
    }

    /// Distribution rows, `[rows, width]`.
    pub fn head_outputs<'a>(&'a self, otherwise: &'a Buffer<f32>) -> &'a Buffer<f32> {
        self.policy.and_then(|policy| self.of(policy).last()).unwrap_or(otherwise)
    }
}

/// Buffers of the backward pass.
#[derive(Debug)]
pub(in crate::algo) struct Gradients {
    /// Gradient by the distribution rows, `[rows, width]`.
    pub d_head_outputs: Buffer<f32>,
    /// Gradient by the values, `[rows]`.
    pub d_values: Buffer<f32>,
    /// Gradients by the preactivations of hidden layers, like [`Activations`].
    pub(super) hidden: Activations,
    /// `[slices, parameters]`.
    pub partials: Buffer<f32>,
}

impl Gradients {
    /// Room for minibatches of each of the sizes in `rows`, of which `kept` rows go through memory between the layers.
    pub fn new(gpu: &Gpu, spec: &PolicySpec, layout: &ParamLayout, rows: &[u32], kept: u32) -> Result<Self> {
        let count = layout.len() as u64;
        // Fewer rows may have more slices: 5,000 are 40 of 128, 4,000 are 63 of 64.
        let slices = rows.iter().map(|rows| rows.div_ceil(mlp_backward_weight::slice_rows(*rows, count)));
        let slices = u64::from(slices.max().unwrap_or(0));
        Ok(Self {
            d_head_outputs: gpu.buffer("d_head_outputs", u64::from(kept) * spec.head.width() as u64)?,
            d_values: gpu.buffer("d_values", u64::from(kept))?,
            hidden: Activations::new(gpu, spec, kept, &[Branch::POLICY, Branch::VALUE])?,
            partials: gpu.buffer("partials", slices * count)?,
        })
    }
}
