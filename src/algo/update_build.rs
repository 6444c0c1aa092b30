//! How an update is put together: its buffers, and the calls of an epoch and of a minibatch.

use super::batch::BatchBuffers;
use super::forward::ForwardOnly;
use super::model::Model;
use super::network::{Activations, Block, FEW_ROWS, Gradients, Networks};
use crate::config::{AdvantageNorm, Config, MinibatchRest, Minibatches, Shuffle};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ProductPath};
use crate::kernels::{
    advantage_normalize, batch_count, batch_gather, batch_pack, loss_ppo, loss_ppo_fused, loss_statistics,
    loss_trust_region, mlp_backward_weight, optim_clip, reduce_moments,
};
use crate::policy::Branch;

/// The trunk, if there is one, and the policy.
pub(super) const ACTOR: [&str; 1] = [Branch::POLICY];

/// What an update needs to compare distributions.
pub(super) struct Divergence {
    /// Distribution rows of the old policy, in the batch's order and in the epoch's.
    pub old: Buffer<f32>,
    pub gathered: Buffer<f32>,
    /// All rows through the policy at the start, unless the caller gave their distributions.
    pub start: Option<ForwardOnly>,
    pub trust_partials: Buffer<[f32; 4]>,
}

/// Buffers and sizes while an update is put together.
pub(super) struct Builder<'a> {
    pub networks: Networks<'a>,
    pub model: &'a Model,
    pub config: &'a Config,
    pub rows: u32,
    /// How an epoch is cut.
    pub split: Minibatches,
    /// Minibatches of all epochs.
    pub minibatches: u32,
    pub critic_only: bool,
    /// Whether some rows are masked.
    pub masked: bool,
    /// Whether one kernel goes from observations to gradients ([`loss_ppo_fused`]).
    pub fused: bool,
    /// Whether statistics, clipping and step take three dispatches.
    pub short_tail: bool,
    /// `[rows, obs_dim]`, rows `obs_stride` apart.
    pub obs: Buffer<f32>,
    pub obs_stride: u32,
    pub actions: Buffer<u32>,
    pub samples: Buffer<[f32; 4]>,
    pub kept: Activations,
    pub gradients: Gradients,
    pub values: Buffer<f32>,
    pub loss_partials: Buffer<[f32; 4]>,
    pub moment_partials: Buffer<[f32; 4]>,
    pub moments: Buffer<[f32; 4]>,
    pub variances: Buffer<[f32; 4]>,
    pub gradient: Buffer<f32>,
    pub norm_partials: Buffer<[f32; 4]>,
    pub control: Buffer<u32>,
    pub trace: Buffer<f32>,
    pub divergence: Option<Divergence>,
}

/// Rows `first` .. `first + rows` of an epoch, minibatches of `segment` rows (the last may have fewer), from minibatch `index` on.
struct Stretch {
    first: u32,
    rows: u32,
    segment: u32,
    index: u32,
}

