//! Several networks of one shape with all their layers in one dispatch: critics, and critics with their targets.
//!
//! ```text
//! h₀ = input,  hₗ = f(Wₗ hₗ₋₁ + bₗ),  output = W h + b
//! ```
//!
//! Parameters of all networks are ranges of one buffer, such as a flat vector with its target behind it. What a backward pass needs of each
//! hidden layer is kept, as [`super::mlp_forward`] keeps it, unless a network needs none. For batches of some hundred rows, where a dispatch per
//! layer leaves most of a device idle; in larger ones [`super::mlp_forward_tiled`] reads its weights less often.

use super::span;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, Grid, Variant, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::Activation;

/// Most layers, and most networks, of a call.
pub const MOST: usize = 6;
/// Widest layer.
pub const WIDTH: u32 = 512;
/// Place of what is not to be kept or computed.
pub const NOT_KEPT: u32 = u32::MAX;
/// Rows of a workgroup.
const ROWS: u32 = 4;

kernel! {
    stem: "mlp_forward_networks",
    parts: [MATH, ACTIVATION],
    schedule: false,
    head: false,
    params: {
        /// Inputs, outputs, first element of the weight and of the bias of each layer, counted from a network's first.
        pub layers: [[u32; 4]; 6],
        /// First elements of each network: in `parameters`, `input`, `output` and `kept` ([`NOT_KEPT`]: nothing is kept).
        pub networks: [[u32; 4]; 6],
        /// Rows of each network.
        pub rows: u32,
        /// Layers.
        pub depth: u32,
        /// Elements from one row of `input` to the next.
        pub input_stride: u32,
        /// Workgroups of a network; set by `bind`.
        pub blocks: u32,
        /// Networks.
        pub count: u32,
        #[doc(hidden)]
        pub pad_0: u32,
        #[doc(hidden)]
        pub pad_1: u32,
        #[doc(hidden)]
        pub pad_2: u32,
    },
    io: {
        /// Of all networks.
        parameters: Read f32,
        /// `[rows, inputs]` of each network, `input_stride` apart.
        input: Read f32,
        /// `[rows, outputs]` of each.
        output: ReadWrite f32,
        /// `[rows, width]` of each hidden layer of each: [`kept_elements`].
        kept: ReadWrite f32,
    },
}

/// The layers of a call, checked: one to [`MOST`] of them, each as wide as the one before says and at most [`WIDTH`].
pub(super) fn layers<'a>(
    name: &'static str,
    all: &'a [[u32; 4]; MOST],
    depth: u32,
    count: u32,
) -> Result<&'a [[u32; 4]]> {
    let refused = |message: String| Err(Error::config("networks", format!("{message}: {name} cannot run them")));
    if count == 0 || count as usize > MOST {
        return refused(format!("are {count}, must be from 1 to {MOST}"));
    }
    let Some(layers) = all.get(..depth as usize).filter(|layers| !layers.is_empty()) else {
        return refused(format!("have {depth} layers, must have from 1 to {MOST}"));
    };
    if let Some(pair) = layers.windows(2).find(|pair| pair[0][1] != pair[1][0]) {
        return refused(format!("have a layer of {} outputs before one of {} inputs", pair[0][1], pair[1][0]));
    }
    let widest = layers.iter().flat_map(|layer| &layer[..2]).copied();
    if let Some(width) = widest.clone().find(|width| *width == 0 || *width > WIDTH) {
        return refused(format!("have a layer {width} wide, must be from 1 to {WIDTH}"));
    }
    let each =
        layers.iter().map(|layer| 1 + 2 * u64::from(layer[0].max(layer[1]).div_ceil(64)) * u64::from(WIDTH)).sum();
    iterations(name, each, || format!("{depth} layers"))?;
    Ok(layers)
}

/// Elements of `kept` that a network of these layers needs.
pub fn kept_elements(layers: &[[u32; 4]], rows: u32) -> u64 {
    let hidden = layers.split_last().map_or(&[][..], |(_, hidden)| hidden);
    hidden.iter().map(|layer| u64::from(rows) * u64::from(layer[1])).sum()
}

/// That `parameters` holds a network that begins at `first`.
pub(super) fn check_parameters(
    name: &'static str,
    parameters: &Buffer<f32>,
    layers: &[[u32; 4]],
    first: u32,
) -> Result<()> {
    let end =
        |l: &[u32; 4]| (u64::from(l[2]) + u64::from(l[0]) * u64::from(l[1])).max(u64::from(l[3]) + u64::from(l[1]));
    let needs = u64::from(first) + layers.iter().map(end).max().unwrap_or(0);
    elements(name, "parameters", parameters, needs, || format!("first {first} + {} layers", layers.len()))
}

/// Workgroups of a network of so many rows.
pub(super) fn blocks(rows: u32) -> u32 {
    rows.div_ceil(ROWS)
}

/// Binds one call per entry of `params`; `activation` follows every layer but the last.
///
/// # Errors
/// [`Error::Config`] for networks that a workgroup cannot take, [`Error::BufferLength`] or [`Error::Limit`].
pub fn bind(gpu: &Gpu, activation: Activation, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let layers = layers(name, &p.layers, p.depth, p.count)?;
        let (inputs, outputs) = (layers[0][0], layers[layers.len() - 1][1]);
        let rows = p.rows;
        for [first, input, output, kept] in p.networks.iter().take(p.count as usize).copied() {
            check_parameters(name, io.parameters, layers, first)?;
            elements(name, "input", io.input, span(input, rows, p.input_stride, inputs), || {
                format!("offset {input} + rows {rows} × stride {}", p.input_stride)
            })?;
            let needs = u64::from(output) + u64::from(rows) * u64::from(outputs);
            elements(name, "output", io.output, needs, || {
                format!("offset {output} + rows {rows} × outputs {outputs}")
            })?;
            if kept != NOT_KEPT {
                let needs = u64::from(kept) + kept_elements(layers, rows);
                elements(name, "kept", io.kept, needs, || format!("offset {kept} + rows {rows} × hidden widths"))?;
            }
        }
        let blocks = blocks(rows);
        calls.push((Params { blocks, ..*p }, Grid::Groups(u64::from(blocks) * u64::from(p.count))));
    }
    let keeps = f64::from(u8::from(activation.keeps_preactivation()));
    let constants = vec![("ACTIVATION", f64::from(activation.code())), ("KEEPS_PREACTIVATION", keeps)];
    gpu.bind(&DEF, &Variant { constants, ..Variant::default() }, None, &io.buffers(), &calls)
}
