//! One PPO update, recorded once: epochs × minibatches of gather, forward, loss, backward, clip, Adam, early stop.

use super::batch::{BatchBuffers, refuse_unprepared};
use super::clean::cleaned;
use super::model::Model;
use super::update_build::Builder;
use crate::config::{AdvantageNorm, Config, KlPenalty, ValueLoss};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ReadBack, Slot, require_calls};
use crate::kernels::reduce_moments::MOMENTS;
use crate::kernels::{loss_kl, loss_statistics};
use std::ops::Range;

/// An update of PPO (clipped, with a KL penalty, or both), of A2C or of REINFORCE on rows of a fixed number. It reads nothing back: early
/// stop, clipping and the guard against non-finite gradients are decided on the device.
#[derive(Debug)]
pub struct PpoUpdate {
    calls: Vec<Call>,
    /// Where each minibatch's lie among them.
    steps: Vec<Place>,
    /// Whether something may stand between gradient and step.
    divided: bool,
    control: Buffer<u32>,
    pub(super) trace: Buffer<f32>,
    variances: Buffer<[f32; 4]>,
    pub(super) minibatches: u32,
    pub(super) per_epoch: u32,
    gradient: Buffer<f32>,
    kl_state: Buffer<f32>,
    pub(super) kl_penalty: Option<KlPenalty>,
    pub(super) adaptive_lr: bool,
    /// Where a KL above it ends the epoch.
    pub(super) epoch_limit: Option<f32>,
}

/// What kind of plan is built.
struct Kind {
    critic_only: bool,
    divided: bool,
}

/// Where the calls of a minibatch lie.
#[derive(Debug)]
struct Place {
    /// From the parameters to the parameters.
    step: Range<usize>,
    /// Where the gradient is there.
    gradient: usize,
    /// After everything that follows until the next minibatch's order: what ends an epoch or the update.
    end: usize,
}

