//! A group of trainers is each of them alone, in fewer submissions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crate::support;

use wgpo::{AlgorithmKind, Config, Env, Error, GpuTrainer, GpuTrainerGroup, Trainer};

const SEEDS: [u64; 3] = [4, 1, 9];

#[test]
fn each_trainer_of_a_group_learns_as_it_would_alone() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    for algorithm in [AlgorithmKind::Ppo, AlgorithmKind::Trpo] {
        let env = Env::MountainCar;
        let config = Config { num_envs: 3, num_steps: 16, num_minibatches: 2, ..env.tuned_for(algorithm).0 };
        let spec = env.policy(&[8]);
        let mut group = GpuTrainerGroup::new(&gpu, env, &spec, &config, &SEEDS).unwrap();
        let together: Vec<_> = (0..3).map(|_| group.iterate().unwrap()).collect();
        for (place, seed) in SEEDS.into_iter().enumerate() {
            let mut alone = GpuTrainer::new(&gpu, env, spec.clone(), config.clone(), seed).unwrap();
            for stats in &together {
                // As text, in which a number that is none equals itself.
                assert_eq!(format!("{:?}", stats[place]), format!("{:?}", alone.iterate().unwrap()), "seed {seed}");
            }
            assert_eq!(group.trainers()[place].state().unwrap(), alone.state().unwrap(), "seed {seed}");
        }
    }
}

#[test]
fn a_trainer_that_is_at_its_end_stays_as_it_is() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    let env = Env::BanditSparse;
    let (config, hidden) = env.tuned();
    let spec = env.policy(&hidden);
    let mut group = GpuTrainerGroup::new(&gpu, env, &spec, &config, &SEEDS).unwrap();
    group.iterate().unwrap();
    let stopped = group.trainers()[1].state().unwrap();
    let stats = group.iterate_where(&[true, false, true]).unwrap();
    assert_eq!(stats.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(group.trainers()[1].state().unwrap(), stopped);
    let mut alone = GpuTrainer::new(&gpu, env, spec, config, SEEDS[2]).unwrap();
    alone.iterate().unwrap();
    // As text, in which a number that is none equals itself.
    assert_eq!(format!("{:?}", stats[2].as_ref().unwrap()), format!("{:?}", alone.iterate().unwrap()));
    assert_eq!(group.trainers()[2].state().unwrap(), alone.state().unwrap());
    assert!(group.iterate_where(&[false; 3]).unwrap().iter().all(Option::is_none));
    assert!(matches!(group.iterate_where(&[true]), Err(Error::Shape { .. })));
}

#[test]
fn an_iteration_is_one_submission_and_a_group_needs_a_seed() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    let env = Env::BanditSparse;
    let (config, hidden) = env.tuned();
    let spec = env.policy(&hidden);
    let mut group = GpuTrainerGroup::new(&gpu, env, &spec, &config, &SEEDS).unwrap();
    let before = gpu.counts();
    let stats = group.iterate().unwrap();
    let spent = gpu.counts() - before;
    assert_eq!((spent.submissions, spent.readbacks, spent.created), (1, 1, 0));
    assert!(stats.iter().all(|one| one.episodes.count == config.num_envs as u64));
    assert!(matches!(GpuTrainerGroup::new(&gpu, env, &spec, &config, &[]), Err(Error::Config { .. })));
}

/// Some go on from a state and some begin: what each does is what it would have done alone. Differing ones are no group.
#[test]
fn a_group_of_trainers_from_states_goes_on_as_it_was() {
    let Some(gpu) = support::gpu::gpu(true) else { return };
    let env = Env::BanditSparse;
    let (config, hidden) = env.tuned();
    let spec = env.policy(&hidden);
    let new = |seed| GpuTrainer::new(&gpu, env, spec.clone(), config.clone(), seed).unwrap();
    let mut alone = new(7);
    alone.iterate().unwrap();
    let again = GpuTrainer::from_state(&gpu, spec.clone(), config.clone(), &alone.state().unwrap()).unwrap();
    let mut group = GpuTrainerGroup::of(&gpu, vec![again, new(8)]).unwrap();
    let stats = group.iterate().unwrap();
    // As text, in which a number that is none equals itself.
    assert_eq!(format!("{:?}", stats[0]), format!("{:?}", alone.iterate().unwrap()));
    assert_eq!(group.trainers()[0].state().unwrap(), alone.state().unwrap());
    let mut beginner = new(8);
    beginner.iterate().unwrap();
    assert_eq!(group.trainers()[1].state().unwrap(), beginner.state().unwrap());
    let other = GpuTrainer::new(&gpu, env, env.policy(&[3]), config.clone(), 7).unwrap();
    let error = GpuTrainerGroup::of(&gpu, vec![new(7), other]).unwrap_err();
    assert!(error.to_string().contains("trainer 1 has not the environment"), "{error}");
}
