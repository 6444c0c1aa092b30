//! One dense layer, Y = f(X Wᵀ + b), with bias and activation fused.
//!
//! W is `[outputs, inputs]` as PyTorch has it. Layers whose activation keeps its argument
//! ([`Activation::keeps_preactivation`]) are written without it; the next kernel applies it where it loads.

use super::{span, tile_iterations, tiles};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::Activation;

kernel! {
    stem: "mlp_forward",
    parts: [MATH, ACTIVATION, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Rows of the batch.
        pub rows: u32,
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
        /// First element of row 0 of `output`.
        pub output_offset: u32,
        /// Elements from one row of `output` to the next, at least `outputs + extra`.
        pub output_stride: u32,
        /// Columns after the outputs that are copies of `parameters[extra_offset..]`.
        pub extra: u32,
        /// First of those parameters.
        pub extra_offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// Flat parameters.
        parameters: Read f32,
        /// `[rows, inputs]`.
        input: Read f32,
        /// `[rows, outputs + extra]`.
        output: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`; `input_activation` is applied to X where it is loaded, `activation` to Y.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(
    gpu: &Gpu,
    input_activation: Activation,
    activation: Activation,
    params: &[Params],
    io: &Io<'_>,
) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        iterations(name, tile_iterations(p.inputs), || format!("inputs {}", p.inputs))?;
        let weights = u64::from(p.weight) + u64::from(p.outputs) * u64::from(p.inputs);
        let biases = u64::from(p.bias) + u64::from(p.outputs);
        let extra = if p.extra == 0 { 0 } else { u64::from(p.extra_offset) + u64::from(p.extra) };
        elements(name, "parameters", io.parameters, weights.max(biases).max(extra), || {
            format!("weight at {} + outputs {} × inputs {}, bias at {}", p.weight, p.outputs, p.inputs, p.bias)
        })?;
        elements(name, "input", io.input, span(p.input_offset, p.rows, p.input_stride, p.inputs), || {
            format!("offset {} + rows {} × inputs {}", p.input_offset, p.rows, p.inputs)
        })?;
        let width = p.outputs + p.extra;
        if p.output_stride < width && p.rows > 1 {
            let message = format!("is {}, less than the {width} columns of a row: rows would overlap", p.output_stride);
            return Err(crate::error::Error::config("output_stride", message));
        }
        elements(name, "output", io.output, span(p.output_offset, p.rows, p.output_stride, width), || {
            format!("offset {} + rows {} × columns {width}", p.output_offset, p.rows)
        })?;
        calls.push((*p, Grid::Groups(tiles(p.rows) * tiles(width))));
    }
    let variant = Variant {
        constants: vec![
            ("INPUT_ACTIVATION", f64::from(input_activation.code())),
            ("ACTIVATION", f64::from(activation.code())),
        ],
        ..Variant::default()
    };
    gpu.bind(&DEF, &variant, None, &io.buffers(), &calls)
}
