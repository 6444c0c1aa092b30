//! How an update steps: from partial gradients to new parameters.

use super::network::Block;
use super::update_build::{Builder, Step};
use crate::config::{AdamEps, Config, GradClip, Optimizer};
use crate::error::Result;
use crate::gpu::Call;
use crate::kernels::{optim_adam, optim_clip, optim_decide, optim_reduce, optim_rmsprop, reduce_partials};
use crate::policy::Branch;

/// Adam's parameters for the numbers `range` by the settings, without a range that differs.
pub(super) fn adam_params(config: &Config, range: &std::ops::Range<u32>) -> optim_adam::Params {
    optim_adam::Params {
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
        value_rate: 1.0,
        ..Default::default()
    }
}

impl Builder<'_> {
    /// Statistics, clipping and step of each minibatch in three dispatches; in four where something may change the gradient in between, after
    /// which its norm is taken. Not with a KL penalty, whose weight lies between
    /// statistics and step, nor with a learning rate by each minibatch's KL, nor where plain kernels are asked for.
    pub(super) fn short_tail(&self, blocks: &[Block]) -> Result<Vec<Step>> {
        let (gpu, config, model) = (self.networks.gpu, self.config, self.model);
        let count = self.networks.layout.len() as u32;
        let (reduce, norm) = if self.divided {
            let norm = self.clip(1)?.into_iter().take(1).collect();
            (self.reduce(blocks)?, norm)
        } else {
            (self.reduce_with_norm(blocks)?, Vec::new())
        };
        let params: Vec<_> = (0..)
            .zip(blocks)
            .map(|(index, block)| {
                let (kl_stop, kl_limit) = self.kl_stop(index);
                let params = optim_decide::Params {
                    index,
                    kl_stop: kl_stop.code(),
                    kl_limit,
                    vf_coef: config.vf_coef as f32,
                    bits: self.fused.into(),
                    max_grad_norm: config.max_grad_norm.unwrap_or(0.0) as f32,
                    formula: optim_clip::formula(config.grad_clip_formula),
                    ..Default::default()
                };
                (params, block.rows)
            })
            .collect();
        let io = optim_decide::Io {
            loss_partials: &self.loss_partials,
            norm_partials: &self.norm_partials,
            control: &self.control,
            optimizer_step: &model.optimizer_step,
            trace: &self.trace,
        };
        let decide = optim_decide::bind(gpu, &params, count, &io, &model.ring)?;
        let step = self.step()?;
        let finish = |decide: Call| [norm.as_slice(), &[decide], &step].concat();
        let halves = reduce.into_iter().zip(decide);
        Ok(halves.map(|(reduce, decide)| Step { gradient: vec![reduce], finish: finish(decide) }).collect())
    }

    /// The gradient and the partial sums of its norm, for each minibatch.
    fn reduce_with_norm(&self, blocks: &[Block]) -> Result<Vec<Call>> {
        let (count, apart) = (self.networks.layout.len() as u32, self.clipped_apart());
        let params: Vec<_> = blocks
            .iter()
            .map(|block| optim_reduce::Params {
                count,
                slices: self.slices(block),
                value_begin: apart.start,
                value_end: apart.end,
                ..Default::default()
            })
            .collect();
        let io = optim_reduce::Io {
            partials: &self.gradients.partials,
            gradient: &self.gradient,
            norm_partials: &self.norm_partials,
        };
        optim_reduce::bind(self.networks.gpu, &params, &io)
    }

    /// The gradient alone, for each minibatch.
    fn reduce(&self, blocks: &[Block]) -> Result<Vec<Call>> {
        let count = self.networks.layout.len() as u32;
        let params: Vec<_> = blocks
            .iter()
            .map(|block| reduce_partials::Params { count, slices: self.slices(block), ..Default::default() })
            .collect();
        let io = reduce_partials::Io { partials: &self.gradients.partials, gradient: &self.gradient };
        reduce_partials::bind(self.networks.gpu, &params, &io)
    }

    /// For each of the first `minibatches` two calls: partial sums of the gradient's norm, and what is decided by it.
    fn clip(&self, minibatches: u32) -> Result<Vec<Call>> {
        let (config, apart) = (self.config, self.clipped_apart());
        let clip = optim_clip::Params {
            count: self.networks.layout.len() as u32,
            max_grad_norm: config.max_grad_norm.unwrap_or(0.0) as f32,
            value_begin: apart.start,
            value_end: apart.end,
            formula: optim_clip::formula(config.grad_clip_formula),
            ..Default::default()
        };
        let params: Vec<_> = (0..minibatches).map(|index| optim_clip::Params { index, ..clip }).collect();
        let io = optim_clip::Io {
            gradient: &self.gradient,
            norm_partials: &self.norm_partials,
            control: &self.control,
            optimizer_step: &self.model.optimizer_step,
            trace: &self.trace,
        };
        optim_clip::bind(self.networks.gpu, &params, &io)
    }

    fn slices(&self, block: &Block) -> u32 {
        let count = self.networks.layout.len() as u64;
        block.rows.div_ceil(crate::kernels::mlp_backward_weight::slice_rows(block.rows, count))
    }

    /// Where the critic's own parameters lie.
    fn value_range(&self) -> std::ops::Range<u32> {
        let own = self.networks.layout.own_range(Branch::VALUE);
        own.start as u32..own.end as u32
    }

    /// Elements that are clipped by themselves.
    fn clipped_apart(&self) -> std::ops::Range<u32> {
        if self.config.grad_clip == GradClip::Separate { self.value_range() } else { 0..0 }
    }

    /// From partial gradients to new parameters, for each minibatch.
    pub(super) fn optimiser(&self, blocks: &[Block]) -> Result<Vec<Step>> {
        let (clip, step) = (self.clip(self.minibatches)?, self.step()?);
        let halves = self.reduce(blocks)?.into_iter().zip(clip.chunks(2));
        Ok(halves.map(|(reduce, clip)| Step { gradient: vec![reduce], finish: [clip, &step].concat() }).collect())
    }

    /// The optimiser's step, the same for all minibatches.
    fn step(&self) -> Result<Vec<Call>> {
        let (gpu, config, model) = (self.networks.gpu, self.config, self.model);
        let value = self.value_range();
        let range = if self.critic_only { value.clone() } else { 0..self.networks.layout.len() as u32 };
        if config.optimizer == Optimizer::RmsProp {
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
            optim_rmsprop::bind(gpu, &[params], &io, &model.ring)
        } else {
            self.adam(range)
        }
    }

    fn adam(&self, range: std::ops::Range<u32>) -> Result<Vec<Call>> {
        let (gpu, config, model) = (self.networks.gpu, self.config, self.model);
        let value = self.value_range();
        let params = optim_adam::Params {
            value_begin: value.start,
            value_end: value.end,
            value_scale: u32::from(config.grad_clip == GradClip::Separate),
            value_rate: config.value_rate_factor() as f32,
            ..adam_params(config, &range)
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
