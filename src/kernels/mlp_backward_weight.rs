//! Partial gradients of a dense layer's weight and bias over fixed slices of the rows, dW = dYᵀ X, db = Σ dY.
//!
//! [`slice_rows`] decides the slices from the shape alone, so the same batch gives the same bits on every device;
//! [`super::reduce_partials`] adds them. With `inputs` 0 it sums columns: the gradient of a free `log_std`.

use super::{span, tile_iterations, tiles};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::Activation;

kernel! {
    stem: "mlp_backward_weight",
    parts: [MATH, ACTIVATION, LOOPS],
    schedule: false,
    head: false,
    params: {
        /// Rows of the batch.
        pub rows: u32,
        /// Input width; 0: bias only.
        pub inputs: u32,
        /// Output width.
        pub outputs: u32,
        /// First element of the weight in a slice.
        pub weight: u32,
        /// First element of the bias in a slice.
        pub bias: u32,
        /// First element of row 0 of `input`.
        pub input_offset: u32,
        /// Elements from one row of `input` to the next.
        pub input_stride: u32,
        /// First column of `d_output`.
        pub d_output_offset: u32,
        /// Elements from one row of `d_output` to the next.
        pub d_output_stride: u32,
        /// Rows of a slice, see [`slice_rows`].
        pub slice_rows: u32,
        /// Elements from one slice to the next: the number of parameters.
        pub partial_stride: u32,
        #[doc(hidden)]
        pub pad_0: u32,
    },
    io: {
        /// `[rows, outputs]`, rows `d_output_stride` apart.
        d_output: Read f32,
        /// `[rows, inputs]`.
        input: Read f32,
        /// `[slices, parameters]`.
        partials: ReadWrite f32,
    },
}

/// Rows of one slice for a batch of `rows` and `parameters` numbers: a multiple of 64, at least 256 (64 up to 32,768 parameters,
/// where so many slices are soon added up) and at most 32,768, and in between so many that there are at most 64 slices and the
/// partials stay below 2²⁵ elements (128 MiB).
pub fn slice_rows(rows: u32, parameters: u64) -> u32 {
    let most = (1_u64 << 25).checked_div(parameters).unwrap_or(64).clamp(1, 64) as u32;
    // A slice is one loop of an invocation, which some drivers cut short (`iterations`).
    let least = if parameters <= 32_768 { 64 } else { 256 };
    rows.div_ceil(most).min(32_768).next_multiple_of(64).clamp(least, 32_768)
}

/// Binds one call per entry of `params`; `input_activation` is applied to X where it is loaded.
///
/// # Errors
/// [`crate::Error::BufferLength`] or [`crate::Error::Limit`].
pub fn bind(gpu: &Gpu, input_activation: Activation, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        iterations(name, tile_iterations(p.slice_rows), || format!("slice_rows {}", p.slice_rows))?;
        let slices = p.rows.div_ceil(p.slice_rows.max(1));
        elements(name, "d_output", io.d_output, span(p.d_output_offset, p.rows, p.d_output_stride, p.outputs), || {
            format!("offset {} + rows {} × stride {}", p.d_output_offset, p.rows, p.d_output_stride)
        })?;
        elements(name, "input", io.input, span(p.input_offset, p.rows, p.input_stride, p.inputs), || {
            format!("offset {} + rows {} × inputs {}", p.input_offset, p.rows, p.inputs)
        })?;
        let weights = u64::from(p.weight) + u64::from(p.outputs) * u64::from(p.inputs);
        let last = weights.max(u64::from(p.bias) + u64::from(p.outputs));
        let needs = u64::from(slices.saturating_sub(1)) * u64::from(p.partial_stride) + last;
        elements(name, "partials", io.partials, needs, || format!("slices {slices} × {}", p.partial_stride))?;
        let groups = u64::from(slices) * tiles(p.outputs) * tiles(p.inputs + 1);
        calls.push((Params { slice_rows: p.slice_rows.max(1), ..*p }, Grid::Groups(groups)));
    }
    let variant =
        Variant { constants: vec![("INPUT_ACTIVATION", f64::from(input_activation.code()))], ..Variant::default() };
    gpu.bind(&DEF, &variant, None, &io.buffers(), &calls)
}
