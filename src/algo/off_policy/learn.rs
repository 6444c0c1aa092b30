//! Gradient steps: on batches drawn from the memory.

use super::super::submit::CALLS_PER_SUBMISSION;
use super::learner::{GpuOffPolicy, Learning};
use super::moves::Moves;
use super::stats::StepReading;
use crate::agent::OffPolicy;
use crate::data::{EnvStep, OffPolicyStats, TransitionBatch, UpdateStats};
use crate::error::{Error, Result};
use crate::gpu::{Call, Slot, UniformRing};

/// Gradient steps of one submission: each has a slot of the schedule, and a few are left for others.
pub(super) const STEPS_PER_SUBMISSION: usize = UniformRing::SLOTS as usize - 16;

impl GpuOffPolicy {
    /// Writes step sizes, and counts skipped steps anew.
    pub(super) fn start_steps(&self) -> Result<()> {
        self.model.critics.start(&self.gpu, None)?;
        self.model.actor.start(&self.gpu, self.settings.policy_lr)
    }

    /// The dispatches of a gradient step that moves the actor and the targets, with a slot of the schedule to record them with, for whoever wants to time
    /// them. Nothing is recorded, and no step is counted.
    ///
    /// # Errors
    /// As [`learn`](crate::OffPolicy::learn).
    pub fn gradient_step(&mut self) -> Result<(Vec<Call>, Slot)> {
        let learning = self.learning()?;
        let calls = learning.step.calls(Moves::ALL).to_vec();
        self.learning = Some(learning);
        Ok((calls, self.model.push_schedule(&self.gpu, &self.config, 0, 0, self.ring.after(0))?))
    }

    /// Gradient steps that go into one submission.
    pub(super) fn steps_at_once(learning: &Learning) -> usize {
        (CALLS_PER_SUBMISSION / learning.step.most_calls().max(1)).clamp(1, STEPS_PER_SUBMISSION)
    }

    /// Records the gradient step that comes `later` steps from now, with the memory as it is once `stored` more steps are in it.
    pub(super) fn record_step(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        learning: &Learning,
        later: u64,
        stored: u64,
    ) -> Result<()> {
        let slot = self.model.push_schedule(&self.gpu, &self.config, later, 0, self.ring.after(stored))?;
        let moves = self.settings.moves(self.model.gradient_steps.wrapping_add(later));
        self.gpu.record(encoder, "gradient step", learning.step.calls(moves), slot);
        Ok(())
    }

    /// Submits `count` gradient steps and reads what the last one measured.
    async fn take_steps(&mut self, learning: &Learning, count: u64) -> Result<UpdateStats> {
        self.start_steps()?;
        let at_once = Self::steps_at_once(learning) as u64;
        let mut encoder = self.gpu.encoder("learn");
        for later in 0..count {
            if later > 0 && later.is_multiple_of(at_once) {
                self.gpu.submit(std::mem::replace(&mut encoder, self.gpu.encoder("learn")))?;
            }
            self.record_step(&mut encoder, learning, later, 0)?;
        }
        learning.step.record_statistics(&mut encoder, &self.model, &learning.staging, 0)?;
        self.gpu.submit(encoder)?;
        let words = learning.staging.fetch_async(&self.gpu).await?;
        self.model.gradient_steps = self.model.gradient_steps.saturating_add(count);
        self.finish(learning, &words)
    }

    /// The statistics from words that were copied, once gradient steps are counted.
    pub(super) fn finish(&self, learning: &Learning, words: &[u32]) -> Result<UpdateStats> {
        self.reading().read(&learning.step, words)
    }

    /// What the statistics of the gradient steps so far need besides the words that come back.
    pub(super) fn reading(&self) -> StepReading {
        StepReading {
            config: self.config.clone(),
            critics: self.model.arrangement.critics().len(),
            gradient_steps: self.model.gradient_steps,
            epsilon: self.last_epsilon(),
        }
    }

    /// ε of the last action, whose transition is stored.
    fn last_epsilon(&self) -> Option<f64> {
        self.config.epsilon_at(self.model.env_steps.saturating_sub(self.config.num_envs as u64))
    }

    /// [`OffPolicy::learn`] without blocking: one submission, or one for some 150 gradient steps, without a read-back before its end.
    ///
    /// # Errors
    /// As there.
    pub async fn learn_async(&mut self, gradient_steps: u64) -> Result<UpdateStats> {
        if gradient_steps == 0 {
            return Ok(self.idle());
        }
        if self.ring.stored == 0 {
            return Err(Error::config("learning_starts", "a batch was asked for before anything was stored"));
        }
        let learning = self.learning()?;
        let stats = self.take_steps(&learning, gradient_steps).await;
        self.learning = Some(learning);
        let stats = stats?;
        self.model.update = self.model.update.saturating_add(1);
        Ok(stats)
    }

    /// What an update without a gradient step measured.
    pub(super) fn idle(&self) -> UpdateStats {
        let own = OffPolicyStats {
            gradient_steps: self.model.gradient_steps,
            epsilon: self.last_epsilon(),
            ..OffPolicyStats::default()
        };
        UpdateStats { learning_rate: self.config.learning_rate, off_policy: Some(own), ..UpdateStats::default() }
    }
}

impl OffPolicy for GpuOffPolicy {
    fn store(&mut self, step: &EnvStep) -> Result<()> {
        step.validate(&self.model.spec, self.config.num_envs)?;
        self.store_host(step)
    }

    fn learn(&mut self, gradient_steps: u64) -> Result<UpdateStats> {
        let gpu = self.gpu.clone();
        gpu.block_on(self.learn_async(gradient_steps))
    }

    fn learn_batch(&mut self, batch: &TransitionBatch) -> Result<UpdateStats> {
        self.learn_batch(batch, None)
    }

    fn stored(&self) -> u64 {
        u64::from(self.ring.stored) * u64::from(self.ring.shape.envs)
    }
}
