//! A saved policy that acts: which file it is, for which environment, and how it plays.

use crate::folder::group;
use crate::folder::run::Folder;
use crate::place::choose::ChosenPlace;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use wgpo::env::{Autoreset, Env};
use wgpo::low_level::reference::vec_env::VecEnv;
use wgpo::solved::evaluation_seed;
use wgpo::state::LearnerState;
use wgpo::{ActMode, Agent, checkpoint};

/// A policy from a file, with its environment.
pub struct Policy {
    /// The file.
    pub path: PathBuf,
    /// What it plays.
    pub env: Env,
    /// Updates that it has had.
    pub update: u64,
    /// The seed that it was trained with.
    pub seed: u64,
    state: LearnerState,
    learner: Box<dyn Agent>,
}

/// A whole episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// Sum of its rewards.
    pub total: f64,
    /// Steps.
    pub length: u32,
}

/// A moment of an episode: the state, and what is done in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// The physical state, [`Env::state_dim`] numbers.
    pub state: Vec<f32>,
    /// The choice's index, or the torque or force; at the end that of the step before.
    pub action: f64,
    /// The reward of the step that follows; 0 at the end.
    pub reward: f64,
}

impl Policy {
    /// The policy in `run`: a file, or of a run folder the best one if there is one, else the last. `env` is needed where the file does
    /// not say what it was trained on, and must suit the policy otherwise.
    pub fn open(run: &Path, env: Option<Env>, place: &ChosenPlace) -> Result<Self> {
        let path = file(run)?;
        let (saved, trained_on) = checkpoint::load_learner_and_env(&path)?;
        let env = match (env, trained_on) {
            (Some(env), _) => env,
            (None, Ok(own)) => own.with_context(|| format!("{}: has no built-in environment", path.display()))?,
            (None, Err(error)) => return Err(error).context("which environment? Name it with --env"),
        };
        let at = || format!("{}: does not play {}", path.display(), env.name());
        if saved.spec.obs_dim() != env.obs_dim() {
            let (got, want) = (saved.spec.obs_dim(), env.obs_dim());
            bail!("{}: its observations are {got} wide, the environment's {want}", at());
        }
        env.check_head(&saved.spec.head).with_context(at)?;
        let learner = place
            .agent_from(saved.spec, saved.config, &saved.state)
            .with_context(|| format!("{}: cannot be used", path.display()))?;
        // The agent's memory is of another size, and has no part in acting.
        let state = saved.state.frozen();
        Ok(Self { path, env, update: state.update, seed: state.seed, state, learner })
    }

    /// The file, its update and seed, for one line.
    pub fn describe(&self) -> String {
        format!("{}, of update {}, trained with seed {}", self.path.display(), self.update, self.seed)
    }

    /// The saved state again, with the draws of `seed` from their beginning, and running statistics that do not move.
    fn restart(&mut self, seed: u64) -> Result<()> {
        let state = LearnerState { seed: evaluation_seed(seed), policy_step: 0, ..self.state.clone() };
        Ok(self.learner.set_state(&state)?)
    }

    /// `episodes` whole episodes side by side, from the start states (and, where sampled, with the draws) of evaluation `seed`: those of
    /// training with the same seed are others.
    pub fn episodes(&mut self, episodes: usize, seed: u64, mode: ActMode) -> Result<Vec<Episode>> {
        self.restart(seed)?;
        let mut envs = VecEnv::new(self.env, episodes, evaluation_seed(seed))?;
        let mut first: Vec<Option<Episode>> = vec![None; episodes];
        while first.iter().any(Option::is_none) {
            let acted = self.learner.act(envs.obs().view(), mode)?;
            for (first, ended) in first.iter_mut().zip(envs.step(&acted.env_actions)?.ended) {
                *first = first.or(ended.map(|(total, length)| Episode { total: total.into(), length }));
            }
        }
        Ok(first.into_iter().flatten().collect())
    }

    /// One episode, moment by moment, the last state included.
    pub fn play(&mut self, seed: u64, mode: ActMode) -> Result<Vec<Moment>> {
        self.restart(seed)?;
        // Not reset at the end, so that the last state is seen.
        let mut envs = VecEnv::new(self.env, 1, evaluation_seed(seed))?.with_autoreset(Autoreset::Disabled);
        let state =
            |envs: &VecEnv| envs.words().iter().take(self.env.state_dim()).map(|word| f32::from_bits(*word)).collect();
        let mut moments: Vec<Moment> = Vec::new();
        loop {
            let before: Vec<f32> = state(&envs);
            let acted = self.learner.act(envs.obs().view(), mode)?;
            let step = envs.step(&acted.env_actions)?;
            let action = match &acted.env_actions {
                wgpo::data::Actions::Continuous(array) => array.first().copied().map(f64::from),
                wgpo::data::Actions::Discrete(array) | wgpo::data::Actions::Masked { indices: array, .. } => {
                    array.first().copied().map(f64::from)
                }
            };
            let action = action.context("the policy has no action")?;
            moments.push(Moment { state: before, action, reward: step.rewards[0].into() });
            if step.ended[0].is_some() {
                moments.push(Moment { state: state(&envs), action, reward: 0.0 });
                return Ok(moments);
            }
        }
    }
}

/// The file that `run` stands for.
fn file(run: &Path) -> Result<PathBuf> {
    if !run.is_dir() {
        return Ok(run.into());
    }
    let found = [Folder::BEST, Folder::POLICY].into_iter().map(|name| run.join(name)).find(|path| path.exists());
    found.with_context(|| {
        let seeds = group::folders(run);
        match seeds.first() {
            Some(first) => {
                format!("{}: holds {} runs; name one, such as {}", run.display(), seeds.len(), first.display())
            }
            None => format!("{}: has neither {} nor {}", run.display(), Folder::BEST, Folder::POLICY),
        }
    })
}
