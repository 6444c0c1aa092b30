//! What SAC alone reads.

use super::range::{Range, check};
use super::replay::Replay;
use crate::error::{Error, Result};
use crate::policy::Head;

/// SAC (Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications"), two critics and a tanh-Gaussian actor whose deviation depends on
/// the state.
///
/// ```text
/// a', log π' ~ π(s');   y = r + (1 − terminated) · γ · (min_i Q_i,target(s', a') − α log π')
/// critics:     ½ Σ_i mean (Q_i(s, a) − y)²
/// actor:       mean (α log π(ã|s) − min_i Q_i(s, ã))         ã ~ π(s), reparameterised; by the critics just updated
/// temperature: −log α · mean (log π(ã|s) + target_entropy)   if autotune
/// ```
///
/// Where actions are choices (a categorical head), the actor's outputs are logits, each critic has a value of each choice from the observation alone,
/// and every expectation over actions is a sum, so that nothing is drawn (Christodoulou 2019, "Soft Actor-Critic for Discrete Action Settings"):
///
/// ```text
/// y = r + (1 − terminated) · γ · Σ_a π(a|s') (min_i Q_i,target(s', a) − α log π(a|s'))
/// actor:       mean Σ_a π(a|s) (α log π(a|s) − min_i Q_i(s, a))
/// temperature: −log α · mean (Σ_a π log π + target_entropy)   if autotune
/// ```
///
/// Actions that are floats are in [−1, 1] here, and so is what log π is of, whatever the environment's bounds. The limits of log σ are the head's: a
/// [`StdLimit::Clamp`](crate::policy::StdLimit::Clamp), [−20, 2] in the paper's code ([`Std::SAC`](crate::policy::Std::SAC)), or
/// [`StdLimit::Tanh`](crate::policy::StdLimit::Tanh), −5 and 2 in CleanRL ([`Std::SAC_CLEANRL`](crate::policy::Std::SAC_CLEANRL)).
/// [`Config::learning_rate`](super::Config::learning_rate) is the critics' (CleanRL's `q_lr`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sac {
    /// The memory, and how often it learns.
    pub replay: Replay,
    /// Step size of the actor's optimiser.
    pub policy_lr: f64,
    /// Actor and temperature move at every so-many-th gradient step, at least 1. CleanRL makes up for the delay by as many steps of the actor
    /// each time; here it is one.
    pub policy_frequency: u64,
    /// The targets move after every so-many-th gradient step, at least 1.
    pub target_network_frequency: u64,
    /// How far: target ← (1 − τ) target + τ online, in (0, 1].
    pub tau: f64,
    /// The weight α of the entropy; with `autotune` its first value, above 0 then.
    pub alpha: f64,
    /// Whether α is trained.
    pub autotune: bool,
    /// Step size of its optimiser.
    pub alpha_lr: f64,
    /// Entropy, in nats, that α is trained to keep. If absent, −D of D dimensions; of n choices [`CHOICES_ENTROPY`](Self::CHOICES_ENTROPY) · log n.
    pub target_entropy: Option<f64>,
    /// Added inside log(1 − a²): 0 is the exact form, 1e-6 Stable-Baselines3's and CleanRL's. Choices are not squashed, and ask nothing of it.
    pub squash_epsilon: f64,
}

impl Sac {
    /// Share of the greatest entropy, log n of n choices, that is the target by default: CleanRL's `target_entropy_scale`.
    pub const CHOICES_ENTROPY: f64 = 0.89;

    /// CleanRL's `sac_continuous_action.py`.
    pub const fn cleanrl() -> Self {
        Self {
            replay: Replay {
                buffer_size: 1_000_000,
                batch_size: 256,
                learning_starts: 5_000,
                train_frequency: 1,
                gradient_steps: 1,
                n_steps: 1,
                compact: false,
                exploration_hold: 1,
            },
            policy_lr: 3e-4,
            policy_frequency: 2,
            target_network_frequency: 1,
            tau: 0.005,
            // It begins at log α = 0 where it is trained.
            alpha: 1.0,
            autotune: true,
            alpha_lr: 1e-3,
            target_entropy: None,
            squash_epsilon: 1e-6,
        }
    }

    /// Stable-Baselines3's `SAC`.
    pub const fn sb3() -> Self {
        let cleanrl = Self::cleanrl();
        Self {
            replay: Replay { learning_starts: 100, ..cleanrl.replay },
            policy_frequency: 1,
            alpha_lr: 3e-4,
            ..cleanrl
        }
    }

    /// The entropy that α is trained to keep with actions of `head`; `None` if it is not trained.
    pub fn target_entropy_of(&self, head: &Head) -> Option<f64> {
        let usual = || match head.choices().first() {
            Some(choices) => Self::CHOICES_ENTROPY * (*choices as f64).ln(),
            None => -(head.action_dims() as f64),
        };
        self.autotune.then(|| self.target_entropy.unwrap_or_else(usual))
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.replay.validate()?;
        for (field, value) in
            [("policy_frequency", self.policy_frequency), ("target_network_frequency", self.target_network_frequency)]
        {
            if value == 0 {
                return Err(Error::config(field, "is 0, must be at least 1"));
            }
        }
        let max = f64::from(f32::MAX);
        let alpha = if self.autotune { Range::above } else { Range::closed };
        check(&[
            Range::closed("policy_lr", self.policy_lr, 0.0, max),
            Range::above("tau", self.tau, 0.0, 1.0),
            alpha("alpha", self.alpha, 0.0, max),
            Range::closed("alpha_lr", self.alpha_lr, 0.0, max),
            Range::closed("target_entropy", self.target_entropy.unwrap_or(0.0), -max, max),
            Range::closed("squash_epsilon", self.squash_epsilon, 0.0, 1.0),
        ])?;
        if !self.autotune && self.target_entropy.is_some() {
            return Err(Error::config("target_entropy", "is set, but autotune is off"));
        }
        Ok(())
    }
}
