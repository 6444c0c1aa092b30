//! Environments and learning wholly on the device.

use super::iteration::{Iteration, Stagings};
use super::learner::GpuLearner;
use super::plan::UpdatePlan;
use super::prepare::{RolloutRows, prepare};
use super::rollout::RolloutPlan;
use super::statistics::{episodes_of, words_are};
use super::submit::submit;
use crate::agent::Agent;
use crate::config::Config;
use crate::data::Autoreset;
use crate::env::Env;
use crate::error::Result;
use crate::gpu::{Call, Gpu, ReadBack, Slot};
use crate::kernels::reduce_episodes::SUMMARY;
use crate::memory::small;
use crate::policy::PolicySpec;
use crate::state::TrainerState;
use crate::trainer::{IterationStats, Trainer};
use std::sync::Arc;

/// Rollouts and updates on the device; the host sees one small buffer of statistics per iteration.
#[derive(Debug)]
pub struct GpuTrainer {
    learner: GpuLearner,
    env: Env,
    env_step: u64,
    rollout: RolloutPlan,
    update: Arc<UpdatePlan>,
    /// Rollout, advantages and update, in order.
    calls: Vec<Call>,
    stagings: Stagings,
}

impl GpuTrainer {
    /// Allocates and binds everything, and draws the start states.
    ///
    /// # Errors
    /// A spec that does not suit the environment, a bad config, a limit, or out of memory, before any weight is drawn.
    pub fn new(gpu: &Gpu, env: Env, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        let trainer = Self::empty(gpu, env, spec, config, seed)?;
        trainer.learner.draw()?;
        let slot = trainer.push_schedule()?;
        gpu.run("reset", trainer.rollout.reset(), slot)?;
        Ok(trainer)
    }

    /// A trainer that goes on from `state`, in its environment; no weights and no start states are drawn.
    ///
    /// # Errors
    /// As [`new`](Self::new), and as [`Trainer::set_state`].
    pub fn from_state(gpu: &Gpu, spec: PolicySpec, config: Config, state: &TrainerState) -> Result<Self> {
        let mut trainer = Self::empty(gpu, state.built_in()?, spec, config, state.learner.seed)?;
        trainer.set_state(state)?;
        Ok(trainer)
    }

    /// Allocates and binds everything; parameters and environments are 0.
    fn empty(gpu: &Gpu, env: Env, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        env.check_policy(&spec)?;
        let learner = GpuLearner::empty(gpu, spec, config.clone(), seed)?;
        let (steps, envs) = (small("num_steps", config.num_steps)?, small("num_envs", config.num_envs)?);
        small("batch rows", config.batch_size().saturating_add(config.num_envs))?;
        let rollout = RolloutPlan::new(gpu, &learner.model, env, steps, envs)?;
        let RolloutPlan { obs, actions, logp, .. } = &rollout;
        let acted = RolloutRows { obs: obs.clone(), actions: actions.clone(), logp: logp.clone() };
        let (model, buffers) = (&learner.model, &rollout.buffers);
        let (prepare, batch) = prepare(gpu, model, &config, buffers, &acted, Autoreset::SameStep, None)?;
        let update = UpdatePlan::new(gpu, &learner.model, &config, &batch, None)?;
        let calls = rollout.calls().iter().chain(&prepare).chain(update.calls()).cloned().collect();
        let stagings = Stagings::new(gpu, update.statistics_len() + SUMMARY)?;
        Ok(Self { learner, env, env_step: 0, rollout, update: Arc::new(update), calls, stagings })
    }

    /// Size in bytes of the largest buffer that [`new`](Self::new) will ask for: what
    /// [`GpuOptions::binding_bytes`](crate::gpu::GpuOptions::binding_bytes) must be where it is above WebGPU's 128 MiB.
    pub fn binding_bytes(spec: &PolicySpec, config: &Config) -> u64 {
        let rows = (config.num_steps as u64).saturating_mul(config.num_envs as u64);
        let whole = config.advantage.corrects() || config.kl_direction().is_some();
        let at_once = if config.trust_region().is_some() || whole {
            rows
        } else {
            (config.minibatch_rows(config.batch_size()) as u64).max(rows.min(16_384))
        };
        let widest = spec.widest().max(spec.head.width());
        let obs = rows.saturating_add(config.num_envs as u64).saturating_mul(spec.obs_dim() as u64);
        // An update gathers them with rows at multiples of four.
        let gathered = rows.saturating_mul(spec.obs_dim().checked_next_multiple_of(4).unwrap_or(usize::MAX) as u64);
        let kept = at_once.saturating_mul(widest as u64);
        let samples = rows.saturating_mul(4).max(rows.saturating_mul(spec.head.width() as u64));
        obs.max(gathered).max(kept).max(samples).max(spec.layout().len() as u64).saturating_mul(4)
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        self.learner.gpu()
    }

    /// Dispatches of one iteration: rollout, advantages (and normalised rewards and value targets), update.
    pub fn dispatches(&self) -> (usize, usize, usize) {
        let (all, rollout, update) = (self.calls.len(), self.rollout.calls().len(), self.update.calls().len());
        (rollout, all - rollout - update, update)
    }