impl<'a> Builder<'a> {
    pub fn new(
        gpu: &'a Gpu,
        model: &'a Model,
        config: &'a Config,
        batch: &BatchBuffers,
        split: Minibatches,
        minibatches: u32,
        critic_only: bool,
    ) -> Result<Self> {
        let (spec, layout, rows) = (&model.spec, &model.layout, batch.rows);
        let all = u64::from(rows);
        let count = layout.len() as u64;
        let minibatch = split.largest() as u32;
        let of_minibatches =
            split.stretches().into_iter().map(|(rows, size)| reduce_moments::partials(rows.len() as u32, size as u32));
        let partials = of_minibatches.fold(reduce_moments::partials(rows, rows), u64::max);
        let divergence = if config.kl_direction().is_some() {
            let given = batch.old_dist.clone();
            let start = given.is_none().then(|| ForwardOnly::new(gpu, spec, rows, &ACTOR)).transpose()?;
            let made = start.as_ref().map(|start| start.head_outputs().clone());
            Some(Divergence {
                old: given.or(made).unwrap_or_else(|| batch.obs.clone()),
                gathered: gpu.buffer("minibatch old_dist", all * spec.head.width() as u64)?,
                start,
                trust_partials: gpu.buffer("trust_partials", u64::from(loss_trust_region::groups(rows)))?,
            })
        } else {
            None
        };
        // There are two at most.
        let mut sizes: Vec<u32> = split.ranges().map(|range| range.len() as u32).collect();
        sizes.dedup();
        let slices_run = || {
            let slice = |rows: u32| mlp_backward_weight::slice_rows(rows, count);
            sizes.iter().all(|rows| loss_ppo_fused::runs(spec, slice(*rows).min(*rows)))
        };
        let fused = gpu.products() == ProductPath::Fused
            && loss_ppo_fused::fits(spec)
            && slices_run()
            && divergence.is_none()
            && !config.rate_by_minibatch()
            && !critic_only;
        // Rows that begin at multiples of four, for the tiled kernels, unless there is no room.
        let padded = spec.obs_dim().next_multiple_of(4) as u64;
        let limits = gpu.limits();
        let room = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let tiled = !fused && gpu.products() != ProductPath::Plain && minibatch >= FEW_ROWS;
        let pads = tiled && 4 * all * padded <= room;
        let obs_stride = if pads { padded as u32 } else { spec.obs_dim() as u32 };
        // Where fused, nothing goes through memory between the layers: some room for what is bound and not used.
        let kept = if fused { 1 } else { minibatch };
        Ok(Self {
            short_tail: gpu.products() != ProductPath::Plain && divergence.is_none() && !config.rate_by_minibatch(),
            divergence,
            fused,
            networks: Networks { gpu, spec, layout, parameters: &model.parameters },
            model,
            config,
            rows,
            split,
            minibatches,
            critic_only,
            obs: gpu.buffer("minibatch obs", all * u64::from(obs_stride))?,
            obs_stride,
            actions: gpu.buffer("minibatch actions", all * spec.head.action_words() as u64)?,
            // After the rows: the weights of a KL penalty, and what a row of each minibatch weighs.
            samples: gpu.buffer("samples", all + 1 + if batch.valid.is_some() { split.count() as u64 } else { 0 })?,
            masked: batch.valid.is_some(),
            kept: Activations::new(gpu, spec, kept, &Branch::OUTPUTS)?,
            gradients: Gradients::new(gpu, spec, layout, &sizes, kept)?,
            values: gpu.buffer("minibatch values", u64::from(kept))?,
            loss_partials: gpu.buffer("loss_partials", u64::from(loss_ppo::groups(minibatch)) * 5)?,
            moment_partials: gpu.buffer("moment partials", partials)?,
            moments: gpu.buffer("moments", split.count() as u64)?,
            variances: gpu.buffer("variances", Self::SECOND_VARIANCE + 1)?,
            gradient: gpu.buffer("gradient", count)?,
            norm_partials: gpu.buffer("norm_partials", u64::from(optim_clip::groups(count as u32)))?,
            control: gpu.buffer("control", loss_statistics::CONTROL_WORDS)?,
            trace: gpu.buffer("trace", u64::from(minibatches) * loss_statistics::TRACE_WIDTH)?,
        })
    }

    /// Element of `samples` with the weight of a row of minibatch `index`; 0 where all rows count.
    pub fn valid_sample(&self, index: u32) -> u32 {
        if self.masked { self.rows + 1 + index % self.per_epoch() } else { 0 }
    }

