//! Actor and critic with all their layers in one dispatch, for networks up to 128 wide.
//!
//! ```text
//! h₀ = obs,  hₗ = f(W hₗ₋₁ + b),  head_outputs = W h + b of the policy,  values = W h + b of the critic
//! ```
//!
//! It keeps no activations, so a backward pass cannot follow; it is for acting, for values and for trying parameters. The
//! results have the bits of the same layers through [`super::mlp_forward`].

use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::{Branch, LayerRange, ParamLayout, PolicySpec};

/// Rows that a workgroup takes at a time.
pub const ROWS: u32 = 16;

/// Widest layer, the observations apart.
pub const WIDTH: usize = 128;

/// Most layers of trunk, policy and critic together.
pub const LAYERS: usize = 12;

kernel! {
    stem: "mlp_forward_fused",
    parts: [MATH, ACTIVATION, LOOPS, CHAIN, DENSE],
    schedule: false,
    head: false,
    for_hardware: true,
    params: {
        /// `(inputs, outputs, weight, bias)` of the trunk's layers, the policy's and the critic's; see [`Params::new`].
        pub layers: [[u32; 4]; 12],
        /// Rows of the batch.
        pub rows: u32,
        /// Layers of the trunk.
        pub trunk: u32,
        /// The policy's own layers.
        pub policy: u32,
        /// The critic's own layers; 0: no values are wanted.
        pub value: u32,
        /// Workgroups of the policy; set by `bind`.
        pub policy_groups: u32,
        /// First element of row 0 of `obs`.
        pub obs_offset: u32,
        /// Elements from one row of `obs` to the next.
        pub obs_stride: u32,
        /// First element of `values`.
        pub value_offset: u32,
        /// Free parameters at the end of a distribution row.
        pub extra: u32,
        /// First of them in `parameters`.
        pub extra_offset: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
    },
    io: {
        /// Flat parameters.
        parameters: Read f32,
        /// `[rows, obs_dim]`, rows `obs_stride` apart.
        obs: Read f32,
        /// Distribution rows, `[rows, raw outputs + extra]`; not written without the policy.
        head_outputs: ReadWrite f32,
        /// `[value_offset + rows]`; not written without the critic.
        values: ReadWrite f32,
    },
}

/// Whether the networks fit: no layer's output wider than [`WIDTH`], at most [`LAYERS`] layers.
pub fn fits(spec: &PolicySpec) -> bool {
    let widths = || spec.branches.iter().flat_map(Branch::widths);
    widths().all(|width| width <= WIDTH) && widths().count() <= LAYERS
}

impl Params {
    /// The table of layers of a policy that [`fits`]; rows and places in the buffers are 0. `wanted` names which of policy and
    /// critic run; the trunk does with either.
    pub fn new(spec: &PolicySpec, layout: &ParamLayout, wanted: &[&str]) -> Self {
        let layers = |name: &str| if wanted.contains(&name) { layout.layers(name) } else { &[] };
        let (trunk, policy, value) = (layout.trunk(), layers(Branch::POLICY), layers(Branch::VALUE));
        let mut params = Self {
            trunk: trunk.len() as u32,
            policy: policy.len() as u32,
            value: value.len() as u32,
            extra: spec.head.free_parameters() as u32,
            extra_offset: layout.log_std().unwrap_or(0) as u32,
            ..Self::default()
        };
        let table = |layer: &LayerRange| [layer.inputs, layer.outputs, layer.weight, layer.bias].map(|n| n as u32);
        for (entry, layer) in params.layers.iter_mut().zip(trunk.iter().chain(policy).chain(value)) {
            *entry = table(layer);
        }
        params
    }
}

/// Whether every layer that does not take observations has at most [`WIDTH`] inputs, and every one as few outputs.
fn behind_first(layers: &[[u32; 4]], trunk: u32, policy: u32) -> bool {
    let first = |index: u32| index == 0 || trunk == 0 && index == policy;
    (0..).zip(layers).all(|(index, layer)| layer[1] as usize <= WIDTH && (first(index) || layer[0] as usize <= WIDTH))
}

/// Binds one call per entry of `params`, for the hidden layers' activation of `spec`.
///
/// # Errors
/// [`Error::Config`] if the networks do not fit, [`Error::BufferLength`] or [`Error::Limit`].
pub fn bind(gpu: &Gpu, spec: &PolicySpec, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    if !fits(spec) {
        let message = format!("has layers wider than {WIDTH} or more than {LAYERS} of them: {name} cannot run it");
        return Err(Error::config("policy", message));
    }
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let depth = [p.trunk, p.policy, p.value].iter().fold(0_u32, |sum, count| sum.saturating_add(*count));
        let layers = p.layers.get(..depth as usize).filter(|layers| behind_first(layers, p.trunk, p.policy));
        let Some(layers) = layers else {
            let message = format!("its layers are more than {LAYERS}, or wider than {WIDTH}: {name} cannot run them");
            return Err(Error::config("policy", message));
        };
        let work =
            layers.iter().map(|layer| u64::from(layer[0].div_ceil(4)) + u64::from(layer[0] / 16) + 16).sum::<u64>();
        iterations(name, work + u64::from(p.extra), || format!("obs_dim {}", spec.obs_dim()))?;
        let end =
            |l: &[u32; 4]| (u64::from(l[2]) + u64::from(l[0]) * u64::from(l[1])).max(u64::from(l[3]) + u64::from(l[1]));
        let extra = if p.policy == 0 { 0 } else { u64::from(p.extra_offset) + u64::from(p.extra) };
        let needs = layers.iter().map(end).max().unwrap_or(0).max(extra);
        elements(name, "parameters", io.parameters, needs, || format!("{} layers, {} free", layers.len(), p.extra))?;
        let obs_dim = spec.obs_dim() as u32;
        elements(name, "obs", io.obs, span(p.obs_offset, p.rows, p.obs_stride, obs_dim), || {
            format!("offset {} + rows {} × stride {}", p.obs_offset, p.rows, p.obs_stride)
        })?;
        let blocks = p.rows.div_ceil(ROWS);
        let mut groups = 0;
        let mut policy_groups = 0;
        if p.policy > 0 {
            let width = spec.head.width() as u64;
            let shape = || format!("rows {} × width {width}", p.rows);
            elements(name, "head_outputs", io.head_outputs, u64::from(p.rows) * width, shape)?;
            policy_groups = blocks;
            groups += u64::from(blocks);
        }
        if p.value > 0 {
            let needs = u64::from(p.value_offset) + u64::from(p.rows);
            elements(name, "values", io.values, needs, || format!("offset {} + rows {}", p.value_offset, p.rows))?;
            groups += u64::from(blocks);
        }
        calls.push((Params { policy_groups, ..*p }, Grid::Groups(groups)));
    }
    let variant = Variant { constants: vec![("ACTIVATION", f64::from(spec.activation.code()))], ..Variant::default() };
    gpu.bind(&DEF, &variant, None, &io.buffers(), &calls)
}
