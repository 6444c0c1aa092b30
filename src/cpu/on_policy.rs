//! [`Trainer`] on the CPU, for algorithms that learn from rollouts of their own.

use super::suits::{check_env, check_memory};
use super::{learner::CpuLearner, needs};
use crate::agent::{ActMode, Agent, OnPolicy};
use crate::config::Config;
use crate::data::{Actions, Autoreset, Rollout, check_shape};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use crate::reference::head_actions;
use crate::reference::vec_env::VecEnv;
use crate::state::{EpisodeStats, TrainerState};
use crate::trainer::{IterationStats, Trainer};
use ndarray::{Array1, Array2, s};

/// A [`CpuLearner`] with `num_envs` copies of an environment.
#[derive(Debug, Clone)]
pub(super) struct OnPolicyTrainer {
    env: Env,
    learner: CpuLearner<f32>,
    envs: VecEnv,
}

impl OnPolicyTrainer {
    /// As [`CpuTrainer::new`](super::CpuTrainer::new).
    pub fn new(env: Env, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        Self::check(env, &spec, &config, 1)?;
        let envs = VecEnv::new(env, config.num_envs, seed)?;
        Ok(Self { env, learner: CpuLearner::new(spec, config, seed)?, envs })
    }

    /// As [`CpuTrainer::from_state`](super::CpuTrainer::from_state).
    pub fn from_state(env: Env, spec: PolicySpec, config: Config, state: &TrainerState) -> Result<Self> {
        Self::check(env, &spec, &config, 1)?;
        let envs = VecEnv::from_words(env, config.num_envs, &state.env_words, state.env_step, state.learner.seed)?;
        Ok(Self { env, learner: CpuLearner::from_state(spec, config, &state.learner)?, envs })
    }

    /// That `spec` suits `env`, and that there is memory for an iteration of `count` trainers, of which each thread has one at work.
    pub fn check(env: Env, spec: &PolicySpec, config: &Config, count: usize) -> Result<()> {
        check_env(env, spec, config)?;
        let rows = config.batch_size();
        let (learner, update) = (needs::learner(spec, config, 4, false), needs::update(spec, config, 4, rows, rows));
        let iteration = update.saturating_add(needs::rollout(spec, config));
        check_memory(count, learner, iteration, || {
            format!("training {} parameters on batches of {rows} rows", spec.parameter_count())
        })
    }

    /// As [`CpuTrainer::rollout`](super::CpuTrainer::rollout).
    pub fn rollout(&mut self) -> Result<(Rollout, EpisodeStats)> {
        let config = self.learner.config();
        let (steps, envs) = (config.num_steps, config.num_envs);
        let width = self.env.obs_dim();
        let mut obs = Array2::zeros((steps * envs, width));
        let mut words = Vec::with_capacity(steps * envs);
        let mut logp = Array1::zeros(steps * envs);
        let mut rewards = Array2::zeros((steps, envs));
        let (mut terminated, mut truncated) = (Array2::zeros((steps, envs)), Array2::zeros((steps, envs)));
        // Where truncated: the place in the window, and the observation before the reset.
        let (mut cut, mut final_obs) = (Vec::new(), Vec::new());
        let mut episodes = EpisodeStats::NONE;
        let mut current = self.envs.obs();
        for t in 0..steps {
            let rows = s![t * envs..(t + 1) * envs];
            let (actions, row_logp, seen) = self.learner.choose(current.view(), None, ActMode::Sample)?;
            let step = self.envs.step(&head_actions::to_env(&self.learner.spec().head, &actions)?)?;
            obs.slice_mut(s![t * envs..(t + 1) * envs, ..]).assign(&seen);
            words.extend(actions.words());
            logp.slice_mut(rows).assign(&row_logp);
            rewards.row_mut(t).assign(&step.rewards);
            for n in 0..envs {
                if step.truncated[n] != 0 && step.terminated[n] == 0 {
                    cut.push([t, n]);
                    // With the statistics of this step: the next one moves them on.
                    final_obs.extend(self.learner.seen(step.final_obs.slice(s![n..=n, ..])));
                }
            }
            terminated.row_mut(t).assign(&step.terminated);
            truncated.row_mut(t).assign(&step.truncated);
            episodes = episodes.merge(step.episodes);
            current = self.envs.obs();
        }
        let mut values = Array2::zeros((steps + 1, envs));
        for (place, value) in values.iter_mut().zip(self.learner.values_of_seen(obs.view())?) {
            *place = value;
        }
        values.row_mut(steps).assign(&self.learner.values(current.view())?);
        let final_values = if cut.is_empty() {
            None
        } else {
            let final_obs = Array2::from_shape_vec((cut.len(), width), final_obs)
                .map_err(|_| Error::shape("final_obs", &[cut.len()], &[cut.len(), width]))?;
            let mut final_values = Array2::zeros((steps, envs));
            for (place, value) in cut.into_iter().zip(self.learner.values_of_seen(final_obs.view())?) {
                final_values[place] = value;
            }
            Some(final_values)
        };
        let actions = Actions::from_words(&self.learner.spec().head, steps * envs, &words)?;
        let (valid, autoreset, ended_before) = (None, Autoreset::SameStep, None);
        let rollout = Rollout {
            steps,
            envs,
            obs,
            actions,
            logp,
            rewards,
            values,
            final_values,
            terminated,
            truncated,
            valid,
            autoreset,
            ended_before,
        };
        Ok((rollout, episodes))
    }
}

impl Trainer for OnPolicyTrainer {
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
        let (envs, policy_step) = (self.envs.clone(), self.learner.policy_step());
        let normalizer = self.learner.normalizer();
        let outcome = self.rollout().and_then(|(rollout, episodes)| Ok((self.learner.update(&rollout)?, episodes)));
        let (update, episodes) = outcome.inspect_err(|_| {
            self.envs = envs;
            self.learner.set_policy_step(policy_step);
            self.learner.set_normalizer(normalizer);
        })?;
        let env_steps = self.envs.steps_taken().saturating_mul(self.learner.config().num_envs as u64);
        Ok(IterationStats { update, episodes, env_steps, updates: self.learner.updates() })
    }

    fn state(&self) -> Result<TrainerState> {
        Ok(TrainerState {
            learner: self.learner.state()?,
            env: Some(self.env),
            env_words: self.envs.words().to_vec(),
            env_step: self.envs.steps_taken(),
        })
    }

    fn set_state(&mut self, state: &TrainerState) -> Result<()> {
        state.expect_env(Some(self.env))?;
        let words = self.learner.config().num_envs.saturating_mul(self.env.state_words());
        check_shape("env.state", &[state.env_words.len()], &[words])?;
        self.learner.set_state(&state.learner)?;
        self.envs.restore(&state.env_words, state.env_step, state.learner.seed)
    }
}
