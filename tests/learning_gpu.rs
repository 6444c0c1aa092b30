//! The device learns: CartPole and Pendulum are solved on three seeds each, by the rule of `wgpo train` ([`wgpo::solved`]).
//!
//! The greedy evaluation runs on the CPU's environments. On a software adapter this is the longest test of all; networks and
//! batches are chosen so that it stays affordable there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::{gpu, solved as support};

use wgpo::config::{Dqn, Replay};
use wgpo::cpu::evaluate;
use wgpo::{ActMode, AlgorithmKind, Config, Env, GpuOffPolicyTrainer, GpuTrainer, Trainer};

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

/// Off-policy, as `tests/learning_cpu.rs` has it: a greedy evaluation, of which there is one every 1,024 steps or more, reaches the mark.
fn off_policy_gate(env: Env, algorithm: AlgorithmKind, (config, hidden): (Config, Vec<usize>), mark: f64) {
    for seed in [1, 2, 3] {
        let Some(gpu) = gpu::gpu(false) else { return };
        let (updates, spec) = (config.num_updates(), env.policy_for(algorithm, &hidden));
        let mut trainer = GpuOffPolicyTrainer::new(&gpu, env, spec, config.clone(), seed).unwrap();
        let (mut best, mut next, start) = (f64::NEG_INFINITY, 0, std::time::Instant::now());
        for update in 1..=updates {
            let steps = trainer.iterate().unwrap().env_steps;
            if steps >= next || update == updates {
                next = steps + 1024;
                let greedy = evaluate(trainer.learner_mut(), env, 100, !seed, ActMode::Greedy).unwrap();
                best = best.max(greedy.mean_return().unwrap());
                let seconds = start.elapsed().as_secs_f64();
                println!("{} {}: seed {seed}: {steps} steps, {seconds:.1} s: {greedy:?}", algorithm.name(), env.name());
            }
            if best >= mark {
                break;
            }
        }
        assert!(best >= mark, "{} {}: seed {seed}: {best}", algorithm.name(), env.name());
        gpu.healthy().unwrap();
    }
}

/// Those of `Env::tuned_for` take 75,000 gradient steps to stay where they are; these get there in fewer, of a smaller network, and are not asked to stay.
#[test]
fn cartpole_is_learnt_by_dqn() {
    let replay = Replay {
        buffer_size: 50_000,
        batch_size: 64,
        learning_starts: 1_000,
        train_frequency: 8,
        gradient_steps: 4,
        n_steps: 3,
        ..Dqn::sb3().replay
    };
    let own = Dqn {
        replay,
        double: true,
        target_network_frequency: 1,
        tau: 0.005,
        end_e: 0.02,
        exploration_fraction: 0.2,
        ..Dqn::sb3()
    };
    let base = Config { num_envs: 8, num_steps: 64, total_timesteps: 51_200, learning_rate: 2e-3, ..Config::dqn_sb3() };
    off_policy_gate(Env::CartPole, AlgorithmKind::Dqn, (base.with_algorithm(own), vec![64, 64]), 475.0);
}

#[test]
fn pendulum_is_learnt_by_sac() {
    off_policy_gate(Env::Pendulum, AlgorithmKind::Sac, Env::Pendulum.tuned_for(AlgorithmKind::Sac), -200.0);
}
