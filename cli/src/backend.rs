//! The one place that makes concrete learners and trainers: which backend, and why.

use crate::args::{BackendArgs, BackendChoice};
use crate::settings::RunConfig;
use anyhow::{Result, bail};
use wgpo::env::Env;
use wgpo::policy::PolicySpec;
use wgpo::reference::{self, CpuLearner, CpuTrainer};
use wgpo::trainer::{EpisodeStats, Trainer};
use wgpo::{ActMode, Learner, PpoConfig};

/// Where the numbers are computed, and why there.
pub struct Backend {
    place: Place,
    reason: String,
}

enum Place {
    Cpu,
}

/// The backend that the command line insists on, if it does.
pub fn forced(args: &BackendArgs) -> Option<&'static str> {
    match (args.backend, &args.adapter) {
        (BackendChoice::Gpu, _) | (BackendChoice::Auto, Some(_)) => Some("gpu"),
        (BackendChoice::Cpu, _) => Some("cpu"),
        (BackendChoice::Auto, None) => None,
    }
}

impl Backend {
    /// The backend that the command line asks for; with `auto`, a hardware GPU if there is one.
    pub fn choose(args: &BackendArgs) -> Result<Self> {
        if args.backend == BackendChoice::Cpu && args.adapter.is_some() {
            bail!("--adapter names a GPU, --backend cpu uses none; leave one of them out");
        }
        match forced(args) {
            Some("gpu") => bail!("--backend gpu is not built yet"),
            Some(_) => Ok(Self::cpu("as asked for")),
            None => Ok(Self::cpu("no GPU yet")),
        }
    }

    /// The backend of an earlier run, unless the command line insists on another.
    pub fn choose_again(args: &BackendArgs, saved: &RunConfig) -> Result<Self> {
        if forced(args).is_none() {
            let same = if saved.backend == "cpu" { BackendChoice::Cpu } else { BackendChoice::Gpu };
            let mut backend = Self::choose(&BackendArgs { backend: same, adapter: saved.adapter.clone() })?;
            backend.reason = format!("{} (as before)", backend.label());
            return Ok(backend);
        }
        let mut backend = Self::choose(args)?;
        if backend.name() != saved.backend || backend.adapter() != saved.adapter {
            let before = saved.adapter.as_deref().unwrap_or("the CPU reference");
            backend.reason +=
                &format!("; the run was on {before}, so its numbers will differ in rounding from here on");
        }
        Ok(backend)
    }

    fn cpu(why: &str) -> Self {
        Self { place: Place::Cpu, reason: format!("CPU reference, f32 ({why})") }
    }

    fn label(&self) -> String {
        match &self.place {
            Place::Cpu => "CPU reference, f32".to_owned(),
        }
    }

    /// What was chosen and why, for one line.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// `gpu` or `cpu`.
    pub fn name(&self) -> &'static str {
        match &self.place {
            Place::Cpu => "cpu",
        }
    }

    /// Name of the adapter, if one is used.
    pub fn adapter(&self) -> Option<String> {
        match &self.place {
            Place::Cpu => None,
        }
    }

    /// A trainer at the beginning of the run.
    pub fn trainer(&self, run: &RunConfig) -> Result<Box<dyn Trainer>> {
        Ok(match &self.place {
            Place::Cpu => Box::new(CpuTrainer::new(run.env, run.policy.clone(), run.ppo.clone(), run.seed)?),
        })
    }

    /// A learner with fresh parameters.
    pub fn learner(&self, spec: PolicySpec, config: PpoConfig, seed: u64) -> Result<Box<dyn Learner>> {
        Ok(match &self.place {
            Place::Cpu => Box::new(CpuLearner::<f32>::new(spec, config, seed)?),
        })
    }
}

/// The settings tuned for `env`.
pub fn tuned(env: Env) -> PpoConfig {
    env.tuned()
}

/// Whole episodes of the greedy policy.
pub fn evaluate(learner: &mut dyn Learner, env: Env, episodes: u64, seed: u64) -> Result<EpisodeStats> {
    Ok(reference::evaluate(learner, env, episodes, seed, ActMode::Greedy)?)
}
