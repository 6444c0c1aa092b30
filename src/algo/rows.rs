//! Which kernels walk distribution rows, by the head: the one place that decides.
//!
//! A row goes to one invocation, or to a workgroup where it is too long for that ([`is_wide`]). A loss of such rows is three
//! dispatches: what the loss needs of each row, the loss as ever, and the gradient from the weights that it leaves.

use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu, UniformRing};
use crate::kernels::{
    head_evaluate, head_evaluate_wide, head_fisher, head_fisher_wide, is_wide, loss_ppo, loss_trust_region,
    policy_sample, policy_sample_wide,
};
use crate::policy::Head;

/// [`policy_sample::bind`], or its like for wide rows.
pub(crate) fn sample(
    gpu: &Gpu,
    head: &Head,
    params: &[policy_sample::Params],
    io: &policy_sample::Io<'_>,
    ring: &UniformRing,
) -> Result<Vec<Call>> {
    if !is_wide(head) {
        return policy_sample::bind(gpu, head, params, io, ring);
    }
    let params: Vec<_> = params
        .iter()
        .map(|p| policy_sample_wide::Params {
            rows: p.rows,
            greedy: p.greedy,
            step_offset: p.step_offset,
            actions_offset: p.actions_offset,
            logp_offset: p.logp_offset,
            env_actions_offset: p.env_actions_offset,
            ..Default::default()
        })
        .collect();
    let policy_sample::Io { head_outputs, actions, logp, env_actions } = *io;
    let io = policy_sample_wide::Io { head_outputs, actions, logp, env_actions };
    policy_sample_wide::bind(gpu, head, &params, &io, ring)
}

/// [`head_evaluate::bind`], or its like for wide rows.
pub(crate) fn evaluate(
    gpu: &Gpu,
    head: &Head,
    params: &[head_evaluate::Params],
    io: &head_evaluate::Io<'_>,
) -> Result<Vec<Call>> {
    if !is_wide(head) {
        return head_evaluate::bind(gpu, head, params, io);
    }
    let whole = head_evaluate_wide::Params { stride: 1, with_kl: 1, values: 1, gradients: 1, ..Default::default() };
    let params: Vec<_> = params.iter().map(|p| head_evaluate_wide::Params { rows: p.rows, ..whole }).collect();
    let head_evaluate::Io { head_outputs, head_outputs_old, actions, weights, row_values, d_head_outputs } = *io;
    let io = head_evaluate_wide::Io { head_outputs, head_outputs_old, actions, weights, row_values, d_head_outputs };
    head_evaluate_wide::bind(gpu, head, &params, &io)
}

/// [`head_fisher::bind`], or its like for wide rows.
pub(crate) fn fisher(
    gpu: &Gpu,
    head: &Head,
    params: &[head_fisher::Params],
    io: &head_fisher::Io<'_>,
) -> Result<Vec<Call>> {
    if !is_wide(head) {
        return head_fisher::bind(gpu, head, params, io);
    }
    let params: Vec<_> = params
        .iter()
        .map(|p| head_fisher_wide::Params {
            rows: p.rows,
            empirical: p.empirical,
            row_stride: p.row_stride,
            scale: p.scale,
            valid_sample: p.valid_sample,
            ..Default::default()
        })
        .collect();
    let head_fisher::Io { head_outputs, head_tangents, actions, samples, d_head_outputs } = *io;
    let io = head_fisher_wide::Io { head_outputs, head_tangents, actions, samples, d_head_outputs };
    head_fisher_wide::bind(gpu, head, &params, &io)
}

/// What a loss knows of each wide row, and what it asks of the gradient: two vectors a row, see [`head_evaluate_wide`].
struct Known {
    row_values: Buffer<[f32; 4]>,
    weights: Buffer<[f32; 4]>,
}

impl Known {
    /// For so many rows at a time.
    fn new(gpu: &Gpu, rows: impl Iterator<Item = u32>) -> Result<Self> {
        let vectors = 2 * u64::from(rows.max().unwrap_or(0));
        Ok(Self { row_values: gpu.buffer("row_values", vectors)?, weights: gpu.buffer("row_weights", vectors)? })
    }
}

/// [`loss_ppo::bind`], the calls of each of `params` in order; three for wide rows.
pub(crate) fn loss(
    gpu: &Gpu,
    head: &Head,
    params: &[loss_ppo::Params],
    io: &loss_ppo::Io<'_>,
    ring: &UniformRing,
) -> Result<Vec<Vec<Call>>> {
    if !is_wide(head) {
        return Ok(loss_ppo::bind(gpu, head, params, io, ring)?.into_iter().map(|call| vec![call]).collect());
    }
    let known = Known::new(gpu, params.iter().map(|p| p.rows))?;
    let walk = |values: u32| -> Result<Vec<Call>> {
        let params: Vec<_> = params
            .iter()
            .map(|p| head_evaluate_wide::Params {
                rows: p.rows,
                row_offset: p.row_offset,
                stride: 2,
                with_kl: u32::from(p.kl_sample != 0),
                values,
                gradients: 1 - values,
                ..Default::default()
            })
            .collect();
        let io = head_evaluate_wide::Io {
            head_outputs: io.head_outputs,
            head_outputs_old: io.head_outputs_old,
            actions: io.actions,
            weights: &known.weights,
            row_values: &known.row_values,
            d_head_outputs: io.d_head_outputs,
        };
        head_evaluate_wide::bind(gpu, head, &params, &io)
    };
    let (before, after) = (walk(1)?, walk(0)?);
    let (row_values, weights) = (known.row_values.cast(), known.weights.cast());
    let io = loss_ppo::Io { head_outputs: &row_values, d_head_outputs: &weights, ..*io };
    let losses = loss_ppo::bind_known(gpu, params, &io, ring)?;
    Ok(before.into_iter().zip(losses).zip(after).map(|((before, loss), after)| vec![before, loss, after]).collect())
}

/// [`loss_trust_region::bind`], the calls of each of `params` in order; two for wide rows.
pub(crate) fn trust_region(
    gpu: &Gpu,
    head: &Head,
    params: &[loss_trust_region::Params],
    io: &loss_trust_region::Io<'_>,
) -> Result<Vec<Vec<Call>>> {
    if !is_wide(head) {
        return Ok(loss_trust_region::bind(gpu, head, params, io)?.into_iter().map(|call| vec![call]).collect());
    }
    let known = Known::new(gpu, params.iter().map(|p| p.rows))?;
    let values: Vec<_> = params
        .iter()
        .map(|p| head_evaluate_wide::Params {
            rows: p.rows,
            row_offset: p.row_offset,
            stride: 2,
            with_kl: 1,
            values: 1,
            ..Default::default()
        })
        .collect();
    let walk = head_evaluate_wide::Io {
        head_outputs: io.head_outputs,
        head_outputs_old: io.head_outputs_old,
        actions: io.actions,
        weights: &known.weights,
        row_values: &known.row_values,
        // Nobody asks for a gradient.
        d_head_outputs: &gpu.buffer("no gradient", 1)?,
    };
    let walks = head_evaluate_wide::bind(gpu, head, &values, &walk)?;
    let row_values = known.row_values.cast();
    let losses =
        loss_trust_region::bind_known(gpu, params, &loss_trust_region::Io { head_outputs: &row_values, ..*io })?;
    Ok(walks.into_iter().zip(losses).map(|(walk, loss)| vec![walk, loss]).collect())
}
