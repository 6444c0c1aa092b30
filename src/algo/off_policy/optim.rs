//! From partial gradients of some networks to their new parameters.

use super::super::update_optim::adam_params;
use super::model::{OffPolicyModel, Optimizer};
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{optim_adam, optim_clip, optim_polyak, optim_reduce};
use std::ops::Range;

/// A step of the numbers `range`.
#[derive(Debug)]
pub(super) struct StepOf<'a> {
    pub gpu: &'a Gpu,
    pub model: &'a OffPolicyModel,
    pub config: &'a Config,
    pub optimizer: &'a Optimizer,
    pub range: Range<u32>,
    /// Numbers that are clipped by themselves: those of the second critic.
    pub apart: Range<u32>,
}

impl StepOf<'_> {
    /// The gradient with its norm from `slices` slices of `partials`, the decision, and Adam: three dispatches.
    pub fn calls(&self, partials: &Buffer<f32>, slices: u32) -> Result<Vec<Call>> {
        let Self { gpu, model, config, optimizer, range, apart } = self;
        let count = range.len() as u32;
        let params = optim_reduce::Params {
            count,
            slices,
            offset: range.start,
            value_begin: apart.start,
            value_end: apart.end,
            ..Default::default()
        };
        let io = optim_reduce::Io { partials, gradient: &model.gradient, norm_partials: &optimizer.norm_partials };
        let mut calls = optim_reduce::bind(gpu, &[params], &io)?;
        let params = optim_clip::Params {
            count,
            max_grad_norm: config.max_grad_norm.unwrap_or(0.0) as f32,
            // There are two groups if they are not empty; where they lie only the partial sums ask.
            value_begin: apart.start,
            value_end: apart.end,
            formula: optim_clip::formula(config.grad_clip_formula),
            ..Default::default()
        };
        let io = optim_clip::Io {
            gradient: &model.gradient,
            norm_partials: &optimizer.norm_partials,
            control: &optimizer.control,
            optimizer_step: &optimizer.step,
            trace: &optimizer.trace,
        };
        // The partial sums are there already.
        calls.extend(optim_clip::bind(gpu, &[params], &io)?.into_iter().skip(1));
        calls.extend(self.adam()?);
        Ok(calls)
    }

    fn adam(&self) -> Result<Vec<Call>> {
        let Self { gpu, model, config, optimizer, range, apart } = self;
        let params = optim_adam::Params {
            value_begin: apart.start,
            value_end: apart.end,
            value_scale: 1,
            ..adam_params(config, range)
        };
        let io = optim_adam::Io {
            gradient: &model.gradient,
            bias_correction: &model.bias_correction,
            control: &optimizer.control,
            optimizer_step: &optimizer.step,
            parameters: &model.parameters,
            exp_avg: &model.exp_avg,
            exp_avg_sq: &model.exp_avg_sq,
        };
        optim_adam::bind(gpu, &[params], &io, &model.ring)
    }
}

/// The targets of the numbers `range` follow by `tau`.
pub(super) fn follow(gpu: &Gpu, model: &OffPolicyModel, range: Range<u32>, tau: f64) -> Result<Vec<Call>> {
    let params = optim_polyak::Params {
        count: range.len() as u32,
        online: range.start,
        targets: model.targets() + range.start,
        tau: tau as f32,
    };
    optim_polyak::bind(gpu, &[params], &optim_polyak::Io { parameters: &model.parameters })
}
