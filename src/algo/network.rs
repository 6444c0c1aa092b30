//! Chains of dense layers as lists of calls.

use crate::Result;
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
    /// Elements from one row of the observations to the next: `obs_dim`, or a multiple to take every k-th row.
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
        let of = |network: Network| -> Result<Vec<Buffer<f32>>> {
            if !networks.contains(&network) {
                return Ok(Vec::new());
            }
            let sizes = spec.sizes(network);
            let last = sizes.len() - 1;
            sizes
                .iter()
                .enumerate()
                .skip(1)
                .map(|(index, &size)| {
                    // A distribution row also carries the free parameters.
                    let row = if network == Network::Policy && index == last { spec.head.width() } else { size };
                    gpu.buffer(&format!("{}.{} output", network.name(), index - 1), u64::from(rows) * row as u64)
                })
                .collect()
        };
        Ok(Self { trunk: of(Network::Trunk)?, policy: of(Network::Policy)?, value: of(Network::Value)? })
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
        for &network in wanted {
            let layers = self.layout.layers(network);
            for (index, layer) in layers.iter().enumerate() {
                let last = index + 1 == layers.len() && network != Network::Trunk;
                let (input, from_obs) = self.input(network, index, obs, kept);
                let output = if last && network == Network::Value { values } else { &kept.of(network)[index] };
                let extra = if last && network == Network::Policy { self.spec.head.free_parameters() } else { 0 };
                let params: Vec<_> = blocks
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
                let calls = mlp_forward::bind(
                    self.gpu,
                    if from_obs { Activation::Identity } else { self.on_load() },
                    if last { Activation::Identity } else { self.on_store() },
                    &params,
                    &mlp_forward::Io { parameters: self.parameters, input, output },
                )?;
                for (list, call) in lists.iter_mut().zip(calls) {
                    list.push(call);
                }
            }
        }
        Ok(lists)
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
                calls.extend(mlp_jvp::bind(self.gpu, on_load, slope, &[params], &io)?);
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
    /// Room for minibatches of up to `rows` rows.
    pub fn new(gpu: &Gpu, spec: &PolicySpec, layout: &ParamLayout, rows: u32) -> Result<Self> {
        let count = layout.len() as u64;
        let slices = u64::from(rows.div_ceil(mlp_backward_weight::slice_rows(rows, count)));
        Ok(Self {
            d_head_outputs: gpu.buffer("d_head_outputs", u64::from(rows) * spec.head.width() as u64)?,
            d_values: gpu.buffer("d_values", u64::from(rows))?,
            hidden: Activations::new(gpu, spec, rows, &Network::ALL)?,
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
        for network in order.into_iter().filter(|network| wanted.contains(network)) {
            let layers = self.layout.layers(network);
            for (index, layer) in layers.iter().enumerate().rev() {
                let last = index + 1 == layers.len();
                let (d_output, stride) = match network {
                    Network::Policy if last => (&gradients.d_head_outputs, self.spec.head.width()),
                    Network::Value if last => (&gradients.d_values, 1),
                    _ => (&gradients.hidden.of(network)[index], layer.outputs),
                };
                let (input, from_obs) = self.input(network, index, obs, kept);
                let weight = self.weight_params(layer, stride, from_obs, blocks);
                let io = mlp_backward_weight::Io { d_output, input, partials: &gradients.partials };
                let on_load = if from_obs { Activation::Identity } else { self.on_load() };
                append(&mut lists, mlp_backward_weight::bind(self.gpu, on_load, &weight, &io)?);
                // At a trunk's output the policy's part is stored first, and the value's part completes the sum.
                let joins_trunk = index == 0 && network != Network::Trunk;
                if from_obs || (joins_trunk && !wanted.contains(&Network::Trunk)) {
                    continue;
                }
                let (d_input, _) = self.input(network, index, obs, &gradients.hidden);
                let params: Vec<_> = blocks
                    .iter()
                    .map(|block| mlp_backward_input::Params {
                        rows: block.rows,
                        inputs: layer.inputs as u32,
                        outputs: layer.outputs as u32,
                        weight: layer.weight as u32,
                        d_output_stride: stride as u32,
                        accumulate: u32::from(both && joins_trunk && network == Network::Value),
                        ..Default::default()
                    })
                    .collect();
                let complete = !(both && joins_trunk && network == Network::Policy);
                let activation = if complete { self.spec.activation } else { Activation::Identity };
                let io = mlp_backward_input::Io { parameters: self.parameters, d_output, kept: input, d_input };
                append(&mut lists, mlp_backward_input::bind(self.gpu, activation, &params, &io)?);
            }
        }
        if let Some(log_std) = self.layout.log_std().filter(|_| wanted.contains(&Network::Policy)) {
            // Free parameters are the last columns of a distribution row: their gradient is a sum over rows.
            let free = LayerRange { inputs: 0, outputs: self.spec.head.free_parameters(), weight: 0, bias: log_std };
            let mut params = self.weight_params(&free, self.spec.head.width(), false, blocks);
            for p in &mut params {
                p.d_output_offset = self.spec.head.raw_outputs() as u32;
            }
            let io = mlp_backward_weight::Io {
                d_output: &gradients.d_head_outputs,
                input: obs,
                partials: &gradients.partials,
            };
            append(&mut lists, mlp_backward_weight::bind(self.gpu, Activation::Identity, &params, &io)?);
        }
        Ok(lists)
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

/// Appends one call to each block's list.
fn append(lists: &mut [Vec<Call>], calls: Vec<Call>) {
    for (list, call) in lists.iter_mut().zip(calls) {
        list.push(call);
    }
}
