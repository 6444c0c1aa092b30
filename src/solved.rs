//! When a run is solved. One rule for the program, the learning gates and everyone who trains with this crate.
//!
//! A run is **solved** if, after the same update,
//!
//! 1. the *sampled* mean return, over the last [`WINDOW`] episodes of training, has reached the environment's mark
//!    ([`Env::solved_at`]), and
//! 2. a *greedy* evaluation of the policy that this update left has reached it, too: [`EPISODES`] episodes from start states of a
//!    seed that no training has ([`evaluation_seed`]).
//!
//! The first alone is not enough. The policies of many updates played its episodes, so the latest policy may be broken
//! while the mean still looks good. The second alone is not enough either: it says nothing about the policy that
//! explores, and one lucky update would pass.
//!
//! An evaluation costs many steps of the environment, so it takes place only if the first condition holds, and after the last
//! update of a run. If it fails, training continues, and the next one waits for [`SolvedRule::spacing`] steps of training. The
//! best policy by these evaluations is worth keeping beside the last: [`Solved::best`] says which it is, and
//! [`checkpoint::save_best`](crate::checkpoint::save_best) writes it with its score.

use crate::env::Env;
use crate::error::{Error, Result};
use crate::state::EpisodeStats;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Fewest episodes of training in the sampled mean; Gymnasium's and CleanRL's 100.
pub const WINDOW: u64 = 100;
/// Episodes of a greedy evaluation.
pub const EPISODES: usize = 100;
/// Steps of an evaluation, were every episode to last to its time limit, for each step of training until the next one. An
/// evaluation's step is one forward pass, a step of training has some ten or twenty passes forward and back.
const EVALUATION_SHARE: u64 = 10;

/// The seed of the start states in which a run of `seed` is evaluated: its complement. Seeds of training are below 2⁶³ in the
/// program, so no run was trained on the start states that another is evaluated on.
///
/// All evaluations of a run have the same start states, so that its policies are compared in the same episodes.
pub const fn evaluation_seed(seed: u64) -> u64 {
    !seed
}

/// What has to be reached, and how it is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct SolvedRule {
    /// The environment.
    pub env: Env,
    /// Mean return to be reached, by the sampled and by the greedy policy.
    pub mark: f64,
    /// Fewest episodes of training in the sampled mean.
    pub window: u64,
    /// Episodes of a greedy evaluation. 0: no evaluation, and no run is ever solved.
    pub episodes: usize,
    /// Environment steps of training between two evaluations, at least.
    pub spacing: u64,
    /// Seed of the evaluations' start states.
    pub seed: u64,
}

impl SolvedRule {
    /// The rule for a run of `env` with `seed`: its mark, [`WINDOW`], [`EPISODES`], [`evaluation_seed`].
    pub fn new(env: Env, seed: u64) -> Self {
        let rule =
            Self { env, mark: env.solved_at(), window: WINDOW, episodes: 0, spacing: 0, seed: evaluation_seed(seed) };
        rule.with_episodes(EPISODES)
    }

    /// The same with another number of greedy episodes, and the spacing that goes with it: a tenth of the steps that an evaluation
    /// takes at most.
    #[must_use]
    pub fn with_episodes(self, episodes: usize) -> Self {
        let steps = (episodes as u64).saturating_mul(self.env.time_limit().into());
        Self { episodes, spacing: steps / EVALUATION_SHARE, ..self }
    }
}

/// A greedy evaluation of the policy that one update left.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The update.
    pub update: u64,
    /// Environment steps of training until then.
    pub env_steps: u64,
    /// Greedy episodes that were played.
    pub episodes: u64,
    /// Their mean return: the policy's score.
    pub mean_return: f64,
    /// Their smallest return.
    pub return_min: f64,
    /// Their largest return.
    pub return_max: f64,
}

/// The latest updates that together hold at least [`WINDOW`] episodes: one fewer would hold too few.
#[derive(Debug, Clone, Default, PartialEq)]
struct Window {
    updates: VecDeque<(u64, f64)>,
    episodes: u64,
}

impl Window {
    fn push(&mut self, least: u64, count: u64, mean: f64) {
        self.updates.push_back((count, mean));
        self.episodes += count;
        while let Some(&(oldest, _)) = self.updates.front()
            && self.episodes - oldest >= least
        {
            self.updates.pop_front();
            self.episodes -= oldest;
        }
    }

    fn mean(&self) -> Option<f64> {
        let sum: f64 = self.updates.iter().map(|(count, mean)| *count as f64 * mean).sum();
        (self.episodes > 0).then(|| sum / self.episodes as f64)
    }
}

