//! [`Trainer`] on the CPU, whatever the algorithm.

use super::off_policy::OffPolicyTrainer;
use super::on_policy::OnPolicyTrainer;
use super::team::Team;
use crate::agent::Agent;
use crate::collective::Collective;
use crate::config::Config;
use crate::data::Rollout;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use crate::state::{EpisodeStats, TrainerState};
use crate::trainer::{IterationStats, Trainer};
use std::sync::Arc;

/// `num_envs` copies of an environment with the learner that the algorithm asks for: a [`CpuLearner`](super::CpuLearner), or off-policy a
/// [`CpuOffPolicy`](super::CpuOffPolicy).
///
/// Off-policy, an iteration is `num_steps` steps of all environments, each followed by the gradient steps that are due
/// ([`Replay::due`](crate::config::Replay::due)). It begins with a copy of all networks, moments and targets, for the case of an error:
/// windows of some hundred steps cost nothing by it.
#[derive(Debug, Clone)]
pub struct CpuTrainer(Kind);

#[derive(Debug, Clone)]
enum Kind {
    On(Box<OnPolicyTrainer>),
    Off(Box<OffPolicyTrainer>),
}

impl CpuTrainer {
    /// Environments in their start states and a fresh learner, all draws from `seed`.
    ///
    /// # Errors
    /// [`Error::Config`] if `spec` or `config` is out of range or `spec` does not suit `env`, [`Error::OwnLimit`] or [`Error::Memory`] if
    /// they are too large, all before any weight is drawn.
    pub fn new(env: Env, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        Ok(Self(if config.algorithm.kind().is_off_policy() {
            Kind::Off(Box::new(OffPolicyTrainer::new(env, spec, config, seed)?))
        } else {
            Kind::On(Box::new(OnPolicyTrainer::new(Team::default(), env, spec, config, seed)?))
        }))
    }

    /// [`new`](Self::new) as one of several ranks that train one policy together, exactly as one process with all environments would:
    /// `config.num_envs` counts those of all ranks, of which rank r has [its share](crate::collective::Share::even).
    /// [`new_among`](super::CpuLearner::new_among) says more. [`iterate`](Trainer::iterate) and [`state`](Trainer::state) are
    /// calls that all ranks make; statistics and state are of all.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Config`] off-policy; [`Error::Rank`] if a rank differs from rank 0 in version, policy, settings or
    /// seed, or is gone.
    pub fn new_among(
        collective: Arc<dyn Collective>,
        env: Env,
        spec: PolicySpec,
        config: Config,
        seed: u64,
    ) -> Result<Self> {
        let team = Team::new(collective, &spec, &config, seed)?;
        Ok(Self(Kind::On(Box::new(OnPolicyTrainer::new(team, env, spec, config, seed)?))))
    }

    /// [`from_state`](Self::from_state) as one of several ranks, as [`new_among`](Self::new_among). The state is of all environments, and the same
    /// on all ranks; how many ranks it was saved by does not matter.
    ///
    /// # Errors
    /// As [`from_state`](Self::from_state) and [`new_among`](Self::new_among).
    pub fn from_state_among(
        collective: Arc<dyn Collective>,
        spec: PolicySpec,
        config: Config,
        state: &TrainerState,
    ) -> Result<Self> {
        let env = state.built_in()?;
        let team = Team::new(collective, &spec, &config, state.learner.seed)?;
        Ok(Self(Kind::On(Box::new(OnPolicyTrainer::from_state(team, env, spec, config, state)?))))
    }

    /// One trainer per seed, in the order of `seeds`, to be iterated side by side on this pool's threads.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`Error::Memory`] also where there is memory for one, but not for all together, before any is made.
    pub fn group(env: Env, spec: &PolicySpec, config: &Config, seeds: &[u64]) -> Result<Vec<Self>> {
        Self::check_group(env, spec, config, seeds.len())?;
        seeds.iter().map(|seed| Self::new(env, spec.clone(), config.clone(), *seed)).collect()
    }

    /// Refuses `count` trainers that [`group`](Self::group) would refuse, for whoever makes them one by one, some
    /// [from a state](Self::from_state).
    ///
    /// # Errors
    /// As [`group`](Self::group).
    pub fn check_group(env: Env, spec: &PolicySpec, config: &Config, count: usize) -> Result<()> {
        if config.algorithm.kind().is_off_policy() {
            OffPolicyTrainer::check(env, spec, config, count)
        } else {
            OnPolicyTrainer::<f32>::check(env, spec, config, count)
        }
    }

