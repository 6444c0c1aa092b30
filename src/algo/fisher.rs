//! Fisher-vector products F v = mean Jᵀ M J v on the device, without a matrix.
//!
//! J is the Jacobian of a row's distribution parameters by the policy's parameters, M their Fisher matrix: the Gauss–Newton form,
//! positive semi-definite by construction. Per dense layer a product costs four matrix products (two for the tangent, one
//! in the first layer; two backward) against six or more for differentiating the KL divergence twice.

use super::model::Model;
use super::network::{Activations, Block, Gradients, Networks};
use super::rows;
use crate::config::FisherForm;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{head_fisher, mlp_backward_weight, reduce_partials};
use crate::policy::Branch;

/// The Fisher matrix of a policy over some observations, as an operator: `prepare` once per parameters, then as many
/// [`product`](Self::product)s as are wanted.
///
/// Only trunk, policy and free parameters have a part in it; the critic's elements of a product are 0.
#[derive(Debug)]
pub struct FisherPlan {
    block: Block,
    obs: Buffer<f32>,
    actions: Buffer<u32>,
    every: u32,
    form: FisherForm,
    kept: Activations,
    tangents: Activations,
    gradients: Gradients,
    prepare: Vec<Call>,
    /// Samples of all rows, read with a mask only.
    samples: Buffer<[f32; 4]>,
    /// Their element with the weight of a row; 0 where all rows count.
    valid_sample: u32,
}

impl FisherPlan {
    /// Allocates and binds for every `every`-th of `rows` rows of `obs` `[rows, obs_dim]`. `actions` `[rows, action_dims]` are read
    /// by [`FisherForm::Empirical`] only.
    ///
    /// # Errors
    /// `every` of 0, a buffer too short, a limit, or out of memory.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        obs: &Buffer<f32>,
        actions: &Buffer<u32>,
        rows: u32,
        every: u32,
        form: FisherForm,
    ) -> Result<Self> {
        if every == 0 {
            return Err(Error::config("trust_region.fisher_subsample", "is 0, must be at least 1"));
        }
        let spec = &model.spec;
        let rows = rows.div_ceil(every);
        let obs_dim = spec.obs_dim() as u32;
        let obs_stride = obs_dim.checked_mul(every).ok_or_else(|| {
            Error::config(
                "trust_region.fisher_subsample",
                format!("is {every}, times obs_dim {obs_dim} is 2³² or more"),
            )
        })?;
        let block = Block { rows, obs_offset: 0, obs_stride, value_offset: 0 };
        let actor = [Branch::POLICY];
        let kept = Activations::new(gpu, spec, rows, &actor)?;
        let prepare = networks(gpu, model).forward(&actor, obs, &kept, obs, &[block])?.into_iter().flatten().collect();
        Ok(Self {
            block,
            obs: obs.clone(),
            actions: actions.clone(),
            every,
            form,
            tangents: Activations::new(gpu, spec, rows, &actor)?,
            gradients: Gradients::new(gpu, spec, &model.layout, &[rows], rows)?,
            kept,
            prepare,
            samples: gpu.buffer("no samples", 1)?,
            valid_sample: 0,
        })
    }

    /// Leaves out masked rows: those that [`crate::kernels::batch_clean::INVALID_LOGP`] marks in `samples`, all rows'. Its element
    /// `valid_sample` (not 0) has the weight of the others, as [`crate::kernels::batch_count`] leaves it.
    pub fn masked(self, samples: &Buffer<[f32; 4]>, valid_sample: u32) -> Self {
        Self { samples: samples.clone(), valid_sample, ..self }
    }

    /// The forward pass at the current parameters, which all products share.
    pub fn prepare(&self) -> &[Call] {
        &self.prepare
    }

    /// Binds `product` = F · `vector`, both `[parameters]`, without damping.
    ///
    /// # Errors
    /// A buffer too short or a limit.
    pub fn product(&self, gpu: &Gpu, model: &Model, vector: &Buffer<f32>, product: &Buffer<f32>) -> Result<Vec<Call>> {
        let networks = networks(gpu, model);
        let mut calls = networks.tangents(&self.obs, &self.kept, vector, &self.tangents, self.block)?;
        let rows = self.block.rows;
        let params = head_fisher::Params {
            rows,
            empirical: u32::from(self.form == FisherForm::Empirical),
            row_stride: self.every,
            scale: (1.0 / f64::from(rows)) as f32,
            valid_sample: self.valid_sample,
            ..Default::default()
        };
        let io = head_fisher::Io {
            head_outputs: self.kept.head_outputs(&self.obs),
            head_tangents: self.tangents.head_outputs(&self.obs),
            actions: &self.actions,
            samples: &self.samples,
            d_head_outputs: &self.gradients.d_head_outputs,
        };
        calls.extend(rows::fisher(gpu, &model.spec.head, &[params], &io)?);
        let actor = [Branch::POLICY];
        let backward = networks.backward(&actor, &self.obs, &self.kept, &self.gradients, &[self.block])?;
        calls.extend(backward.into_iter().flatten());
        calls.extend(sum_partials(gpu, model, rows, &self.gradients.partials, product)?);
        Ok(calls)
    }
}

pub(super) fn networks<'a>(gpu: &'a Gpu, model: &'a Model) -> Networks<'a> {
    Networks { gpu, spec: &model.spec, layout: &model.layout, parameters: &model.parameters }
}

/// The sum of all slices of partial gradients of `rows` rows.
pub(super) fn sum_partials(
    gpu: &Gpu,
    model: &Model,
    rows: u32,
    partials: &Buffer<f32>,
    gradient: &Buffer<f32>,
) -> Result<Vec<Call>> {
    let count = model.layout.len() as u32;
    let slices = rows.div_ceil(mlp_backward_weight::slice_rows(rows, u64::from(count)));
    let params = reduce_partials::Params { count, slices, ..Default::default() };
    reduce_partials::bind(gpu, &[params], &reduce_partials::Io { partials, gradient })
}
