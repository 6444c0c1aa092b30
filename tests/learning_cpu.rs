//! Learning gates on the CPU: the settings of `Env::tuned_for` solve their environment from several seeds.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::VecDeque;
use wgpo::env::Env;
use wgpo::learner::ActMode;
use wgpo::policy::{Bounds, Head, Std};
use wgpo::reference::{CpuTrainer, evaluate};
use wgpo::trainer::{EpisodeStats, Trainer};
use wgpo::{Algorithm, ObsNorm, PpoConfig, RewardNorm, ValueNorm};

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

/// Until 100 greedy episodes are at the mark, which are played whenever the latest 100 of training suggest it, and at the end.
/// One seed: what differs from the gates above is one part, which has its own tests against f64, and the time of these tests is
/// everybody's.
fn solve(what: &str, env: Env, head: Head, config: PpoConfig, seed: u64) {
    let (start, updates, mark) = (std::time::Instant::now(), config.num_updates(), env.solved_at());
    let mut spec = env.policy(&env.tuned().1);
    spec.head = head;
    let mut trainer = CpuTrainer::new(env, spec, config, seed).unwrap();
    let mut latest = VecDeque::<EpisodeStats>::new();
    for update in 1..=updates {
        let stats = trainer.iterate().unwrap();
        latest.push_back(stats.episodes);
        while latest.iter().skip(1).map(|episodes| episodes.count).sum::<u64>() >= 100 {
            latest.pop_front();
        }
        let mean = latest.iter().copied().fold(EpisodeStats::NONE, EpisodeStats::merge).mean_return();
        if update < updates && mean.is_none_or(|mean| mean < mark - 0.2 * mark.abs()) {
            continue;
        }
        let greedy = evaluate(trainer.learner_mut(), env, 100, 1_000_000 + seed, ActMode::Greedy).unwrap();
        let mean = greedy.mean_return().unwrap();
        if mean >= mark || update == updates {
            let (steps, seconds) = (stats.env_steps, start.elapsed().as_secs_f64());
            println!("{what}: mean return {mean:.1} after {steps} steps, {seconds:.1} s");
            assert!(mean >= mark, "{what}: {mean} after {steps} steps");
            return;
        }
    }
    panic!("{what}: no update");
}

#[test]
fn pendulum_is_learnt_with_a_beta_head() {
    let head = Head::Beta { dims: 1, bounds: Bounds::uniform(1, -2.0, 2.0) };
    solve("pendulum, Beta", Env::Pendulum, head, Env::Pendulum.tuned().0, 1);
}

#[test]
fn pendulum_is_learnt_with_a_squashed_gaussian() {
    let head = Head::TanhGaussian { dims: 1, std: Std::default(), bounds: Bounds::uniform(1, -2.0, 2.0) };
    solve("pendulum, tanh-Gaussian", Env::Pendulum, head, Env::Pendulum.tuned().0, 1);
}

#[test]
fn cartpole_is_solved_with_everything_normalised() {
    let config = PpoConfig {
        obs_norm: Some(ObsNorm::sb3()),
        reward_norm: Some(RewardNorm::sb3()),
        norm_value: Some(ValueNorm::rl_games()),
        ..Env::CartPole.tuned().0
    };
    solve("cartpole, normalised", Env::CartPole, Env::CartPole.head(), config, 1);
}