    /// Minibatches of an epoch.
    pub fn per_epoch(&self) -> u32 {
        self.split.count() as u32
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

    /// Moments of all advantages, where they are normalised over the batch: before any epoch's order, which may leave rows out.
    pub fn batch_moments(&self, batch: &BatchBuffers) -> Result<Vec<Call>> {
        if self.config.norm_adv != AdvantageNorm::Batch {
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
    pub fn epoch(&self, batch: &BatchBuffers, order: Option<&Buffer<u32>>, epoch: u32) -> Result<Vec<Call>> {
        let (gpu, spec, all) = (self.networks.gpu, self.networks.spec, self.rows);
        let ring = &self.model.ring;
        // An order that is given is the caller's answer to how to shuffle.
        let use_order = match (order, self.config.shuffle) {
            (Some(_), _) => 1,
            // One order for all epochs: rows, weights and advantages lie as the first epoch needed them.
            (None, Shuffle::Update | Shuffle::Never) if epoch > 0 => return Ok(Vec::new()),
            (None, Shuffle::Never) => 2,
            (None, Shuffle::AfterFirst) if epoch == 0 => 2,
            (None, Shuffle::Epoch | Shuffle::Update | Shuffle::AfterFirst) => 0,
        };
        let rows = self.split.rows() as u32;
        let among = if order.is_none() && self.config.minibatch_rest == MinibatchRest::Cut { rows } else { all };
        let order_offset = u64::from(epoch) * u64::from(if order.is_some() { all } else { 0 });
        let order_offset = u32::try_from(order_offset).map_err(|_| Error::OwnLimit {
            what: format!("order of epoch {epoch} × rows {rows}"),
            limit: "u32 element index",
            needs: order_offset,
            has: u64::from(u32::MAX),
        })?;
        // Without an order any buffer stands in for it: it is not read.
        let order = order.unwrap_or(&batch.actions);
        let mut calls = Vec::new();

        let gather = |width: usize| batch_gather::Params {
            rows: among,
            width: width as u32,
            stride: width as u32,
            use_order,
            order_offset,
            epoch,
            taken: rows,
            ..Default::default()
        };
        let (source, gathered) = (batch.obs.cast(), self.obs.cast());
        let io = batch_gather::Io { order, source: &source, gathered: &gathered };
        calls.extend(batch_gather::bind(
            gpu,
            &[batch_gather::Params { stride: self.obs_stride, ..gather(spec.obs_dim()) }],
            &io,
            ring,
        )?);
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
        let params =
            batch_pack::Params { rows: among, use_order, order_offset, epoch, taken: rows, ..Default::default() };
        calls.extend(batch_pack::bind(gpu, &[params], &io, ring)?);
        if self.masked {
            let io = batch_count::Io { samples: &self.samples };
            let params: Vec<_> = self
                .stretches()
                .map(|Stretch { first, rows, segment, index }| batch_count::Params {
                    rows,
                    segment,
                    stride: 1,
                    place: all + 1 + index,
                    first,
                    ..Default::default()
                })
                .collect();
            calls.extend(batch_count::bind(gpu, &params, &io)?);
        }
        if self.config.norm_adv == AdvantageNorm::None {
            return Ok(calls);
        }
        // The advantage is the second of a sample's four numbers.
        let (stride, offset) = (4, 1);
        let samples = self.samples.cast();
        // Moments of the whole batch are known since the update began.
        let mut stretches = vec![Stretch { first: 0, rows, segment: rows, index: 0 }];
        if self.config.norm_adv == AdvantageNorm::Minibatch {
            stretches = self.stretches().collect();
            let io = reduce_moments::Io {
                minuend: &samples,
                subtrahend: &batch.advantages,
                marks: &samples,
                partials: &self.moment_partials,
                moments: &self.moments,
            };
            let mark_stride = if self.masked { stride } else { 0 };
            let of_stretch = |&Stretch { first, rows, segment, index }: &Stretch| reduce_moments::Params {
                rows,
                segment,
                stride,
                offset: first * stride + offset,
                mark_stride,
                mark_offset: first * stride,
                place: index,
                ..Default::default()
            };
            calls.extend(reduce_moments::bind(gpu, &stretches.iter().map(of_stretch).collect::<Vec<_>>(), &io)?);
        }
        let io = advantage_normalize::Io { moments: &self.moments, advantages: &samples };
        let of_stretch = |&Stretch { first, rows, segment, index }: &Stretch| advantage_normalize::Params {
            rows,
            segment,
            stride,
            offset: first * stride + offset,
            ddof: self.config.adv_ddof,
            eps: self.config.adv_eps as f32,
            std_floor: self.config.adv_std_floor as f32,
            place: index,
            ..Default::default()
        };
        calls.extend(advantage_normalize::bind(gpu, &stretches.iter().map(of_stretch).collect::<Vec<_>>(), &io)?);
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

    /// The calls of every minibatch of the update, in order.
    pub fn minibatch_steps(&self) -> Result<Vec<Vec<Call>>> {
        let epochs = self.minibatches / self.per_epoch();
        let (mut blocks, mut starts) = (Vec::new(), Vec::new());
        for range in (0..epochs).flat_map(|_| self.split.ranges()) {
            let (start, rows) = (range.start as u32, range.len() as u32);
            let (obs_offset, obs_stride) = (start * self.obs_stride, self.obs_stride);
            blocks.push(Block { rows, obs_offset, obs_stride, value_offset: 0 });
            starts.push(start);
        }
        let outputs: &[&str] = if self.critic_only { &[Branch::VALUE] } else { &Branch::OUTPUTS };
        let losses = self.loss_params(&blocks, &starts);
        let tail = if self.short_tail { self.short_tail(&blocks)? } else { self.optimiser(&blocks)? };
        if self.fused {
            let calls = self.fused_gradients(&losses)?.into_iter().zip(tail);
            return Ok(calls.map(|(gradient, tail)| [vec![gradient], tail].concat()).collect());
        }
        let mut lists = self.networks.forward(outputs, &self.obs, &self.kept, &self.values, &blocks)?;
        let losses = self.losses(&blocks, &starts, &losses)?;
        // The critic alone leaves a shared trunk as it is: its layers are the policy's, too.
        let backward = if self.critic_only {
            self.networks.backward_own(Branch::VALUE, &self.obs, &self.kept, &self.gradients, &blocks)?
        } else {
            self.networks.backward(outputs, &self.obs, &self.kept, &self.gradients, &blocks)?
        };
        for (((list, losses), backward), tail) in lists.iter_mut().zip(losses).zip(backward).zip(tail) {
            list.extend(losses);
            list.extend(backward);
            list.extend(tail);
        }
        Ok(lists)
    }
}