    fn push_schedule(&self) -> Result<Slot> {
        let learner = &self.learner;
        learner.model.push_schedule(learner.gpu(), learner.config(), self.env_step)
    }

    /// Records what comes before [`calls`](Self::calls), which are to be recorded with the slot that this returns.
    pub(super) fn record_start(&self, encoder: &mut wgpu::CommandEncoder) -> Result<Slot> {
        let slot = self.push_schedule()?;
        self.update.record_start(encoder);
        Ok(slot)
    }

    /// The dispatches of an iteration, in order: rollout, advantages, update.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Words of an iteration's statistics.
    pub(super) fn statistics_words(&self) -> u64 {
        self.update.statistics_len() + SUMMARY
    }

    /// Records a copy of the statistics into `staging`, from its word `at` on.
    pub(super) fn record_statistics(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        staging: &ReadBack<u32>,
        at: u64,
    ) -> Result<()> {
        self.update.record_statistics(encoder, staging, at + SUMMARY)?;
        staging.copy(encoder, &self.rollout.summary.cast(), 0, at, SUMMARY)
    }

    /// Counts on after an iteration was submitted; what understands its statistics.
    pub(super) fn count(&mut self) -> impl FnOnce(&[u32]) -> Result<IterationStats> + Send + Sync + use<> {
        let config = self.learner.config();
        let (steps, envs) = (config.num_steps as u64, config.num_envs as u64);
        let rows = config.batch_size();
        let learning_rate = config.learning_rate_at(self.learner.model.progress(config, rows));
        let model = &mut self.learner.model;
        model.count_update(rows);
        model.policy_step = model.policy_step.wrapping_add(steps);
        self.env_step = self.env_step.wrapping_add(steps);
        let (env_steps, updates) = (self.env_step.saturating_mul(envs), model.update);
        let (plan, needs) = (Arc::clone(&self.update), self.statistics_words());
        move |words| {
            words_are(words, needs)?;
            let (summary, statistics) = words.split_at(SUMMARY as usize);
            let update = plan.finish(statistics, learning_rate)?;
            Ok(IterationStats { update, episodes: episodes_of(summary), env_steps, updates })
        }
    }

    /// The recording half of [`iterate`](Trainer::iterate): records and submits an iteration and asks for its statistics, which
    /// [`Iteration::statistics`] gives once it has run. The next may be submitted before; of two at most the statistics may be on their way.
    ///
    /// ```no_run
    /// # async fn example(mut trainer: wgpo::GpuTrainer) -> wgpo::Result<()> {
    /// let mut running = trainer.submit()?;
    /// loop {
    ///     let next = trainer.submit()?; // the device has work while the host reads
    ///     let stats = std::mem::replace(&mut running, next).statistics().await?;
    ///     println!("{} steps: mean return {:?}", stats.env_steps, stats.episodes.mean_return());
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InFlight`](crate::Error::InFlight) with two in flight, nothing was done then; a device error.
    pub fn submit(&mut self) -> Result<Iteration> {
        let gpu = self.gpu().clone();
        let staging = self.stagings.free()?;
        let slot = self.push_schedule()?;
        let start = |encoder: &mut wgpu::CommandEncoder| {
            self.update.record_start(encoder);
            Ok(())
        };
        let finish = |encoder: &mut wgpu::CommandEncoder| self.record_statistics(encoder, staging, 0);
        submit(&gpu, "iteration", &self.calls, slot, start, finish)?;
        let reading = self.count();
        Iteration::begun(&gpu, self.stagings.free()?, reading)
    }

    /// [`iterate`](Trainer::iterate) without blocking.
    ///
    /// # Errors
    /// As there, and as [`submit`](Self::submit).
    pub async fn iterate_async(&mut self) -> Result<IterationStats> {
        self.submit()?.statistics().await
    }

    /// [`state`](Trainer::state) without blocking. Iterations in flight are part of it.
    ///
    /// # Errors
    /// A device error.
    pub async fn state_async(&self) -> Result<TrainerState> {
        Ok(TrainerState {
            learner: self.learner.model.state_async(self.gpu()).await?,
            env: Some(self.env),
            env_words: self.gpu().read_async(&self.rollout.env_state).await?,
            env_step: self.env_step,
        })
    }
}

impl Trainer for GpuTrainer {
    fn env(&self) -> Option<Env> {
        Some(self.env)
    }

    fn learner(&self) -> &dyn Agent {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut dyn Agent {
        &mut self.learner
    }

    fn iterate(&mut self) -> Result<IterationStats> {
        let gpu = self.gpu().clone();
        gpu.block_on(self.iterate_async())
    }

    fn state(&self) -> Result<TrainerState> {
        self.gpu().block_on(self.state_async())
    }

    fn set_state(&mut self, state: &TrainerState) -> Result<()> {
        state.expect_env(Some(self.env))?;
        let envs = self.learner.config().num_envs;
        let expected = [envs.saturating_mul(self.env.state_words())];
        crate::data::check_shape("env.state", &[state.env_words.len()], &expected)?;
        self.learner.set_state(&state.learner)?;
        self.gpu().write(&self.rollout.env_state, 0, &state.env_words)?;
        self.env_step = state.env_step;
        Ok(())
    }
}
