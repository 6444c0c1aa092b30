//! Gradients of several networks of one shape by their hidden layers' preactivations and by their inputs, in one dispatch: what follows
//! [`super::mlp_forward_networks`].
//!
//! ```text
//! dzₗ = (Wₗ₊₁ᵀ dzₗ₊₁) ⊙ f'(zₗ),   d_input = W₁ᵀ dz₁
//! ```
//!
//! The gradients of weights follow from `d_kept` and what was kept ([`super::mlp_backward_weight`]). The gradient by the input is that of an action in a critic:
//! only columns from `input_first` on are computed, or none at all.

use super::mlp_forward_networks::{NOT_KEPT, blocks, check_parameters, kept_elements, layers};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, Variant, elements};
use crate::kernels::define::kernel;
use crate::policy::Activation;

kernel! {
    stem: "mlp_backward_networks",
    parts: [MATH, ACTIVATION],
    schedule: false,
    head: false,
    params: {
        /// As of [`super::mlp_forward_networks`].
        pub layers: [[u32; 4]; 6],
        /// First elements of each network: in `parameters`, `d_output`, `kept` and `d_kept`, and `d_input` ([`NOT_KEPT`]: none is computed).
        pub networks: [[u32; 4]; 6],
        /// Rows of each network.
        pub rows: u32,
        /// Layers.
        pub depth: u32,
        /// First column of the input whose gradient is computed.
        pub input_first: u32,
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
        /// `[rows, outputs]` of each.
        d_output: Read f32,
        /// As [`super::mlp_forward_networks`] left it.
        kept: Read f32,
        /// Laid out as `kept`.
        d_kept: ReadWrite f32,
        /// `[rows, inputs − input_first]` of each.
        d_input: ReadWrite f32,
    },
}

/// Binds one call per entry of `params`; `activation` is that of every layer but the last.
///
/// # Errors
/// As [`super::mlp_forward_networks::bind`]; [`Error::Config`] if there is no column `input_first`.
pub fn bind(gpu: &Gpu, activation: Activation, params: &[Params], io: &Io<'_>) -> Result<Vec<Call>> {
    let name = DEF.name;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        let layers = layers(name, &p.layers, p.depth, p.count)?;
        let (inputs, outputs) = (layers[0][0], layers[layers.len() - 1][1]);
        let rows = p.rows;
        if p.input_first >= inputs {
            return Err(Error::config(
                "input_first",
                format!("is {}, must be below the {inputs} inputs", p.input_first),
            ));
        }
        for [first, d_output, kept, d_input] in p.networks.iter().take(p.count as usize).copied() {
            check_parameters(name, io.parameters, layers, first)?;
            let needs = u64::from(d_output) + u64::from(rows) * u64::from(outputs);
            elements(name, "d_output", io.d_output, needs, || {
                format!("offset {d_output} + rows {rows} × outputs {outputs}")
            })?;
            let needs = u64::from(kept) + kept_elements(layers, rows);
            let shape = || format!("offset {kept} + rows {rows} × hidden widths");
            elements(name, "kept", io.kept, needs, shape)?;
            elements(name, "d_kept", io.d_kept, needs, shape)?;
            if d_input != NOT_KEPT {
                let width = inputs - p.input_first;
                let needs = u64::from(d_input) + u64::from(rows) * u64::from(width);
                elements(name, "d_input", io.d_input, needs, || format!("offset {d_input} + rows {rows} × {width}"))?;
            }
        }
        let blocks = blocks(rows);
        calls.push((Params { blocks, ..*p }, Grid::Groups(u64::from(blocks) * u64::from(p.count))));
    }
    let constants = vec![("ACTIVATION", f64::from(activation.code()))];
    gpu.bind(&DEF, &Variant { constants, ..Variant::default() }, None, &io.buffers(), &calls)
}
