//! Settings that we chose for each environment and off-policy algorithm.

use super::table::Env;
use crate::config::{AlgorithmKind, Config, Dqn, Replay, Sac, Td3};

impl Env {
    /// Small networks and a gradient step for every environment step or two, so that they learn in few steps.
    pub(super) fn tuned_off_policy(self, algorithm: AlgorithmKind) -> (Config, Vec<usize>) {
        let replay = Replay { buffer_size: 50_000, batch_size: 128, learning_starts: 1_000, ..Sac::sb3().replay };
        let td3 = Td3 { replay, policy_lr: 1e-3, exploration_noise: 0.1, ..Td3::cleanrl() };
        let config = match algorithm {
            AlgorithmKind::Dqn => {
                let replay = Replay { train_frequency: 2, ..replay };
                let own = Dqn {
                    replay,
                    double: true,
                    target_network_frequency: 100,
                    exploration_fraction: 0.3,
                    ..Dqn::sb3()
                };
                Config { total_timesteps: 60_000, ..Config::dqn_sb3() }.with_algorithm(own)
            }
            AlgorithmKind::Ddpg => {
                let own = Td3 { policy_noise: 0.0, policy_frequency: 1, ..td3 };
                Config { total_timesteps: 20_480, ..Config::ddpg_sb3() }
                    .with_algorithm(crate::config::Algorithm::Ddpg(own))
            }
            AlgorithmKind::Td3 => Config { total_timesteps: 20_480, ..Config::td3_sb3() }.with_algorithm(td3),
            _ => {
                let own = Sac { replay, policy_lr: 1e-3, alpha_lr: 1e-3, ..Sac::sb3() };
                Config { total_timesteps: 20_480, ..Config::sac_sb3() }.with_algorithm(own)
            }
        };
        (Config { learning_rate: 1e-3, ..config }, vec![64, 64])
    }
}
