//! Learning gates on the CPU: the settings of `Env::tuned_for` solve their environment from several seeds.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use wgpo::Algorithm;
use wgpo::env::Env;
use wgpo::learner::ActMode;
use wgpo::reference::{CpuTrainer, evaluate};
use wgpo::trainer::Trainer;

/// Trains for as many steps as the tuned settings say, then evaluates 100 episodes with greedy actions from start states that
/// training did not see.
fn learn(env: Env, algorithm: Algorithm, seed: u64) {
    let (config, hidden) = env.tuned_for(algorithm);
    let (updates, steps) = (config.num_updates(), config.num_updates() * config.batch_size() as u64);
    let start = std::time::Instant::now();
    let mut trainer = CpuTrainer::new(env, env.policy(&hidden), config, seed).unwrap();
    for _ in 0..updates {
        trainer.iterate().unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    let mean =
        evaluate(trainer.learner_mut(), env, 100, 1_000_000 + seed, ActMode::Greedy).unwrap().mean_return().unwrap();
    let name = format!("{} {}", algorithm.name(), env.name());
    println!("{name}: seed {seed}: mean return {mean:.1} after {steps} steps, {seconds:.1} s");
    assert!(mean >= env.solved_at(), "{name}: seed {seed}: {mean} after {steps} steps");
}

fn gate(env: Env, algorithm: Algorithm) {
    for seed in 1..=3 {
        learn(env, algorithm, seed);
    }
}

#[test]
fn cartpole_is_solved() {
    gate(Env::CartPole, Algorithm::Ppo);
}

#[test]
fn pendulum_is_learnt() {
    gate(Env::Pendulum, Algorithm::Ppo);
}

#[test]
fn acrobot_is_learnt() {
    gate(Env::Acrobot, Algorithm::Ppo);
}

#[test]
fn mountain_car_is_learnt() {
    gate(Env::MountainCar, Algorithm::Ppo);
}

#[test]
fn cartpole_is_solved_by_trpo() {
    gate(Env::CartPole, Algorithm::Trpo);
}

#[test]
fn pendulum_is_learnt_by_trpo() {
    gate(Env::Pendulum, Algorithm::Trpo);
}

#[test]
fn cartpole_is_solved_by_the_kl_penalty() {
    gate(Env::CartPole, Algorithm::PpoPenalty);
}

#[test]
fn cartpole_is_solved_by_a2c() {
    gate(Env::CartPole, Algorithm::A2c);
}
