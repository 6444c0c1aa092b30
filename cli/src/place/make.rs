//! Concrete learners and trainers are made here, and groups of them in `group.rs`.

use super::adapters::with_binding_bytes;
use super::choose::ChosenPlace;
use super::group::{Group, Start};
use crate::ranks::leader::Leader;
use crate::settings::run_config::RunConfig;
use anyhow::Result;
use wgpo::cpu::{CpuLearner, CpuOffPolicy, CpuTrainer};
use wgpo::env::Env;
use wgpo::place::Place;
use wgpo::policy::PolicySpec;
use wgpo::state::{LearnerState, TrainerState};
use wgpo::trainer::Trainer;
use wgpo::{
    Agent, Config, GpuLearner, GpuOffPolicy, GpuOffPolicyTrainer, GpuTrainer, GpuTrainerGroup, OffPolicy, OnPolicy,
};

impl ChosenPlace {
    /// A trainer at the beginning of the run.
    pub fn trainer(&self, run: &RunConfig) -> Result<Box<dyn Trainer>> {
        if let Some(ranks) = self.ranks() {
            return Ok(Box::new(Leader::start(ranks.clone(), run, None)?));
        }
        let (env, spec, config) = (run.env, run.policy.clone(), run.settings.clone());
        Ok(match self.place() {
            Place::Gpu(gpu) if config.replay().is_some() => {
                let gpu = with_binding_bytes(gpu, GpuOffPolicyTrainer::binding_bytes(env, &spec, &config)?)?;
                Box::new(GpuOffPolicyTrainer::new(&gpu, env, spec, config, run.seed)?)
            }
            Place::Gpu(gpu) => {
                let gpu = with_binding_bytes(gpu, GpuTrainer::binding_bytes(&spec, &config))?;
                Box::new(GpuTrainer::new(&gpu, env, spec, config, run.seed)?)
            }
            Place::Cpu => Box::new(CpuTrainer::new(env, spec, config, run.seed)?),
        })
    }

    /// A trainer that goes on from `state`, which is of the run's policy and task; nothing is drawn that it then replaces.
    pub fn trainer_from(&self, run: &RunConfig, state: &TrainerState) -> Result<Box<dyn Trainer>> {
        if let Some(ranks) = self.ranks() {
            return Ok(Box::new(Leader::start(ranks.clone(), run, Some(state))?));
        }
        let (spec, config) = (run.policy.clone(), run.settings.clone());
        Ok(match self.place() {
            Place::Gpu(gpu) if config.replay().is_some() => {
                let gpu = with_binding_bytes(gpu, GpuOffPolicyTrainer::binding_bytes(run.env, &spec, &config)?)?;
                Box::new(GpuOffPolicyTrainer::from_state(&gpu, spec, config, state)?)
            }
            Place::Gpu(gpu) => {
                let gpu = with_binding_bytes(gpu, GpuTrainer::binding_bytes(&spec, &config))?;
                Box::new(GpuTrainer::from_state(&gpu, spec, config, state)?)
            }
            Place::Cpu => Box::new(CpuTrainer::from_state(spec, config, state)?),
        })
    }

    /// A trainer per seed, which advance together.
    pub fn group(&self, env: Env, spec: &PolicySpec, config: &Config, seeds: &[u64]) -> Result<Group> {
        Ok(match self.place() {
            Place::Gpu(gpu) if config.replay().is_some() => {
                let gpu = with_binding_bytes(gpu, GpuOffPolicyTrainer::binding_bytes(env, spec, config)?)?;
                let trainer = |seed: &u64| -> Result<Box<dyn Trainer>> {
                    Ok(Box::new(GpuOffPolicyTrainer::new(&gpu, env, spec.clone(), config.clone(), *seed)?))
                };
                Group::Each(seeds.iter().map(trainer).collect::<Result<_>>()?)
            }
            Place::Gpu(gpu) => {
                let gpu = with_binding_bytes(gpu, GpuTrainer::binding_bytes(spec, config))?;
                Group::Gpu(GpuTrainerGroup::new(&gpu, env, spec, config, seeds)?)
            }
            Place::Cpu => Group::Cpu(CpuTrainer::group(env, spec, config, seeds)?),
        })
    }

    /// A trainer for each of `starts`, with the settings of `run`, which advance together. Nothing is drawn that a state then replaces.
    pub fn group_from(&self, run: &RunConfig, starts: &[Start<'_>]) -> Result<Group> {
        let (env, spec, config) = (run.env, &run.policy, &run.settings);
        Ok(match self.place() {
            Place::Gpu(_) if config.replay().is_some() => {
                let trainer = |start: &Start<'_>| match start {
                    Start::Seed(seed) => self.trainer(&RunConfig { seed: *seed, ..run.clone() }),
                    Start::State(state) => self.trainer_from(run, state),
                };
                Group::Each(starts.iter().map(trainer).collect::<Result<_>>()?)
            }
            Place::Gpu(gpu) => {
                let gpu = with_binding_bytes(gpu, GpuTrainer::binding_bytes(spec, config))?;
                let trainer = |start: &Start<'_>| {
                    Ok(match start {
                        Start::Seed(seed) => GpuTrainer::new(&gpu, env, spec.clone(), config.clone(), *seed)?,
                        Start::State(state) => GpuTrainer::from_state(&gpu, spec.clone(), config.clone(), state)?,
                    })
                };
                let trainers = starts.iter().map(trainer).collect::<Result<_>>()?;
                Group::Gpu(GpuTrainerGroup::of(&gpu, trainers)?)
            }
            Place::Cpu => {
                CpuTrainer::check_group(env, spec, config, starts.len())?;
                let trainer = |start: &Start<'_>| {
                    Ok(match start {
                        Start::Seed(seed) => CpuTrainer::new(env, spec.clone(), config.clone(), *seed)?,
                        Start::State(state) => CpuTrainer::from_state(spec.clone(), config.clone(), state)?,
                    })
                };
                Group::Cpu(starts.iter().map(trainer).collect::<Result<_>>()?)
            }
        })
    }

    /// An agent that goes on from `state`, whatever it learns from.
    pub fn agent_from(&self, spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Box<dyn Agent>> {
        if config.replay().is_none() {
            return Ok(self.learner_from(spec, config, state)?);
        }
        // The memory has no part in acting: there is one of the smallest size.
        let (mut config, mut state) = (config, state.clone());
        let envs = config.num_envs;
        if let Some(replay) = config.replay_mut() {
            (replay.buffer_size, replay.batch_size) = (envs, 1);
        }
        if let Some(own) = &mut state.off_policy {
            own.replay = None;
        }
        Ok(self.off_policy_from(spec, config, &state)?)
    }

    /// A learner from a replay memory that goes on from `state`.
    pub fn off_policy_from(
        &self,
        spec: PolicySpec,
        config: Config,
        state: &LearnerState,
    ) -> Result<Box<dyn OffPolicy>> {
        Ok(match self.place() {
            Place::Gpu(gpu) => Box::new(GpuOffPolicy::from_state(gpu, spec, config, state)?),
            Place::Cpu => Box::new(CpuOffPolicy::<f32>::from_state(spec, config, state)?),
        })
    }

    /// A learner from rollouts that goes on from `state`.
    pub fn learner_from(&self, spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Box<dyn OnPolicy>> {
        Ok(match self.place() {
            Place::Gpu(gpu) => Box::new(GpuLearner::from_state(gpu, spec, config, state)?),
            Place::Cpu => Box::new(CpuLearner::<f32>::from_state(spec, config, state)?),
        })
    }
}
