//! How an update is put together: its buffers, and the calls of an epoch and of a minibatch.

use super::model::Model;
use super::network::{Activations, Block, Gradients, Networks};
use super::update::BatchBuffers;
use crate::config::{AdvantageNorm, KlStop, Optimizer, ValueLoss};
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{
    advantage_normalize, batch_gather, batch_pack, loss_ppo, loss_statistics, optim_adam, optim_clip, reduce_moments,
    reduce_partials,
};
use crate::policy::{Network, ParamLayout};
use crate::{Error, PpoConfig, Result};

/// Buffers and sizes while an update is put together.
pub(super) struct Builder<'a> {
    networks: Networks<'a>,
    model: &'a Model,
    config: &'a PpoConfig,
    rows: u32,
    minibatch: u32,
    minibatches: u32,
    critic_only: bool,
    obs: Buffer<f32>,
    actions: Buffer<u32>,
    samples: Buffer<[f32; 4]>,
    kept: Activations,
    gradients: Gradients,
    values: Buffer<f32>,
    loss_partials: Buffer<[f32; 4]>,
    moment_partials: Buffer<[f32; 4]>,
    moments: Buffer<[f32; 4]>,
    pub variances: Buffer<[f32; 4]>,
    pub gradient: Buffer<f32>,
    norm_partials: Buffer<[f32; 2]>,
    pub control: Buffer<u32>,
    pub trace: Buffer<f32>,
}

impl<'a> Builder<'a> {
    pub fn new(
        gpu: &'a Gpu,
        model: &'a Model,
        config: &'a PpoConfig,
        batch: &BatchBuffers,
        minibatch: u32,
        minibatches: u32,
        critic_only: bool,
    ) -> Result<Self> {
        let (spec, layout, rows) = (&model.spec, &model.layout, batch.rows);
        let all = u64::from(rows);
        let count = layout.len() as u64;
        let segments = rows.div_ceil(minibatch);
        let partials = reduce_moments::partials(rows, minibatch).max(reduce_moments::partials(rows, rows));
        Ok(Self {
            networks: Networks { gpu, spec, layout, parameters: &model.parameters },
            model,
            config,
            rows,
            minibatch,
            minibatches,
            critic_only,
            obs: gpu.buffer("minibatch obs", all * spec.obs_dim as u64)?,
            actions: gpu.buffer("minibatch actions", all * spec.head.action_dims() as u64)?,
            samples: gpu.buffer("samples", all)?,
            kept: Activations::new(gpu, spec, minibatch, &Network::ALL)?,
            gradients: Gradients::new(gpu, spec, layout, minibatch)?,
            values: gpu.buffer("minibatch values", u64::from(minibatch))?,
            loss_partials: gpu.buffer("loss_partials", u64::from(loss_ppo::groups(minibatch)) * 3)?,
            moment_partials: gpu.buffer("moment partials", partials)?,
            moments: gpu.buffer("moments", u64::from(segments))?,
            variances: gpu.buffer("variances", Self::SECOND_VARIANCE + 1)?,
            gradient: gpu.buffer("gradient", count)?,
            norm_partials: gpu.buffer("norm_partials", u64::from(optim_clip::groups(count as u32)))?,
            control: gpu.buffer("control", loss_statistics::CONTROL_WORDS)?,
            trace: gpu.buffer("trace", u64::from(minibatches) * loss_statistics::TRACE_WIDTH)?,
        })
    }

    /// Element of `variances` where the second result lies: bindings begin at multiples of 256 bytes.
    pub const SECOND_VARIANCE: u64 = 16;

    /// Moments of the returns and of what the old values left unexplained, over the whole batch.
    pub fn explained_variance(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        let mut calls = Vec::new();
        for (subtract, place) in [(0, 0), (1, Self::SECOND_VARIANCE * 16)] {
            let moments = Buffer::from_wgpu(self.variances.raw(), place, 1)?;
            let io = reduce_moments::Io {
                minuend: &batch.returns,
                subtrahend: &batch.values_old,
                partials: &self.moment_partials,
                moments: &moments,
            };
            let rows = self.rows;
            let params = reduce_moments::Params { rows, segment: rows, stride: 1, subtract, ..Default::default() };
            calls.extend(reduce_moments::bind(self.networks.gpu, &[params], &io)?);
        }
        Ok(calls)
    }

