//! What a gradient step asks of the configuration.

use super::moves::Moves;
use crate::config::{Config, TdLoss};
use crate::error::{Error, Result};
use crate::kernels::loss_q::Temperature;
use crate::memory::small;
use crate::policy::{Head, LogStd, PolicySpec};

/// The algorithm, with what its kernels ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Method {
    Dqn { double: bool, huber: bool },
    Td3 { policy_noise: f64, noise_clip: f64 },
    SacChoices { temperature: Temperature, tuned: Option<Tuned> },
    Sac { temperature: Temperature, tuned: Option<Tuned>, log_std: LogStd, epsilon: f64 },
}

/// How α is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tuned {
    pub target_entropy: f64,
    /// In units of the critics' learning rate.
    pub rate: f64,
}

/// Settings of a gradient step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepSettings {
    pub method: Method,
    pub n_steps: u32,
    pub tau: f64,
    /// Of the actor; DQN has none.
    pub policy_lr: Option<f64>,
    /// Gradient steps between two of the actor's.
    actor_every: u64,
    /// Gradient steps between two moves of the targets.
    targets_every: u64,
}

impl StepSettings {
    /// # Errors
    /// [`Error::Config`] for an algorithm that learns from rollouts, a head without limits, or a temperature whose rate is none of the
    /// critics'.
    pub fn of(config: &Config, spec: &PolicySpec) -> Result<Self> {
        let n_steps = small("n_steps", config.expect_replay()?.n_steps)?;
        if let Some(own) = config.dqn() {
            let method = Method::Dqn { double: own.double, huber: own.td_loss == TdLoss::Huber };
            let targets_every = own.target_network_frequency;
            return Ok(Self { method, n_steps, tau: own.tau, policy_lr: None, actor_every: 1, targets_every });
        }
        if let Some(own) = config.td3() {
            let method = Method::Td3 { policy_noise: own.policy_noise, noise_clip: own.noise_clip };
            let every = own.policy_frequency;
            let policy_lr = Some(own.policy_lr);
            return Ok(Self { method, n_steps, tau: own.tau, policy_lr, actor_every: every, targets_every: every });
        }
        let Some(own) = config.sac() else {
            return Err(Error::config("algorithm", format!("is {}", config.algorithm.name())));
        };
        let tuned = match own.target_entropy_of(&spec.head) {
            Some(_) if config.learning_rate == 0.0 && own.alpha_lr != 0.0 => {
                let message = "is 0, must be above it where alpha is trained: its rate is in units of this one";
                return Err(Error::config("learning_rate", message));
            }
            Some(target_entropy) => {
                let rate = if own.alpha_lr == 0.0 { 0.0 } else { own.alpha_lr / config.learning_rate };
                Some(Tuned { target_entropy, rate })
            }
            None => None,
        };
        let temperature = if tuned.is_some() { Temperature::Tuned(0) } else { Temperature::Fixed(own.alpha as f32) };
        let method = if spec.head.is_discrete() {
            Method::SacChoices { temperature, tuned }
        } else {
            Method::Sac { temperature, tuned, log_std: log_std(spec)?, epsilon: own.squash_epsilon }
        };
        Ok(Self {
            method,
            n_steps,
            tau: own.tau,
            policy_lr: Some(own.policy_lr),
            actor_every: own.policy_frequency,
            targets_every: own.target_network_frequency,
        })
    }

    /// What the step after `taken` gradient steps moves.
    pub fn moves(&self, taken: u64) -> Moves {
        let count = taken.wrapping_add(1);
        let is_due = |every: u64| count.is_multiple_of(every);
        Moves { actor: is_due(self.actor_every), targets: is_due(self.targets_every) }
    }
}

/// The limits of SAC's log σ.
///
/// # Errors
/// [`Error::Config`] for a head that has none.
pub(super) fn log_std(spec: &PolicySpec) -> Result<LogStd> {
    let limits = match &spec.head {
        Head::TanhGaussian { std, .. } => std.limit.two(),
        _ => None,
    };
    let none = || Error::config("head", format!("is {}, without two limits of its log_std", spec.head.name()));
    limits.ok_or_else(none)
}
