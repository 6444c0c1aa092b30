//! One minibatch from observations to partial gradients of every parameter in one dispatch, for narrow networks.
//!
//! The forward pass of [`super::mlp_forward`], the loss of [`super::loss_ppo`] without a KL penalty, and the backward pass of
//! [`super::mlp_backward_input`] and [`super::mlp_backward_weight`], with the bits of these. No activation and no gradient of a row goes to
//! memory.

use super::parts;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Grid, UniformRing, elements, iterations};
use crate::kernels::define::kernel;
use crate::policy::{Branch, ParamLayout, PolicySpec};

/// Widest hidden layer.
pub const WIDTH: usize = 64;

/// Widest observation and widest distribution row.
pub const EDGE: usize = 32;

/// Rows per entry of `loss_partials`; slices are multiples of it.
pub const ROWS: u32 = 64;

kernel! {
    stem: "loss_ppo_fused",
    parts: [MATH, PHILOX, SCHEDULE, VALUE, SAMPLE, SURROGATE, ACTIVATION, LOOPS, BLOCK, BLOCK_LAYERS, BLOCK_TERMS, BLOCK_WEIGHTS],
    schedule: true,
    head: true,
    invocations: 128,
    for_hardware: true,
    params: {
        /// `(inputs, outputs, weight, bias)` of first and second hidden layer and of the last, of policy and critic; all 0 for a
        /// second one that is not there; set by `bind`.
        pub layers: [[u32; 4]; 6],
        /// Rows of the minibatch.
        pub rows: u32,
        /// First row of the minibatch in `obs`, `actions` and `samples`.
        pub row_offset: u32,
        /// Rows of a slice, a multiple of [`ROWS`]; see [`super::mlp_backward_weight::slice_rows`].
        pub slice_rows: u32,
        /// Slices; set by `bind`.
        pub slices: u32,
        /// Parameters, hence elements from one slice to the next; set by `bind`.
        pub partial_stride: u32,
        /// Entries of `loss_partials`; set by `bind`.
        pub groups: u32,
        /// Width of a distribution row; set by `bind`.
        pub width: u32,
        /// First free parameter; set by `bind`.
        pub extra_offset: u32,
        /// Words of an action, mask included; set by `bind`.
        pub action_words: u32,
        /// [`crate::config::ValueLoss::code`]; see [`super::loss_ppo::Params`] for this and the rest.
        pub value_loss: u32,
        /// c of the dual clip; 0: off.
        pub dual_clip: f32,
        /// Factor of the squared value error.
        pub vf_loss_scale: f32,
        /// Weight of the value loss in the gradient.
        pub vf_coef: f32,
        /// 1 / rows; set by `bind`.
        pub inverse_rows: f32,
        /// 0: clipped; 1: −r A; 2: −A logp.
        pub surrogate: u32,
        /// Element of `samples` with the weight of a row that counts; 0: all rows count.
        pub valid_sample: u32,
    },
    io: {
        /// Flat parameters.
        parameters: Read f32,
        /// `[row_offset + rows, obs_dim]`.
        obs: Read f32,
        /// Action words, `[row_offset + rows, action_words]`.
        actions: Read u32,
        /// `(logp_old, advantage, return, value_old)`, `[row_offset + rows]`.
        samples: Read [f32; 4],
        /// `[slices, parameters]`.
        partials: ReadWrite f32,
        /// [`loss_elements`]`(rows)`: `[groups, 12]` as [`super::loss_ppo`] leaves them, but without its count of rows that are not
        /// finite; then `[groups, 8]`, which of each 16 rows are not, as bits, of the policy and of the critic.
        loss_partials: ReadWrite f32,
    },
}

/// Elements of `loss_partials` for `rows` rows.
pub const fn loss_elements(rows: u32) -> u64 {
    rows.div_ceil(ROWS) as u64 * 20
}

/// Whether the networks fit: none shared, one or two hidden layers of at most [`WIDTH`], observations and distribution rows of
/// at most [`EDGE`].
pub fn fits(spec: &PolicySpec) -> bool {
    let hidden = |name: &str| {
        let widths = spec.hidden(name);
        (1..=2).contains(&widths.len()) && widths.iter().all(|width| *width <= WIDTH)
    };
    spec.trunk().is_none()
        && spec.obs_dim() <= EDGE
        && spec.head.width() <= EDGE
        && hidden(Branch::POLICY)
        && hidden(Branch::VALUE)
}

