//! Concrete learners and trainers are made here, and groups of them in `group.rs`.

use super::adapters::with_binding_bytes;
use super::choose::ChosenPlace;
use super::group::{Group, Start};
use crate::settings::run_config::RunConfig;
use anyhow::Result;
use wgpo::cpu::{CpuLearner, CpuTrainer};
use wgpo::env::Env;
use wgpo::place::Place;
use wgpo::policy::PolicySpec;
use wgpo::state::{LearnerState, TrainerState};
use wgpo::trainer::Trainer;
use wgpo::{Config, GpuLearner, GpuTrainer, GpuTrainerGroup, OnPolicy};

impl ChosenPlace {
    /// A trainer at the beginning of the run.
    pub fn trainer(&self, run: &RunConfig) -> Result<Box<dyn Trainer>> {
        let (env, spec, config) = (run.env, run.policy.clone(), run.settings.clone());
        Ok(match self.place() {
            Place::Gpu(gpu) => {
                let gpu = with_binding_bytes(gpu, GpuTrainer::binding_bytes(&spec, &config))?;
                Box::new(GpuTrainer::new(&gpu, env, spec, config, run.seed)?)
            }
            Place::Cpu => Box::new(CpuTrainer::new(env, spec, config, run.seed)?),
        })
    }

    /// A trainer that goes on from `state`, which is of the run's policy and task; nothing is drawn that it then replaces.
    pub fn trainer_from(&self, run: &RunConfig, state: &TrainerState) -> Result<Box<dyn Trainer>> {
        let (spec, config) = (run.policy.clone(), run.settings.clone());
        Ok(match self.place() {
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

    /// A learner that goes on from `state`.
    pub fn learner_from(&self, spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Box<dyn OnPolicy>> {
        Ok(match self.place() {
            Place::Gpu(gpu) => Box::new(GpuLearner::from_state(gpu, spec, config, state)?),
            Place::Cpu => Box::new(CpuLearner::<f32>::from_state(spec, config, state)?),
        })
    }
}
