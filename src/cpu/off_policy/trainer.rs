//! [`Trainer`] on the CPU, for algorithms that learn from a ring of transitions.

use super::learn::Tally;
use super::learner::CpuOffPolicy;
use crate::agent::{ActMode, Agent, OffPolicy};
use crate::config::Config;
use crate::cpu::needs;
use crate::cpu::suits::{check_env, check_memory};
use crate::data::{EnvStep, UpdateStats, check_shape};
use crate::env::Env;
use crate::error::Result;
use crate::policy::PolicySpec;
use crate::reference::vec_env::VecEnv;
use crate::state::{EpisodeStats, TrainerState};
use crate::trainer::{IterationStats, Trainer};

/// A [`CpuOffPolicy`] with `num_envs` copies of an environment.
#[derive(Debug, Clone)]
pub(in crate::cpu) struct OffPolicyTrainer {
    env: Env,
    learner: CpuOffPolicy<f32>,
    envs: VecEnv,
}

impl OffPolicyTrainer {
    /// As [`CpuTrainer::new`](crate::cpu::CpuTrainer::new).
    pub fn new(env: Env, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        Self::check(env, &spec, &config, 1)?;
        let envs = VecEnv::new(env, config.num_envs, seed)?;
        Ok(Self { env, learner: CpuOffPolicy::new(spec, config, seed)?, envs })
    }

    /// As [`CpuTrainer::from_state`](crate::cpu::CpuTrainer::from_state).
    pub fn from_state(env: Env, spec: PolicySpec, config: Config, state: &TrainerState) -> Result<Self> {
        Self::check(env, &spec, &config, 1)?;
        let envs = VecEnv::from_words(env, config.num_envs, &state.env_words, state.env_step, state.learner.seed)?;
        Ok(Self { env, learner: CpuOffPolicy::from_state(spec, config, &state.learner)?, envs })
    }

    /// That `spec` suits `env`, and that there is memory for an iteration of `count` trainers, of which each thread has one at work.
    pub fn check(env: Env, spec: &PolicySpec, config: &Config, count: usize) -> Result<()> {
        check_env(env, spec, config)?;
        config.check_branches(spec)?;
        let size = size_of::<f32>();
        let learner = needs::off_policy_learner(spec, config, size, false);
        let iteration = needs::off_policy_iteration(spec, config, size);
        check_memory(count, learner, iteration, || {
            let kept = config.replay().map_or(0, |replay| replay.buffer_size);
            format!("training {} parameters with a ring of {kept} transitions", spec.parameter_count())
        })
    }

    /// As [`CpuTrainer::state_without_replay`](crate::cpu::CpuTrainer::state_without_replay).
    pub fn state_without_replay(&self) -> Result<TrainerState> {
        Ok(TrainerState {
            learner: self.learner.state_without_replay()?,
            env: Some(self.env),
            env_words: self.envs.words().to_vec(),
            env_step: self.envs.steps_taken(),
        })
    }

    /// One step of all environments, stored, and the gradient steps that are due after it.
    fn step(&mut self, tally: &mut Tally) -> Result<EpisodeStats> {
        let acted = self.learner.act(self.envs.obs().view(), ActMode::Sample)?;
        let step = self.envs.step(&acted.env_actions)?;
        let before = self.learner.env_steps();
        self.learner.store(&EnvStep {
            obs: acted.obs,
            actions: acted.actions,
            rewards: step.rewards,
            next_obs: step.final_obs,
            terminated: step.terminated,
            truncated: step.truncated,
        })?;
        let due = self.learner.config().replay().map_or(0, |replay| replay.due(before, self.learner.env_steps()));
        self.learner.take_steps(due, tally)?;
        Ok(step.episodes)
    }

    fn steps(&mut self) -> Result<(UpdateStats, EpisodeStats)> {
        let (mut tally, mut episodes) = (Tally::default(), EpisodeStats::NONE);
        for _ in 0..self.learner.config().num_steps {
            episodes = episodes.merge(self.step(&mut tally)?);
        }
        Ok((self.learner.end_update(tally), episodes))
    }
}

impl Trainer for OffPolicyTrainer {
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
        let (envs, undo) = (self.envs.clone(), self.learner.keep(self.learner.config().num_steps));
        match self.steps() {
            Ok((update, episodes)) => {
                let (env_steps, updates) = (self.learner.env_steps(), self.learner.updates());
                Ok(IterationStats { update, episodes, env_steps, updates })
            }
            Err(error) => {
                self.envs = envs;
                self.learner.put_back(undo);
                Err(error)
            }
        }
    }

    fn state(&self) -> Result<TrainerState> {
        Ok(TrainerState { learner: self.learner.state()?, ..self.state_without_replay()? })
    }

    fn set_state(&mut self, state: &TrainerState) -> Result<()> {
        state.expect_env(Some(self.env))?;
        let words = self.learner.config().num_envs.saturating_mul(self.env.state_words());
        check_shape("env.state", &[state.env_words.len()], &[words])?;
        self.learner.set_state(&state.learner)?;
        self.envs.restore(&state.env_words, state.env_step, state.learner.seed)
    }
}
