//! The environments that wgpo brings, with Gymnasium's dynamics: their sizes, limits and state words.
//!
//! The steps themselves are `shaders/env_*.wgsl` on the device and [`crate::reference::env`] on the CPU. Both keep the same
//! words per environment, so a run saved on one resumes on the other.

use crate::data::Actions;
use crate::policy::{Activation, Bounds, Head, PolicySpec, Std};
use crate::{Algorithm, Error, KlPenalty, PpoConfig, Result, TrustRegion, ValueLoss};
use serde::{Deserialize, Serialize};

/// An environment that runs wholly on the device.
///
/// Autoreset is same-step: the step that ends an episode returns the first observation of the next one; the real last
/// observation is kept apart (`final_obs`). A time limit is reported as truncation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Env {
    /// CartPole-v1: two actions, reward 1 per step, 500 steps at most; solved at a mean return of 475.
    CartPole,
    /// Pendulum-v1: one torque in [−2, 2] (clipped in the environment), 200 steps, never terminates.
    Pendulum,
}

impl Env {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::CartPole, Self::Pendulum];

    /// `cartpole` or `pendulum`, as the program spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CartPole => "cartpole",
            Self::Pendulum => "pendulum",
        }
    }

    /// Gymnasium's id.
    pub const fn gymnasium_id(self) -> &'static str {
        match self {
            Self::CartPole => "CartPole-v1",
            Self::Pendulum => "Pendulum-v1",
        }
    }

    /// Width of an observation.
    pub const fn obs_dim(self) -> usize {
        match self {
            Self::CartPole => 4,
            Self::Pendulum => 3,
        }
    }

    /// Numbers of the physical state (S).
    pub const fn state_dim(self) -> usize {
        match self {
            Self::CartPole => 4,
            Self::Pendulum => 2,
        }
    }

    /// 32-bit words kept per environment: the physical state (f32), the episode's return so far (f32), the episode's
    /// steps so far (u32).
    pub const fn state_words(self) -> usize {
        self.state_dim() + 2
    }

    /// Steps after which an episode is truncated.
    pub const fn time_limit(self) -> u32 {
        match self {
            Self::CartPole => 500,
            Self::Pendulum => 200,
        }
    }

    /// The head that suits its actions.
    pub fn head(self) -> Head {
        match self {
            Self::CartPole => Head::categorical(2),
            Self::Pendulum => {
                Head::Gaussian { dims: 1, std: Std::default(), bounds: Some(Bounds::uniform(1, -2.0, 2.0)) }
            }
        }
    }

    /// Refuses a head whose actions, as the environment gets them, are not the environment's.
    ///
    /// # Errors
    /// [`Error::Config`] with both.
    pub fn check_head(self, head: &Head) -> Result<()> {
        let own = self.head();
        let same_choices = !own.env_is_discrete() || own.choices() == head.choices();
        let suits = head.env_is_discrete() == own.env_is_discrete()
            && head.action_dims() == own.action_dims()
            && same_choices
            && !head.is_masked();
        if suits {
            return Ok(());
        }
        let wants = match own.choices().as_slice() {
            [] => format!("{} floats", own.action_dims()),
            choices => format!("indices below {choices:?}"),
        };
        let message = format!("{head:?} does not suit {}, whose actions are {wants}", self.name());
        Err(Error::config("head", message))
    }

    /// Refuses actions that are not the environment's.
    pub(crate) fn check_actions(self, actions: &Actions, rows: usize) -> Result<()> {
        actions.validate(&self.head(), rows)
    }

    /// Mean return at which it counts as solved (CartPole) or as learnt (Pendulum).
    pub const fn solved_at(self) -> f64 {
        match self {
            Self::CartPole => 475.0,
            Self::Pendulum => -300.0,
        }
    }

    /// Settings and hidden widths that learn this environment quickly and from any seed; `tests/learning_cpu.rs` holds them
    /// to it. Small networks and few rows, so that they are cheap on a software GPU too.
    pub fn tuned(self) -> (PpoConfig, Vec<usize>) {
        match self {
            Self::CartPole => (
                PpoConfig {
                    num_envs: 8,
                    num_steps: 128,
                    // Solved well before; the mean over the last 100 episodes needs some 50,000 steps once they last 500.
                    total_timesteps: 100_352,
                    learning_rate: 2.5e-3,
                    gae_lambda: 0.9,
                    gamma: 0.99,
                    num_minibatches: 4,
                    update_epochs: 8,
                    ent_coef: 0.0,
                    // Values reach 100 here; clipping their change to ±0.2 would hold the critic back.
                    value_loss: ValueLoss::Plain,
                    ..PpoConfig::cleanrl()
                },
                vec![64, 64],
            ),
            Self::Pendulum => (
                PpoConfig {
                    num_envs: 16,
                    num_steps: 128,
                    total_timesteps: 122_880,
                    learning_rate: 2e-3,
                    gamma: 0.9,
                    gae_lambda: 0.95,
                    num_minibatches: 8,
                    update_epochs: 10,
                    ent_coef: 0.0,
                    value_loss: ValueLoss::Plain,
                    ..PpoConfig::cleanrl_continuous()
                },
                vec![64, 64],
            ),
        }
    }

    /// [`tuned`](Self::tuned) for any algorithm. `tests/learning_cpu.rs` holds TRPO to its mark on both environments, and the
    /// KL penalty and A2C on CartPole; the others are the same settings under another algorithm and no more than a start.
    pub fn tuned_for(self, algorithm: Algorithm) -> (PpoConfig, Vec<usize>) {
        let (ppo, hidden) = self.tuned();
        let config = match algorithm {
            Algorithm::Ppo => ppo,
            Algorithm::PpoPenalty => PpoConfig {
                algorithm,
                kl_penalty: Some(KlPenalty::adaptive()),
                total_timesteps: if self == Self::CartPole { 59_392 } else { ppo.total_timesteps },
                ..ppo
            },
            Algorithm::Trpo | Algorithm::Npg => PpoConfig {
                algorithm,
                num_envs: ppo.num_envs,
                num_steps: ppo.num_steps,
                total_timesteps: ppo.total_timesteps,
                // Of the critic, which needs its many passes: the policy is no better than its advantages.
                learning_rate: ppo.learning_rate,
                update_epochs: ppo.update_epochs,
                num_minibatches: ppo.num_minibatches,
                minibatch_size: None,
                gamma: ppo.gamma,
                gae_lambda: 0.95,
                trust_region: TrustRegion {
                    max_kl: if self == Self::CartPole { 0.01 } else { 0.02 },
                    cg_iterations: 10,
                    cg_tolerance: 1e-6,
                    cg_absolute_tolerance: None,
                    ..TrustRegion::sb3_contrib()
                },
                ..PpoConfig::trpo_sb3_contrib()
            },
            Algorithm::A2c => PpoConfig {
                num_envs: 16,
                num_steps: 8,
                total_timesteps: 150_000,
                learning_rate: 2e-3,
                anneal_lr: true,
                gamma: ppo.gamma,
                gae_lambda: 0.95,
                ..PpoConfig::a2c()
            },
        };
        (config, hidden)
    }

    /// Separate tanh networks of the given widths.
    pub fn policy(self, hidden: &[usize]) -> PolicySpec {
        PolicySpec::separate(self.obs_dim(), hidden, Activation::Tanh, self.head())
    }
}
