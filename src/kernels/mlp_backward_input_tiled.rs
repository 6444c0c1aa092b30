//! The gradient of a dense layer's input, dX = (dY W + what is there) ⊙ f′(X), of two networks in one dispatch:
//! [`super::mlp_backward_input`] in tiles of 64 × 64 sums, each in the same order.

use super::tile::{Loads, Tile, fours, iterations as tile_iterations, quads, word};
use super::{mlp_backward_input, span};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::Activation;

kernel! {
    stem: "mlp_backward_input_tiled",
    parts: [MATH, ACTIVATION, LOOPS, TILE, TILE_PRODUCT],
    schedule: false,
    head: false,
    params: {
        /// Rows of the batch.
        pub rows: u32,
        /// Workgroups of the first network: [`bind`] knows.
        pub groups: u32,
        /// 1: add to what `d_input` holds.
        pub accumulate: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        /// Width of the layer's input: columns of the result.
        pub inputs: u32,
        /// Width of the layer's output.
        pub outputs: u32,
        /// First element of the weight in the parameters.
        pub weight: u32,
        /// First element of row 0 of `d_output`.
        pub d_output_offset: u32,
        /// Elements from one row of `d_output` to the next.
        pub d_output_stride: u32,
        /// First element in `kept`.
        pub kept_offset: u32,
        /// First element in `d_input`.
        pub d_input_offset: u32,
        /// The second network's.
        pub inputs_b: u32,
        /// The second network's; 0: there is none.
        pub outputs_b: u32,
        /// The second network's.
        pub weight_b: u32,
        /// The second network's, in `d_output_b`.
        pub d_output_offset_b: u32,
        /// The second network's.
        pub d_output_stride_b: u32,
        /// The second network's.
        pub kept_offset_b: u32,
        /// The second network's.
        pub d_input_offset_b: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// Flat parameters, four at a time.
        weights: Read [f32; 4],
        /// `[rows, outputs]`, four at a time.
        d_output: Read [f32; 4],
        /// The second network's.
        d_output_b: Read [f32; 4],
        /// `[rows, inputs]` of both networks: what the forward pass kept of X.
        kept: Read f32,
        /// `[rows, inputs]` of both networks.
        d_input: ReadWrite f32,
    },
}

/// A layer, and where its numbers begin in buffers that hold those of two networks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Job {
    /// Sizes, weight, stride.
    pub layer: mlp_backward_input::Params,
    /// First element of row 0 of the output's gradient.
    pub d_output_offset: u32,
    /// First element in `kept`.
    pub kept_offset: u32,
    /// First element in `d_input`.
    pub d_input_offset: u32,
}

impl Params {
    /// The layers `a` and `b` of as many rows.
    pub fn pair(a: &Job, b: Option<&Job>) -> Self {
        let b = b.copied().unwrap_or_default();
        Self {
            rows: a.layer.rows,
            groups: 0,
            accumulate: a.layer.accumulate,
            inputs: a.layer.inputs,
            outputs: a.layer.outputs,
            weight: a.layer.weight,
            d_output_offset: a.d_output_offset,
            d_output_stride: a.layer.d_output_stride,
            kept_offset: a.kept_offset,
            d_input_offset: a.d_input_offset,
            inputs_b: b.layer.inputs,
            outputs_b: b.layer.outputs,
            weight_b: b.layer.weight,
            d_output_offset_b: b.d_output_offset,
            d_output_stride_b: b.layer.d_output_stride,
            kept_offset_b: b.kept_offset,
            d_input_offset_b: b.d_input_offset,
            ..Self::default()
        }
    }

    fn jobs(&self) -> impl Iterator<Item = Job> {
        let job = |[inputs, outputs, weight, stride]: [u32; 4],
                   [d_output_offset, kept_offset, d_input_offset]: [u32; 3]| {
            let layer = mlp_backward_input::Params {
                rows: self.rows,
                inputs,
                outputs,
                weight,
                d_output_stride: stride,
                ..Default::default()
            };
            Job { layer, d_output_offset, kept_offset, d_input_offset }
        };
        let first = job(
            [self.inputs, self.outputs, self.weight, self.d_output_stride],
            [self.d_output_offset, self.kept_offset, self.d_input_offset],
        );
        let second = job(
            [self.inputs_b, self.outputs_b, self.weight_b, self.d_output_stride_b],
            [self.d_output_offset_b, self.kept_offset_b, self.d_input_offset_b],
        );
        [first, second].into_iter().filter(|job| job.layer.outputs > 0)
    }
}

/// Binds one call per entry of `params`; `activation` is that of X ([`Activation::Identity`]: no derivative).
///
/// # Errors
/// [`crate::Error::BufferLength`], [`crate::Error::Limit`], or [`crate::Error::Config`] for a tile that there is not.
pub fn bind(gpu: &Gpu, tile: Tile, activation: Activation, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    let mut whole = [true; 2];
    for p in params {
        let mut groups = Vec::new();
        for (index, job) in p.jobs().enumerate() {
            let l = job.layer;
            iterations(name, tile_iterations(l.outputs), || format!("outputs {}", l.outputs))?;
            let weights = u64::from(l.weight) + u64::from(l.outputs) * u64::from(l.inputs);
            elements(name, "weights", io.weights, quads(weights), || {
                format!("(weight at {} + outputs {} × inputs {}) / 4", l.weight, l.outputs, l.inputs)
            })?;
            let (label, d_output) = if index == 0 { ("d_output", io.d_output) } else { ("d_output_b", io.d_output_b) };
            let needs = span(job.d_output_offset, l.rows, l.d_output_stride, l.outputs);
            elements(name, label, d_output, quads(needs), || {
                format!("(offset {} + rows {} × stride {}) / 4", job.d_output_offset, l.rows, l.d_output_stride)
            })?;
            for (label, buffer, offset) in
                [("kept", io.kept, job.kept_offset), ("d_input", io.d_input, job.d_input_offset)]
            {
                let shape = || format!("offset {offset} + rows {} × inputs {}", l.rows, l.inputs);
                elements(name, label, buffer, span(offset, l.rows, l.inputs, l.inputs), shape)?;
            }
            whole[0] &= fours(&[l.outputs, job.d_output_offset, l.d_output_stride]);
            whole[1] &= fours(&[l.outputs, l.inputs, l.weight]);
            groups.push(tile.groups(l.rows, l.inputs));
        }
        let first = groups.first().copied().unwrap_or(0);
        calls.push((Params { groups: word(name, first)?, ..*p }, Grid::Groups(groups.iter().sum())));
    }
    let variant = tile.variant(whole.map(Loads::whole), &[("ACTIVATION", activation.code())])?;
    gpu.bind(&DEF, &variant, None, &io.buffers(), &calls)
}
