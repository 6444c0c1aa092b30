//! One TRPO or NPG update, recorded once: gradient, conjugate gradients, line search, critic. Nothing is read back.

use super::batch::{BatchBuffers, refuse_unprepared};
use super::clean::cleaned;
use super::model::Model;
use super::policy_step::PolicyStep;
use super::subsample::subsampled;
use super::update::PpoUpdate;
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu, ReadBack, require_calls};

/// A natural-gradient step of the policy on all rows or a part of them (Schulman et al. 2015, appendix C), then the critic's minibatches.
///
/// Conjugate gradients keep their scalars in a small buffer and change nothing once they are done (the products that are left
/// are still computed: an update costs what its limits say); candidates of the line
/// search are evaluated and taken or refused on the device, and if none is taken the policy's parameters are the bits that they
/// were.
#[derive(Debug)]
pub struct TrustRegionUpdate {
    calls: Vec<Call>,
    pub(super) critic: PpoUpdate,
    control: Buffer<u32>,
    pub(super) trace: Buffer<f32>,
    pub(super) cg: Buffer<f32>,
    pub(super) search: Buffer<f32>,
    pub(super) cg_iterations: u32,
    fisher_dispatches: usize,
    gradient: Buffer<f32>,
    /// How many of the calls come before the critic's.
    policy_calls: usize,
}

impl TrustRegionUpdate {
    /// Allocates and binds. `order` is the critic's, as in [`PpoUpdate::new`], and with [`crate::config::TrustRegion::subsample`] the policy's
    /// after it: `[order_epochs, rows]`.
    ///
    /// # Errors
    /// A bad config, one with `norm_reward` or `norm_value` as in [`PpoUpdate::new`], a buffer too short, a limit, or out of memory; before anything ran.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        batch: &BatchBuffers,
        order: Option<&Buffer<u32>>,
    ) -> Result<Self> {
        Self::build(gpu, model, config, batch, order, false)
    }

    /// [`new`](Self::new), with a place between gradient and step of each of the critic's minibatches, as in [`PpoUpdate::divided`]:
    /// [`record_policy`](Self::record_policy), then [`critic`](Self::critic)'s turns. The policy's step is this device's own.
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
        Self::build(gpu, model, config, batch, order, true)
    }

    fn build(
        gpu: &Gpu,
        model: &Model,
        config: &Config,
        batch: &BatchBuffers,
        order: Option<&Buffer<u32>>,
        divided: bool,
    ) -> Result<Self> {
        refuse_unprepared(config)?;
        config.validate()?;
        let (batch, clean) = cleaned(gpu, model, batch)?;
        let batch = &batch;
        let critic = PpoUpdate::critic(gpu, model, config, batch, order, divided)?;
        let (batch, gather) = subsampled(gpu, model, config, batch, order)?;
        let batch = &batch;
        let region = config.expect_trust_region()?;
        let (cg_iterations, tries) = (region.cg_iterations as u32, region.line_search_steps as u32);
        let what = || format!("a step of {cg_iterations} cg_iterations and {tries} line_search_steps");
        require_calls(what, 4 * (u128::from(cg_iterations) + u128::from(tries)))?;
        let step = PolicyStep::new(gpu, model, config, batch)?;
        let mut calls = clean;
        calls.extend(gather);
        calls.extend(step.advantages(batch)?);
        calls.extend(step.policy_gradient(batch)?);
        let (solve, fisher_dispatches) = step.solve(batch)?;
        calls.extend(solve);
        calls.extend(step.line_search(batch)?);
        let policy_calls = calls.len();
        calls.extend(critic.calls().iter().cloned());
        let PolicyStep { control, trace, cg, search, gradient, .. } = step;
        Ok(Self { calls, critic, control, trace, cg, search, cg_iterations, fisher_dispatches, gradient, policy_calls })
    }

    /// The dispatches, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Dispatches of one Fisher-vector product.
    pub fn fisher_dispatches(&self) -> usize {
        self.fisher_dispatches
    }

    /// Gradient of the loss −L at the start of the update, `[parameters]`.
    pub fn gradient(&self) -> &Buffer<f32> {
        &self.gradient
    }

    /// Words of the line search, by the constants of [`optim_line_search`](crate::kernels::optim_line_search): among them KL and L of every candidate.
    pub fn search(&self) -> &Buffer<f32> {
        &self.search
    }

    /// Records the whole update into the caller's encoder. `slot` comes from [`Model::push_schedule`]; count
    /// it afterwards, [`Model::count_update`].
    pub fn record(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, slot: crate::gpu::Slot) {
        self.record_start(encoder);
        gpu.record(encoder, "trust_region", &self.calls, slot);
    }

    /// The critic's minibatches, which come after the policy's step.
    pub fn critic(&self) -> &PpoUpdate {
        &self.critic
    }

    /// Records what comes before the critic's minibatches.
    pub fn record_policy(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, slot: crate::gpu::Slot) {
        self.record_start(encoder);
        gpu.record(encoder, "trust_region", &self.calls[..self.policy_calls], slot);
    }

    /// Clears what the last update left in control words and statistics. Part of [`record`](Self::record).
    pub fn record_start(&self, encoder: &mut wgpu::CommandEncoder) {
        self.critic.record_start(encoder);
        encoder.clear_buffer(self.control.raw(), 0, None);
        encoder.clear_buffer(self.trace.raw(), 0, None);
    }

    /// Words of the statistics.
    pub fn statistics_len(&self) -> u64 {
        self.critic.statistics_len() + self.trace.len() + self.cg.len() + self.search.len()
    }

    /// Records a copy of the statistics into `staging`, from its word `at` on.
    ///
    /// # Errors
    /// [`crate::Error::BufferLength`] if it does not fit.
    pub fn record_statistics(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        staging: &ReadBack<u32>,
        at: u64,
    ) -> Result<()> {
        staging.check(at, self.statistics_len())?;
        self.critic.record_statistics(encoder, staging, at)?;
        let mut at = at + self.critic.statistics_len();
        for buffer in [&self.trace, &self.cg, &self.search] {
            staging.copy(encoder, &buffer.cast(), 0, at, buffer.len())?;
            at += buffer.len();
        }
        Ok(())
    }
}
