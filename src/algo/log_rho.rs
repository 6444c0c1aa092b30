//! How far the present policy has moved from the one that recorded a rollout.

use super::fisher::networks;
use super::forward::ForwardOnly;
use super::model::Model;
use super::network::Block;
use super::rows;
use super::update_build::ACTOR;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{advantage_log_rho, head_evaluate};

/// log π(a) − log μ(a) of recorded actions: π the policy at the present parameters, μ the one that acted.
#[derive(Debug)]
pub struct LogRhoPlan {
    /// `[rows]`; 0 in masked rows.
    pub log_rhos: Buffer<f32>,
    calls: Vec<Call>,
}

impl LogRhoPlan {
    /// Allocates and binds for `rows` rows of `obs` `[rows, obs_dim]`, `actions` (words, `[rows, action_words]`, indices in range in masked rows, too) and `logp`
    /// `[rows]`. `valid` `[rows]` says which rows count.
    ///
    /// # Errors
    /// A buffer too short, a limit, or out of memory.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        rows: u32,
        obs: &Buffer<f32>,
        actions: &Buffer<u32>,
        logp: &Buffer<f32>,
        valid: Option<&Buffer<u32>>,
    ) -> Result<Self> {
        let (spec, all) = (&model.spec, u64::from(rows));
        let to = ForwardOnly::new(gpu, spec, rows, &ACTOR)?;
        let block = Block { rows, obs_offset: 0, obs_stride: spec.obs_dim() as u32, value_offset: 0 };
        let mut calls: Vec<Call> =
            networks(gpu, model).forward_only(obs, &to, None, &[block])?.into_iter().flatten().collect();
        let row_values = gpu.buffer("row_values", all)?;
        let io = head_evaluate::Io {
            head_outputs: to.head_outputs(),
            head_outputs_old: to.head_outputs(),
            actions,
            // Nobody wants its gradient: all weights stay 0.
            weights: &gpu.buffer("weights", all)?,
            row_values: &row_values,
            d_head_outputs: &gpu.buffer("d_head_outputs", all * spec.head.width() as u64)?,
        };
        let params = head_evaluate::Params { rows, ..Default::default() };
        calls.extend(rows::evaluate(gpu, &spec.head, &[params], &io)?);
        let log_rhos = gpu.buffer("log_rhos", all)?;
        let masked = u32::from(valid.is_some());
        let io = advantage_log_rho::Io {
            row_values: &row_values,
            logp_old: logp,
            valid: valid.unwrap_or(actions),
            log_rhos: &log_rhos,
        };
        let params = advantage_log_rho::Params { rows, masked, ..Default::default() };
        calls.extend(advantage_log_rho::bind(gpu, &[params], &io)?);
        Ok(Self { log_rhos, calls })
    }

    /// The dispatches, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}
