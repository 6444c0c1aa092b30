//! The device learns: CartPole to its solved mark and Pendulum to swinging up, on three seeds each.
//!
//! The evaluation runs on the CPU's environments with the greedy policy, 100 episodes. On a software adapter this is the
//! longest test of all; networks and batches are chosen so that it stays affordable there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

#[path = "support/gpu.rs"]
mod support;

use wgpo::algo::GpuTrainer;
use wgpo::reference::evaluate;
use wgpo::{ActMode, Algorithm, Env, Trainer};

const EPISODES: usize = 100;

/// Trains with the tuned settings and returns the best mean return over 100 greedy episodes that was seen, with the steps it took.
/// The policy is evaluated when the training episodes suggest that it is there, and at the end.
fn train(env: Env, algorithm: Algorithm, seed: u64) -> Option<(f64, u64)> {
    let gpu = support::gpu(false)?;
    let (config, hidden) = env.tuned_for(algorithm);
    let most_steps = config.num_updates() * config.batch_size() as u64;
    let mut trainer = GpuTrainer::new(&gpu, env, env.policy(&hidden), config, seed).unwrap();
    let mut best = (f64::NEG_INFINITY, 0);
    loop {
        let stats = trainer.iterate().unwrap();
        let over = stats.env_steps >= most_steps;
        let promising = stats.episodes.mean_return().is_some_and(|mean| mean >= env.solved_at() * margin(env));
        if promising || over {
            let greedy = evaluate(trainer.learner_mut(), env, EPISODES, 1_000 + seed, ActMode::Greedy).unwrap();
            let mean = greedy.mean_return().unwrap();
            if mean > best.0 {
                best = (mean, stats.env_steps);
            }
        }
        if best.0 >= env.solved_at() || over {
            gpu.healthy().unwrap();
            println!("{} {}: seed {seed}: {:.1} after {} steps", algorithm.name(), env.name(), best.0, best.1);
            return Some(best);
        }
    }
}

/// Share of the mark at which an evaluation is worth its time; returns of Pendulum are negative.
fn margin(env: Env) -> f64 {
    if env.solved_at() > 0.0 { 0.8 } else { 1.2 }
}

fn gate(env: Env, algorithm: Algorithm) {
    for seed in [1, 2, 3] {
        let Some((mean, steps)) = train(env, algorithm, seed) else { return };
        let name = format!("{} {}", algorithm.name(), env.name());
        assert!(mean >= env.solved_at(), "{name}: seed {seed}: mean return {mean} after {steps} steps");
    }
}

#[test]
fn cartpole_is_solved_within_its_steps() {
    gate(Env::CartPole, Algorithm::Ppo);
}

#[test]
fn pendulum_is_learnt_within_its_steps() {
    gate(Env::Pendulum, Algorithm::Ppo);
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
