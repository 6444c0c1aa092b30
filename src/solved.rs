//! When a run is solved. One rule for the program, the learning gates and whoever trains with this crate.
//!
//! A run is **solved** when, after one and the same update,
//!
//! 1. the *sampled* mean return, over the last [`WINDOW`] episodes of training, has reached the environment's mark
//!    ([`Env::solved_at`]), and
//! 2. a *greedy* evaluation of the policy that this update left has reached it, too: [`EPISODES`] episodes from start states of a
//!    seed that no training has ([`evaluation_seed`]).
//!
//! The first alone is not enough. Its episodes were played by the policies of many updates, so the latest policy may be broken
//! while the mean over them still looks well. The second alone is not enough either: it says nothing about the policy that
//! explores, and one lucky update would pass.
//!
//! An evaluation costs many steps of the environment, so it takes place only where the first condition holds, and after the last
//! update of a run. If it fails, training goes on, and the next one waits for [`SolvedRule::spacing`] steps of training. The
//! best policy by these evaluations is worth keeping beside the last: [`Solved::best`] says which it is, and
//! [`checkpoint::save_best`](crate::checkpoint::save_best) writes it with its score.

use crate::env::Env;
use crate::learner::{ActMode, Learner};
use crate::trainer::{EpisodeStats, IterationStats};
use crate::{Error, Result, reference};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Episodes of training whose mean return is looked at, at least; Gymnasium's and CleanRL's 100.
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
    /// Episodes of training that the sampled mean is over, at least.
    pub window: u64,
    /// Episodes of a greedy evaluation. 0: there is none, and nothing is ever solved.
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

    /// Whole episodes of the greedy policy, as the rule wants them.
    ///
    /// # Errors
    /// Those of [`reference::evaluate()`].
    pub fn evaluate(&self, learner: &mut dyn Learner) -> Result<EpisodeStats> {
        reference::evaluate(learner, self.env, self.episodes, self.seed, ActMode::Greedy)
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

    /// After an iteration: counts its episodes, evaluates `learner` where that is due, and returns what came out. `last` says that
    /// no update follows.
    ///
    /// # Errors
    /// Those of [`SolvedRule::evaluate`].
    pub fn after(
        &mut self,
        learner: &mut dyn Learner,
        stats: &IterationStats,
        last: bool,
    ) -> Result<Option<Evaluation>> {
        self.count(stats.updates, stats.env_steps, stats.episodes.count, stats.episodes.mean_return());
        self.evaluate_if_due(learner, last)
    }

    /// Evaluates `learner`, which the latest update left, where that is due.
    ///
    /// # Errors
    /// Those of [`SolvedRule::evaluate`].
    pub fn evaluate_if_due(&mut self, learner: &mut dyn Learner, last: bool) -> Result<Option<Evaluation>> {
        if !self.is_due(last) {
            return Ok(None);
        }
        let greedy = self.rule.evaluate(learner)?;
        self.judge(greedy).map(Some)
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
mod tests {
    use super::*;

    fn solved() -> Solved {
        // Mark −300, 200 steps an episode: 2,000 steps between two evaluations.
        Solved::new(SolvedRule::new(Env::Pendulum, 1))
    }

    fn greedy(mean: f64) -> EpisodeStats {
        EpisodeStats {
            count: 4,
            return_sum: 4.0 * mean,
            return_min: mean - 1.0,
            return_max: mean + 1.0,
            ..EpisodeStats::NONE
        }
    }

    /// Updates of 1,000 steps and 50 episodes.
    fn count(solved: &mut Solved, update: u64, mean: f64) {
        solved.count(update, 1000 * update, 50, Some(mean));
    }

    #[test]
    fn the_window_holds_just_enough_updates() {
        let mut solved = solved();
        solved.count(1, 64, 60, Some(-400.0));
        assert!(!solved.is_promising(), "60 episodes are too few");
        solved.count(2, 128, 60, Some(-200.0));
        assert_eq!(solved.sampled(), Some((-300.0, 120)));
        assert!(solved.is_promising(), "at the mark");
        solved.count(3, 192, 0, None);
        solved.count(4, 256, 40, Some(-450.01));
        assert_eq!(solved.sampled().unwrap().1, 100, "the first update has left the window");
        assert!(!solved.is_promising());
    }

    /// Pendulum by TRPO, seed 303, before this rule: sampled at the mark, greedy −690; an update before it −214.
    #[test]
    fn a_mean_at_the_mark_with_a_broken_policy_is_not_solved() {
        let mut solved = solved();
        count(&mut solved, 1, -290.0);
        assert!(!solved.is_due(false), "too few episodes");
        count(&mut solved, 2, -290.0);
        assert!(
            solved.is_promising() && solved.is_due(false) && !solved.is_solved(),
            "nothing is known of the greedy one"
        );
        solved.judge(greedy(-690.0)).unwrap();
        assert!(solved.is_promising() && !solved.is_solved());
        assert!(!solved.is_due(false) && !solved.is_due(true), "an update is evaluated once");

        count(&mut solved, 3, -290.0);
        assert!(!solved.is_due(false) && solved.is_due(true), "1,000 steps after the last one, unless it is the end");
        count(&mut solved, 4, -290.0);
        assert!(solved.is_due(false) && solved.current().is_none());
        solved.judge(greedy(-299.0)).unwrap();
        assert!(solved.is_solved());
        assert_eq!((solved.best().unwrap().update, solved.first_solved().unwrap().update), (4, 4));

        // Training goes on: solved is a word about the latest update, best and first stay.
        count(&mut solved, 5, -250.0);
        assert!(!solved.is_solved());
        solved.judge(greedy(-301.0)).unwrap();
        assert!(!solved.is_solved());
        assert_eq!((solved.best().unwrap().update, solved.first_solved().unwrap().update), (4, 4));
    }

    #[test]
    fn a_good_greedy_policy_alone_is_not_solved_but_the_best() {
        let mut solved = solved();
        count(&mut solved, 1, -900.0);
        count(&mut solved, 2, -900.0);
        assert!(!solved.is_due(false) && solved.is_due(true));
        solved.judge(greedy(-150.0)).unwrap();
        assert!(!solved.is_solved());
        assert_eq!((solved.best().unwrap().mean_return, solved.first_solved()), (-150.0, None));
    }

    #[test]
    fn a_run_that_goes_on_knows_what_the_whole_one_knew() {
        let (mut whole, mut again) = (solved(), solved());
        let mut saved = Vec::new();
        for update in 1..=12 {
            let mean = -310.0 + 4.0 * (update % 7) as f64;
            count(&mut whole, update, mean);
            let due = whole.is_due(update == 12);
            let evaluation = due.then(|| whole.judge(greedy(-320.0 + update as f64)).unwrap());
            saved.push((update, mean, evaluation));
        }
        assert!(saved.iter().filter(|(_, _, evaluation)| evaluation.is_some()).count() >= 3);
        for (update, mean, evaluation) in saved {
            count(&mut again, update, mean);
            if let Some(evaluation) = evaluation {
                again.take(evaluation);
            }
        }
        assert_eq!(again, whole);
    }

    #[test]
    fn the_best_is_never_replaced_by_what_is_no_better() {
        let mut solved = solved();
        let of = |update, mean_return| Evaluation {
            update,
            env_steps: update,
            episodes: 4,
            mean_return,
            return_min: mean_return,
            return_max: mean_return,
        };
        solved.offer(of(7, -200.0));
        for (update, mean) in [(1, -201.0), (2, -200.0), (3, f64::NAN)] {
            count(&mut solved, update, -290.0);
            solved.take(of(update, mean));
            assert_eq!(solved.best(), Some(of(7, -200.0)));
        }
        count(&mut solved, 4, -290.0);
        solved.take(of(4, -199.0));
        assert_eq!(solved.best(), Some(of(4, -199.0)));
    }

    #[test]
    fn without_greedy_episodes_nothing_is_due_and_nothing_solved() {
        let mut solved = Solved::new(SolvedRule::new(Env::Pendulum, 1).with_episodes(0));
        count(&mut solved, 1, 0.0);
        for update in 2..=9 {
            count(&mut solved, update, 0.0);
            assert!(solved.is_promising() && !solved.is_due(true) && !solved.is_solved());
        }
        // Nor by what an evaluation of another rule says.
        let mut passed = Solved::new(SolvedRule::new(Env::Pendulum, 1));
        (1..=9).for_each(|update| count(&mut passed, update, 0.0));
        solved.take(passed.judge(greedy(0.0)).unwrap());
        assert!(passed.is_solved() && solved.current().is_some());
        assert!(!solved.is_solved() && solved.first_solved().is_none());
        assert!(matches!(solved.judge(EpisodeStats::NONE), Err(Error::Config { .. })));
    }

    #[test]
    fn no_training_of_the_program_has_an_evaluations_seed() {
        for seed in [0, 1, 303, i64::MAX as u64] {
            assert!(evaluation_seed(seed) > i64::MAX as u64);
        }
    }
}