    /// A trainer that goes on from `state`, in its environment; no weights are drawn.
    ///
    /// # Errors
    /// As [`new`](Self::new), and as [`Trainer::set_state`].
    pub fn from_state(spec: PolicySpec, config: Config, state: &TrainerState) -> Result<Self> {
        let env = state.built_in()?;
        Ok(Self(if config.algorithm.kind().is_off_policy() {
            Kind::Off(Box::new(OffPolicyTrainer::from_state(env, spec, config, state)?))
        } else {
            Kind::On(Box::new(OnPolicyTrainer::from_state(Team::default(), env, spec, config, state)?))
        }))
    }

    /// `num_steps` steps of all environments, and the episodes that ended.
    ///
    /// # Errors
    /// [`Error::Value`] if an environment's state is not finite, [`Error::Config`] for an algorithm that learns from no rollout.
    pub fn rollout(&mut self) -> Result<(Rollout, EpisodeStats)> {
        match &mut self.0 {
            Kind::On(trainer) => trainer.rollout(),
            Kind::Off(trainer) => {
                let name = trainer.learner().config().algorithm.kind().name();
                Err(Error::config("algorithm", format!("is {name}, which learns from no rollout")))
            }
        }
    }

    /// [`state`](Trainer::state) without the transitions of an off-policy learner, as
    /// [`CpuOffPolicy::state_without_replay`](super::CpuOffPolicy::state_without_replay) says.
    ///
    /// # Errors
    /// As [`Trainer::state`].
    pub fn state_without_replay(&self) -> Result<TrainerState> {
        match &self.0 {
            Kind::On(trainer) => trainer.state(),
            Kind::Off(trainer) => trainer.state_without_replay(),
        }
    }

    fn kind(&self) -> &dyn Trainer {
        match &self.0 {
            Kind::On(trainer) => trainer.as_ref(),
            Kind::Off(trainer) => trainer.as_ref(),
        }
    }

    fn kind_mut(&mut self) -> &mut dyn Trainer {
        match &mut self.0 {
            Kind::On(trainer) => trainer.as_mut(),
            Kind::Off(trainer) => trainer.as_mut(),
        }
    }
}

impl Trainer for CpuTrainer {
    fn env(&self) -> Option<Env> {
        self.kind().env()
    }

    fn learner(&self) -> &dyn Agent {
        self.kind().learner()
    }

    fn learner_mut(&mut self) -> &mut dyn Agent {
        self.kind_mut().learner_mut()
    }

    fn iterate(&mut self) -> Result<IterationStats> {
        self.kind_mut().iterate()
    }

    fn state(&self) -> Result<TrainerState> {
        self.kind().state()
    }

    fn set_state(&mut self, state: &TrainerState) -> Result<()> {
        self.kind_mut().set_state(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_that_would_each_fit_alone_are_refused_together() {
        let Some(free) = crate::memory::free() else { return };
        let env = Env::CartPole;
        let config = Config { num_envs: 1, num_steps: 4, num_minibatches: 1, ..env.tuned().0 };
        // A thousand learners, 12 bytes a parameter, take twice what is free; one takes a five-hundredth, and half as much for its update.
        let parameters = (2 * free / 12_000) as usize;
        let spec = env.policy(&[parameters / 12]);
        assert!(
            spec.parameter_count() >= parameters as u128,
            "a unit has 13 parameters: 7 of the policy, 6 of the critic"
        );
        let seeds: Vec<u64> = (0..1000).collect();
        CpuTrainer::check_group(env, &spec, &config, 1).unwrap();
        let error = CpuTrainer::group(env, &spec, &config, &seeds).unwrap_err();
        let again = CpuTrainer::check_group(env, &spec, &config, 1000).unwrap_err();
        assert!(matches!(again, Error::Memory { .. }), "{again}");
        assert!(matches!(&error, Error::Memory { needs, has, .. } if needs > has), "{error}");
        assert!(error.to_string().contains("rows, of 1000 seeds, "), "{error}");
    }
}
