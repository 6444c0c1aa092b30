//! A batch through networks of one shape, and back: which kernels.

use super::super::network::FEW_ROWS;
use super::arrangement::Network;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu, ProductPath};
use crate::kernels::mlp_forward_networks::{MOST, kept_elements};
use crate::kernels::tile::Tile;
use crate::kernels::{mlp_backward_networks, mlp_backward_weight, mlp_backward_weight_tiled, mlp_forward_networks};
use crate::policy::Activation;

/// Networks of the shape of one, on batches of so many rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chain<'a> {
    pub gpu: &'a Gpu,
    pub activation: Activation,
    pub network: &'a Network,
    pub rows: u32,
}

/// What a pass reads and writes between its layers.
#[derive(Debug, Clone)]
pub(super) struct Between {
    /// What a backward pass needs of each hidden layer, of each network.
    pub kept: Buffer<f32>,
    /// Gradients, laid out as that.
    pub d_kept: Buffer<f32>,
}

/// Where the inputs of a pass lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub buffer: &'a Buffer<f32>,
    /// Elements from one row to the next.
    pub stride: u32,
}

/// A network whose weights get a gradient: first elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightJob {
    /// Of the network in a slice of partial gradients.
    pub partial: u32,
    /// Of its input.
    pub input: u32,
    /// Of the gradient by its output.
    pub d_output: u32,
    /// Of what is between its layers.
    pub kept: u32,
}

