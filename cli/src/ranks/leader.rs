//! Rank 0's trainer, which takes the others with it.

use super::orders::Order;
use crate::settings::run_config::RunConfig;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wgpo::checkpoint::{Labels, trainer_from_bytes, trainer_to_bytes};
use wgpo::collective::{Collective, broadcast};
use wgpo::policy::PolicySpec;
use wgpo::state::TrainerState;
use wgpo::trainer::IterationStats;
use wgpo::{Agent, Config, CpuTrainer, Env, Error, Result, Trainer};

/// What a rank needs to know of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Description {
    env: Env,
    policy: PolicySpec,
    settings: Config,
    seed: u64,
}

/// A trainer of all ranks: what it does, it tells them to do, too.
#[derive(Debug)]
pub struct Leader {
    collective: Arc<dyn Collective>,
    trainer: CpuTrainer,
}

impl Leader {
    /// Tells all ranks to make their part of a trainer, at the beginning of `run` or from `state`, and makes its own.
    pub fn start(collective: Arc<dyn Collective>, run: &RunConfig, state: Option<&TrainerState>) -> Result<Self> {
        let own =
            Description { env: run.env, policy: run.policy.clone(), settings: run.settings.clone(), seed: run.seed };
        let text = serde_json::to_vec(&own).map_err(|_| Error::Internal("a run is no JSON"))?;
        let bytes = match state {
            Some(state) => trainer_to_bytes(&run.policy, &run.settings, state, &Labels::new())?,
            None => Vec::new(),
        };
        Order::Start.give(collective.as_ref())?;
        broadcast(collective.as_ref(), &text)?;
        broadcast(collective.as_ref(), &bytes)?;
        Ok(Self { trainer: make(collective.clone(), own, &bytes)?, collective })
    }
}

/// The part of a follower, who was told to start.
pub fn told(collective: Arc<dyn Collective>) -> Result<CpuTrainer> {
    let text = broadcast(collective.as_ref(), &[])?;
    let bytes = broadcast(collective.as_ref(), &[])?;
    let description = serde_json::from_slice(&text).map_err(|_| Error::Internal("rank 0 told of a run in no JSON"))?;
    make(collective, description, &bytes)
}

fn make(collective: Arc<dyn Collective>, run: Description, state: &[u8]) -> Result<CpuTrainer> {
    let Description { env, policy, settings, seed } = run;
    if state.is_empty() {
        return CpuTrainer::new_among(collective, env, policy, settings, seed);
    }
    let saved = trainer_from_bytes("the state that rank 0 sent", state)?;
    CpuTrainer::from_state_among(collective, policy, settings, &saved.state)
}

impl Trainer for Leader {
    fn env(&self) -> Option<Env> {
        self.trainer.env()
    }

    fn learner(&self) -> &dyn Agent {
        self.trainer.learner()
    }

    fn learner_mut(&mut self) -> &mut dyn Agent {
        self.trainer.learner_mut()
    }

    fn iterate(&mut self) -> Result<IterationStats> {
        Order::Iterate.give(self.collective.as_ref())?;
        self.trainer.iterate()
    }

    fn state(&self) -> Result<TrainerState> {
        Order::State.give(self.collective.as_ref())?;
        self.trainer.state()
    }

    fn set_state(&mut self, _: &TrainerState) -> Result<()> {
        Err(Error::Internal("a trainer of several ranks was given a state: it is started from one"))
    }
}
