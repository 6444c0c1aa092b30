//! What DDPG and TD3 alone read.

use super::range::{Range, check};
use super::replay::Replay;
use crate::error::{Error, Result};

/// TD3 (Fujimoto et al. 2018), and DDPG (Lillicrap et al. 2016), which is TD3 with one critic and no noise on the target's actions.
///
/// ```text
/// a' = clip(tanh π_target(s') + clip(policy_noise · ξ, ±noise_clip), ±1)          ξ standard normal
/// y  = r + (1 − terminated) · γ · min_i Q_i,target(s', a')
/// critics: Σ_i mean (Q_i(s, a) − y)²
/// actor:   −mean Q₁(s, tanh π(s))                                                 by the critics just updated
/// ```
///
/// Actions are in [−1, 1] here, whatever the environment's bounds. [`Config::learning_rate`](super::Config::learning_rate) is the critics'
/// (CleanRL's SAC calls it `q_lr`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Td3 {
    /// The memory, and how often it learns.
    pub replay: Replay,
    /// Step size of the actor's optimiser.
    pub policy_lr: f64,
    /// Standard deviation of the noise on the target's actions, from 0; must be 0 with DDPG.
    pub policy_noise: f64,
    /// Limit of that noise, from 0.
    pub noise_clip: f64,
    /// Actor and targets move at every so-many-th gradient step, at least 1.
    pub policy_frequency: u64,
    /// How far the targets move: target ← (1 − τ) target + τ online, in (0, 1].
    pub tau: f64,
    /// Standard deviation of the noise on the actions that are taken, from 0, for actions in [−1, 1].
    pub exploration_noise: f64,
}

impl Td3 {
    /// CleanRL's `td3_continuous_action.py`.
    pub const fn cleanrl() -> Self {
        Self {
            replay: Replay {
                buffer_size: 1_000_000,
                batch_size: 256,
                learning_starts: 25_000,
                train_frequency: 1,
                gradient_steps: 1,
                n_steps: 1,
                compact: false,
                exploration_hold: 1,
            },
            policy_lr: 3e-4,
            policy_noise: 0.2,
            noise_clip: 0.5,
            policy_frequency: 2,
            tau: 0.005,
            exploration_noise: 0.1,
        }
    }

    /// CleanRL's `ddpg_continuous_action.py`, whose actor and targets move at every second step, too.
    pub const fn ddpg_cleanrl() -> Self {
        Self { policy_noise: 0.0, ..Self::cleanrl() }
    }

    /// Stable-Baselines3's `TD3`. It explores without noise unless it is given one.
    pub const fn sb3() -> Self {
        let cleanrl = Self::cleanrl();
        Self {
            replay: Replay { learning_starts: 100, ..cleanrl.replay },
            policy_lr: 1e-3,
            exploration_noise: 0.0,
            ..cleanrl
        }
    }

    /// Stable-Baselines3's `DDPG`, its `TD3` with one critic, no noise and no delay.
    pub const fn ddpg_sb3() -> Self {
        Self { policy_noise: 0.0, noise_clip: 0.0, policy_frequency: 1, ..Self::sb3() }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.replay.validate()?;
        if self.policy_frequency == 0 {
            return Err(Error::config("policy_frequency", "is 0, must be at least 1"));
        }
        let max = f64::from(f32::MAX);
        check(&[
            Range::closed("policy_lr", self.policy_lr, 0.0, max),
            Range::closed("policy_noise", self.policy_noise, 0.0, max),
            Range::closed("noise_clip", self.noise_clip, 0.0, max),
            Range::above("tau", self.tau, 0.0, 1.0),
            Range::closed("exploration_noise", self.exploration_noise, 0.0, max),
        ])
    }
}
