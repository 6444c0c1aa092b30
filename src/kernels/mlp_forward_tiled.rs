//! One dense layer, Y = f(X Wᵀ + b), of two networks in one dispatch: [`super::mlp_forward`] in tiles of 64 × 64 sums.
//!
//! The same sums in the same order as the plain kernel's. Half as many loads per multiply-add, each of four numbers.

use super::tile::{Loads, Tile, fours, iterations as tile_iterations, quads, word};
use super::{mlp_forward, span};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::Activation;

kernel! {
    stem: "mlp_forward_tiled",
    parts: [MATH, ACTIVATION, LOOPS, TILE, TILE_PRODUCT],
    schedule: false,
    head: false,
    params: {
        /// Rows of the batch.
        pub rows: u32,
        /// Workgroups of the first network: [`bind`] knows.
        pub groups: u32,
        /// 1: the second network's output is `output_b`.
        pub apart_b: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        /// Input width.
        pub inputs: u32,
        /// Output width.
        pub outputs: u32,
        /// First element of the weight in `parameters`.
        pub weight: u32,
        /// First element of the bias in `parameters`.
        pub bias: u32,
        /// First element of row 0 of `input`.
        pub input_offset: u32,
        /// Elements from one row of `input` to the next.
        pub input_stride: u32,
        /// First element of row 0 of the output.
        pub output_offset: u32,
        /// Elements from one row of the output to the next, at least `outputs + extra`.
        pub output_stride: u32,
        /// Columns after the outputs that are copies of `parameters[extra_offset..]`.
        pub extra: u32,
        /// First of those parameters.
        pub extra_offset: u32,
        /// The second network's; 0 outputs: there is none.
        pub inputs_b: u32,
        /// The second network's.
        pub outputs_b: u32,
        /// The second network's.
        pub weight_b: u32,
        /// The second network's.
        pub bias_b: u32,
        /// The second network's.
        pub input_offset_b: u32,
        /// The second network's.
        pub input_stride_b: u32,
        /// The second network's.
        pub output_offset_b: u32,
        /// The second network's.
        pub output_stride_b: u32,
        /// The second network's.
        pub extra_b: u32,
        /// The second network's.
        pub extra_offset_b: u32,
    },
    io: {
        /// Flat parameters.
        parameters: Read f32,
        /// The same buffer, four at a time.
        weights: Read [f32; 4],
        /// `[rows, inputs]` of both networks, four at a time.
        input: Read [f32; 4],
        /// `[rows, outputs + extra]`.
        output: ReadWrite f32,
        /// The second network's where it is apart; else any other buffer.
        output_b: ReadWrite f32,
    },
}

impl Params {
    /// The layers `a` and `b` of as many rows; `apart_b` if `b`'s output is a buffer of its own.
    pub fn pair(a: &mlp_forward::Params, b: Option<&mlp_forward::Params>, apart_b: bool) -> Self {
        let b = b.copied().unwrap_or_default();
        Self {
            rows: a.rows,
            groups: 0,
            apart_b: apart_b.into(),
            pad_0: 0,
            inputs: a.inputs,
            outputs: a.outputs,
            weight: a.weight,
            bias: a.bias,
            input_offset: a.input_offset,
            input_stride: a.input_stride,
            output_offset: a.output_offset,
            output_stride: a.output_stride,
            extra: a.extra,
            extra_offset: a.extra_offset,
            inputs_b: b.inputs,
            outputs_b: b.outputs,
            weight_b: b.weight,
            bias_b: b.bias,
            input_offset_b: b.input_offset,
            input_stride_b: b.input_stride,
            output_offset_b: b.output_offset,
            output_stride_b: b.output_stride,
            extra_b: b.extra,
            extra_offset_b: b.extra_offset,
        }
    }

    /// The layers again, without those that are not there.
    fn layers(&self) -> impl Iterator<Item = mlp_forward::Params> {
        let first = mlp_forward::Params {
            rows: self.rows,
            inputs: self.inputs,
            outputs: self.outputs,
            weight: self.weight,
            bias: self.bias,
            input_offset: self.input_offset,
            input_stride: self.input_stride,
            output_offset: self.output_offset,
            output_stride: self.output_stride,
            extra: self.extra,
            extra_offset: self.extra_offset,
            ..Default::default()
        };
        let second = mlp_forward::Params {
            rows: self.rows,
            inputs: self.inputs_b,
            outputs: self.outputs_b,
            weight: self.weight_b,
            bias: self.bias_b,
            input_offset: self.input_offset_b,
            input_stride: self.input_stride_b,
            output_offset: self.output_offset_b,
            output_stride: self.output_stride_b,
            extra: self.extra_b,
            extra_offset: self.extra_offset_b,
            ..Default::default()
        };
        [first, second].into_iter().filter(|layer| layer.outputs > 0)
    }
}

/// Binds one call per entry of `params`, as [`mlp_forward::bind`] does.
///
/// # Errors
/// [`Error::BufferLength`], [`Error::Limit`], or [`Error::Config`] for a tile that there is not or rows that overlap.
pub fn bind(
    gpu: &Gpu,
    tile: Tile,
    input_activation: Activation,
    activation: Activation,
    params: &[Params],
    io: &Io<'_>,
) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    let mut loads = [Loads::Whole; 2];
    for p in params {
        let mut groups = Vec::new();
        for (index, l) in p.layers().enumerate() {
            iterations(name, tile_iterations(l.inputs), || format!("inputs {}", l.inputs))?;
            let weights = u64::from(l.weight) + u64::from(l.outputs) * u64::from(l.inputs);
            let biases = u64::from(l.bias) + u64::from(l.outputs);
            let extra = if l.extra == 0 { 0 } else { u64::from(l.extra_offset) + u64::from(l.extra) };
            let shape =
                || format!("weight at {} + outputs {} × inputs {}, bias at {}", l.weight, l.outputs, l.inputs, l.bias);
            elements(name, "parameters", io.parameters, weights.max(biases).max(extra), shape)?;
            elements(name, "weights", io.weights, quads(weights), shape)?;
            let needs = span(l.input_offset, l.rows, l.input_stride, l.inputs);
            elements(name, "input", io.input, quads(needs), || {
                format!("(offset {} + rows {} × inputs {}) / 4", l.input_offset, l.rows, l.inputs)
            })?;
            let width = l.outputs + l.extra;
            if l.output_stride < width && l.rows > 1 {
                let message =
                    format!("is {}, less than the {width} columns of a row: rows would overlap", l.output_stride);
                return Err(Error::config("output_stride", message));
            }
            let apart = index == 1 && p.apart_b != 0;
            let (label, output) = if apart { ("output_b", io.output_b) } else { ("output", io.output) };
            elements(name, label, output, span(l.output_offset, l.rows, l.output_stride, width), || {
                format!("offset {} + rows {} × columns {width}", l.output_offset, l.rows)
            })?;
            loads[0] = loads[0].and(Loads::of(l.inputs, [l.input_offset, l.input_stride]));
            loads[1] = loads[1].and(Loads::whole(fours(&[l.inputs, l.weight])));
            groups.push(tile.groups(l.rows, width));
        }
        let first = groups.first().copied().unwrap_or(0);
        calls.push((Params { groups: word(name, first)?, ..*p }, Grid::Groups(groups.iter().sum())));
    }
    let activations = [("INPUT_ACTIVATION", input_activation.code()), ("ACTIVATION", activation.code())];
    gpu.bind(&DEF, &tile.variant(loads, &activations)?, None, &io.buffers(), &calls)
}
