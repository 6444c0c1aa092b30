//! How good a learner is, measured on the CPU.

use crate::agent::{ActMode, Agent};
use crate::env::Env;
use crate::error::Result;
use crate::reference::vec_env::{VecEnv, episode};
use crate::solved::{Evaluation, Solved, SolvedRule};
use crate::state::EpisodeStats;
use crate::trainer::IterationStats;

/// Returns of `episodes` episodes, each from its own start state: that many copies of `env` side by side until each has
/// ended its first episode.
///
/// `seed` decides the start states. [`ActMode::Greedy`] leaves the learner as it was; [`ActMode::Sample`] advances its draws and
/// its running statistics of observations.
///
/// # Errors
/// Whatever [`VecEnv::new`] and [`Agent::act`] return.
pub fn evaluate(learner: &mut dyn Agent, env: Env, episodes: usize, seed: u64, mode: ActMode) -> Result<EpisodeStats> {
    let mut envs = VecEnv::new(env, episodes, seed)?;
    let mut first: Vec<Option<(f32, u32)>> = vec![None; episodes];
    while first.iter().any(Option::is_none) {
        // Rows that are done go on, so that the learner sees one batch size throughout.
        let acted = learner.act(envs.obs().view(), mode)?;
        for (first, ended) in first.iter_mut().zip(envs.step(&acted.env_actions)?.ended) {
            *first = first.or(ended);
        }
    }
    let each = first.into_iter().flatten().map(|(total, length)| episode(total, length));
    Ok(each.fold(EpisodeStats::NONE, EpisodeStats::merge))
}

impl SolvedRule {
    /// Whole episodes of the greedy policy, as the rule wants them.
    ///
    /// # Errors
    /// Those of [`evaluate()`].
    pub fn evaluate(&self, learner: &mut dyn Agent) -> Result<EpisodeStats> {
        evaluate(learner, self.env, self.episodes, self.seed, ActMode::Greedy)
    }
}

impl Solved {
    /// After an iteration: counts its episodes, evaluates `learner` where that is due, and returns what came out. `last` says that
    /// no update follows.
    ///
    /// # Errors
    /// Those of [`SolvedRule::evaluate`].
    pub fn after(&mut self, learner: &mut dyn Agent, stats: &IterationStats, last: bool) -> Result<Option<Evaluation>> {
        self.count(stats.updates, stats.env_steps, stats.episodes.count, stats.episodes.mean_return());
        self.evaluate_if_due(learner, last)
    }

    /// Evaluates `learner`, which the latest update left, where that is due.
    ///
    /// # Errors
    /// Those of [`SolvedRule::evaluate`].
    pub fn evaluate_if_due(&mut self, learner: &mut dyn Agent, last: bool) -> Result<Option<Evaluation>> {
        if !self.is_due(last) {
            return Ok(None);
        }
        let greedy = self.rule().evaluate(learner)?;
        self.judge(greedy).map(Some)
    }
}
