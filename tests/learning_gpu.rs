//! The device learns: CartPole and Pendulum are solved on three seeds each, by the rule of `wgpo train` ([`wgpo::solved`]).
//!
//! The greedy evaluation runs on the CPU's environments. On a software adapter this is the longest test of all; networks and
//! batches are chosen so that it stays affordable there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::{gpu, solved as support};

use wgpo::{AlgorithmKind, Env, GpuTrainer};

fn gate(env: Env, algorithm: AlgorithmKind) {
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
    gate(Env::CartPole, AlgorithmKind::Ppo);
}

#[test]
fn pendulum_is_learnt_within_its_steps() {
    gate(Env::Pendulum, AlgorithmKind::Ppo);
}

#[test]
fn cartpole_is_solved_by_trpo() {
    gate(Env::CartPole, AlgorithmKind::Trpo);
}

#[test]
fn pendulum_is_learnt_by_trpo() {
    gate(Env::Pendulum, AlgorithmKind::Trpo);
}

#[test]
fn cartpole_is_solved_by_the_kl_penalty() {
    gate(Env::CartPole, AlgorithmKind::PpoPenalty);
}

#[test]
fn cartpole_is_solved_by_a2c() {
    gate(Env::CartPole, AlgorithmKind::A2c);
}
