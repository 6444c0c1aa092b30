//! The evaluations of a run: whether it is solved, and the best policy, kept in a file of its own.

use crate::folder::label::{label, run_of};
use crate::folder::metrics::file::Metrics;
use crate::folder::run::Folder;
use crate::settings::run_config::RunConfig;
use anyhow::{Context, Result, bail};
use indicatif::HumanCount;
use std::path::PathBuf;
use wgpo::checkpoint::{self, Labels};
use wgpo::{
    Trainer,
    solved::{Evaluation, Solved, SolvedRule},
    state::TrainerState,
    trainer::IterationStats,
};

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
        checkpoint::save_best(&self.path, spec, config, &trainer.state()?, &evaluation, &self.labels)
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
mod tests {
    use super::*;
    use wgpo::cpu::CpuTrainer;
    use wgpo::env::Env;
    use wgpo::state::EpisodeStats;

    /// CartPole by one linear layer: two logits of four numbers, a bias, and a critic that stays as it is.
    struct Case {
        folder: tempfile::TempDir,
        config: RunConfig,
        trainer: CpuTrainer,
        update: u64,
    }

    impl Case {
        fn new() -> Self {
            let env = Env::CartPole;
            let settings = wgpo::Config { num_envs: 2, num_steps: 4, num_minibatches: 1, ..env.tuned().0 };
            let policy = env.policy(&[]);
            let trainer = CpuTrainer::new(env, policy.clone(), settings.clone(), 5).unwrap();
            let config = RunConfig {
                env,
                backend: "cpu".into(),
                adapter: None,
                api: None,
                driver: None,
                kernels: None,
                seed: 5,
                eval_episodes: 3,
                run: Some(7),
                checksum: None,
                policy,
                settings,
            };
            Self { folder: tempfile::tempdir().unwrap(), config, trainer, update: 0 }
        }

        fn judge(&self) -> Judge {
            Judge::new(&self.config, &self.run())
        }

        fn run(&self) -> Folder {
            Folder::at(self.folder.path())
        }

        /// One more update, by which the policy pushes to where the pole falls, `good`, or always to the left, and after which the
        /// episodes of training have `mean`. Returns the score if it was evaluated.
        fn update(&mut self, judge: &mut Judge, good: bool, mean: f64) -> Option<f64> {
            self.update += 1;
            let mut state = self.trainer.state().unwrap();
            let push = if good { [0.1, 0.3, 1.0, 1.0] } else { [0.0; 4] };
            state.learner.parameters.fill(0.0);
            state.learner.parameters[4..8].copy_from_slice(&push);
            state.learner.update = self.update;
            self.trainer.set_state(&state).unwrap();
            let episodes = EpisodeStats {
                count: 100,
                return_sum: 100.0 * mean,
                length_sum: 100.0 * mean,
                return_min: mean,
                return_max: mean,
            };
            // Far enough apart for an evaluation of each.
            let env_steps = 1000 * self.update;
            let stats = IterationStats {
                update: wgpo::data::UpdateStats::default(),
                episodes,
                env_steps,
                updates: self.update,
            };
            judge.after(&mut self.trainer, &stats, false).unwrap();
            judge.solved().current().map(|current| current.mean_return)
        }

        /// Update and score of the file, held against the policy in it.
        fn best(&self) -> (u64, f64) {
            let (saved, evaluation) = checkpoint::load_best(&self.run().best()).unwrap();
            let mut trainer = self.trainer.clone();
            trainer.set_state(&saved.state).unwrap();
            let greedy = self.judge().solved.rule().evaluate(trainer.learner_mut()).unwrap();
            assert_eq!(
                greedy.mean_return(),
                Some(evaluation.mean_return),
                "the score is that of the policy in the file"
            );
            (evaluation.update, evaluation.mean_return)
        }
    }

    #[test]
    fn only_a_policy_that_passes_both_is_solved_and_the_best_is_kept() {
        let mut case = Case::new();
        let mut judge = case.judge();
        assert_eq!(case.update(&mut judge, true, 474.0), None, "below the mark nothing is evaluated");
        assert!(!case.run().best().exists());

        let broken = case.update(&mut judge, false, 500.0).unwrap();
        assert!(broken < 20.0 && !judge.solved().is_solved(), "{broken}");
        assert!(judge.verdict().starts_with("not solved: the sampled mean is at the mark"), "{}", judge.verdict());
        assert_eq!(case.best(), (2, broken));

        let good = case.update(&mut judge, true, 500.0).unwrap();
        assert!(good >= 475.0 && judge.solved().is_solved() && judge.verdict() == "solved", "{good}");
        assert_eq!(case.best(), (3, good));

        // Broken again: the last policy is not the best one, and the words say so.
        case.update(&mut judge, false, 500.0).unwrap();
        assert!(!judge.solved().is_solved());
        assert_eq!(case.best(), (3, good));
        let (verdict, files) = (judge.verdict(), judge.files(4).join("\n"));
        assert!(verdict.contains("it was solved after update 3"), "{verdict}");
        for words in [
            "policy.safetensors: the last policy, of update 4",
            "best.safetensors: the best evaluated policy, of update 3",
        ] {
            assert!(files.contains(words), "{files}");
        }
    }

    #[test]
    fn a_resume_never_worsens_the_best() {
        let mut case = Case::new();
        let mut judge = case.judge();
        let good = case.update(&mut judge, true, 500.0).unwrap();
        let metrics = Metrics::create(&case.run().metrics(), 7).unwrap();
        let resume = |case: &Case| Judge::resume(&case.config, &case.run(), &metrics, &case.trainer.state().unwrap());
        let mut judge = resume(&case).unwrap();
        case.update(&mut judge, false, 500.0).unwrap();
        assert_eq!(case.best(), (1, good));
        // As good, but later.
        case.update(&mut judge, true, 500.0).unwrap();
        assert_eq!(case.best(), (1, good));

        // Of a run with the same seed, but other settings.
        case.config.run = Some(8);
        let error = crate::program::one_line(&resume(&case).err().unwrap());
        assert!(error.contains("best.safetensors is of run 7") && error.contains("of run 8"), "{error}");
        case.config.run = Some(7);

        // Another run's, and a damaged one, are refused and stay.
        case.config.seed = 6;
        let error = crate::program::one_line(&resume(&case).err().unwrap());
        assert!(error.contains("with seed 5, not of cartpole with seed 6; move it away"), "{error}");
        case.config.seed = 5;
        let whole = std::fs::read(case.run().best()).unwrap();
        std::fs::write(case.run().best(), &whole[..whole.len() / 2]).unwrap();
        let error = crate::program::one_line(&resume(&case).err().unwrap());
        assert!(error.contains("move it away") && error.contains("best.safetensors"), "{error}");
        assert_eq!(std::fs::metadata(case.run().best()).unwrap().len() as usize, whole.len() / 2);

        // Where it is gone, the next evaluated policy is the best.
        std::fs::remove_file(case.run().best()).unwrap();
        let mut judge = resume(&case).unwrap();
        let broken = case.update(&mut judge, false, 500.0).unwrap();
        assert_eq!(case.best(), (4, broken));
    }

    #[test]
    fn an_end_that_was_not_evaluated_is() {
        let mut case = Case::new();
        let mut judge = case.judge();
        case.update(&mut judge, true, 100.0);
        judge.evaluate(&mut case.trainer, true).unwrap();
        assert!(!judge.solved().is_solved(), "the sampled mean is far below");
        assert_eq!(case.best().0, 1);
        assert!(judge.verdict().starts_with("not solved: the sampled mean is below the mark of 475"));
    }
}
