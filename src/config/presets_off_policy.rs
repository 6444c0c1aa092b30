//! Settings that CleanRL and Stable-Baselines3 publish for DQN, DDPG, TD3 and SAC.

use super::algorithm::Algorithm;
use super::config::Config;
use super::dqn::Dqn;
use super::sac::Sac;
use super::td3::Td3;

impl Config {
    /// CleanRL's `dqn.py`.
    pub fn dqn_cleanrl() -> Self {
        Self { learning_rate: 2.5e-4, total_timesteps: 500_000, ..Self::of_replay(Dqn::cleanrl()) }
    }

    /// Stable-Baselines3's `DQN`.
    pub fn dqn_sb3() -> Self {
        Self { learning_rate: 1e-4, max_grad_norm: Some(10.0), ..Self::of_replay(Dqn::sb3()) }
    }

    /// CleanRL's `ddpg_continuous_action.py`.
    pub fn ddpg_cleanrl() -> Self {
        Self { learning_rate: 3e-4, ..Self::of_replay(Algorithm::Ddpg(Td3::ddpg_cleanrl())) }
    }

    /// Stable-Baselines3's `DDPG`.
    pub fn ddpg_sb3() -> Self {
        Self { learning_rate: 1e-3, ..Self::of_replay(Algorithm::Ddpg(Td3::ddpg_sb3())) }
    }

    /// CleanRL's `td3_continuous_action.py`.
    pub fn td3_cleanrl() -> Self {
        Self { learning_rate: 3e-4, ..Self::of_replay(Algorithm::Td3(Td3::cleanrl())) }
    }

    /// Stable-Baselines3's `TD3`.
    pub fn td3_sb3() -> Self {
        Self { learning_rate: 1e-3, ..Self::of_replay(Algorithm::Td3(Td3::sb3())) }
    }

    /// CleanRL's `sac_continuous_action.py`. Its actor's deviation is [`Std::SAC_CLEANRL`](crate::policy::Std::SAC_CLEANRL),
    /// which [`Preset::named`](super::Preset::named) has, too.
    pub fn sac_cleanrl() -> Self {
        Self { learning_rate: 1e-3, ..Self::of_replay(Sac::cleanrl()) }
    }

    /// Stable-Baselines3's `SAC`.
    pub fn sac_sb3() -> Self {
        Self { learning_rate: 3e-4, ..Self::of_replay(Sac::sb3()) }
    }
}
