//! The device learns: CartPole and Pendulum are solved on three seeds each, by the rule of `wgpo train` ([`wgpo::solved`]).
//!
//! The greedy evaluation runs on the CPU's environments. On a software adapter this is the longest test of all; networks and
//! batches are chosen so that it stays affordable there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

#[path = "support/gpu.rs"]
mod gpu;
#[path = "support/solved.rs"]
mod support;

use wgpo::GpuTrainer;
use wgpo::{Algorithm, Env};

fn gate(env: Env, algorithm: Algorithm) {
    for seed in [1, 2, 3] {
        let Some(gpu) = gpu::gpu(false) else { return };
        let (config, hidden) = env.tuned_for(algorithm);
        let mut trainer = GpuTrainer::new(&gpu, env, env.policy(&hidden), config, seed).unwrap();
        support::solve(&format!("{} {}", algorithm.name(), env.name()), &mut trainer, seed);
        gpu.healthy().unwrap();
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
