//! Which kernel computes the products of a layer. Only this file decides, by shape.
//!
//! Tiled kernels from 32 rows on, policy and value in one dispatch where their buffers allow; the plain ones below, where a
//! tile would be empty for the most part, where [`ProductPath::Plain`] is asked for, and over buffers of an embedder that end
//! within four numbers.

use super::networks::Networks;
use crate::error::Result;
use crate::gpu::{Buffer, Call, ProductPath};
use crate::kernels::tile::Tile;
use crate::kernels::{
    mlp_backward_input, mlp_backward_input_tiled, mlp_backward_weight, mlp_backward_weight_tiled, mlp_forward,
    mlp_forward_tiled, mlp_jvp, mlp_jvp_tiled,
};
use crate::policy::Activation;

/// Rows from which a tile is worth it.
pub(in crate::algo) const FEW_ROWS: u32 = 32;

/// Outputs that one dispatch sums over: no driver ends a loop so short. A multiple of what is loaded together.
const MOST_OUTPUTS: u32 = 32_768;

/// One layer of one network forward, for each block.
pub(super) struct ForwardLayer<'a> {
    pub params: Vec<mlp_forward::Params>,
    pub input: &'a Buffer<f32>,
    pub output: &'a Buffer<f32>,
    pub on_load: Activation,
    pub on_store: Activation,
}

/// One layer of one network backward, for each block.
pub(super) struct BackwardLayer<'a> {
    pub weights: Vec<mlp_backward_weight::Params>,
    /// Sums of the columns after the outputs: the gradient of `log_std`.
    pub extra: Option<Vec<mlp_backward_weight::Params>>,
    pub inputs: Vec<mlp_backward_input::Params>,
    pub d_output: &'a Buffer<f32>,
    pub input: &'a Buffer<f32>,
    pub d_input: &'a Buffer<f32>,
    pub on_load: Activation,
}

/// The layers that share a dispatch: all of them if `share`, else each alone.
fn dispatches<T>(layers: &[T], share: bool) -> impl Iterator<Item = &[T]> {
    layers.chunks(if share { layers.len().max(1) } else { 1 })
}

/// The range with the numbers of one or two layers, and where each begins. [`dispatches`] asked [`shared`] first.
fn range(first: &Buffer<f32>, second: Option<&Buffer<f32>>) -> (Buffer<f32>, [u32; 2]) {
    second.and_then(|second| first.joined(second)).unwrap_or_else(|| (first.clone(), [0, 0]))
}

/// Whether the buffers of all layers are ranges of one.
fn shared(buffers: &[&Buffer<f32>]) -> bool {
    buffers.windows(2).all(|pair| pair[0].joined(pair[1]).is_some())
}

