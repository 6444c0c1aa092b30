//! Partial gradients of a dense layer's weight and bias over fixed slices of the rows, dW = dYᵀ X, db = Σ dY, of two networks
//! in one dispatch: [`super::mlp_backward_weight`] in tiles of 64 × 64 sums, each in the same order.
//!
//! The gradient of a free `log_std` is a sum of further columns of dY; it is taken here, too.

use super::tile::{Loads, Tile, fours, iterations as tile_iterations, quads, word};
use super::{mlp_backward_weight, span};
use crate::error::Result;
use crate::gpu::{Call, Gpu, Grid, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::Activation;

kernel! {
    stem: "mlp_backward_weight_tiled",
    parts: [MATH, ACTIVATION, LOOPS, TILE, TILE_PRODUCT],
    schedule: false,
    head: false,
    params: {
        /// Rows of the batch.
        pub rows: u32,
        /// Workgroups of the first network: [`bind`] knows.
        pub groups: u32,
        /// Rows of a slice, see [`mlp_backward_weight::slice_rows`].
        pub slice_rows: u32,
        /// Elements from one slice to the next: the number of parameters.
        pub partial_stride: u32,
        /// Input width.
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
        /// First element of row 0 of `d_output`.
        pub d_output_offset: u32,
        /// Elements from one row of `d_output` to the next.
        pub d_output_stride: u32,
        /// Columns of `d_output` after the outputs of which only the sums are wanted.
        pub extra: u32,
        /// First element of those sums in a slice.
        pub extra_offset: u32,
        /// The second network's.
        pub inputs_b: u32,
        /// The second network's; 0: there is none.
        pub outputs_b: u32,
        /// The second network's.
        pub weight_b: u32,
        /// The second network's.
        pub bias_b: u32,
        /// The second network's.
        pub input_offset_b: u32,
        /// The second network's.
        pub input_stride_b: u32,
        /// The second network's, in `d_output_b`.
        pub d_output_offset_b: u32,
        /// The second network's.
        pub d_output_stride_b: u32,
        /// The second network's.
        pub extra_b: u32,
        /// The second network's.
        pub extra_offset_b: u32,
    },
    io: {
        /// `[rows, outputs + extra]`, four at a time.
        d_output: Read [f32; 4],
        /// The second network's.
        d_output_b: Read [f32; 4],
        /// `[rows, inputs]` of both networks, four at a time.
        input: Read [f32; 4],
        /// `[slices, parameters]`.
        partials: ReadWrite f32,
    },
}

impl Params {
    /// The layers `a` and `b` of as many rows and slices; `extra` are sums of the columns after `a`'s outputs, as a layer
    /// without inputs.
    pub fn pair(
        a: &mlp_backward_weight::Params,
        b: Option<&mlp_backward_weight::Params>,
        extra: Option<&mlp_backward_weight::Params>,
    ) -> Self {
        let b = b.copied().unwrap_or_default();
        Self {
            rows: a.rows,
            groups: 0,
            slice_rows: a.slice_rows.max(1),
            partial_stride: a.partial_stride,
            inputs: a.inputs,
            outputs: a.outputs,
            weight: a.weight,
            bias: a.bias,
            input_offset: a.input_offset,
            input_stride: a.input_stride,
            d_output_offset: a.d_output_offset,
            d_output_stride: a.d_output_stride,
            extra: extra.map_or(0, |extra| extra.outputs),
            extra_offset: extra.map_or(0, |extra| extra.bias),
            inputs_b: b.inputs,
            outputs_b: b.outputs,
            weight_b: b.weight,
            bias_b: b.bias,
            input_offset_b: b.input_offset,
            input_stride_b: b.input_stride,
            d_output_offset_b: b.d_output_offset,
            d_output_stride_b: b.d_output_stride,
            extra_b: 0,
            extra_offset_b: 0,
        }
    }

    /// The layers again, without those that are not there; and their `extra` and `extra_offset`.
    fn layers(&self) -> impl Iterator<Item = (mlp_backward_weight::Params, [u32; 2])> {
        let common = mlp_backward_weight::Params {
            rows: self.rows,
            slice_rows: self.slice_rows,
            partial_stride: self.partial_stride,
            ..Default::default()
        };
        let first = mlp_backward_weight::Params {
            inputs: self.inputs,
            outputs: self.outputs,
            weight: self.weight,
            bias: self.bias,
            input_offset: self.input_offset,
            input_stride: self.input_stride,
            d_output_offset: self.d_output_offset,
            d_output_stride: self.d_output_stride,
            ..common
        };
        let second = mlp_backward_weight::Params {
            inputs: self.inputs_b,
            outputs: self.outputs_b,
            weight: self.weight_b,
            bias: self.bias_b,
            input_offset: self.input_offset_b,
            input_stride: self.input_stride_b,
            d_output_offset: self.d_output_offset_b,
            d_output_stride: self.d_output_stride_b,
            ..common
        };
        [(first, [self.extra, self.extra_offset]), (second, [self.extra_b, self.extra_offset_b])]
            .into_iter()
            .filter(|(layer, _)| layer.outputs > 0)
    }
}

/// Binds one call per entry of `params`; `input_activation` is applied to X where it is loaded.
///
/// # Errors
/// [`crate::Error::BufferLength`], [`crate::Error::Limit`], or [`crate::Error::Config`] for a tile that there is not.
pub fn bind(gpu: &Gpu, tile: Tile, input_activation: Activation, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    let mut whole = [true; 2];
    for p in params {
        let p = Params { slice_rows: p.slice_rows.max(1), ..*p };
        let slices = u64::from(p.rows.div_ceil(p.slice_rows));
        let mut groups = Vec::new();
        for (index, (l, [extra, extra_offset])) in p.layers().enumerate() {
            iterations(name, tile_iterations(l.slice_rows), || format!("slice_rows {}", l.slice_rows))?;
            let width = l.outputs + extra;
            let (label, d_output) = if index == 0 { ("d_output", io.d_output) } else { ("d_output_b", io.d_output_b) };
            let needs = span(l.d_output_offset, l.rows, l.d_output_stride, width);
            elements(name, label, d_output, quads(needs), || {
                format!("(offset {} + rows {} × stride {}) / 4", l.d_output_offset, l.rows, l.d_output_stride)
            })?;
            let needs = span(l.input_offset, l.rows, l.input_stride, l.inputs);
            elements(name, "input", io.input, quads(needs), || {
                format!("(offset {} + rows {} × inputs {}) / 4", l.input_offset, l.rows, l.inputs)
            })?;
            let weights = u64::from(l.weight) + u64::from(l.outputs) * u64::from(l.inputs);
            let sums = if extra == 0 { 0 } else { u64::from(extra_offset) + u64::from(extra) };
            let last = weights.max(u64::from(l.bias) + u64::from(l.outputs)).max(sums);
            let needs = slices.saturating_sub(1) * u64::from(l.partial_stride) + last;
            elements(name, "partials", io.partials, needs, || format!("slices {slices} × {}", l.partial_stride))?;
            let rows_whole = fours(&[l.rows, l.slice_rows]);
            whole[0] &= rows_whole && fours(&[l.d_output_offset, l.d_output_stride]);
            whole[1] &= rows_whole && fours(&[l.input_offset, l.input_stride]);
            groups.push(slices * (tile.groups(l.outputs, l.inputs) + u64::from(width.div_ceil(256))));
        }
        let first = groups.first().copied().unwrap_or(0);
        calls.push((Params { groups: word(name, first)?, ..p }, Grid::Groups(groups.iter().sum())));
    }
    let variant = tile.variant(whole.map(Loads::whole), &[("INPUT_ACTIVATION", input_activation.code())])?;
    gpu.bind(&DEF, &variant, None, &io.buffers(), &calls)
}
