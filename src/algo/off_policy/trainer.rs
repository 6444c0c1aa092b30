//! Off-policy learning with environments, wholly on the device.

use super::super::iteration::{Iteration, Stagings};
use super::super::statistics::{episodes_of, words_are};
use super::super::submit::CALLS_PER_SUBMISSION;
use super::learn::STEPS_PER_SUBMISSION;
use super::learner::{GpuOffPolicy, Learning};
use super::ring::shape;
use super::window::Window;
use crate::agent::Agent;
use crate::config::Config;
use crate::env::Env;
use crate::error::Result;
use crate::gpu::{Call, Gpu, ReadBack, Slot};
use crate::kernels::reduce_episodes::SUMMARY;
use crate::memory::small;
use crate::policy::PolicySpec;
use crate::state::TrainerState;
use crate::trainer::{IterationStats, Trainer};
use std::sync::Arc;

/// DQN, DDPG, TD3 or SAC with built-in environments on the device. An iteration is `num_steps` steps of all environments, each with the gradient
/// steps that are then due: some submissions without a read-back, then one of the statistics.
#[derive(Debug)]
pub struct GpuOffPolicyTrainer {
    learner: GpuOffPolicy,
    env: Env,
    env_step: u64,
    window: Window,
    learning: Arc<Learning>,
    stagings: Stagings,
}

/// A submission under way: commands, and what they have of slots and dispatches.
struct Submission {
    encoder: wgpu::CommandEncoder,
    window: Slot,
    slots: usize,
    dispatches: usize,
    /// Of steps of environments, to be recorded together.
    waiting: Vec<Call>,
}

