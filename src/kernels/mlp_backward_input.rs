//! The gradient of a dense layer's input, dX = (dY W + what is there) ⊙ f′(X).
//!
//! With `accumulate` the buffer holds another addend already: the two heads on a shared trunk.

use super::{span, tile_iterations, tiles};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::Activation;

kernel! {
    stem: "mlp_backward_input",
    parts: [MATH, ACTIVATION, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Rows of the batch.
        pub rows: u32,
        /// Width of the layer's input: columns of the result.
        pub inputs: u32,
        /// Width of the layer's output.
        pub outputs: u32,
        /// First element of the weight in `parameters`.
        pub weight: u32,
        /// Elements from one row of `d_output` to the next.
        pub d_output_stride: u32,
        /// 1: add to what `d_input` holds.
        pub accumulate: u32,
        /// First element of row 0 of `d_output`: a column, where only some outputs are summed over.
        pub d_output_offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// Flat parameters.
        parameters: Read f32,
        /// `[rows, outputs]`, rows `d_output_stride` apart.
        d_output: Read f32,
        /// `[rows, inputs]`: what the forward pass kept of X.
        kept: Read f32,
        /// `[rows, inputs]`.
        d_input: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`; `activation` is that of X ([`Activation::Identity`]: no derivative).
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, activation: Activation, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        iterations(name, tile_iterations(p.outputs), || format!("outputs {}", p.outputs))?;
        let weights = u64::from(p.weight) + u64::from(p.outputs) * u64::from(p.inputs);
        elements(name, "parameters", io.parameters, weights, || {
            format!("weight at {} + outputs {} × inputs {}", p.weight, p.outputs, p.inputs)
        })?;
        elements(name, "d_output", io.d_output, span(p.d_output_offset, p.rows, p.d_output_stride, p.outputs), || {
            format!("offset {} + rows {} × stride {}", p.d_output_offset, p.rows, p.d_output_stride)
        })?;
        let shape = || format!("rows {} × inputs {}", p.rows, p.inputs);
        let needs = span(0, p.rows, p.inputs, p.inputs);
        elements(name, "kept", io.kept, needs, shape)?;
        elements(name, "d_input", io.d_input, needs, shape)?;
        calls.push((*p, Grid::Groups(tiles(p.rows) * tiles(p.inputs))));
    }
    let variant = Variant { constants: vec![("ACTIVATION", f64::from(activation.code()))], ..Variant::default() };
    gpu.bind(&DEF, &variant, None, &io.buffers(), &calls)
}
