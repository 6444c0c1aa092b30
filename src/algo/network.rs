//! Chains of dense layers as lists of calls.

use super::products::{BackwardLayer, ForwardLayer};
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{mlp_backward_input, mlp_backward_weight, mlp_forward, mlp_jvp};
use crate::policy::{Activation, LayerRange, Network, ParamLayout, PolicySpec};

/// Some rows that go through the networks together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// Number of rows.
    pub rows: u32,
    /// First element of the observations.
    pub obs_offset: u32,
    /// Elements from one row of the observations to the next: `obs_dim`, more where rows are padded, or a multiple of it to take
    /// every k-th row.
    pub obs_stride: u32,
    /// First element of the values.
    pub value_offset: u32,
}

/// What the forward pass keeps of each layer, input side first: the activation's output, or its argument where the
/// activation needs that ([`Activation::keeps_preactivation`]). The last of `policy` are distribution rows.
#[derive(Debug)]
pub(super) struct Activations {
    trunk: Vec<Buffer<f32>>,
    policy: Vec<Buffer<f32>>,
    value: Vec<Buffer<f32>>,
}

impl Activations {
    /// Room for `rows` rows of the networks named.
    pub fn new(gpu: &Gpu, spec: &PolicySpec, rows: u32, networks: &[Network]) -> Result<Self> {
        let of = |network: Network| -> Vec<u64> {
            if !networks.contains(&network) {
                return Vec::new();
            }
            let mut sizes: Vec<_> = spec.sizes(network).into_iter().skip(1).collect();
            // A distribution row also carries the free parameters.
            if let (Network::Policy, Some(last)) = (network, sizes.last_mut()) {
                *last = spec.head.width();
            }
            sizes.into_iter().map(|size| u64::from(rows) * size as u64).collect()
        };
        let lengths = Network::ALL.map(of);
        let mut made: [Vec<Buffer<f32>>; 3] = Default::default();
        let limit = gpu.limits().max_storage_buffer_binding_size;
        for index in 0..lengths.iter().map(Vec::len).max().unwrap_or(0) {
            let hidden = |network: Network| {
                let lengths = &lengths[network as usize];
                lengths.get(index).copied().filter(|_| index + 1 < lengths.len())
            };
            if let (Some(policy), Some(value)) = (hidden(Network::Policy), hidden(Network::Value)) {
                // One buffer, so that one dispatch reaches both; bindings begin at multiples of 256 bytes.
                let start = policy.next_multiple_of(64);
                if 4 * (start + value) <= limit {
                    let both: Buffer<f32> = gpu.buffer(&format!("hidden {index}"), start + value)?;
                    made[Network::Policy as usize].push(Buffer::from_wgpu(both.raw(), 0, policy)?);
                    made[Network::Value as usize].push(Buffer::from_wgpu(both.raw(), 4 * start, value)?);
                }
            }
            for (network, (made, lengths)) in Network::ALL.into_iter().zip(made.iter_mut().zip(&lengths)) {
                if let Some(length) = lengths.get(index).filter(|_| made.len() == index) {
                    made.push(gpu.buffer(&format!("{}.{index} output", network.name()), *length)?);
                }
            }
        }
        let [trunk, policy, value] = made;
        Ok(Self { trunk, policy, value })
    }

    fn of(&self, network: Network) -> &[Buffer<f32>] {
        match network {
            Network::Trunk => &self.trunk,
            Network::Policy => &self.policy,
            Network::Value => &self.value,
        }
    }

    /// Distribution rows, `[rows, width]`.
    pub fn head_outputs<'a>(&'a self, otherwise: &'a Buffer<f32>) -> &'a Buffer<f32> {
        self.policy.last().unwrap_or(otherwise)
    }
}

/// The pieces that every list of calls needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Networks<'a> {
    pub gpu: &'a Gpu,
    pub spec: &'a PolicySpec,
    pub layout: &'a ParamLayout,
    pub parameters: &'a Buffer<f32>,
}

