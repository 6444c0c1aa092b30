//! How an update steps: from partial gradients to new parameters.

use super::network::Block;
use super::update_build::Builder;
use crate::Result;
use crate::config::{AdamEps, GradClip, Optimizer};
use crate::gpu::Call;
use crate::kernels::{optim_adam, optim_clip, optim_rmsprop, reduce_partials};
use crate::policy::{Network, ParamLayout};

impl Builder<'_> {
    /// From partial gradients to new parameters, for each minibatch.
    pub(super) fn optimiser(&self, blocks: &[Block]) -> Result<Vec<Vec<Call>>> {
        let (gpu, config, model) = (self.networks.gpu, self.config, self.model);
        let count = self.networks.layout.len() as u32;
        let params: Vec<_> = blocks
            .iter()
            .map(|block| {
                let slice = crate::kernels::mlp_backward_weight::slice_rows(block.rows, u64::from(count));
                reduce_partials::Params { count, slices: block.rows.div_ceil(slice), ..Default::default() }
            })
            .collect();
        let io = reduce_partials::Io { partials: &self.gradients.partials, gradient: &self.gradient };
        let reduce = reduce_partials::bind(gpu, &params, &io)?;

        let value = value_range(self.networks.layout);
        let apart = if config.grad_clip == GradClip::Separate { value.clone() } else { 0..0 };
        let clip = optim_clip::Params {
            count,
            max_grad_norm: config.max_grad_norm.unwrap_or(0.0) as f32,
            value_begin: apart.start,
            value_end: apart.end,
            formula: optim_clip::formula(config.grad_clip_formula),
            ..Default::default()
        };
        let params: Vec<_> = (0..self.minibatches).map(|index| optim_clip::Params { index, ..clip }).collect();
        let io = optim_clip::Io {
            gradient: &self.gradient,
            norm_partials: &self.norm_partials,
            control: &self.control,
            optimizer_step: &model.optimizer_step,
            trace: &self.trace,
        };
        let clip = optim_clip::bind(gpu, &params, &io)?;

        let range = if self.critic_only { value.clone() } else { 0..count };
        let step = if config.optimizer == Optimizer::RmsProp {
            let params = optim_rmsprop::Params {
                count: range.len() as u32,
                offset: range.start,
                weight_decay: config.weight_decay as f32,
                alpha: config.rmsprop_alpha as f32,
                one_minus_alpha: (1.0 - config.rmsprop_alpha) as f32,
                eps: config.rmsprop_eps as f32,
                value_begin: value.start,
                value_end: value.end,
                value_scale: u32::from(config.grad_clip == GradClip::Separate),
                value_rate: config.value_rate_factor() as f32,
                ..Default::default()
            };
            let io = optim_rmsprop::Io {
                gradient: &self.gradient,
                control: &self.control,
                parameters: &model.parameters,
                exp_avg_sq: &model.exp_avg_sq,
            };
            optim_rmsprop::bind(gpu, &[params], &io, &model.ring)?
        } else {
            self.adam(range)?
        };
        Ok(reduce
            .into_iter()
            .zip(clip.chunks(2))
            .map(|(reduce, clip)| {
                std::iter::once(reduce).chain(clip.iter().cloned()).chain(step.iter().cloned()).collect()
            })
            .collect())
    }

    fn adam(&self, range: std::ops::Range<u32>) -> Result<Vec<Call>> {
        let (gpu, config, model) = (self.networks.gpu, self.config, self.model);
        let value = value_range(self.networks.layout);
        let params = optim_adam::Params {
            count: range.len() as u32,
            offset: range.start,
            decoupled: u32::from(config.optimizer == Optimizer::AdamW),
            weight_decay: config.weight_decay as f32,
            beta1: config.adam_beta1 as f32,
            one_minus_beta1: (1.0 - config.adam_beta1) as f32,
            beta2: config.adam_beta2 as f32,
            one_minus_beta2: (1.0 - config.adam_beta2) as f32,
            eps: config.adam_eps as f32,
            hat_eps: u32::from(config.adam_eps_placement == AdamEps::Baselines),
            value_begin: value.start,
            value_end: value.end,
            value_scale: u32::from(config.grad_clip == GradClip::Separate),
            value_rate: config.value_rate_factor() as f32,
            ..Default::default()
        };
        let io = optim_adam::Io {
            gradient: &self.gradient,
            bias_correction: &model.bias_correction,
            control: &self.control,
            optimizer_step: &model.optimizer_step,
            parameters: &model.parameters,
            exp_avg: &model.exp_avg,
            exp_avg_sq: &model.exp_avg_sq,
        };
        optim_adam::bind(gpu, &[params], &io, &model.ring)
    }
}

/// Where the critic's own parameters lie.
fn value_range(layout: &ParamLayout) -> std::ops::Range<u32> {
    let layers = layout.layers(Network::Value);
    let first = layers.first().map_or(0, |layer| layer.weight);
    first as u32..layers.last().map_or(first, |layer| layer.bias + layer.outputs) as u32
}
