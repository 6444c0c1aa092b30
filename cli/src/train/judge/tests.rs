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
        let stats =
            IterationStats { update: wgpo::data::UpdateStats::default(), episodes, env_steps, updates: self.update };
        judge.after(&mut self.trainer, &stats, false).unwrap();
        judge.solved().current().map(|current| current.mean_return)
    }

    /// Update and score of the file, held against the policy in it.
    fn best(&self) -> (u64, f64) {
        let (saved, evaluation) = checkpoint::load_best(&self.run().best()).unwrap();
        let mut trainer = self.trainer.clone();
        trainer.set_state(&saved.state).unwrap();
        let greedy = self.judge().solved.rule().evaluate(trainer.learner_mut()).unwrap();
        assert_eq!(greedy.mean_return(), Some(evaluation.mean_return), "the score is that of the policy in the file");
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
    for words in
        ["policy.safetensors: the last policy, of update 4", "best.safetensors: the best evaluated policy, of update 3"]
    {
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
