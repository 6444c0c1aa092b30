//! Learning gates on the CPU: the settings of `Env::tuned` solve their environment from several seeds.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use wgpo::env::Env;
use wgpo::learner::ActMode;
use wgpo::reference::{CpuTrainer, evaluate};
use wgpo::trainer::Trainer;

/// Trains for as many steps as the tuned settings say, then evaluates 100 episodes with greedy actions from start states that
/// training did not see.
fn learn(env: Env, seed: u64) {
    let (config, hidden) = env.tuned();
    let (updates, steps) = (config.num_updates(), config.num_updates() * config.batch_size() as u64);
    let start = std::time::Instant::now();
    let mut trainer = CpuTrainer::new(env, env.policy(&hidden), config, seed).unwrap();
    for _ in 0..updates {
        trainer.iterate().unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    let mean =
        evaluate(trainer.learner_mut(), env, 100, 1_000_000 + seed, ActMode::Greedy).unwrap().mean_return().unwrap();
    println!("{}: seed {seed}: mean return {mean:.1} after {steps} steps, {seconds:.1} s", env.name());
    assert!(mean >= env.solved_at(), "{}: seed {seed}: {mean} after {steps} steps", env.name());
}

#[test]
fn cartpole_is_solved() {
    for seed in 1..=3 {
        learn(Env::CartPole, seed);
    }
}

#[test]
fn pendulum_is_learnt() {
    for seed in 1..=3 {
        learn(Env::Pendulum, seed);
    }
}
