//! How an update follows the KL divergence from the old policy: a penalty in the loss, β, the learning rate.

use super::batch::BatchBuffers;
use super::clean::pack_in_order;
use super::forward::ForwardOnly;
use super::network::Block;
use super::rows;
use super::update_build::{ACTOR, Builder};
use crate::config::{KlEstimator, KlMeasure, KlPenalty, KlStop, RateStep};
use crate::error::Result;
use crate::gpu::Call;
use crate::kernels::loss_kl::{self, Phase, Raises};
use crate::kernels::loss_trust_region;

impl Builder<'_> {
    /// Every row in the batch's own order.
    fn whole(&self) -> [Block; 1] {
        [Block { rows: self.rows, obs_offset: 0, obs_stride: self.networks.spec.obs_dim() as u32, value_offset: 0 }]
    }

    /// Distribution rows of the policy at the start, where they are needed and not given.
    pub(super) fn old_rows(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        let Some(start) = self.divergence.as_ref().and_then(|divergence| divergence.start.as_ref()) else {
            return Ok(Vec::new());
        };
        let lists = self.networks.forward_only(&batch.obs, start, None, &self.whole())?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// β of the next update, from the KL over all rows at the final parameters or from that of the last minibatch.
    pub(super) fn adapt(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        let (Some(divergence), Some(KlPenalty { measure, .. })) = (&self.divergence, self.config.kl_penalty()) else {
            return Ok(Vec::new());
        };
        let (gpu, spec) = (self.networks.gpu, self.networks.spec);
        if measure == KlMeasure::LastMinibatch {
            let params = loss_kl::Params {
                phase: Phase::CoefficientOfLast.code(),
                kl_sample: self.rows,
                ..loss_kl::Params::new(self.config)
            };
            return loss_kl::bind(gpu, &[(params, self.rows)], &self.kl_io(), &self.model.ring);
        }
        let end = ForwardOnly::new(gpu, spec, self.rows, &ACTOR)?;
        let lists = self.networks.forward_only(&batch.obs, &end, None, &self.whole())?;
        let mut calls: Vec<Call> = lists.into_iter().flatten().collect();
        // Only the divergences count here, so that the order of the samples does not matter unless it says which rows count.
        let (samples, mut packed, valid_sample) = if self.masked {
            let samples = gpu.buffer("samples in order", u64::from(self.rows) + 1)?;
            let packed = pack_in_order(gpu, self.model, batch, &samples)?;
            (samples, packed, self.rows)
        } else {
            (self.samples.clone(), Vec::new(), 0)
        };
        calls.append(&mut packed);
        let io = loss_trust_region::Io {
            head_outputs: end.head_outputs(),
            head_outputs_old: &divergence.old,
            actions: &batch.actions,
            samples: &samples,
            trust_partials: &divergence.trust_partials,
        };
        let params = loss_trust_region::Params { rows: self.rows, valid_sample, ..Default::default() };
        calls.extend(rows::trust_region(gpu, &spec.head, &[params], &io)?.into_iter().flatten());
        let params = loss_kl::Params {
            phase: Phase::Coefficient.code(),
            kl_sample: self.rows,
            ..loss_kl::Params::new(self.config)
        };
        calls.extend(loss_kl::bind(gpu, &[(params, self.rows)], &self.kl_io(), &self.model.ring)?);
        Ok(calls)
    }

    pub(super) fn kl_io(&self) -> loss_kl::Io<'_> {
        loss_kl::Io {
            // Without distributions nothing is read there.
            trust_partials: self.divergence.as_ref().map_or(&self.moment_partials, |d| &d.trust_partials),
            control: &self.control,
            trace: &self.trace,
            samples: &self.samples,
            kl_state: &self.model.kl_state,
        }
    }

    /// For each minibatch what its KL decides, before the loss and after the early stop was decided.
    pub(super) fn divergences(&self, blocks: &[Block], starts: &[u32]) -> Result<Vec<[Vec<Call>; 2]>> {
        let (gpu, ring) = (self.networks.gpu, &self.model.ring);
        let base = loss_kl::Params { kl_sample: self.rows, ..loss_kl::Params::new(self.config) };
        let k3 = self.config.adaptive_lr().is_some_and(|rate| rate.estimator == KlEstimator::K3);
        let phase = |phase: Phase| {
            let of_minibatch = |(index, block): (u32, &Block)| {
                // k3 of the first minibatch is 0 except for rounding.
                let raises = if k3 && index == 0 { Raises::Never.code() } else { base.raises };
                let valid_sample = self.valid_sample(index);
                (loss_kl::Params { index, phase: phase.code(), raises, valid_sample, ..base }, block.rows)
            };
            let params: Vec<_> = (0_u32..).zip(blocks).map(of_minibatch).collect();
            loss_kl::bind(gpu, &params, &self.kl_io(), ring)
        };
        let rates = if self.config.rate_by_minibatch() {
            phase(Phase::Rate)?.into_iter().map(|call| vec![call]).collect()
        } else {
            vec![Vec::new(); blocks.len()]
        };
        let Some(divergence) = &self.divergence else {
            return Ok(rates.into_iter().map(|rate| [Vec::new(), rate]).collect());
        };
        let io = loss_trust_region::Io {
            head_outputs: self.kept.head_outputs(&self.values),
            head_outputs_old: &divergence.gathered,
            actions: &self.actions,
            samples: &self.samples,
            trust_partials: &divergence.trust_partials,
        };
        let params: Vec<_> = (0_u32..)
            .zip(blocks)
            .zip(starts)
            .map(|((index, block), start)| loss_trust_region::Params {
                valid_sample: self.valid_sample(index),
                rows: block.rows,
                row_offset: *start,
                ..Default::default()
            })
            .collect();
        let measure = rows::trust_region(gpu, &self.networks.spec.head, &params, &io)?;
        let weights = phase(Phase::Weights)?;
        Ok(measure
            .into_iter()
            .zip(weights)
            .zip(rates)
            .map(|((measure, weights), rate)| [measure.into_iter().chain([weights]).collect(), rate])
            .collect())
    }

    fn rate_by_epoch(&self) -> bool {
        self.config.adaptive_lr().is_some_and(|rate| rate.step == RateStep::Epoch)
    }

    /// The learning rate that was kept, where the steps do not ask for it themselves.
    pub(super) fn rate_at_start(&self) -> Result<Vec<Call>> {
        if !self.rate_by_epoch() {
            return Ok(Vec::new());
        }
        self.kl_phase(loss_kl::Params { phase: Phase::RateAtStart.code(), ..loss_kl::Params::new(self.config) })
    }

    /// After the last step of `epoch`: the learning rate that goes by epochs, and the end of a stop that is the epoch's alone.
    pub(super) fn epoch_end(&self, epoch: u32) -> Result<Vec<Call>> {
        let base = loss_kl::Params::new(self.config);
        let reopens = self.epoch_limit().is_some();
        if !self.rate_by_epoch() && !reopens {
            return Ok(Vec::new());
        }
        let first = epoch * self.per_epoch();
        let index = first + self.per_epoch() - 1;
        self.kl_phase(loss_kl::Params { phase: Phase::EpochEnd.code(), first, index, reopens: reopens.into(), ..base })
    }

    /// A phase without a mean of its own.
    fn kl_phase(&self, params: loss_kl::Params) -> Result<Vec<Call>> {
        loss_kl::bind(self.networks.gpu, &[(params, 1)], &self.kl_io(), &self.model.ring)
    }

    /// The limit of the KL where it ends epochs.
    pub(super) fn epoch_limit(&self) -> Option<f32> {
        let ends_epochs = self.config.kl_stop().filter(|(when, _)| *when == KlStop::RestOfEpoch);
        ends_epochs.map(|(_, limit)| limit as f32)
    }
}
