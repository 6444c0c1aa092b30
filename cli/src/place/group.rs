//! Several trainers that advance together.

use anyhow::{Context, Result};
use rayon::prelude::*;
use std::time::Instant;
use wgpo::GpuTrainerGroup;
use wgpo::cpu::CpuTrainer;
use wgpo::state::TrainerState;
use wgpo::trainer::{IterationStats, Trainer};

/// Where a trainer of a group begins.
pub enum Start<'s> {
    /// With drawn weights.
    Seed(u64),
    /// Where its run was when it saved this.
    State(&'s TrainerState),
}

/// Several trainers: on the device in one submission, on the CPU spread over its cores.
pub enum Group {
    Gpu(GpuTrainerGroup),
    /// Off-policy trainers on the device, one after the other.
    Each(Vec<Box<dyn Trainer>>),
    Cpu(Vec<CpuTrainer>),
}

impl Group {
    /// One iteration of those that are `active`, each followed by `after`: its run, its trainer, what came out, and the seconds that
    /// it took (on the device, those of all together). After an error in one the others are whole.
    pub fn advance<R: Send>(
        &mut self,
        runs: &mut [R],
        active: &[bool],
        after: impl Fn(&mut R, &mut dyn Trainer, &IterationStats, f64) -> Result<()> + Sync,
    ) -> Result<()> {
        let start = Instant::now();
        match self {
            Self::Gpu(group) => {
                let all = group.iterate_where(active)?;
                let elapsed = start.elapsed().as_secs_f64();
                let each = runs.iter_mut().zip(group.trainers_mut()).zip(all);
                every(each.filter_map(|((run, trainer), stats)| Some(after(run, trainer, &stats?, elapsed))))
            }
            Self::Each(trainers) => {
                let each = runs.iter_mut().zip(trainers).zip(active).filter(|(_, active)| **active);
                every(each.map(|((run, trainer), _)| {
                    let start = Instant::now();
                    let stats = trainer.iterate()?;
                    after(run, trainer.as_mut(), &stats, start.elapsed().as_secs_f64())
                }))
            }
            Self::Cpu(trainers) => {
                let each = runs.par_iter_mut().zip(trainers.par_iter_mut()).zip(active.par_iter());
                let outcomes: Vec<Result<()>> = each
                    .filter(|(_, active)| **active)
                    .map(|((run, trainer), _)| {
                        let start = Instant::now();
                        let stats = trainer.iterate()?;
                        after(run, trainer, &stats, start.elapsed().as_secs_f64())
                    })
                    .collect();
                every(outcomes.into_iter())
            }
        }
    }

    /// The trainer at `index`, in the order of the seeds.
    pub fn trainer(&mut self, index: usize) -> Result<&mut dyn Trainer> {
        let trainer = match self {
            Self::Gpu(group) => group.trainers_mut().get_mut(index).map(|trainer| trainer as &mut dyn Trainer),
            Self::Each(trainers) => trainers.get_mut(index).map(|trainer| trainer.as_mut() as &mut dyn Trainer),
            Self::Cpu(trainers) => trainers.get_mut(index).map(|trainer| trainer as &mut dyn Trainer),
        };
        trainer.with_context(|| format!("there is no trainer {index}"))
    }

    /// One iteration of each.
    pub fn iterate(&mut self) -> Result<Vec<IterationStats>> {
        Ok(match self {
            Self::Gpu(group) => group.iterate()?,
            Self::Each(trainers) => trainers.iter_mut().map(|trainer| trainer.iterate()).collect::<Result<_, _>>()?,
            Self::Cpu(trainers) => trainers.par_iter_mut().map(Trainer::iterate).collect::<Result<_, _>>()?,
        })
    }
}

/// Takes all steps, also those after one that fails; the first error.
pub fn every(steps: impl Iterator<Item = Result<()>>) -> Result<()> {
    let mut first = Ok(());
    for step in steps {
        first = first.and(step);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_step_that_fails_keeps_none_from_being_taken() {
        let mut taken = Vec::new();
        let outcome = every([1, 2, 3, 4].into_iter().map(|step| {
            taken.push(step);
            if step % 2 == 0 { bail!("step {step}") } else { Ok(()) }
        }));
        assert_eq!((outcome.unwrap_err().to_string().as_str(), taken), ("step 2", vec![1, 2, 3, 4]));
        every(std::iter::empty()).unwrap();
    }
}
