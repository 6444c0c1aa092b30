//! What decides a trainer's future.

use super::learner::LearnerState;
use crate::env::Env;
use crate::error::{Error, Result};

/// Everything of a trainer that an iteration changes.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerState {
    /// The learner's part.
    pub learner: LearnerState,
    /// The built-in environment, if it is one.
    pub env: Option<Env>,
    /// `[num_envs, env.state_words()]`, row-major, see [`Env::state_words`]; empty without a built-in environment.
    pub env_words: Vec<u32>,
    /// Steps that each environment has taken (all have taken as many).
    pub env_step: u64,
}

impl TrainerState {
    /// The environment's name, in words where it is the host's own.
    pub fn env_name(&self) -> &'static str {
        env_name(self.env)
    }

    /// The built-in environment.
    ///
    /// # Errors
    /// [`Error::Config`] if they are the host's own.
    pub fn built_in(&self) -> Result<Env> {
        self.env.ok_or_else(|| Error::config("env", format!("must be built in, the state is of {}", env_name(None))))
    }

    /// Refuses a state of another environment.
    ///
    /// # Errors
    /// [`Error::Config`] with both names.
    pub fn expect_env(&self, env: Option<Env>) -> Result<()> {
        if self.env == env {
            return Ok(());
        }
        Err(Error::config("env", format!("is {}, the state is of {}", env_name(env), env_name(self.env))))
    }
}

/// The environment's name, in words where it is the host's own.
pub(crate) fn env_name(env: Option<Env>) -> &'static str {
    env.map_or("environments of the host's own", Env::name)
}
