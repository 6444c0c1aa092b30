//! The tangent of one dense layer, T = (X dWᵀ + dX Wᵀ + db) ⊙ f′(kept): [`super::mlp_jvp`] in tiles of 64 × 64 sums, each in
//! the same order.

use super::tile::{Loads, Tile, fours, iterations as tile_iterations, quads};
use super::{mlp_jvp, span};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::Activation;

kernel! {
    stem: "mlp_jvp_tiled",
    parts: [MATH, ACTIVATION, LOOPS, TILE, TILE_PRODUCT, TILE_TANGENT],
    schedule: false,
    head: false,
    params: {
        /// Rows of the batch.
        pub rows: u32,
        /// Input width.
        pub inputs: u32,
        /// Output width.
        pub outputs: u32,
        /// First element of the weight in `parameters` and of its change in `tangent`.
        pub weight: u32,
        /// First element of the bias' change in `tangent`.
        pub bias: u32,
        /// First element of row 0 of `input`.
        pub input_offset: u32,
        /// Elements from one row of `input` to the next.
        pub input_stride: u32,
        /// 0: the input does not depend on the parameters (the first layer).
        pub with_input_tangent: u32,
        /// Elements from one row of `output_tangent` to the next, at least `outputs + extra`.
        pub output_stride: u32,
        /// Columns after the outputs that are copies of `tangent[extra_offset..]`.
        pub extra: u32,
        /// First of those elements.
        pub extra_offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// Flat parameters, four at a time.
        weights: Read [f32; 4],
        /// Their change, in the same layout.
        tangent: Read f32,
        /// The same buffer, four at a time.
        weight_tangents: Read [f32; 4],
        /// `[rows, inputs]`: X, as the forward pass kept it, four at a time.
        input: Read [f32; 4],
        /// `[rows, inputs]`: dX, four at a time. Any other buffer in the first layer.
        input_tangent: Read [f32; 4],
        /// `[rows, outputs]`: what the forward pass kept of this layer's activation. Any other buffer if it has none.
        kept: Read f32,
        /// `[rows, outputs + extra]`.
        output_tangent: ReadWrite f32,
    },
}

impl From<mlp_jvp::Params> for Params {
    fn from(p: mlp_jvp::Params) -> Self {
        bytemuck::cast(p)
    }
}

/// Binds one call per entry of `params`; `input_activation` is applied to X where it is loaded, `activation` is the one whose slope
/// is multiplied in ([`Activation::Identity`]: none).
///
/// # Errors
/// [`crate::Error::BufferLength`], [`crate::Error::Limit`], or [`crate::Error::Config`] for a tile that there is not.
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
        let products = 1 + u64::from(p.with_input_tangent != 0);
        iterations(name, products * tile_iterations(p.inputs), || format!("inputs {}", p.inputs))?;
        let weights = u64::from(p.weight) + u64::from(p.outputs) * u64::from(p.inputs);
        let biases = u64::from(p.bias) + u64::from(p.outputs);
        let extra = if p.extra == 0 { 0 } else { u64::from(p.extra_offset) + u64::from(p.extra) };
        let shape =
            || format!("weight at {} + outputs {} × inputs {}, bias at {}", p.weight, p.outputs, p.inputs, p.bias);
        elements(name, "weights", io.weights, quads(weights), shape)?;
        elements(name, "weight_tangents", io.weight_tangents, quads(weights), shape)?;
        elements(name, "tangent", io.tangent, weights.max(biases).max(extra), shape)?;
        let needs = span(p.input_offset, p.rows, p.input_stride, p.inputs);
        elements(name, "input", io.input, quads(needs), || {
            format!("offset {} + rows {} × inputs {}", p.input_offset, p.rows, p.inputs)
        })?;
        if p.with_input_tangent != 0 {
            let needs = span(0, p.rows, p.inputs, p.inputs);
            elements(name, "input_tangent", io.input_tangent, quads(needs), || {
                format!("rows {} × inputs {}", p.rows, p.inputs)
            })?;
        }
        if activation != Activation::Identity {
            let needs = span(0, p.rows, p.outputs, p.outputs);
            elements(name, "kept", io.kept, needs, || format!("rows {} × outputs {}", p.rows, p.outputs))?;
        }
        let width = p.outputs + p.extra;
        elements(name, "output_tangent", io.output_tangent, span(0, p.rows, p.output_stride, width), || {
            format!("rows {} × columns {width}, stride {}", p.rows, p.output_stride)
        })?;
        loads[0] = loads[0].and(Loads::of(p.inputs, [p.input_offset, p.input_stride]));
        loads[1] = loads[1].and(Loads::whole(fours(&[p.inputs, p.weight])));
        calls.push((*p, Grid::Groups(tile.groups(p.rows, width))));
    }
    let activations = [("INPUT_ACTIVATION", input_activation.code()), ("ACTIVATION", activation.code())];
    gpu.bind(&DEF, &tile.variant(loads, &activations)?, None, &io.buffers(), &calls)
}
