//! The loss in an update: what it is told, the fused gradient, or the loss with its statistics.

use super::network::{Block, Networks};
use super::rows;
use super::update_build::Builder;
use crate::config::KlStop;
use crate::error::Result;
use crate::gpu::Call;
use crate::kernels::loss_statistics::{self, Stop};
use crate::kernels::{loss_ppo, loss_ppo_fused, mlp_backward_weight};

impl Builder<'_> {
    /// What the loss of each minibatch is told.
    pub(super) fn loss_params(&self, blocks: &[Block], starts: &[u32]) -> Vec<loss_ppo::Params> {
        let config = self.config;
        let value_loss = config.value_loss.code();
        let surrogate = config.algorithm.surrogate().code();
        let dual_clip = config.ppo().and_then(|ppo| ppo.dual_clip).unwrap_or(0.0) as f32;
        let kl_sample = if config.kl_penalty().is_some() { self.rows } else { 0 };
        // Without a critic there is no value loss.
        let vf_loss_scale = if config.algorithm.kind().has_critic() { config.vf_loss_scale as f32 } else { 0.0 };
        (0_u32..)
            .zip(blocks)
            .zip(starts)
            .map(|((index, block), start)| loss_ppo::Params {
                surrogate,
                kl_sample,
                valid_sample: self.valid_sample(index),
                rows: block.rows,
                row_offset: *start,
                value_loss,
                dual_clip,
                vf_loss_scale,
                vf_coef: config.vf_coef as f32,
                ..Default::default()
            })
            .collect()
    }

    /// From observations to gradients in one dispatch.
    pub(super) fn fused_gradients(&self, losses: &[loss_ppo::Params]) -> Result<Vec<Call>> {
        let Networks { gpu, spec, layout, parameters } = self.networks;
        let params: Vec<_> = losses
            .iter()
            .map(|loss| loss_ppo_fused::Params {
                rows: loss.rows,
                row_offset: loss.row_offset,
                slice_rows: mlp_backward_weight::slice_rows(loss.rows, layout.len() as u64),
                value_loss: loss.value_loss,
                dual_clip: loss.dual_clip,
                vf_loss_scale: loss.vf_loss_scale,
                vf_coef: loss.vf_coef,
                surrogate: loss.surrogate,
                valid_sample: loss.valid_sample,
                ..Default::default()
            })
            .collect();
        let io = loss_ppo_fused::Io {
            parameters,
            obs: &self.obs,
            actions: &self.actions,
            samples: &self.samples,
            partials: &self.gradients.partials,
            loss_partials: &self.loss_partials.cast(),
        };
        loss_ppo_fused::bind(gpu, spec, layout, &params, &io, &self.model.ring)
    }

    /// For each minibatch the loss, and what follows from its sums where that is apart from the step: statistics, early stop, learning rate.
    pub(super) fn losses(
        &self,
        blocks: &[Block],
        starts: &[u32],
        params: &[loss_ppo::Params],
    ) -> Result<Vec<[Vec<Call>; 2]>> {
        let (gpu, ring) = (self.networks.gpu, &self.model.ring);
        let io = loss_ppo::Io {
            head_outputs: self.kept.head_outputs(&self.values),
            values: &self.values,
            actions: &self.actions,
            samples: &self.samples,
            d_head_outputs: &self.gradients.d_head_outputs,
            d_values: &self.gradients.d_values,
            loss_partials: &self.loss_partials,
            head_outputs_old: self.divergence.as_ref().map_or(self.kept.head_outputs(&self.values), |d| &d.gathered),
        };
        let losses = rows::loss(gpu, &self.networks.spec.head, params, &io, ring)?;
        if self.short_tail {
            return Ok(losses.into_iter().map(|loss| [loss, Vec::new()]).collect());
        }
        Ok(losses
            .into_iter()
            .zip(self.statistics(blocks)?)
            .zip(self.divergences(blocks, starts)?)
            .map(|((loss, statistics), [before, after])| [[before, loss].concat(), [vec![statistics], after].concat()])
            .collect())
    }

    /// Where the KL stops the update in minibatch `index` ([`loss_statistics::Params`]), and from which one on.
    pub(super) fn kl_stop(&self, index: u32) -> (Stop, f32) {
        let last_of_epoch = (index + 1).is_multiple_of(self.per_epoch());
        match self.config.kl_stop() {
            None => (Stop::Never, 0.0),
            Some((KlStop::Minibatch | KlStop::RestOfEpoch, limit)) => (Stop::BeforeStep, limit as f32),
            Some((KlStop::Epoch, limit)) if last_of_epoch => (Stop::AfterStep, limit as f32),
            Some((KlStop::Epoch, limit)) => (Stop::Never, limit as f32),
        }
    }

    /// The statistics of each minibatch.
    fn statistics(&self, blocks: &[Block]) -> Result<Vec<Call>> {
        let (gpu, config, ring) = (self.networks.gpu, self.config, &self.model.ring);
        let params: Vec<_> = (0_u32..)
            .zip(blocks)
            .map(|(index, block)| {
                let (kl_stop, kl_limit) = self.kl_stop(index);
                let params = loss_statistics::Params {
                    index,
                    kl_stop: kl_stop.code(),
                    kl_limit,
                    vf_coef: config.vf_coef as f32,
                    with_kl: u32::from(self.divergence.is_some()),
                    ..Default::default()
                };
                (params, block.rows)
            })
            .collect();
        let io = loss_statistics::Io { loss_partials: &self.loss_partials, control: &self.control, trace: &self.trace };
        loss_statistics::bind(gpu, &params, &io, ring)
    }
}
