//! What DQN alone reads.

use super::range::{Range, check};
use super::replay::Replay;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Loss of a difference d between Q and its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TdLoss {
    /// ½ d² where |d| < 1, else |d| − ½: Stable-Baselines3's `smooth_l1`. Its gradient is d clipped to [−1, 1], as Mnih et al. 2015
    /// have it.
    Huber,
    /// d², without ½: CleanRL.
    Squared,
}

/// DQN (Mnih et al. 2015): Q-learning with a network, a replay memory and a target network.
///
/// ```text
/// y    = r + (1 − terminated) · γ · Q_target(s', a*)     a* = argmax_a Q_target(s', a), or argmax_a Q(s', a) if double
/// loss = mean over the batch of td_loss(Q(s, a) − y)
/// ```
///
/// The policy's branch `policy` gives Q of each choice; its greedy action is the greatest. [`Config::learning_rate`](super::Config::learning_rate)
/// is the network's. With [`dueling`](Self::dueling) that branch gives advantages A, and the branch `value` beside it V:
///
/// ```text
/// Q(s, a) = V(s) + A(s, a) − mean_b A(s, b)          (Wang et al. 2016, equation 9)
/// ```
///
/// The two streams are two networks on the observation; they share no layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dqn {
    /// The memory, and how often it learns.
    pub replay: Replay,
    /// Whether the online network chooses the action that the target network values (van Hasselt et al. 2016).
    pub double: bool,
    /// Whether Q is the sum of a value and of advantages whose mean is 0 (Wang et al. 2016). The policy then has a branch `value`
    /// ([`Config::fitted`](super::Config::fitted)).
    pub dueling: bool,
    /// The loss.
    pub td_loss: TdLoss,
    /// The target network moves after every so-many-th gradient step, at least 1. CleanRL and Stable-Baselines3 count environment steps here:
    /// their number divided by `train_frequency` and times `gradient_steps` is this one.
    pub target_network_frequency: u64,
    /// How far: target ← (1 − τ) target + τ online, in (0, 1]; 1 copies.
    pub tau: f64,
    /// ε at first, in [0, 1]: the probability of a uniformly drawn action.
    pub start_e: f64,
    /// ε in the end, in [0, 1].
    pub end_e: f64,
    /// Share of [`Config::total_timesteps`](super::Config::total_timesteps) on which ε goes from one to the other, linearly; in [0, 1].
    pub exploration_fraction: f64,
}

impl Dqn {
    /// CleanRL's `dqn.py`: a copy every 500 environment steps, which are 50 gradient steps.
    pub const fn cleanrl() -> Self {
        Self {
            replay: Replay {
                buffer_size: 10_000,
                batch_size: 128,
                learning_starts: 10_000,
                train_frequency: 10,
                gradient_steps: 1,
                n_steps: 1,
                compact: false,
                exploration_hold: 1,
            },
            double: false,
            dueling: false,
            td_loss: TdLoss::Squared,
            target_network_frequency: 50,
            tau: 1.0,
            start_e: 1.0,
            end_e: 0.05,
            exploration_fraction: 0.5,
        }
    }

    /// Stable-Baselines3's `DQN`: a copy every 10,000 environment steps, which are 2,500 gradient steps.
    pub const fn sb3() -> Self {
        Self {
            replay: Replay {
                buffer_size: 1_000_000,
                batch_size: 32,
                learning_starts: 100,
                train_frequency: 4,
                gradient_steps: 1,
                n_steps: 1,
                compact: false,
                exploration_hold: 1,
            },
            td_loss: TdLoss::Huber,
            target_network_frequency: 2_500,
            exploration_fraction: 0.1,
            ..Self::cleanrl()
        }
    }

    /// ε once `env_steps` of `total_timesteps` environment steps are done.
    pub fn epsilon_at(&self, env_steps: u64, total_timesteps: u64) -> f64 {
        let duration = self.exploration_fraction * total_timesteps as f64;
        let done = env_steps as f64;
        if done >= duration { self.end_e } else { self.start_e + (self.end_e - self.start_e) * (done / duration) }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.replay.validate()?;
        if self.target_network_frequency == 0 {
            return Err(Error::config("target_network_frequency", "is 0, must be at least 1"));
        }
        check(&[
            Range::above("tau", self.tau, 0.0, 1.0),
            Range::closed("start_e", self.start_e, 0.0, 1.0),
            Range::closed("end_e", self.end_e, 0.0, 1.0),
            Range::closed("exploration_fraction", self.exploration_fraction, 0.0, 1.0),
        ])
    }
}
