//! [`Trainer`] on the CPU, for algorithms that learn from rollouts of their own.

use super::suits::{check_env, check_memory};
use super::team::Team;
use super::{learner::CpuLearner, needs};
use crate::agent::{ActMode, Agent, OnPolicy};
use crate::collective::Share;
use crate::config::Config;
use crate::data::{Actions, Autoreset, Rollout, check_shape};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use crate::reference::vec_env::VecEnv;
use crate::reference::{Real, head_actions};
use crate::state::{EpisodeStats, TrainerState};
use crate::trainer::{IterationStats, Trainer};
use ndarray::{Array1, Array2, s};

/// A [`CpuLearner`] with `num_envs` copies of an environment.
#[derive(Debug, Clone)]
pub(super) struct OnPolicyTrainer<F: Real = f32> {
    env: Env,
    pub(super) learner: CpuLearner<F>,
    envs: VecEnv,
}

impl<F: Real> OnPolicyTrainer<F> {
    /// As [`CpuTrainer::new`](super::CpuTrainer::new).
    pub fn new(team: Team, env: Env, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        let share = team.share(config.num_envs);
        Self::check(env, &spec, &Config { num_envs: share.own, ..config.clone() }, 1)?;
        let envs = VecEnv::part(env, share.first, share.own, seed)?;
        Ok(Self { env, learner: CpuLearner::new_in(team, spec, config, seed)?, envs })
    }

    /// As [`CpuTrainer::from_state`](super::CpuTrainer::from_state).
    pub fn from_state(team: Team, env: Env, spec: PolicySpec, config: Config, state: &TrainerState) -> Result<Self> {
        let share = team.share(config.num_envs);
        Self::check(env, &spec, &Config { num_envs: share.own, ..config.clone() }, 1)?;
        let words = own_words(env, share, state)?;
        let envs = VecEnv::from_words(env, share.own, words, state.env_step, state.learner.seed)?;
        let learner = CpuLearner::from_state_in(team, spec, config, &state.learner)?;
        Ok(Self { env, learner, envs: envs.from_index(share.first) })
    }

    /// That `spec` suits `env`, and that there is memory for an iteration of `count` trainers, of which each thread has one at work.
    pub fn check(env: Env, spec: &PolicySpec, config: &Config, count: usize) -> Result<()> {
        check_env(env, spec, config)?;
        let (rows, size) = (config.batch_size(), size_of::<F>());
        let (learner, update) =
            (needs::learner(spec, config, size, false), needs::update(spec, config, size, rows, rows));
        let iteration = update.saturating_add(needs::rollout(spec, config));
        check_memory(count, learner, iteration, || {
            format!("training {} parameters on batches of {rows} rows", spec.parameter_count())
        })
    }

    /// As [`CpuTrainer::rollout`](super::CpuTrainer::rollout).
    pub fn rollout(&mut self) -> Result<(Rollout, EpisodeStats)> {
        let (steps, envs) = (self.learner.config().num_steps, self.share().own);
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

impl<F: Real> OnPolicyTrainer<F> {
    /// Which environments are this process' own.
    fn share(&self) -> Share {
        self.learner.team.share(self.learner.config().num_envs)
    }

    /// Of the episodes of all ranks.
    fn joined(&self, own: EpisodeStats) -> Result<EpisodeStats> {
        let all = self.learner.team.joined(vec![
            own.count as f64,
            own.return_sum,
            own.length_sum,
            own.return_min,
            own.return_max,
        ])?;
        let of = |numbers: &[f64]| EpisodeStats {
            count: numbers[0] as u64,
            return_sum: numbers[1],
            length_sum: numbers[2],
            return_min: numbers[3],
            return_max: numbers[4],
        };
        Ok(all.chunks_exact(5).map(of).fold(EpisodeStats::NONE, EpisodeStats::merge))
    }
}

/// Of a state's environments, the words of those of `share`.
fn own_words(env: Env, share: Share, state: &TrainerState) -> Result<&[u32]> {
    let width = env.state_words();
    check_shape("env.state", &[state.env_words.len()], &[share.all.saturating_mul(width)])?;
    Ok(&state.env_words[share.first * width..(share.first + share.own) * width])
}

impl<F: Real> Trainer for OnPolicyTrainer<F> {
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
        let rollout = self.rollout().and_then(|(rollout, episodes)| Ok((rollout, self.joined(episodes)?)));
        let outcome = rollout.and_then(|(rollout, episodes)| {
            let update = self.learner.update(&rollout)?;
            self.learner.same_on_all_ranks()?;
            Ok((update, episodes))
        });
        let (update, episodes) = outcome.inspect_err(|error| {
            self.learner.team.fail(error);
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
            env_words: self.learner.team.joined(self.envs.words().to_vec())?,
            env_step: self.envs.steps_taken(),
        })
    }

    fn set_state(&mut self, state: &TrainerState) -> Result<()> {
        state.expect_env(Some(self.env))?;
        let words = own_words(self.env, self.share(), state)?;
        self.learner.set_state(&state.learner)?;
        self.envs.restore(words, state.env_step, state.learner.seed)
    }
}