impl PpoUpdate {
    /// Allocates and binds. With `order` (`[update_epochs, rows]`, each epoch a permutation) minibatches are cut from it;
    /// without, from the keyed shuffle as [`Config::shuffle`] says. From a rollout, take [`RolloutUpdate`](super::RolloutUpdate), which
    /// records what comes before, too.
    ///
    /// # Errors
    /// A bad config, one with `norm_reward` or `norm_value`, which rows that are given cannot have, a buffer too short, a limit, or out of memory; before anything ran.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        batch: &BatchBuffers,
        order: Option<&Buffer<u32>>,
    ) -> Result<Self> {
        Self::whole(gpu, model, config, batch, order, false)
    }

    /// [`new`](Self::new), with a place between the gradient of each minibatch and what follows from it, where the caller may change
    /// [`gradient`](Self::gradient), to average it over several devices for example: [`record_gradient`](Self::record_gradient) and
    /// [`record_finish`](Self::record_finish) take turns, minibatch by minibatch. With nothing in between the bits are those of
    /// [`new`](Self::new). A step has a dispatch more where statistics, clipping and step are fused, as the gradient's norm is taken after the
    /// change.
    ///
    /// Early stop, and a learning rate or penalty that follow the KL, are decided by this device's own rows. After an early stop the
    /// gradients that are left are still computed, and not stepped along: everyone makes the same number of turns.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn divided(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        batch: &BatchBuffers,
        order: Option<&Buffer<u32>>,
    ) -> Result<Self> {
        Self::whole(gpu, model, config, batch, order, true)
    }

    fn whole(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        batch: &BatchBuffers,
        order: Option<&Buffer<u32>>,
        divided: bool,
    ) -> Result<Self> {
        if config.trust_region().is_some() {
            let message = format!("is {}, see TrustRegionUpdate", config.algorithm.name());
            return Err(Error::config("algorithm", message));
        }
        refuse_unprepared(config)?;
        let (batch, clean) = cleaned(gpu, model, batch)?;
        Self::build(gpu, model, config, &batch, order, Kind { critic_only: false, divided }, clean)
    }

    /// The critic's part alone, on a cleaned batch, `vf_loss_scale · mean (v − R)²`, for methods that move the policy otherwise.
    pub(super) fn critic(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        batch: &BatchBuffers,
        order: Option<&Buffer<u32>>,
        divided: bool,
    ) -> Result<Self> {
        let config =
            Config { value_loss: ValueLoss::Plain, vf_coef: 1.0, norm_adv: AdvantageNorm::None, ..config.clone() };
        Self::build(gpu, model, &config, batch, order, Kind { critic_only: true, divided }, Vec::new())
    }

    fn build(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        batch: &BatchBuffers,
        order: Option<&Buffer<u32>>,
        Kind { critic_only, divided }: Kind,
        before: Vec<Call>,
    ) -> Result<Self> {
        config.validate()?;
        config.expect_on_policy().and_then(|()| config.check_branches(&model.spec))?;
        model.check_betas(config)?;
        let rows = batch.rows;
        if rows == 0 {
            return Err(Error::config("rows", "is 0, must be at least 1"));
        }
        let split = config.minibatches(rows as usize);
        let per_epoch = split.count() as u32;
        let minibatches = (config.update_epochs as u64)
            .checked_mul(u64::from(per_epoch))
            .and_then(|all| u32::try_from(all).ok())
            .filter(|all| *all < 1 << 24)
            .ok_or_else(|| {
                Error::config(
                    "update_epochs",
                    format!("{} × {per_epoch} minibatches must be below 2²⁴", config.update_epochs),
                )
            })?;

        // At the least forward pass and loss, backward pass, the gradient's norm, step.
        require_calls(|| format!("an update of {minibatches} minibatches"), 4 * u128::from(minibatches))?;
        let plan = Builder::new(gpu, model, config, batch, split, minibatches, critic_only, divided)?;
        let mut calls = before;
        calls.extend(plan.explained_variance(batch)?);
        calls.extend(plan.batch_moments(batch)?);
        calls.extend(plan.old_rows(batch)?);
        calls.extend(plan.rate_at_start()?);
        let mut steps = plan.minibatch_steps()?.into_iter();
        let mut places = Vec::new();
        for epoch in 0..minibatches / per_epoch {
            calls.extend(plan.epoch(batch, order, epoch)?);
            for step in steps.by_ref().take(per_epoch as usize) {
                let start = calls.len();
                calls.extend(step.gradient);
                let gradient = calls.len();
                calls.extend(step.finish);
                places.push(Place { step: start..calls.len(), gradient, end: calls.len() });
            }
            calls.extend(plan.epoch_end(epoch)?);
            places.iter_mut().rev().take(1).for_each(|place| place.end = calls.len());
        }
        let epoch_limit = plan.epoch_limit();
        calls.extend(plan.adapt(batch)?);
        places.iter_mut().rev().take(1).for_each(|place| place.end = calls.len());
        let Builder { control, trace, variances, gradient, .. } = plan;
        Ok(Self {
            calls,
            steps: places,
            divided,
            control,
            trace,
            variances,
            minibatches,
            per_epoch,
            gradient,
            kl_state: model.kl_state.clone(),
            kl_penalty: config.kl_penalty(),
            adaptive_lr: config.adaptive_lr().is_some(),
            epoch_limit,
        })
    }

    /// The dispatches, in order; [`record`](Self::record) first clears two small buffers.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The dispatches of the step on minibatch `index` alone, epoch after epoch, from the forward pass to the parameters;
    /// none where there is no such minibatch. Rows have to lie in the epoch's order by then.
    pub fn step(&self, index: usize) -> &[Call] {
        self.steps.get(index).and_then(|place| self.calls.get(place.step.clone())).unwrap_or(&[])
    }

    /// Minibatches of all epochs.
    pub fn minibatches(&self) -> u32 {
        self.minibatches
    }

    /// Of [`divided`](Self::divided) plans: records everything up to the gradient of minibatch `index`, epoch after epoch, which then lies in
    /// [`gradient`](Self::gradient). The first also does what [`record_start`](Self::record_start) does. [`record_finish`](Self::record_finish)
    /// of the minibatch before has to come first; all turns with one `slot`.
    ///
    /// # Errors
    /// [`Error::Config`] for a plan that is not divided, or where there is no such minibatch.
    pub fn record_gradient(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        index: usize,
        slot: Slot,
    ) -> Result<()> {
        let place = self.place(index)?;
        let start = match index.checked_sub(1).and_then(|before| self.steps.get(before)) {
            Some(before) => before.end,
            None => {
                self.record_start(encoder);
                0
            }
        };
        gpu.record(encoder, "gradient", &self.calls[start..place.gradient], slot);
        Ok(())
    }

    /// Of [`divided`](Self::divided) plans: records what follows from the gradient of minibatch `index`: statistics, early stop, norm,
    /// clipping and step, and after the last minibatch what ends the epoch or the update.
    ///
    /// # Errors
    /// As [`record_gradient`](Self::record_gradient).
    pub fn record_finish(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, index: usize, slot: Slot) -> Result<()> {
        let place = self.place(index)?;
        gpu.record(encoder, "finish", &self.calls[place.gradient..place.end], slot);
        Ok(())
    }

    fn place(&self, index: usize) -> Result<&Place> {
        if !self.divided {
            return Err(Error::config("minibatch", "cannot be halved: the plan was made by new, not by divided"));
        }
        let wrong = || Error::config("minibatch", format!("is {index}, the update has {}", self.minibatches));
        self.steps.get(index).ok_or_else(wrong)
    }

    /// The last minibatch's gradient before clipping, `[parameters]`.
    pub fn gradient(&self) -> &Buffer<f32> {
        &self.gradient
    }

    /// Clears what the last update left in the control words and the statistics. Part of [`record`](Self::record).
    pub fn record_start(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.clear_buffer(self.control.raw(), 0, None);
        encoder.clear_buffer(self.trace.raw(), 0, None);
    }

    /// Records the whole update into the caller's encoder. `slot` comes from [`Model::push_schedule`]; count
    /// it afterwards, [`Model::count_update`].
    pub fn record(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, slot: Slot) {
        self.record_start(encoder);
        gpu.record(encoder, "ppo_update", &self.calls, slot);
    }

    /// Words of the statistics, for a [`ReadBack`] of the caller's.
    pub fn statistics_len(&self) -> u64 {
        loss_statistics::CONTROL_WORDS + 2 * MOMENTS as u64 + self.trace.len() + loss_kl::STATE_WORDS
    }

    /// Records a copy of the statistics into `staging`, from its word `at` on.
    ///
    /// # Errors
    /// [`Error::BufferLength`] if it does not fit.
    pub fn record_statistics(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        staging: &ReadBack<u32>,
        at: u64,
    ) -> Result<()> {
        staging.check(at, self.statistics_len())?;
        let (variances, trace, moments) = (self.variances.cast(), self.trace.cast(), MOMENTS as u64);
        let mut to = at; // in the order in which `finish` takes them apart
        let mut copy = |buffer: &Buffer<u32>, from, words| {
            to += words;
            staging.copy(encoder, buffer, from, to - words, words)
        };
        copy(&self.control, 0, loss_statistics::CONTROL_WORDS)?;
        copy(&variances, 0, moments)?;
        copy(&variances, Builder::SECOND_VARIANCE * moments, moments)?;
        copy(&trace, 0, trace.len())?;
        copy(&self.kl_state.cast(), 0, loss_kl::STATE_WORDS)
    }
}