    /// Moments of all advantages, where they are normalised over the batch: before any epoch's order, which may leave rows out.
    pub fn batch_moments(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        if self.config.norm_adv != AdvantageNorm::Batch {
            return Ok(Vec::new());
        }
        let io = reduce_moments::Io {
            minuend: &batch.advantages,
            subtrahend: &batch.values_old,
            partials: &self.moment_partials,
            moments: &self.moments,
        };
        let params = reduce_moments::Params { rows: self.rows, segment: self.rows, stride: 1, ..Default::default() };
        reduce_moments::bind(self.networks.gpu, &[params], &io)
    }

    /// The whole batch in the order of `epoch`, with normalised advantages.
    pub fn epoch(&self, batch: &BatchBuffers, order: Option<&Buffer<u32>>, epoch: u32) -> Result<Vec<Call>> {
        let (gpu, spec, rows) = (self.networks.gpu, self.networks.spec, self.rows);
        let ring = &self.model.ring;
        let use_order = u32::from(order.is_some());
        let order_offset = u64::from(epoch) * u64::from(if order.is_some() { rows } else { 0 });
        let order_offset = u32::try_from(order_offset).map_err(|_| Error::Limit {
            what: format!("order of epoch {epoch} × rows {rows}"),
            limit: "u32 element index",
            needs: order_offset,
            has: u64::from(u32::MAX),
        })?;
        // Without an order any buffer stands in for it: it is not read.
        let order = order.unwrap_or(&batch.actions);
        let mut calls = Vec::new();

        let gather = |width: usize| batch_gather::Params {
            rows,
            width: width as u32,
            use_order,
            order_offset,
            epoch,
            ..Default::default()
        };
        let (source, gathered) = (batch.obs.cast(), self.obs.cast());
        let io = batch_gather::Io { order, source: &source, gathered: &gathered };
        calls.extend(batch_gather::bind(gpu, &[gather(spec.obs_dim)], &io, ring)?);
        let io = batch_gather::Io { order, source: &batch.actions, gathered: &self.actions };
        calls.extend(batch_gather::bind(gpu, &[gather(spec.head.action_dims())], &io, ring)?);
        let io = batch_pack::Io {
            order,
            logp_old: &batch.logp_old,
            advantages: &batch.advantages,
            returns: &batch.returns,
            values_old: &batch.values_old,
            samples: &self.samples,
        };
        let params = batch_pack::Params { rows, use_order, order_offset, epoch };
        calls.extend(batch_pack::bind(gpu, &[params], &io, ring)?);

        let segment = match self.config.norm_adv {
            AdvantageNorm::None => return Ok(calls),
            AdvantageNorm::Minibatch => self.minibatch,
            // Their moments are known since the update began.
            AdvantageNorm::Batch => rows,
        };
        // The advantage is the second of a sample's four numbers.
        let (stride, offset) = (4, 1);
        let samples = self.samples.cast();
        if self.config.norm_adv == AdvantageNorm::Minibatch {
            let io = reduce_moments::Io {
                minuend: &samples,
                subtrahend: &batch.advantages,
                partials: &self.moment_partials,
                moments: &self.moments,
            };
            let params = reduce_moments::Params { rows, segment, stride, offset, ..Default::default() };
            calls.extend(reduce_moments::bind(gpu, &[params], &io)?);
        }
        let io = advantage_normalize::Io { moments: &self.moments, advantages: &samples };
        let params = advantage_normalize::Params {
            rows,
            segment,
            stride,
            offset,
            ddof: self.config.adv_ddof,
            eps: self.config.adv_eps as f32,
            ..Default::default()
        };
        calls.extend(advantage_normalize::bind(gpu, &[params], &io)?);
        Ok(calls)
    }

    /// The calls of every minibatch of the update, in order.
    pub fn minibatch_steps(&self) -> Result<Vec<Vec<Call>>> {
        let per_epoch = self.rows.div_ceil(self.minibatch);
        let starts = (0..self.minibatches).map(|index| index % per_epoch * self.minibatch);
        let blocks: Vec<Block> = starts
            .clone()
            .map(|start| Block {
                rows: self.minibatch.min(self.rows - start),
                obs_offset: start * self.networks.spec.obs_dim as u32,
                obs_stride: self.networks.spec.obs_dim as u32,
                value_offset: 0,
            })
            .collect();
        // The critic alone leaves a shared trunk as it is: its layers are the policy's, too.
        let (forward, backward): (&[Network], &[Network]) = if self.critic_only {
            (&[Network::Trunk, Network::Value], &[Network::Value])
        } else {
            (&Network::ALL, &Network::ALL)
        };
        let mut lists = self.networks.forward(forward, &self.obs, &self.kept, &self.values, &blocks)?;
        let starts: Vec<u32> = starts.collect();
        let losses = self.losses(&blocks, &starts)?;
        let backward = self.networks.backward(backward, &self.obs, &self.kept, &self.gradients, &blocks)?;
        let optimiser = self.optimiser(&blocks)?;
        for (((list, losses), backward), optimiser) in lists.iter_mut().zip(losses).zip(backward).zip(optimiser) {
            list.extend(losses);
            list.extend(backward);
            list.extend(optimiser);
        }
        Ok(lists)
    }

