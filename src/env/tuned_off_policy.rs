//! Settings that we chose for each environment and off-policy algorithm.

use super::table::Env;
use crate::config::{AlgorithmKind, Config, Dqn, Replay, Sac, Td3};

impl Env {
    /// Small networks, and of the algorithms for floats a gradient step for every environment step, so that they learn in few steps. On
    /// MountainCar exploration lasts: a push of one step is undone by the next. docs/training.md and `tests/learning_cpu.rs` say what is reached with them.
    pub(super) fn tuned_off_policy(self, algorithm: AlgorithmKind) -> (Config, Vec<usize>) {
        let mut replay = Replay { buffer_size: 50_000, batch_size: 128, learning_starts: 1_000, ..Sac::sb3().replay };
        if self == Self::MountainCar {
            // About half of a swing.
            (replay.exploration_hold, replay.learning_starts) = (32, 2_000);
        }
        match (self, algorithm) {
            (Self::Pendulum, AlgorithmKind::Sac) => return Self::tuned_sac_pendulum(replay),
            (Self::CartPole | Self::Acrobot, AlgorithmKind::Sac) => return self.tuned_sac_choices(replay),
            _ => {}
        }
        let exploration_noise = if self == Self::MountainCar { 0.5 } else { 0.1 };
        let td3 = Td3 { replay, policy_lr: 1e-3, exploration_noise, ..Td3::cleanrl() };
        let continuous = |config| Config { total_timesteps: 40_960, learning_rate: 1e-3, ..config };
        let config = match algorithm {
            AlgorithmKind::Dqn => return self.tuned_dqn(replay),
            AlgorithmKind::Ddpg => {
                let own = Td3 { policy_noise: 0.0, policy_frequency: 1, ..td3 };
                continuous(Config::ddpg_sb3()).with_algorithm(crate::config::Algorithm::Ddpg(own))
            }
            AlgorithmKind::Td3 => continuous(Config::td3_sb3()).with_algorithm(td3),
            _ => {
                let own = Sac { replay, policy_lr: 1e-3, alpha_lr: 1e-3, ..Sac::sb3() };
                continuous(Config::sac_sb3()).with_algorithm(own)
            }
        };
        (config, vec![64, 64])
    }

    /// High rates: they take a fifth of the steps that 1e-3 takes.
    fn tuned_sac_pendulum(replay: Replay) -> (Config, Vec<usize>) {
        let replay = Replay { batch_size: 64, learning_starts: 512, ..replay };
        let own = Sac { replay, policy_lr: 3e-3, alpha_lr: 3e-3, ..Sac::sb3() };
        let config = Config { total_timesteps: 40_960, learning_rate: 3e-3, ..Config::sac_sb3() };
        (config.with_algorithm(own), vec![32, 32])
    }

    /// Hardly any entropy is kept. With the usual target, 0.89 log n, the policy that explores stays near an even draw, which no pole survives,
    /// and the critics' values are those of that policy.
    fn tuned_sac_choices(self, replay: Replay) -> (Config, Vec<usize>) {
        let replay = Replay { batch_size: 64, train_frequency: 8, gradient_steps: 8, n_steps: 3, ..replay };
        let own = Sac { replay, policy_lr: 1e-3, alpha_lr: 1e-3, tau: 0.01, target_entropy: Some(0.02), ..Sac::sb3() };
        let total_timesteps = if self == Self::CartPole { 200_192 } else { 60_416 };
        let base = Config { num_envs: 8, num_steps: 64, total_timesteps, learning_rate: 1e-3, ..Config::sac_sb3() };
        (base.with_algorithm(own), vec![64, 64])
    }

    /// Targets that follow slowly, and returns of a few steps. With hard copies and single steps CartPole was learnt and lost again, and so it was with
    /// more gradient steps for each environment step or a higher rate.
    fn tuned_dqn(self, replay: Replay) -> (Config, Vec<usize>) {
        let replay = Replay { train_frequency: 8, learning_starts: 2_000, ..replay };
        let own =
            Dqn { double: true, target_network_frequency: 1, end_e: 0.02, exploration_fraction: 0.2, ..Dqn::sb3() };
        let base = Config { num_envs: 8, num_steps: 64, ..Config::dqn_sb3() };
        if self == Self::CartPole {
            let replay = Replay { buffer_size: 100_000, gradient_steps: 2, n_steps: 3, ..replay };
            let config = Config { total_timesteps: 300_032, learning_rate: 3e-4, ..base };
            return (config.with_algorithm(Dqn { replay, tau: 0.01, ..own }), vec![128, 128]);
        }
        let replay = Replay { gradient_steps: 4, n_steps: 5, ..replay };
        let config = Config { total_timesteps: 160_256, learning_rate: 5e-4, ..base };
        (config.with_algorithm(Dqn { replay, tau: 0.005, ..own }), vec![64, 64])
    }
}
