//! What an update does once for all rows, and once an epoch: moments, order, weights, normalised advantages.

use super::batch::BatchBuffers;
use super::normalized::{Normalized, Stretch};
use super::update_build::{Builder, Divergence};
use crate::config::{AdvantageNorm, MinibatchRest, Shuffle};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call};
use crate::kernels::reduce_moments::MOMENTS;
use crate::kernels::words::Order;
use crate::kernels::{batch_count, batch_gather, batch_pack, reduce_moments};

/// How the rows of an epoch are ordered.
struct EpochOrder<'o> {
    order: &'o Buffer<u32>,
    /// Where it is from.
    from: Order,
    /// Rows that are shuffled.
    among: u32,
    /// First element of the epoch in `order`.
    offset: u32,
    epoch: u32,
}

impl Builder<'_> {
    /// Element of `variances` where the second result lies: bindings begin at multiples of 256 bytes.
    pub(super) const SECOND_VARIANCE: u64 = 16;

    /// Moments of the returns and of what the old values left unexplained, over the whole batch.
    pub(super) fn explained_variance(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        let mut calls = Vec::new();
        for (subtract, place) in [(0, 0), (1, Self::SECOND_VARIANCE)] {
            let moments = Buffer::from_wgpu(self.variances.raw(), place * size_of::<[f32; MOMENTS]>() as u64, 1)?;
            let io = reduce_moments::Io {
                minuend: &batch.returns,
                subtrahend: &batch.values_old,
                marks: &batch.logp_old,
                partials: &self.moment_partials,
                moments: &moments,
            };
            let rows = self.rows;
            let mark_stride = u32::from(self.masked);
            let params =
                reduce_moments::Params { rows, segment: rows, stride: 1, subtract, mark_stride, ..Default::default() };
            calls.extend(reduce_moments::bind(self.networks.gpu, &[params], &io)?);
        }
        Ok(calls)
    }

    /// Moments of all advantages, where they are normalised over the batch or lose their mean: before any epoch's order, which may leave rows out.
    pub(super) fn batch_moments(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        if self.config.norm_adv != AdvantageNorm::Batch && !self.config.centers() {
            return Ok(Vec::new());
        }
        let io = reduce_moments::Io {
            minuend: &batch.advantages,
            subtrahend: &batch.values_old,
            marks: &batch.logp_old,
            partials: &self.moment_partials,
            moments: &self.moments,
        };
        let (rows, mark_stride) = (self.rows, u32::from(self.masked));
        let params = reduce_moments::Params { rows, segment: rows, stride: 1, mark_stride, ..Default::default() };
        reduce_moments::bind(self.networks.gpu, &[params], &io)
    }

    /// The whole batch in the order of `epoch`, with normalised advantages.
    pub(super) fn epoch(&self, batch: &BatchBuffers, order: Option<&Buffer<u32>>, epoch: u32) -> Result<Vec<Call>> {
        let Some(order) = self.order(batch, order, epoch)? else { return Ok(Vec::new()) };
        let mut calls = self.gather(batch, &order)?;
        if self.masked {
            calls.extend(self.weigh()?);
        }
        if self.config.norm_adv != AdvantageNorm::None || self.config.centers() {
            calls.extend(self.normalize()?);
        }
        Ok(calls)
    }

    /// How `epoch` is ordered; `None` where rows, weights and advantages lie as the epoch before needed them.
    fn order<'o>(
        &self,
        batch: &'o BatchBuffers,
        order: Option<&'o Buffer<u32>>,
        epoch: u32,
    ) -> Result<Option<EpochOrder<'o>>> {
        let (all, rows) = (self.rows, self.split.rows() as u32);
        // An order that is given is the caller's answer to how to shuffle.
        let from = match (order, self.config.shuffle) {
            (Some(_), _) => Order::Given,
            // One order for all epochs: rows, weights and advantages lie as the first epoch needed them.
            (None, Shuffle::Update | Shuffle::Never) if epoch > 0 => return Ok(None),
            (None, Shuffle::Never) => Order::InPlace,
            (None, Shuffle::AfterFirst) if epoch == 0 => Order::InPlace,
            (None, Shuffle::Epoch | Shuffle::Update | Shuffle::AfterFirst) => Order::Shuffled,
        };
        let among = if order.is_none() && self.config.minibatch_rest == MinibatchRest::Cut { rows } else { all };
        let offset = u64::from(epoch) * u64::from(if order.is_some() { all } else { 0 });
        let offset = u32::try_from(offset).map_err(|_| Error::OwnLimit {
            what: format!("order of epoch {epoch} × rows {rows}"),
            limit: "u32 element index",
            needs: offset,
            has: u64::from(u32::MAX),
        })?;
        // Without an order any buffer stands in for it: it is not read.
        let order = order.unwrap_or(&batch.actions);
        Ok(Some(EpochOrder { order, from, among, offset, epoch }))
    }

    /// The rows in their order: observations, actions, distributions where they are compared, and what the loss is told of each.
    fn gather(&self, batch: &BatchBuffers, of: &EpochOrder<'_>) -> Result<Vec<Call>> {
        let (gpu, spec, ring) = (self.networks.gpu, self.networks.spec, &self.model.ring);
        let EpochOrder { order, from, among, offset: order_offset, epoch } = *of;
        let use_order = from.code();
        let taken = self.split.rows() as u32;
        let gather = |width: usize| batch_gather::Params {
            rows: among,
            width: width as u32,
            stride: width as u32,
            use_order,
            order_offset,
            epoch,
            taken,
            ..Default::default()
        };
        let (source, gathered) = (batch.obs.cast(), self.obs.cast());
        let io = batch_gather::Io { order, source: &source, gathered: &gathered };
        let params = batch_gather::Params { stride: self.obs_stride, ..gather(spec.obs_dim()) };
        let mut calls = batch_gather::bind(gpu, &[params], &io, ring)?;
        let io = batch_gather::Io { order, source: &batch.actions, gathered: &self.actions };
        calls.extend(batch_gather::bind(gpu, &[gather(spec.head.action_words())], &io, ring)?);
        if let Some(Divergence { old, gathered, .. }) = &self.divergence {
            let (source, gathered) = (old.cast(), gathered.cast());
            let io = batch_gather::Io { order, source: &source, gathered: &gathered };
            calls.extend(batch_gather::bind(gpu, &[gather(spec.head.width())], &io, ring)?);
        }
        let io = batch_pack::Io {
            order,
            logp_old: &batch.logp_old,
            advantages: &batch.advantages,
            returns: &batch.returns,
            values_old: &batch.values_old,
            samples: &self.samples,
        };
        let params = batch_pack::Params { rows: among, use_order, order_offset, epoch, taken, ..Default::default() };
        calls.extend(batch_pack::bind(gpu, &[params], &io, ring)?);
        Ok(calls)
    }

    /// What a row of each minibatch weighs, where some are masked.
    fn weigh(&self) -> Result<Vec<Call>> {
        let io = batch_count::Io { samples: &self.samples };
        let params: Vec<_> = self
            .stretches()
            .map(|Stretch { first, rows, segment, index }| batch_count::Params {
                rows,
                segment,
                stride: 1,
                place: self.rows + 1 + index,
                first,
                ..Default::default()
            })
            .collect();
        batch_count::bind(self.networks.gpu, &params, &io)
    }

    /// Advantages, normalised in place, or less their mean: over the batch, whose moments are known since the update began, or over each minibatch.
    fn normalize(&self) -> Result<Vec<Call>> {
        let gpu = self.networks.gpu;
        let of = Normalized { gpu, config: self.config, samples: &self.samples, moments: &self.moments };
        if self.config.norm_adv != AdvantageNorm::Minibatch {
            return of.apply(&[Stretch::whole(self.split.rows() as u32)]);
        }
        let stretches: Vec<_> = self.stretches().collect();
        let mut calls = of.measure(&self.moment_partials, self.masked, &stretches)?;
        calls.extend(of.apply(&stretches)?);
        Ok(calls)
    }

    /// Stretches of an epoch whose minibatches have one size.
    fn stretches(&self) -> impl Iterator<Item = Stretch> + '_ {
        self.split.stretches().into_iter().scan(0, |index, (rows, size)| {
            let (first, rows, segment) = (rows.start as u32, rows.len() as u32, size as u32);
            let own = *index;
            *index += rows.div_ceil(segment);
            Some(Stretch { first, rows, segment, index: own })
        })
    }
}