impl Networks<'_> {
    /// What a kernel applies to the kept output of a hidden layer where it loads it.
    fn on_load(&self) -> Activation {
        if self.spec.activation.keeps_preactivation() { self.spec.activation } else { Activation::Identity }
    }

    /// What a kernel applies to a hidden layer before it stores it.
    fn on_store(&self) -> Activation {
        if self.spec.activation.keeps_preactivation() { Activation::Identity } else { self.spec.activation }
    }

    /// Calls of each block, in order: the trunk (if there is one and it is wanted), then the networks in `wanted`. Values go to
    /// `values` at the block's offset.
    pub fn forward(
        &self,
        wanted: &[Network],
        obs: &Buffer<f32>,
        kept: &Activations,
        values: &Buffer<f32>,
        blocks: &[Block],
    ) -> Result<Vec<Vec<Call>>> {
        let mut lists = vec![Vec::new(); blocks.len()];
        for group in self.groups(wanted) {
            for index in 0..self.layout.layers(group[0]).len() {
                let layers: Vec<_> = group
                    .iter()
                    .map(|network| self.forward_layer(*network, index, obs, kept, values, blocks))
                    .collect();
                self.bind_forward(&mut lists, &layers)?;
            }
        }
        Ok(lists)
    }

    /// Networks whose layers of one index go together: policy and value where they are as deep as each other.
    fn groups(&self, wanted: &[Network]) -> Vec<Vec<Network>> {
        let depth = |network: Network| self.layout.layers(network).len();
        let mut groups: Vec<Vec<Network>> = Vec::new();
        for &network in wanted.iter().filter(|network| depth(**network) > 0) {
            match groups.last_mut() {
                Some(last) if *last == [Network::Policy] && depth(Network::Policy) == depth(network) => {
                    last.push(network)
                }
                _ => groups.push(vec![network]),
            }
        }
        groups
    }

    fn forward_layer<'b>(
        &self,
        network: Network,
        index: usize,
        obs: &'b Buffer<f32>,
        kept: &'b Activations,
        values: &'b Buffer<f32>,
        blocks: &[Block],
    ) -> ForwardLayer<'b> {
        let layers = self.layout.layers(network);
        let layer = &layers[index];
        let last = index + 1 == layers.len() && network != Network::Trunk;
        let (input, from_obs) = self.input(network, index, obs, kept);
        let output = if last && network == Network::Value { values } else { &kept.of(network)[index] };
        let extra = if last && network == Network::Policy { self.spec.head.free_parameters() } else { 0 };
        let params = blocks
            .iter()
            .map(|block| mlp_forward::Params {
                rows: block.rows,
                inputs: layer.inputs as u32,
                outputs: layer.outputs as u32,
                weight: layer.weight as u32,
                bias: layer.bias as u32,
                input_offset: if from_obs { block.obs_offset } else { 0 },
                input_stride: if from_obs { block.obs_stride } else { layer.inputs as u32 },
                output_offset: if last && network == Network::Value { block.value_offset } else { 0 },
                output_stride: (layer.outputs + extra) as u32,
                extra: extra as u32,
                extra_offset: self.layout.log_std().unwrap_or(0) as u32,
                ..Default::default()
            })
            .collect();
        let on_load = if from_obs { Activation::Identity } else { self.on_load() };
        let on_store = if last { Activation::Identity } else { self.on_store() };
        ForwardLayer { params, input, output, on_load, on_store }
    }

    /// The buffer that feeds layer `index` of `network`, and whether that is the observations.
    fn input<'b>(
        &self,
        network: Network,
        index: usize,
        obs: &'b Buffer<f32>,
        kept: &'b Activations,
    ) -> (&'b Buffer<f32>, bool) {
        if index > 0 {
            return (&kept.of(network)[index - 1], false);
        }
        match kept.trunk.last() {
            Some(trunk) if network != Network::Trunk => (trunk, false),
            _ => (obs, true),
        }
    }
}

impl Networks<'_> {
    /// Calls, in order, that carry the change `tangent` of the parameters forward through trunk and policy, at the activations
    /// `kept`; the last of `tangents` are changes of distribution rows.
    pub fn tangents(
        &self,
        obs: &Buffer<f32>,
        kept: &Activations,
        tangent: &Buffer<f32>,
        tangents: &Activations,
        block: Block,
    ) -> Result<Vec<Call>> {
        let mut calls = Vec::new();
        for network in [Network::Trunk, Network::Policy] {
            let layers = self.layout.layers(network);
            for (index, layer) in layers.iter().enumerate() {
                let last = index + 1 == layers.len() && network == Network::Policy;
                let (input, from_obs) = self.input(network, index, obs, kept);
                let (input_tangent, _) = self.input(network, index, obs, tangents);
                let extra = if last { self.spec.head.free_parameters() } else { 0 };
                let params = mlp_jvp::Params {
                    rows: block.rows,
                    inputs: layer.inputs as u32,
                    outputs: layer.outputs as u32,
                    weight: layer.weight as u32,
                    bias: layer.bias as u32,
                    input_offset: if from_obs { block.obs_offset } else { 0 },
                    input_stride: if from_obs { block.obs_stride } else { layer.inputs as u32 },
                    with_input_tangent: u32::from(!from_obs),
                    output_stride: (layer.outputs + extra) as u32,
                    extra: extra as u32,
                    extra_offset: self.layout.log_std().unwrap_or(0) as u32,
                    ..Default::default()
                };
                let io = mlp_jvp::Io {
                    parameters: self.parameters,
                    tangent,
                    input,
                    input_tangent,
                    kept: &kept.of(network)[index],
                    output_tangent: &tangents.of(network)[index],
                };
                let on_load = if from_obs { Activation::Identity } else { self.on_load() };
                let slope = if last { Activation::Identity } else { self.spec.activation };
                calls.extend(self.bind_tangent(on_load, slope, params, &io)?);
            }
        }
        Ok(calls)
    }
}

