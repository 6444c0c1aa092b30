//! What an off-policy learner has beside its networks' parameters and moments.

use crate::data::{check_shape, finite};
use crate::error::{Error, Result};

/// What DQN, DDPG, TD3 and SAC keep beside what every learner has. In [`LearnerState`](super::LearnerState), `optimizer_step` counts the steps of
/// the critics' optimiser (of DQN's network).
#[derive(Debug, Clone, PartialEq)]
pub struct OffPolicyState {
    /// Parameters of the target networks, in the layout of the parameters; where a network has no target (SAC's actor) they are its own.
    pub targets: Vec<f32>,
    /// Gradient steps taken; position in the draws of batches and noise, and in what moves only every so many of them.
    pub gradient_steps: u64,
    /// Steps of the actor's optimiser.
    pub policy_optimizer_step: u32,
    /// log α, with SAC; else 0.
    pub log_alpha: f32,
    /// First moment of its optimiser.
    pub alpha_exp_avg: f32,
    /// Second moment, at least 0.
    pub alpha_exp_avg_sq: f32,
    /// Steps of its optimiser.
    pub alpha_optimizer_step: u32,
    /// The memory; without it a learner goes on with an empty one.
    pub replay: Option<ReplayState>,
}

impl OffPolicyState {
    /// Refuses vectors of another length than `parameters`, and numbers that are not finite.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    pub(crate) fn check(&self, parameters: usize) -> Result<()> {
        check_shape("targets", &[self.targets.len()], &[parameters])?;
        finite("targets", self.targets.iter())?;
        finite("log_alpha", [self.log_alpha].iter())?;
        finite("alpha_exp_avg", [self.alpha_exp_avg].iter())?;
        finite("alpha_exp_avg_sq", [self.alpha_exp_avg_sq].iter())?;
        if self.alpha_exp_avg_sq < 0.0 {
            let (tensor, value) = ("alpha_exp_avg_sq".to_owned(), self.alpha_exp_avg_sq.to_string());
            return Err(Error::Value { tensor, index: 0, value, expected: "a number from 0".into() });
        }
        Ok(())
    }
}

/// A replay memory of T places, each with a step of N environments; row t · N + n is environment n's transition in place t. It holds the
/// places that are used, from place 0 on, so it is as long as what was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayState {
    /// The place that is written next, below T.
    pub next_write: u64,
    /// Places that are used, at most T.
    pub stored: u64,
    /// `[stored · N, obs_dim]`, row-major.
    pub obs: Vec<f32>,
    /// Words of the actions, `[stored · N, action_words]`: indices, or the bits of numbers in [−1, 1].
    pub actions: Vec<u32>,
    /// `[stored · N]`.
    pub rewards: Vec<f32>,
    /// What followed, at an end the real last observation; where terminated it is never looked at and may be anything finite.
    /// `[stored · N, obs_dim]`.
    pub next_obs: Vec<f32>,
    /// `[stored · N]`, 0 or 1.
    pub terminated: Vec<u32>,
    /// `[stored · N]`, 0 or 1.
    pub truncated: Vec<u32>,
}

impl ReplayState {
    /// Refuses a memory that is not one of `[places, envs]` with observations of `obs_dim` numbers and actions of `action_words`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    pub(crate) fn check(&self, [places, envs]: [usize; 2], obs_dim: usize, action_words: usize) -> Result<()> {
        let outside = |tensor: &str, value: u64, expected: String| {
            Err(Error::Value { tensor: tensor.into(), index: 0, value: value.to_string(), expected })
        };
        let full = self.stored == places as u64;
        if self.stored > places as u64 {
            return outside("replay.stored", self.stored, format!("at most {places} places"));
        }
        // Until the ring is full, the next place is the first that is free.
        if self.next_write >= (places as u64).max(1) || !(full || self.next_write == self.stored) {
            return outside(
                "replay.next_write",
                self.next_write,
                format!("a place that follows {} used ones", self.stored),
            );
        }
        let rows = (self.stored as usize).saturating_mul(envs);
        let of = |width: usize| rows.saturating_mul(width);
        for (name, got, wants) in [
            ("replay.obs", self.obs.len(), of(obs_dim)),
            ("replay.next_obs", self.next_obs.len(), of(obs_dim)),
            ("replay.actions", self.actions.len(), of(action_words)),
            ("replay.rewards", self.rewards.len(), rows),
            ("replay.terminated", self.terminated.len(), rows),
            ("replay.truncated", self.truncated.len(), rows),
        ] {
            check_shape(name, &[got], &[wants])?;
        }
        finite("replay.obs", self.obs.iter())?;
        finite("replay.next_obs", self.next_obs.iter())?;
        finite("replay.rewards", self.rewards.iter())?;
        for (name, flags) in [("replay.terminated", &self.terminated), ("replay.truncated", &self.truncated)] {
            if let Some(index) = flags.iter().position(|flag| *flag > 1) {
                let (value, expected) = (flags[index].to_string(), "0 or 1".to_owned());
                return Err(Error::Value { tensor: name.into(), index, value, expected });
            }
        }
        Ok(())
    }
}