    /// Loss and statistics of each minibatch.
    fn losses(&self, blocks: &[Block], starts: &[u32]) -> Result<Vec<Vec<Call>>> {
        let (gpu, config, ring) = (self.networks.gpu, self.config, &self.model.ring);
        let per_epoch = self.rows.div_ceil(self.minibatch);
        let value_loss = match config.value_loss {
            ValueLoss::Plain => 0,
            ValueLoss::ClipMax => 1,
            ValueLoss::ClipOnly => 2,
        };
        let params: Vec<_> = blocks
            .iter()
            .zip(starts)
            .map(|(block, start)| loss_ppo::Params {
                rows: block.rows,
                row_offset: *start,
                value_loss,
                dual_clip: config.dual_clip.unwrap_or(0.0) as f32,
                vf_loss_scale: config.vf_loss_scale as f32,
                vf_coef: config.vf_coef as f32,
                ..Default::default()
            })
            .collect();
        let io = loss_ppo::Io {
            head_outputs: self.kept.head_outputs(&self.values),
            values: &self.values,
            actions: &self.actions,
            samples: &self.samples,
            d_head_outputs: &self.gradients.d_head_outputs,
            d_values: &self.gradients.d_values,
            loss_partials: &self.loss_partials,
        };
        let losses = loss_ppo::bind(gpu, &self.networks.spec.head, &params, &io, ring)?;

        let limit = config.kl_limit();
        let params: Vec<_> = (0_u32..)
            .zip(blocks)
            .map(|(index, block)| {
                let kl_stop = match (limit, config.kl_stop) {
                    (None, _) => 0,
                    (Some(_), KlStop::Minibatch) => 1,
                    (Some(_), KlStop::Epoch) => {
                        if (index + 1) % per_epoch == 0 {
                            2
                        } else {
                            0
                        }
                    }
                };
                let params = loss_statistics::Params {
                    index,
                    kl_stop,
                    kl_limit: limit.unwrap_or(0.0) as f32,
                    vf_coef: config.vf_coef as f32,
                    ..Default::default()
                };
                (params, block.rows)
            })
            .collect();
        let io = loss_statistics::Io { loss_partials: &self.loss_partials, control: &self.control, trace: &self.trace };
        let statistics = loss_statistics::bind(gpu, &params, &io, ring)?;
        Ok(losses.into_iter().zip(statistics).map(|(loss, statistics)| vec![loss, statistics]).collect())
    }

    /// From partial gradients to new parameters, for each minibatch.
    fn optimiser(&self, blocks: &[Block]) -> Result<Vec<Vec<Call>>> {
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

        let max_grad_norm = config.max_grad_norm.unwrap_or(0.0) as f32;
        let params: Vec<_> = (0..self.minibatches)
            .map(|index| optim_clip::Params { count, index, max_grad_norm, ..Default::default() })
            .collect();
        let io = optim_clip::Io {
            gradient: &self.gradient,
            norm_partials: &self.norm_partials,
            control: &self.control,
            optimizer_step: &model.optimizer_step,
            trace: &self.trace,
        };
        let clip = optim_clip::bind(gpu, &params, &io)?;

        let range = if self.critic_only { value_range(self.networks.layout) } else { 0..count };
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
        let adam = optim_adam::bind(gpu, &[params], &io, &model.ring)?;
        Ok(reduce
            .into_iter()
            .zip(clip.chunks(2))
            .map(|(reduce, clip)| {
                std::iter::once(reduce).chain(clip.iter().cloned()).chain(adam.iter().cloned()).collect()
            })
            .collect())
    }
}

/// Where the critic's own parameters lie.
fn value_range(layout: &ParamLayout) -> std::ops::Range<u32> {
    let layers = layout.layers(Network::Value);
    let first = layers.first().map_or(0, |layer| layer.weight);
    first as u32..layers.last().map_or(first, |layer| layer.bias + layer.outputs) as u32
}