impl Chain<'_> {
    /// Elements of what is kept of a network.
    pub fn kept(&self) -> u64 {
        kept_elements(&self.network.layers, self.rows)
    }

    /// Room for what lies between the layers of `networks`.
    pub fn between(&self, label: &str, networks: u64) -> Result<Between> {
        let count = (networks * self.kept()).max(1);
        Ok(Between {
            kept: self.gpu.buffer(&format!("{label} kept"), count)?,
            d_kept: self.gpu.buffer(&format!("d_{label} kept"), count)?,
        })
    }

    fn table(&self) -> [[u32; 4]; MOST] {
        let mut table = [[0; 4]; MOST];
        table.iter_mut().zip(&self.network.layers).for_each(|(entry, layer)| *entry = *layer);
        table
    }

    fn depth(&self) -> u32 {
        self.network.layers.len() as u32
    }

    /// All layers of the networks in `passes` (first elements of parameters, input, output and kept), in a dispatch.
    pub fn forward(
        &self,
        parameters: &Buffer<f32>,
        inputs: Inputs<'_>,
        output: &Buffer<f32>,
        kept: &Buffer<f32>,
        passes: &[[u32; 4]],
    ) -> Result<Vec<Call>> {
        self.forward_each(parameters, inputs, output, kept, &[passes])
    }

    /// [`forward`](Self::forward) of several lists of passes, a dispatch each.
    pub fn forward_each(
        &self,
        parameters: &Buffer<f32>,
        inputs: Inputs<'_>,
        output: &Buffer<f32>,
        kept: &Buffer<f32>,
        lists: &[&[[u32; 4]]],
    ) -> Result<Vec<Call>> {
        let of_list = |passes: &&[[u32; 4]]| {
            let mut networks = [[0; 4]; MOST];
            networks.iter_mut().zip(*passes).for_each(|(entry, pass)| *entry = *pass);
            mlp_forward_networks::Params {
                layers: self.table(),
                networks,
                rows: self.rows,
                depth: self.depth(),
                input_stride: inputs.stride,
                count: passes.len() as u32,
                ..Default::default()
            }
        };
        let params: Vec<_> = lists.iter().map(of_list).collect();
        let io = mlp_forward_networks::Io { parameters, input: inputs.buffer, output, kept };
        mlp_forward_networks::bind(self.gpu, self.activation, &params, &io)
    }

    /// Gradients by what is between the layers of the networks in `passes` (first elements of parameters, `d_output`, kept and `d_input`), and by their
    /// inputs from column `input_first` on.
    pub fn backward(
        &self,
        parameters: &Buffer<f32>,
        d_output: &Buffer<f32>,
        between: &Between,
        (d_input, input_first): (&Buffer<f32>, u32),
        passes: &[[u32; 4]],
    ) -> Result<Vec<Call>> {
        let mut networks = [[0; 4]; MOST];
        networks.iter_mut().zip(passes).for_each(|(entry, pass)| *entry = *pass);
        let params = mlp_backward_networks::Params {
            layers: self.table(),
            networks,
            rows: self.rows,
            depth: self.depth(),
            input_first,
            count: passes.len() as u32,
            ..Default::default()
        };
        let Between { kept, d_kept } = between;
        let io = mlp_backward_networks::Io { parameters, d_output, kept, d_kept, d_input };
        mlp_backward_networks::bind(self.gpu, self.activation, &[params], &io)
    }

    /// Rows of a slice of partial gradients of `count` numbers, and how many slices there are.
    pub fn slices(&self, count: u32) -> (u32, u32) {
        let rows = mlp_backward_weight::slice_rows(self.rows, count.into());
        (rows, self.rows.div_ceil(rows))
    }

    /// Partial gradients by the weights of one network or two, in slices of `count` numbers. Of two networks each layer is a dispatch; of one
    /// the layers behind the first are taken by pairs.
    pub fn weights(
        &self,
        jobs: &[WeightJob],
        inputs: Inputs<'_>,
        d_output: &Buffer<f32>,
        between: &Between,
        (partials, count): (&Buffer<f32>, u32),
    ) -> Result<Vec<Call>> {
        let depth = self.network.layers.len();
        let each = |layer: usize| jobs.iter().map(move |job| (layer, *job));
        let groups: Vec<Vec<(usize, WeightJob)>> = if jobs.len() == 1 {
            let behind: Vec<_> = (1..depth).flat_map(each).collect();
            std::iter::once(each(0).collect()).chain(behind.chunks(2).map(<[_]>::to_vec)).collect()
        } else {
            (0..depth).map(|layer| each(layer).collect()).collect()
        };
        let tiled = self.gpu.products() != ProductPath::Plain && self.rows >= FEW_ROWS;
        let (slice_rows, _) = self.slices(count);
        let mut calls = Vec::new();
        for group in groups {
            let layer = |(index, job): &(usize, WeightJob)| self.layer(*index, job, inputs.stride, count, slice_rows);
            let first = group[0].0;
            let input = if first == 0 { inputs.buffer } else { &between.kept };
            let of = |index: usize| if index + 1 == depth { d_output } else { &between.d_kept };
            let keeps = self.activation.keeps_preactivation();
            let on_load = if first > 0 && keeps { self.activation } else { Activation::Identity };
            if !tiled {
                for one in &group {
                    let io = mlp_backward_weight::Io { d_output: of(one.0), input, partials };
                    calls.extend(mlp_backward_weight::bind(self.gpu, on_load, &[layer(one)], &io)?);
                }
                continue;
            }
            let (a, b) = (layer(&group[0]), group.get(1).map(layer));
            let io = mlp_backward_weight_tiled::Io {
                d_output: &of(first).quads(),
                d_output_b: &of(group.get(1).map_or(first, |second| second.0)).quads(),
                input: &input.quads(),
                partials,
            };
            let shapes: Vec<_> = [Some(a), b].iter().flatten().map(|p| [p.outputs, p.inputs]).collect();
            let params = mlp_backward_weight_tiled::Params::pair(&a, b.as_ref(), None);
            let tile = Tile::pick(self.gpu, &shapes);
            calls.extend(mlp_backward_weight_tiled::bind(self.gpu, tile, on_load, &[params], &io)?);
        }
        Ok(calls)
    }

    /// Where layer `index` of a job finds its input and the gradient by its output.
    fn layer(
        &self,
        index: usize,
        job: &WeightJob,
        stride: u32,
        count: u32,
        slice_rows: u32,
    ) -> mlp_backward_weight::Params {
        let layers = &self.network.layers;
        let [inputs, outputs, weight, bias] = layers[index];
        let hidden = |before: usize| job.kept + layers[..before].iter().map(|layer| self.rows * layer[1]).sum::<u32>();
        let last = index + 1 == layers.len();
        mlp_backward_weight::Params {
            rows: self.rows,
            inputs,
            outputs,
            weight: job.partial + weight,
            bias: job.partial + bias,
            input_offset: if index == 0 { job.input } else { hidden(index - 1) },
            input_stride: if index == 0 { stride } else { inputs },
            d_output_offset: if last { job.d_output } else { hidden(index) },
            d_output_stride: outputs,
            slice_rows,
            partial_stride: count,
            ..Default::default()
        }
    }
}