impl Networks<'_> {
    fn tiled(&self, rows: impl Iterator<Item = u32>, buffers: &[&Buffer<f32>]) -> bool {
        self.gpu.products() != ProductPath::Plain
            && rows.max().unwrap_or(0) >= FEW_ROWS
            && buffers.iter().chain([&self.parameters]).all(|buffer| buffer.has_whole_quads())
    }

    /// Layers of one index, forward.
    pub(super) fn bind_forward(&self, lists: &mut [Vec<Call>], layers: &[ForwardLayer<'_>]) -> Result<()> {
        let inputs: Vec<_> = layers.iter().map(|layer| layer.input).collect();
        let rows = layers.iter().flat_map(|layer| &layer.params).map(|p| p.rows);
        if !self.tiled(rows, &inputs) {
            for ForwardLayer { params, input, output, on_load, on_store } in layers {
                let io = mlp_forward::Io { parameters: self.parameters, input, output };
                append(lists, mlp_forward::bind(self.gpu, *on_load, *on_store, params, &io)?);
            }
            return Ok(());
        }
        let weights = self.parameters.quads();
        // Bound where no second output is apart, and not written.
        let unused = self.gpu.buffer("unused", 1)?;
        for layers in dispatches(layers, shared(&inputs)) {
            let (first, second) = (&layers[0], layers.get(1));
            let (input, inputs) = range(first.input, second.map(|layer| layer.input));
            let (output, outputs) = range(first.output, second.map(|layer| layer.output));
            let apart = second.filter(|second| first.output.joined(second.output).is_none());
            let mut widths = Vec::new();
            let params: Vec<_> = (0..first.params.len())
                .map(|block| {
                    let job = |layer: &ForwardLayer<'_>, index: usize| {
                        let p = layer.params[block];
                        let (input_offset, output_offset) =
                            (p.input_offset + inputs[index], p.output_offset + outputs[index]);
                        mlp_forward::Params { input_offset, output_offset, ..p }
                    };
                    let jobs = [Some(job(first, 0)), second.map(|second| job(second, 1))];
                    widths.extend(jobs.iter().flatten().map(|p| [p.rows, p.outputs + p.extra]));
                    mlp_forward_tiled::Params::pair(&job(first, 0), jobs[1].as_ref(), apart.is_some())
                })
                .collect();
            let io = mlp_forward_tiled::Io {
                parameters: self.parameters,
                weights: &weights,
                input: &input.quads(),
                output: &output,
                output_b: apart.map_or(&unused, |second| second.output),
            };
            let tile = Tile::pick(self.gpu, &widths);
            append(lists, mlp_forward_tiled::bind(self.gpu, tile, first.on_load, first.on_store, &params, &io)?);
        }
        Ok(())
    }

    /// Gradients of the weights of layers of one index.
    pub(super) fn bind_weights(
        &self,
        lists: &mut [Vec<Call>],
        layers: &[BackwardLayer<'_>],
        partials: &Buffer<f32>,
    ) -> Result<()> {
        let inputs: Vec<_> = layers.iter().map(|layer| layer.input).collect();
        let buffers: Vec<_> = inputs.iter().copied().chain(layers.iter().map(|layer| layer.d_output)).collect();
        let rows = layers.iter().flat_map(|layer| &layer.weights).map(|p| p.rows);
        if !self.tiled(rows, &buffers) {
            for layer in layers {
                let io = mlp_backward_weight::Io { d_output: layer.d_output, input: layer.input, partials };
                append(lists, mlp_backward_weight::bind(self.gpu, layer.on_load, &layer.weights, &io)?);
                if let Some(extra) = &layer.extra {
                    append(lists, mlp_backward_weight::bind(self.gpu, Activation::Identity, extra, &io)?);
                }
            }
            return Ok(());
        }
        for layers in dispatches(layers, shared(&inputs)) {
            let (first, second) = (&layers[0], layers.get(1));
            let (input, inputs) = range(first.input, second.map(|layer| layer.input));
            let params: Vec<_> = (0..first.weights.len())
                .map(|block| {
                    let job = |layer: &BackwardLayer<'_>, index: usize| {
                        let p = layer.weights[block];
                        mlp_backward_weight::Params { input_offset: p.input_offset + inputs[index], ..p }
                    };
                    let extra = first.extra.as_ref().map(|extra| &extra[block]);
                    mlp_backward_weight_tiled::Params::pair(
                        &job(first, 0),
                        second.map(|second| job(second, 1)).as_ref(),
                        extra,
                    )
                })
                .collect();
            let d_output = first.d_output.quads();
            let io = mlp_backward_weight_tiled::Io {
                d_output: &d_output,
                d_output_b: &second.map_or_else(|| d_output.clone(), |second| second.d_output.quads()),
                input: &input.quads(),
                partials,
            };
            let shapes: Vec<_> =
                layers.iter().filter_map(|layer| layer.weights.first()).map(|p| [p.outputs, p.inputs]).collect();
            let tile = Tile::pick(self.gpu, &shapes);
            append(lists, mlp_backward_weight_tiled::bind(self.gpu, tile, first.on_load, &params, &io)?);
        }
        Ok(())
    }

    /// Gradients of the inputs of layers of one index; `activation` is that of the inputs. `accumulate` adds to what is there.
    /// Where a layer has more than [`MOST_OUTPUTS`] the sum over them goes on in further dispatches, in the same order.
    pub(super) fn bind_inputs(
        &self,
        lists: &mut [Vec<Call>],
        layers: &[BackwardLayer<'_>],
        activation: Activation,
        accumulate: bool,
    ) -> Result<()> {
        let outputs = |layer: &BackwardLayer<'_>| layer.inputs.iter().map(|p| p.outputs).max().unwrap_or(0);
        if layers.iter().all(|layer| outputs(layer) <= MOST_OUTPUTS) {
            return self.bind_input_sums(lists, layers, activation, accumulate);
        }
        for layer in layers {
            for first in (0..outputs(layer)).step_by(MOST_OUTPUTS as usize) {
                let last = outputs(layer) - first <= MOST_OUTPUTS;
                let of = |p: &mlp_backward_input::Params| mlp_backward_input::Params {
                    outputs: p.outputs.saturating_sub(first).min(MOST_OUTPUTS),
                    weight: p.weight + first * p.inputs,
                    d_output_offset: p.d_output_offset + first,
                    ..*p
                };
                let part = BackwardLayer {
                    weights: Vec::new(),
                    extra: None,
                    inputs: layer.inputs.iter().map(of).collect(),
                    ..*layer
                };
                let activation = if last { activation } else { Activation::Identity };
                self.bind_input_sums(lists, &[part], activation, accumulate || first > 0)?;
            }
        }
        Ok(())
    }

    /// Those of at most [`MOST_OUTPUTS`] outputs.
    fn bind_input_sums(
        &self,
        lists: &mut [Vec<Call>],
        layers: &[BackwardLayer<'_>],
        activation: Activation,
        accumulate: bool,
    ) -> Result<()> {
        let buffers: Vec<_> = layers.iter().map(|layer| layer.d_output).collect();
        let rows = layers.iter().flat_map(|layer| &layer.inputs).map(|p| p.rows);
        if !self.tiled(rows, &buffers) {
            for layer in layers {
                let params: Vec<_> = layer
                    .inputs
                    .iter()
                    .map(|p| mlp_backward_input::Params { accumulate: accumulate.into(), ..*p })
                    .collect();
                let io = mlp_backward_input::Io {
                    parameters: self.parameters,
                    d_output: layer.d_output,
                    kept: layer.input,
                    d_input: layer.d_input,
                };
                append(lists, mlp_backward_input::bind(self.gpu, activation, &params, &io)?);
            }
            return Ok(());
        }
        let weights = self.parameters.quads();
        let both: Vec<_> = layers.iter().map(|layer| layer.input).collect();
        let written: Vec<_> = layers.iter().map(|layer| layer.d_input).collect();
        for layers in dispatches(layers, shared(&both) && shared(&written)) {
            let (first, second) = (&layers[0], layers.get(1));
            let (kept, kept_offsets) = range(first.input, second.map(|layer| layer.input));
            let (d_input, d_input_offsets) = range(first.d_input, second.map(|layer| layer.d_input));
            let mut shapes = Vec::new();
            let params: Vec<_> = (0..first.inputs.len())
                .map(|block| {
                    let job = |layer: &BackwardLayer<'_>, index: usize| mlp_backward_input_tiled::Job {
                        layer: mlp_backward_input::Params { accumulate: accumulate.into(), ..layer.inputs[block] },
                        d_output_offset: layer.inputs[block].d_output_offset,
                        kept_offset: kept_offsets[index],
                        d_input_offset: d_input_offsets[index],
                    };
                    shapes.extend(layers.iter().map(|layer| [layer.inputs[block].rows, layer.inputs[block].inputs]));
                    mlp_backward_input_tiled::Params::pair(&job(first, 0), second.map(|second| job(second, 1)).as_ref())
                })
                .collect();
            let d_output = first.d_output.quads();
            let io = mlp_backward_input_tiled::Io {
                weights: &weights,
                d_output: &d_output,
                d_output_b: &second.map_or_else(|| d_output.clone(), |second| second.d_output.quads()),
                kept: &kept,
                d_input: &d_input,
            };
            let tile = Tile::pick(self.gpu, &shapes);
            append(lists, mlp_backward_input_tiled::bind(self.gpu, tile, activation, &params, &io)?);
        }
        Ok(())
    }

    /// The tangent of one layer.
    pub(super) fn bind_tangent(
        &self,
        on_load: Activation,
        slope: Activation,
        params: mlp_jvp::Params,
        io: &mlp_jvp::Io<'_>,
    ) -> Result<Vec<Call>> {
        let tile = Tile::pick(self.gpu, &[[params.rows, params.outputs + params.extra]]);
        if !self.tiled(std::iter::once(params.rows), &[io.tangent, io.input, io.input_tangent]) {
            return mlp_jvp::bind(self.gpu, on_load, slope, &[params], io);
        }
        let tiled = mlp_jvp_tiled::Io {
            weights: &io.parameters.quads(),
            tangent: io.tangent,
            weight_tangents: &io.tangent.quads(),
            input: &io.input.quads(),
            input_tangent: &io.input_tangent.quads(),
            kept: io.kept,
            output_tangent: io.output_tangent,
        };
        mlp_jvp_tiled::bind(self.gpu, tile, on_load, slope, &[params.into()], &tiled)
    }
}

/// Appends one call to each block's list.
fn append(lists: &mut [Vec<Call>], calls: Vec<Call>) {
    for (list, call) in lists.iter_mut().zip(calls) {
        list.push(call);
    }
}