/// Buffers of the backward pass.
#[derive(Debug)]
pub(super) struct Gradients {
    /// Gradient by the distribution rows, `[rows, width]`.
    pub d_head_outputs: Buffer<f32>,
    /// Gradient by the values, `[rows]`.
    pub d_values: Buffer<f32>,
    /// Gradients by the preactivations of hidden layers, like [`Activations`].
    hidden: Activations,
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
            hidden: Activations::new(gpu, spec, kept, &Network::ALL)?,
            partials: gpu.buffer("partials", slices * count)?,
        })
    }
}

impl Networks<'_> {
    /// Calls of each block, in order, from the gradients at the heads to partial gradients of the parameters of the networks in
    /// `wanted`. Partial gradients of the others are not written.
    pub fn backward(
        &self,
        wanted: &[Network],
        obs: &Buffer<f32>,
        kept: &Activations,
        gradients: &Gradients,
        blocks: &[Block],
    ) -> Result<Vec<Vec<Call>>> {
        let mut lists = vec![Vec::new(); blocks.len()];
        // Both heads add to the gradient at the trunk's output before the trunk's own layers use it.
        let both = wanted.contains(&Network::Policy) && wanted.contains(&Network::Value);
        let order = [Network::Policy, Network::Value, Network::Trunk];
        let wanted: Vec<_> = order.into_iter().filter(|network| wanted.contains(network)).collect();
        for group in self.groups(&wanted) {
            for index in (0..self.layout.layers(group[0]).len()).rev() {
                let layers: Vec<_> = group
                    .iter()
                    .map(|network| self.backward_layer(*network, index, obs, kept, gradients, blocks))
                    .collect();
                self.bind_weights(&mut lists, &layers, &gradients.partials)?;
                let from_obs = layers[0].from_obs;
                let joins_trunk = index == 0 && group[0] != Network::Trunk;
                if from_obs || (joins_trunk && !wanted.contains(&Network::Trunk)) {
                    continue;
                }
                if !joins_trunk {
                    self.bind_inputs(&mut lists, &layers, self.spec.activation, false)?;
                    continue;
                }
                // At a trunk's output the policy's part is stored first, and the value's part completes the sum.
                for (network, layer) in group.iter().zip(&layers) {
                    let complete = !(both && *network == Network::Policy);
                    let activation = if complete { self.spec.activation } else { Activation::Identity };
                    let accumulate = both && *network == Network::Value;
                    self.bind_inputs(&mut lists, std::slice::from_ref(layer), activation, accumulate)?;
                }
            }
        }
        Ok(lists)
    }

    fn backward_layer<'b>(
        &self,
        network: Network,
        index: usize,
        obs: &'b Buffer<f32>,
        kept: &'b Activations,
        gradients: &'b Gradients,
        blocks: &[Block],
    ) -> BackwardLayer<'b> {
        let layers = self.layout.layers(network);
        let last = index + 1 == layers.len();
        let (d_output, stride) = match network {
            Network::Policy if last => (&gradients.d_head_outputs, self.spec.head.width()),
            Network::Value if last => (&gradients.d_values, 1),
            _ => (&gradients.hidden.of(network)[index], layers[index].outputs),
        };
        let (input, from_obs) = self.input(network, index, obs, kept);
        let (d_input, _) = self.input(network, index, obs, &gradients.hidden);
        let extra = self.layout.log_std().filter(|_| last && network == Network::Policy).map(|log_std| {
            // Free parameters are the last columns of a distribution row: their gradient is a sum over rows.
            let free = LayerRange { inputs: 0, outputs: self.spec.head.free_parameters(), weight: 0, bias: log_std };
            let mut params = self.weight_params(&free, stride, false, blocks);
            for p in &mut params {
                p.d_output_offset = self.spec.head.raw_outputs() as u32;
            }
            params
        });
        let inputs = blocks
            .iter()
            .map(|block| mlp_backward_input::Params {
                rows: block.rows,
                inputs: layers[index].inputs as u32,
                outputs: layers[index].outputs as u32,
                weight: layers[index].weight as u32,
                d_output_stride: stride as u32,
                ..Default::default()
            })
            .collect();
        BackwardLayer {
            weights: self.weight_params(&layers[index], stride, from_obs, blocks),
            extra,
            inputs,
            d_output,
            input,
            d_input,
            from_obs,
            on_load: if from_obs { Activation::Identity } else { self.on_load() },
        }
    }

    fn weight_params(
        &self,
        layer: &LayerRange,
        d_output_stride: usize,
        from_obs: bool,
        blocks: &[Block],
    ) -> Vec<mlp_backward_weight::Params> {
        let count = self.layout.len();
        blocks
            .iter()
            .map(|block| mlp_backward_weight::Params {
                rows: block.rows,
                inputs: layer.inputs as u32,
                outputs: layer.outputs as u32,
                weight: layer.weight as u32,
                bias: layer.bias as u32,
                input_offset: if from_obs { block.obs_offset } else { 0 },
                input_stride: if from_obs { block.obs_stride } else { layer.inputs as u32 },
                d_output_stride: d_output_stride as u32,
                slice_rows: mlp_backward_weight::slice_rows(block.rows, count as u64),
                partial_stride: count as u32,
                ..Default::default()
            })
            .collect()
    }
}