impl GpuOffPolicyTrainer {
    /// Allocates and binds everything, and draws the start states.
    ///
    /// # Errors
    /// A spec that does not suit the environment, a bad config, a memory that the device does not bind at once (with both numbers), or out of memory,
    /// before any weight is drawn.
    pub fn new(gpu: &Gpu, env: Env, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        let mut trainer = Self::empty(gpu, env, spec, config, seed)?;
        trainer.learner.draw()?;
        let slot = trainer.push_window()?;
        gpu.run("reset", &trainer.window.reset, slot)?;
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

    fn empty(gpu: &Gpu, env: Env, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        env.check_policy(&spec)?;
        let (steps, envs) = (small("num_steps", config.num_steps)?, small("num_envs", config.num_envs)?);
        let mut learner = GpuOffPolicy::empty(gpu, spec, config, seed, env.time_limit())?;
        let window = Window::new(&learner, env, steps, envs)?;
        let learning = learner.learning()?;
        let stagings = Stagings::new(gpu, SUMMARY + learning.step.statistics_len())?;
        Ok(Self { learner, env, env_step: 0, window, learning: Arc::new(learning), stagings })
    }

    /// Size in bytes of the largest buffer that [`new`](Self::new) will ask for, in all likelihood that of the memory: what
    /// [`GpuOptions::binding_bytes`](crate::gpu::GpuOptions::binding_bytes) must be where it is above WebGPU's 128 MiB.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for an algorithm that learns from rollouts, [`Error::OwnLimit`](crate::Error::OwnLimit) for sizes beyond 32 bits.
    pub fn binding_bytes(env: Env, spec: &PolicySpec, config: &Config) -> Result<u64> {
        let ring = shape(config, spec, env.time_limit())?;
        let rows = config.expect_replay()?.batch_size as u64;
        let widths: u64 = spec.branches.iter().flat_map(crate::policy::Branch::widths).map(|width| width as u64).sum();
        let seen = (spec.obs_dim() as u64).saturating_add(spec.head.action_words() as u64 + 3).saturating_mul(3);
        let of_batch = rows.saturating_mul(widths.max(seen));
        let window = (config.num_steps as u64 + 1).saturating_mul(config.num_envs as u64);
        let observed = window.saturating_mul(spec.obs_dim() as u64);
        let parameters = 2 * spec.layout().len() as u64;
        let most = ring.ring_words().max(ring.ends_words()).max(of_batch).max(observed).max(parameters);
        Ok(most.saturating_mul(4))
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        self.learner.gpu()
    }

    /// Dispatches of a gradient step that moves the actor and the targets.
    pub fn dispatches(&self) -> usize {
        self.learning.step.most_calls()
    }

    /// Everything but the transitions, see [`GpuOffPolicy::state_without_replay`].
    ///
    /// # Errors
    /// A device error.
    pub fn state_without_replay(&self) -> Result<TrainerState> {
        self.gpu().block_on(self.state_async(false))
    }

    /// [`state`](Trainer::state) without blocking; with the transitions, or without, as [`state_without_replay`](Self::state_without_replay).
    /// Iterations in flight are part of it.
    ///
    /// # Errors
    /// A device error.
    pub async fn state_async(&self, replay: bool) -> Result<TrainerState> {
        Ok(TrainerState {
            learner: self.learner.state_async(replay).await?,
            env: Some(self.env),
            env_words: self.gpu().read_async(&self.window.env_state).await?,
            env_step: self.env_step,
        })
    }

    /// A slot for steps of environments: counters as they are before the first.
    fn push_window(&self) -> Result<Slot> {
        let GpuOffPolicy { gpu, config, model, ring, .. } = &self.learner;
        model.push_schedule(gpu, config, 0, self.env_step, [ring.place, ring.stored])
    }

    fn begin(&self) -> Result<Submission> {
        let (encoder, window) = (self.gpu().encoder("iteration"), self.push_window()?);
        Ok(Submission { encoder, window, slots: 1, dispatches: 0, waiting: Vec::new() })
    }

    /// Records the steps of environments that wait.
    fn flush(&self, open: &mut Submission) {
        if !open.waiting.is_empty() {
            self.gpu().record(&mut open.encoder, "environments", &open.waiting, open.window);
            open.dispatches += open.waiting.len();
            open.waiting.clear();
        }
    }

    /// Submits what is recorded if it is enough, and begins anew.
    fn submit_if_full(&self, open: Submission) -> Result<Submission> {
        if open.slots < STEPS_PER_SUBMISSION && open.dispatches < CALLS_PER_SUBMISSION {
            return Ok(open);
        }
        self.gpu().submit(open.encoder)?;
        self.begin()
    }

    /// Records and submits an iteration; how many gradient steps it has.
    fn run(&self, staging: &ReadBack<u32>) -> Result<u64> {
        let config = &self.learner.config;
        let (envs, replay) = (config.num_envs as u64, config.expect_replay()?);
        let before = self.learner.model.env_steps;
        let at = |t: u32| before.saturating_add(envs.saturating_mul(t.into()));
        let epsilon: Vec<f32> = (0..self.window.steps).map(|t| self.learner.epsilon(at(t))).collect();
        self.gpu().write(&self.window.acting.epsilon, 0, &epsilon)?;
        self.learner.start_steps()?;
        let mut open = self.begin()?;
        open.waiting.extend(self.window.observe.iter().cloned());
        let mut taken = 0;
        for t in 0..self.window.steps {
            let way = self.learner.exploration(at(t));
            open.waiting.extend(self.window.step(t, way).iter().cloned());
            for _ in 0..replay.due(at(t), at(t + 1)) {
                self.flush(&mut open);
                self.learner.record_step(&mut open.encoder, &self.learning, taken, u64::from(t) + 1)?;
                open.slots += 1;
                open.dispatches += self.learning.step.most_calls();
                taken += 1;
                open = self.submit_if_full(open)?;
            }
            if open.waiting.len() >= CALLS_PER_SUBMISSION {
                self.flush(&mut open);
                open = self.submit_if_full(open)?;
            }
        }
        open.waiting.extend(self.window.episodes.iter().cloned());
        self.flush(&mut open);
        staging.copy(&mut open.encoder, &self.window.summary.cast(), 0, 0, SUMMARY)?;
        self.learning.step.record_statistics(&mut open.encoder, &self.learner.model, staging, SUMMARY)?;
        self.gpu().submit(open.encoder)?;
        Ok(taken)
    }

    /// Counts on after an iteration of `taken` gradient steps was submitted; what understands its statistics.
    fn count(&mut self, taken: u64) -> impl FnOnce(&[u32]) -> Result<IterationStats> + Send + Sync + use<> {
        let steps = u64::from(self.window.steps);
        self.learner.count_stored(steps);
        let model = &mut self.learner.model;
        model.gradient_steps = model.gradient_steps.saturating_add(taken);
        model.update = model.update.saturating_add(1);
        model.policy_step = model.policy_step.wrapping_add(steps);
        self.env_step = self.env_step.wrapping_add(steps);
        let (env_steps, updates) = (model.env_steps, model.update);
        let (reading, learning) = (self.learner.reading(), Arc::clone(&self.learning));
        let idle = (taken == 0).then(|| self.learner.idle());
        move |words| {
            words_are(words, SUMMARY + learning.step.statistics_len())?;
            let (summary, statistics) = words.split_at(SUMMARY as usize);
            let update = match idle {
                Some(idle) => idle,
                None => reading.read(&learning.step, statistics)?,
            };
            Ok(IterationStats { update, episodes: episodes_of(summary), env_steps, updates })
        }
    }

    /// The recording half of [`iterate`](Trainer::iterate), see [`GpuTrainer::submit`](super::super::GpuTrainer::submit).
    ///
    /// # Errors
    /// [`Error::InFlight`](crate::Error::InFlight) with two in flight, nothing was done then; a device error.
    pub fn submit(&mut self) -> Result<Iteration> {
        let taken = self.run(self.stagings.free()?)?;
        let reading = self.count(taken);
        Iteration::begun(self.gpu(), self.stagings.free()?, reading)
    }

    /// [`iterate`](Trainer::iterate) without blocking.
    ///
    /// # Errors
    /// As there, and as [`submit`](Self::submit).
    pub async fn iterate_async(&mut self) -> Result<IterationStats> {
        self.submit()?.statistics().await
    }
}

impl Trainer for GpuOffPolicyTrainer {
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
        self.gpu().block_on(self.state_async(true))
    }

    fn set_state(&mut self, state: &TrainerState) -> Result<()> {
        state.expect_env(Some(self.env))?;
        let expected = [self.learner.config.num_envs.saturating_mul(self.env.state_words())];
        crate::data::check_shape("env.state", &[state.env_words.len()], &expected)?;
        self.learner.set_state(&state.learner)?;
        self.learning.step.forget(&self.learner.gpu)?;
        self.gpu().write(&self.window.env_state, 0, &state.env_words)?;
        self.env_step = state.env_step;
        Ok(())
    }
}
