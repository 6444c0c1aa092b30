//! The evaluations of a run: whether it is solved, and the best policy, kept in a file of its own.

use crate::folder::label::{label, run_of};
use crate::folder::metrics::file::Metrics;
use crate::folder::run::Folder;
use crate::settings::run_config::RunConfig;
use anyhow::{Context, Result, bail};
use indicatif::HumanCount;
use std::path::PathBuf;
use wgpo::Trainer;
use wgpo::checkpoint::{self, Labels};
use wgpo::solved::{Evaluation, Solved, SolvedRule};
use wgpo::state::TrainerState;
use wgpo::trainer::IterationStats;

/// The rule, what it has seen, and where the best policy is.
pub struct Judge {
    solved: Solved,
    path: PathBuf,
    labels: Labels,
}

impl Judge {
    /// Of a new run.
    pub fn new(config: &RunConfig, folder: &Folder) -> Self {
        let rule = SolvedRule::new(config.env, config.seed).with_episodes(config.eval_episodes);
        let labels = config.run.map_or_else(Labels::new, label);
        Self { solved: Solved::new(rule), path: folder.best(), labels }
    }

    /// Of a run that goes on: with what its metrics tell, and the best policy that it has. A file of another run is refused, so
    /// that it is not lost to this one's.
    pub fn resume(config: &RunConfig, folder: &Folder, metrics: &Metrics, state: &TrainerState) -> Result<Self> {
        let mut judge = Self::new(config, folder);
        let best = if judge.path.exists() { Some(judge.read(config, folder)?) } else { None };
        metrics.tell(&mut judge.solved);
        // Of rows that are lost, too.
        judge.solved.count(state.learner.update, state.env_step * config.settings.num_envs as u64, 0, None);
        // What the rows call best counts only if it is there; the file may also be of an update that will be done again.
        judge.solved.forget_best();
        if let Some(best) = best {
            judge.solved.offer(best);
        }
        Ok(judge)
    }

    fn read(&self, config: &RunConfig, folder: &Folder) -> Result<Evaluation> {
        let away = "move it away, and the run continues and keeps the best policy from there on";
        let (saved, evaluation) = checkpoint::load_best(&self.path).context(away)?;
        // One that an earlier version wrote does not say it, and stays this run's when the run gets its number.
        if let Some(other) = run_of(&self.path, &saved.labels)? {
            folder.refuse_other(&self.path, Some(other), config).context(away)?;
        }
        saved.expect_spec(&self.path, &config.policy).context(away)?;
        let (env, seed) = (saved.state.env, saved.state.learner.seed);
        if (env, seed) != (Some(config.env), config.seed) {
            bail!(
                "{}: is of a run of {} with seed {seed}, not of {} with seed {}; {away}",
                self.path.display(),
                saved.state.env_name(),
                config.env.name(),
                config.seed
            );
        }
        Ok(evaluation)
    }

    /// What it has seen.
    pub const fn solved(&self) -> &Solved {
        &self.solved
    }

    /// After an iteration: counts it, evaluates the policy where that is due, and keeps the policy if it is the best so far. `last`
    /// says that no update follows.
    pub fn after(&mut self, trainer: &mut dyn Trainer, stats: &IterationStats, last: bool) -> Result<()> {
        let (episodes, mean) = (stats.episodes.count, stats.episodes.mean_return());
        self.solved.count(stats.updates, stats.env_steps, episodes, mean);
        self.evaluate(trainer, last)
    }

    /// Evaluates the policy of the latest update where that is due, and keeps it if it is the best so far.
    pub fn evaluate(&mut self, trainer: &mut dyn Trainer, last: bool) -> Result<()> {
        let before = self.solved.best();
        let evaluation = self.solved.evaluate_if_due(trainer.learner_mut(), last).context("greedy evaluation")?;
        let Some(evaluation) = evaluation.filter(|_| self.solved.best() != before) else { return Ok(()) };
        let (spec, config) = (trainer.learner().spec(), trainer.learner().config());
        let mut state = trainer.state()?;
        if let Some(own) = &mut state.learner.off_policy {
            // Who plays the best policy, or learns on from it, needs no copy of the run's memory, which may be most of the file.
            own.replay = None;
        }
        checkpoint::save_best(&self.path, spec, config, &state, &evaluation, &self.labels)
            .context("the best policy cannot be saved")
    }

    /// Which file is which, and the score of each; a line per file.
    pub fn files(&self, update: u64) -> Vec<String> {
        let (current, best) = (self.solved.current(), self.solved.best());
        let mut lines = vec![match current {
            Some(current) => format!("{}: the last policy, {}", Folder::POLICY, told(&current)),
            None => format!("{}: the last policy, of update {update}: not evaluated", Folder::POLICY),
        }];
        if let Some(best) = best {
            let same = if current == Some(best) { " (the same)" } else { "" };
            lines.push(format!("{}: the best evaluated policy{same}, {}", Folder::BEST, told(&best)));
        }
        lines
    }

    /// Whether the run is solved, and if not, why not; for the end of a run.
    pub fn verdict(&self) -> String {
        let mark = self.solved.rule().mark;
        if self.solved.is_solved() {
            return "solved".to_owned();
        }
        let why = match self.solved.current() {
            _ if self.solved.rule().episodes == 0 => "no greedy evaluation (--eval-episodes 0)".to_owned(),
            _ if !self.solved.is_promising() => format!("the sampled mean is below the mark of {mark}"),
            Some(greedy) => {
                format!("the sampled mean is at the mark of {mark}, the greedy one ({:.1}) is not", greedy.mean_return)
            }
            None => "the last policy is not evaluated".to_owned(),
        };
        let earlier = self.solved.first_solved().map_or(String::new(), |first| {
            format!("; it was solved after update {} ({} steps)", first.update, HumanCount(first.env_steps))
        });
        format!("not solved: {why}{earlier}")
    }
}

/// `of update 40: mean return 493.2 over 100 greedy episodes (smallest 401.0, largest 500.0)`.
fn told(evaluation: &Evaluation) -> String {
    format!(
        "of update {}: mean return {:.1} over {} greedy episodes (smallest {:.1}, largest {:.1})",
        evaluation.update, evaluation.mean_return, evaluation.episodes, evaluation.return_min, evaluation.return_max
    )
}

#[cfg(test)]
mod tests;
