//! How an update is put together: its buffers, and the calls of a minibatch.

use super::batch::BatchBuffers;
use super::forward::ForwardOnly;
use super::model::Model;
use super::network::{Activations, Block, FEW_ROWS, Gradients, Networks};
use crate::config::{Config, Minibatches};
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu, ProductPath};
use crate::kernels::{
    loss_ppo, loss_ppo_fused, loss_statistics, loss_trust_region, mlp_backward_weight, optim_clip, reduce_moments,
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

impl Divergence {
    /// `None` where distributions are not compared.
    fn new(gpu: &Gpu, model: &Model, config: &Config, batch: &BatchBuffers) -> Result<Option<Self>> {
        if config.kl_direction().is_none() {
            return Ok(None);
        }
        let (spec, rows) = (&model.spec, batch.rows);
        let given = batch.old_dist.clone();
        let start = given.is_none().then(|| ForwardOnly::new(gpu, spec, rows, &ACTOR)).transpose()?;
        let made = start.as_ref().map(|start| start.head_outputs().clone());
        Ok(Some(Self {
            old: given.or(made).unwrap_or_else(|| batch.obs.clone()),
            gathered: gpu.buffer("minibatch old_dist", u64::from(rows) * spec.head.width() as u64)?,
            start,
            trust_partials: gpu.buffer("trust_partials", u64::from(loss_trust_region::groups(rows)))?,
        }))
    }
}

/// The calls of one minibatch.
pub(super) struct Step {
    /// From the parameters to the flat gradient.
    pub gradient: Vec<Call>,
    /// From the gradient to the parameters: statistics, early stop, norm, clipping, step.
    pub finish: Vec<Call>,
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
    /// Whether something may change the gradient before the step.
    pub divided: bool,
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

impl<'a> Builder<'a> {
    pub fn new(
        gpu: &'a Gpu,
        model: &'a Model,
        config: &'a Config,
        batch: &BatchBuffers,
        split: Minibatches,
        minibatches: u32,
        critic_only: bool,
        divided: bool,
    ) -> Result<Self> {
        let (spec, layout, rows) = (&model.spec, &model.layout, batch.rows);
        let all = u64::from(rows);
        let count = layout.len() as u64;
        let minibatch = split.largest() as u32;
        let of_minibatches =
            split.stretches().into_iter().map(|(rows, size)| reduce_moments::partials(rows.len() as u32, size as u32));
        let partials = of_minibatches.fold(reduce_moments::partials(rows, rows), u64::max);
        let divergence = Divergence::new(gpu, model, config, batch)?;
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
            divided,
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

    /// The calls of every minibatch of the update, in order.
    pub fn minibatch_steps(&self) -> Result<Vec<Step>> {
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
        let tails = if self.short_tail { self.short_tail(&blocks)? } else { self.optimiser(&blocks)? };
        if self.fused {
            let steps = self.fused_gradients(&losses)?.into_iter().zip(tails);
            return Ok(steps.map(|(gradient, tail)| tail.after(vec![gradient], Vec::new())).collect());
        }
        let lists = self.networks.forward(outputs, &self.obs, &self.kept, &self.values, &blocks)?;
        let losses = self.losses(&blocks, &starts, &losses)?;
        // The critic alone leaves a shared trunk as it is: its layers are the policy's, too.
        let backward = if self.critic_only {
            self.networks.backward_own(Branch::VALUE, &self.obs, &self.kept, &self.gradients, &blocks)?
        } else {
            self.networks.backward(outputs, &self.obs, &self.kept, &self.gradients, &blocks)?
        };
        let steps = lists.into_iter().zip(losses).zip(backward).zip(tails);
        Ok(steps
            .map(|(((forward, [loss, statistics]), backward), tail)| {
                tail.after([forward, loss, backward].concat(), statistics)
            })
            .collect())
    }
}

impl Step {
    /// With `gradient` before its own calls of the gradient, and `statistics` before the others.
    fn after(self, mut gradient: Vec<Call>, mut statistics: Vec<Call>) -> Self {
        gradient.extend(self.gradient);
        statistics.extend(self.finish);
        Self { gradient, finish: statistics }
    }
}