/// Rounds of the loops of an invocation that takes so many rows.
fn rounds(spec: &PolicySpec, rows: u32) -> u64 {
    // Per block: three products of 16 quads at most forward and backward, 16 rows for each gradient, the head on one row.
    let block = 16 * 4 + 2 * EDGE as u64 + 6 * 16 + 40 + super::head_iterations(&spec.head);
    u64::from(rows).div_ceil(16) * block
}

/// Whether slices of so many rows are within what every driver runs to its end; if not, [`bind`] refuses them.
pub fn runs(spec: &PolicySpec, slice_rows: u32) -> bool {
    iterations(DEF.name, rounds(spec, slice_rows), String::new).is_ok()
}

/// Binds one call per entry of `params`, for the head and the activation of `spec`.
///
/// # Errors
/// [`Error::Config`] if the networks do not fit or slices are no multiple of [`ROWS`], [`Error::BufferLength`] or [`Error::Limit`].
pub fn bind(
    gpu: &Gpu,
    spec: &PolicySpec,
    layout: &ParamLayout,
    params: &[Params],
    io: &Io<'_>,
    schedule: &UniformRing,
) -> Result<Vec<Call>> {
    let name = DEF.name;
    if !fits(spec) {
        let message =
            format!("has no two separate networks of one or two hidden layers up to {WIDTH}: {name} cannot run it");
        return Err(Error::config("policy", message));
    }
    let (obs_dim, width, action_words) = (spec.obs_dim(), spec.head.width() as u32, spec.head.action_words() as u32);
    if *layout != spec.layout() {
        return Err(Error::config("policy", "has another layout than the one given"));
    }
    let layers = table(layout);
    let count = layout.len() as u64;
    let mut calls = Vec::with_capacity(params.len());
    for p in params {
        if p.slice_rows == 0 || !p.slice_rows.is_multiple_of(ROWS) {
            return Err(Error::config("slice_rows", format!("is {}, no multiple of {ROWS}", p.slice_rows)));
        }
        iterations(name, rounds(spec, p.slice_rows.min(p.rows)), || format!("slice_rows {}", p.slice_rows))?;
        let (rows, all) = (u64::from(p.rows), u64::from(p.row_offset) + u64::from(p.rows));
        let shape = |of: &str| format!("(row_offset {} + rows {rows}) × {of}", p.row_offset);
        elements(name, "parameters", io.parameters, count, || format!("parameters {count}"))?;
        elements(name, "obs", io.obs, all * obs_dim as u64, || shape(&format!("obs_dim {obs_dim}")))?;
        elements(name, "actions", io.actions, all * u64::from(action_words), || {
            shape(&format!("action_words {action_words}"))
        })?;
        elements(name, "samples", io.samples, all.max(u64::from(p.valid_sample) + 1), || {
            format!("{} and valid_sample {}", shape("1"), p.valid_sample)
        })?;
        let slices = p.rows.div_ceil(p.slice_rows);
        elements(name, "partials", io.partials, u64::from(slices) * count, || {
            format!("slices {slices} × parameters {count}")
        })?;
        elements(name, "loss_partials", io.loss_partials, loss_elements(p.rows), || format!("rows {rows} / 64 × 20"))?;
        let set = Params {
            layers,
            slices,
            partial_stride: count as u32,
            groups: p.rows.div_ceil(ROWS),
            width,
            extra_offset: layout.log_std().unwrap_or(0) as u32,
            action_words,
            inverse_rows: (1.0 / f64::from(p.rows)) as f32,
            ..*p
        };
        calls.push((set, Grid::Groups(2 * u64::from(slices))));
    }
    let mut variant = parts::variant(&spec.head);
    variant.constants.push(("ACTIVATION", f64::from(spec.activation.code())));
    variant.constants.push(("KEEPS_PREACTIVATION", f64::from(u8::from(spec.activation.keeps_preactivation()))));
    gpu.bind(&DEF, &variant, Some(schedule), &io.buffers(), &calls)
}

fn table(layout: &ParamLayout) -> [[u32; 4]; 6] {
    let mut table = [[0; 4]; 6];
    for (name, places) in [(Branch::POLICY, 0..3), (Branch::VALUE, 3..6)] {
        let layers = layout.layers(name);
        let hidden = layers.len().saturating_sub(1);
        for (index, layer) in layers.iter().enumerate() {
            let place = if index == hidden { 2 } else { index };
            let entry = table[places.clone()].get_mut(place);
            if let Some(entry) = entry {
                *entry = [layer.inputs, layer.outputs, layer.weight, layer.bias].map(|n| n as u32);
            }
        }
    }
    table
}
