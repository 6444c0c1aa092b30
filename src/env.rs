//! The environments that wgpo brings, with Gymnasium's dynamics: their sizes, limits and state words.
//!
//! An environment is one row of the table in `src/env/table.rs`, one WGSL part (`shaders/parts/env_*.wgsl`) that
//! [`crate::kernels::env_step`] is composed with, and one oracle (`src/reference/env_*.rs`). Device and CPU keep the same
//! words per environment, so a run saved on one resumes on the other.

mod failure_modes;
mod head_name;
mod info;
mod table;
mod tuned;
mod tuned_for;
mod tuned_off_policy;

pub use crate::data::Autoreset;
pub use failure_modes::{FailureMode, FailureVariant};
pub use head_name::HeadName;
pub use info::{ActionSpace, EnvInfo};
pub use table::Env;

use crate::config::{AlgorithmKind, Config, Preset};
use crate::error::{Error, Result};
use crate::policy::{Activation, Bounds, Head, PolicySpec, Std};

impl Env {
    /// As the program spells it.
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// Gymnasium's id, or our own name where Gymnasium has no such environment.
    pub const fn gymnasium_id(self) -> &'static str {
        match self.info().gymnasium_id {
            Some(id) => id,
            None => self.name(),
        }
    }

    /// Width of an observation.
    pub const fn obs_dim(self) -> usize {
        self.info().obs_dim
    }

    /// Numbers of the physical state (S).
    pub const fn state_dim(self) -> usize {
        self.info().state_range.len()
    }

    /// 32-bit words kept per environment: the physical state (f32), the episode's return so far (f32), the episode's
    /// steps so far (u32), with the highest bit set where the episode has ended and nothing was reset yet (never so
    /// with [`Autoreset::SameStep`]).
    pub const fn state_words(self) -> usize {
        self.state_dim() + 2
    }

    /// Steps after which an episode is truncated.
    pub const fn time_limit(self) -> u32 {
        self.info().time_limit
    }

    /// What it takes as an action.
    pub const fn actions(self) -> ActionSpace {
        self.info().actions
    }

    /// The head that is usual for its actions.
    pub fn head(self) -> Head {
        match self.actions() {
            ActionSpace::Discrete(actions) => Head::categorical(actions),
            ActionSpace::Box { low, high } => {
                let bounds = Bounds { low: low.to_vec(), high: high.to_vec() };
                Head::Gaussian { dims: low.len(), std: Std::default(), bounds: Some(bounds) }
            }
        }
    }

    /// Refuses a policy whose observations or actions are not the environment's.
    ///
    /// # Errors
    /// [`Error::Config`] with both.
    pub fn check_policy(self, spec: &PolicySpec) -> Result<()> {
        let (got, want) = (spec.obs_dim(), self.obs_dim());
        if got != want {
            return Err(Error::config("obs_dim", format!("is {got}, {} has {want}", self.name())));
        }
        self.check_head(&spec.head)
    }

    /// Refuses a head whose actions, as the environment gets them, are not the environment's.
    ///
    /// # Errors
    /// [`Error::Config`] with both.
    pub fn check_head(self, head: &Head) -> Result<()> {
        let own = self.head();
        if own.acts_alike(head) && !head.is_masked() {
            return Ok(());
        }
        let wants = match own.choices().as_slice() {
            [] => format!("{} floats", own.action_dims()),
            choices => format!("indices below {choices:?}"),
        };
        let message = format!("{head:?} does not suit {}, whose actions are {wants}", self.name());
        Err(Error::config("head", message))
    }

    /// Mean return at which it counts as solved (CartPole) or as learnt (the others).
    pub const fn solved_at(self) -> f64 {
        self.info().solved_at
    }

    /// Settings and hidden widths that learn this environment quickly; `tests/learning_cpu.rs` says which it is held to. Small
    /// networks and few rows, so that they are cheap on a software GPU too.
    pub fn tuned(self) -> (Config, Vec<usize>) {
        (self.info().tuned)()
    }

    /// Networks of the given widths as `algorithm` learns them here ([`AlgorithmKind::fitted`]): with tanh if it learns from rollouts, with ReLU if
    /// from a replay memory, as is usual for either. Not every algorithm suits every environment: DQN wants choices, DDPG and TD3
    /// want floats, and SAC takes either.
    pub fn policy_for(self, algorithm: AlgorithmKind, hidden: &[usize]) -> PolicySpec {
        let activation = if algorithm.is_off_policy() { Activation::Relu } else { Activation::Tanh };
        algorithm.fitted(PolicySpec { activation, ..self.policy(hidden) })
    }

    /// The networks of `preset` as `algorithm` learns them here: its widths, activation and deviation, with the environment's usual head.
    pub fn policy_of(self, algorithm: AlgorithmKind, preset: &Preset) -> PolicySpec {
        let usual = self.policy_for(algorithm, &preset.hidden);
        let head = usual.head.clone();
        let head = if algorithm.has_std() { head.with_std(preset.std) } else { head };
        PolicySpec { activation: preset.activation, ..usual.with_head(head) }
    }

    /// Seconds for which a picture shows a step, of the environments that have one.
    pub const fn seconds_shown(self) -> Option<f64> {
        match self {
            Self::CartPole => Some(0.02),
            Self::Pendulum => Some(0.05),
            // A step of 0.2 s is played twice as fast, so that swinging up does not take minutes.
            Self::Acrobot => Some(0.1),
            // It has no seconds; 30 pictures each, as Gymnasium shows it.
            Self::MountainCar => Some(1.0 / 30.0),
            _ => None,
        }
    }

    /// Separate tanh networks of the given widths.
    pub fn policy(self, hidden: &[usize]) -> PolicySpec {
        PolicySpec::separate(self.obs_dim(), hidden, Activation::Tanh, self.head())
    }
}
