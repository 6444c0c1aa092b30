//! Several trainers that advance together: seeds of one experiment.

use super::submit::CALLS_PER_SUBMISSION;
use super::trainer::GpuTrainer;
use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ReadBack};
use crate::policy::PolicySpec;
use crate::trainer::{IterationStats, Trainer};

/// Trainers of one environment, policy and settings that differ by their seeds.
///
/// An iteration of all of them is recorded into one submission (more only beyond some 4,000 dispatches), and all statistics
/// come back by one read-back: with small networks, waiting for the device is most of what an iteration costs. Each
/// trainer's numbers are, bit for bit, those that it would have alone.
#[derive(Debug)]
pub struct GpuTrainerGroup {
    gpu: Gpu,
    trainers: Vec<GpuTrainer>,
    staging: ReadBack<u32>,
}

impl GpuTrainerGroup {
    /// One trainer per seed, in the order of `seeds`.
    ///
    /// # Errors
    /// [`Error::Config`] without a seed, and those of [`GpuTrainer::new`].
    pub fn new(gpu: &Gpu, env: Env, spec: &PolicySpec, config: &Config, seeds: &[u64]) -> Result<Self> {
        let make = |seed: &u64| GpuTrainer::new(gpu, env, spec.clone(), config.clone(), *seed);
        Self::of(gpu, seeds.iter().map(make).collect::<Result<_>>()?)
    }

    /// The group of `trainers`, all made on `gpu`: [at a seed's beginning](GpuTrainer::new) or [from a state](GpuTrainer::from_state).
    ///
    /// # Errors
    /// [`Error::Config`] without a trainer, or where two differ in more than their seeds; a limit, or out of memory.
    pub fn of(gpu: &Gpu, trainers: Vec<GpuTrainer>) -> Result<Self> {
        let Some(first) = trainers.first() else {
            return Err(Error::config("seeds", "is empty, a group needs at least one"));
        };
        let what = |trainer: &GpuTrainer| {
            let learner = trainer.learner();
            (trainer.env(), learner.spec().clone(), learner.config().clone())
        };
        let wanted = what(first);
        if let Some(index) = trainers.iter().position(|trainer| what(trainer) != wanted) {
            let message = format!("trainer {index} has not the environment, policy and settings of trainer 0");
            return Err(Error::config("trainers", message));
        }
        let words = trainers.iter().map(GpuTrainer::statistics_words).sum();
        let staging = ReadBack::new(gpu, "statistics of the group", words)?;
        Ok(Self { gpu: gpu.clone(), trainers, staging })
    }

    /// The trainers, in the order of their seeds.
    pub fn trainers(&self) -> &[GpuTrainer] {
        &self.trainers
    }

    /// The trainers, to be saved, set or asked; one that iterates alone is ahead of the others from then on.
    pub fn trainers_mut(&mut self) -> &mut [GpuTrainer] {
        &mut self.trainers
    }

    /// One iteration of each, see [`Trainer::iterate`]; statistics in the order of the seeds.
    ///
    /// # Errors
    /// A lost device; the trainers' states are then undefined.
    pub fn iterate(&mut self) -> Result<Vec<IterationStats>> {
        let all = vec![true; self.trainers.len()];
        Ok(self.iterate_where(&all)?.into_iter().flatten().collect())
    }

    /// [`iterate`](Self::iterate) of those trainers that are `active`, in the order of the seeds; the others stay as they are.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `active` has a flag per trainer; nothing was done then. A lost device; the trainers' states are then
    /// undefined.
    pub fn iterate_where(&mut self, active: &[bool]) -> Result<Vec<Option<IterationStats>>> {
        let gpu = self.gpu.clone();
        gpu.block_on(self.iterate_where_async(active))
    }

    /// [`iterate_where`](Self::iterate_where) without blocking.
    ///
    /// # Errors
    /// As there.
    pub async fn iterate_where_async(&mut self, active: &[bool]) -> Result<Vec<Option<IterationStats>>> {
        crate::data::check_shape("active", &[active.len()], &[self.trainers.len()])?;
        if !active.contains(&true) {
            return Ok(vec![None; active.len()]);
        }
        let mut encoder = self.gpu.encoder("group");
        let (mut pending, mut at) = (0, 0);
        for trainer in self.trainers.iter().zip(active).filter(|(_, active)| **active).map(|(trainer, _)| trainer) {
            let slot = trainer.record_start(&mut encoder)?;
            for part in trainer.calls().chunks(CALLS_PER_SUBMISSION) {
                if pending + part.len() > CALLS_PER_SUBMISSION {
                    self.gpu.submit(std::mem::replace(&mut encoder, self.gpu.encoder("group")))?;
                    pending = 0;
                }
                self.gpu.record(&mut encoder, "iteration", part, slot);
                pending += part.len();
            }
            trainer.record_statistics(&mut encoder, &self.staging, at)?;
            at += trainer.statistics_words();
        }
        self.gpu.submit(encoder)?;
        let count = |(trainer, active): (&mut GpuTrainer, &bool)| {
            active.then(|| (trainer.statistics_words() as usize, trainer.count()))
        };
        let readings: Vec<_> = self.trainers.iter_mut().zip(active).map(count).collect();
        let words = self.staging.fetch_async(&self.gpu).await?;
        let mut rest = words.as_slice();
        let mut all = Vec::with_capacity(readings.len());
        for reading in readings {
            let Some((words, reading)) = reading else {
                all.push(None);
                continue;
            };
            let (own, others) = rest.split_at(words);
            all.push(Some(reading(own)?));
            rest = others;
        }
        Ok(all)
    }

    /// The environment of all.
    pub fn env(&self) -> Option<Env> {
        self.trainers.first().and_then(Trainer::env)
    }
}