/// One run seen by the rule, from its first update on.
#[derive(Debug, Clone, PartialEq)]
pub struct Solved {
    rule: SolvedRule,
    window: Window,
    update: u64,
    env_steps: u64,
    latest: Option<Evaluation>,
    first: Option<Evaluation>,
    best: Option<Evaluation>,
}

impl Solved {
    /// Before the first update.
    pub const fn new(rule: SolvedRule) -> Self {
        let window = Window { updates: VecDeque::new(), episodes: 0 };
        Self { rule, window, update: 0, env_steps: 0, latest: None, first: None, best: None }
    }

    /// The rule.
    pub const fn rule(&self) -> &SolvedRule {
        &self.rule
    }

    /// Counts the episodes of an iteration: those that ended in it and their mean return, if any did. It is what a saved run is
    /// gone on with, update by update.
    pub fn count(&mut self, update: u64, env_steps: u64, episodes: u64, mean_return: Option<f64>) {
        (self.update, self.env_steps) = (update, env_steps);
        if let Some(mean) = mean_return.filter(|_| episodes > 0) {
            self.window.push(self.rule.window, episodes, mean);
        }
    }

    /// Whether a greedy evaluation is to be made now: the sampled mean is at the mark and the last evaluation is long enough
    /// ago, or this is the last update; once per update, and never where the rule has no episodes.
    pub fn is_due(&self, last: bool) -> bool {
        let since = self.latest.map(|latest| (latest.update, self.env_steps.saturating_sub(latest.env_steps)));
        let rested = since.is_none_or(|(_, steps)| steps >= self.rule.spacing);
        let evaluated = since.is_some_and(|(update, _)| update == self.update);
        self.rule.episodes > 0 && !evaluated && (last || (rested && self.is_promising()))
    }

    /// Takes in the episodes of a greedy evaluation of the latest policy.
    ///
    /// # Errors
    /// [`Error::Config`] if no episode has ended.
    pub fn judge(&mut self, greedy: EpisodeStats) -> Result<Evaluation> {
        let mean_return =
            greedy.mean_return().ok_or_else(|| Error::config("evaluation", "has no episode, needs at least 1"))?;
        let evaluation = Evaluation {
            update: self.update,
            env_steps: self.env_steps,
            episodes: greedy.count,
            mean_return,
            return_min: greedy.return_min,
            return_max: greedy.return_max,
        };
        self.take(evaluation);
        Ok(evaluation)
    }

    /// Takes in an evaluation of the latest update, as a saved run has it. The best is the one with the highest mean return, of
    /// equal ones the earliest; a mean that is not a number is no best.
    pub fn take(&mut self, evaluation: Evaluation) {
        self.latest = Some(evaluation);
        if self.is_solved() {
            self.first.get_or_insert(evaluation);
        }
        self.offer(evaluation);
    }

    /// Takes in an evaluation that an earlier sitting found best, wherever in the run.
    pub fn offer(&mut self, evaluation: Evaluation) {
        let least = self.best.map_or(f64::NEG_INFINITY, |best| best.mean_return);
        if evaluation.mean_return > least {
            self.best = Some(evaluation);
        }
    }

    /// Forgets which evaluation was best: its policy is not there any more.
    pub const fn forget_best(&mut self) {
        self.best = None;
    }

    /// Mean return of the latest episodes of training, and how many those are.
    pub fn sampled(&self) -> Option<(f64, u64)> {
        self.window.mean().map(|mean| (mean, self.window.episodes))
    }

    /// Whether the sampled mean is at the mark: the first half of the rule.
    pub fn is_promising(&self) -> bool {
        self.sampled().is_some_and(|(mean, episodes)| episodes >= self.rule.window && mean >= self.rule.mark)
    }

    /// Whether the run is solved by its latest update: both halves of the rule hold for it.
    pub fn is_solved(&self) -> bool {
        let passed = |current: Evaluation| current.mean_return >= self.rule.mark;
        self.rule.episodes > 0 && self.is_promising() && self.current().is_some_and(passed)
    }

    /// The evaluation of the latest update's policy, if it was evaluated.
    pub fn current(&self) -> Option<Evaluation> {
        self.latest.filter(|latest| latest.update == self.update)
    }

    /// The evaluation by which the run was solved first, also where training went on after it.
    pub const fn first_solved(&self) -> Option<Evaluation> {
        self.first
    }

    /// The best evaluation.
    pub const fn best(&self) -> Option<Evaluation> {
        self.best
    }
}

#[cfg(test)]
mod tests;
