//! The trait of your own environments, and what passes between them and a collector.

use crate::error::{Error, Result};
use crate::policy::{Activation, Bounds, Head, PolicySpec, Std};
use crate::rng::{Draw, block, uniform};

/// What an environment's calls return; any error will do, `?` and `"words".into()` make one.
pub type EnvResult<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// An environment of your own: one copy of it, in one episode at a time.
///
/// A collector calls it from one thread at a time, but not always the same one. A call that returns an error or panics ends the window
/// as an [`Error::Environment`] that names the environment and the step; the next window then begins with a [`reset`](Self::reset) of
/// every environment, which must leave it sound whatever happened before. (Programs that are built with `panic = "abort"` end at a
/// panic all the same.)
///
/// To be reproducible, an environment draws all chance from [`Start`].
pub trait HostEnv: Send {
    /// What it shows and takes. The same at every call, and for all environments of a collector.
    fn spaces(&self) -> Spaces;

    /// Begins a new episode, and writes its first observation, [`Spaces::obs_dim`] finite numbers.
    ///
    /// # Errors
    /// Whatever went wrong, in words.
    fn reset(&mut self, start: &Start, obs: &mut [f32]) -> EnvResult<()>;

    /// One step by `action`. `obs` holds the last observation and gets that after the step: where the episode ends, its real last one,
    /// for new episodes begin with [`reset`](Self::reset) alone, which the collector calls when its [`Autoreset`](crate::env::Autoreset)
    /// says.
    ///
    /// # Errors
    /// Whatever went wrong, in words.
    fn step(&mut self, action: HostAction<'_>, obs: &mut [f32]) -> EnvResult<HostStep>;

    /// Which choices are allowed now, in the order of the logits ([`Head::raw_outputs`] flags, all `true` before). Called after every
    /// reset and step where the policy's head is masked, and never else. Without a choice that is allowed, all are equally probable
    /// and nothing is learnt ([`Actions::Masked`](crate::data::Actions::Masked)).
    fn allowed(&self, _choices: &mut [bool]) {}

    /// Steps after which the collector truncates an episode; no limit without. Limits of the environment's own will do as well: it
    /// says `truncated` itself then.
    fn time_limit(&self) -> Option<u32> {
        None
    }
}

/// What an action did.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HostStep {
    /// A finite number.
    pub reward: f32,
    /// Whether the episode ended in a true terminal state, after which there is no value.
    pub terminated: bool,
    /// Whether it was cut off by a limit; then V of the last observation stands for what would have come. `terminated` wins where both
    /// are set.
    pub truncated: bool,
}

/// One environment's action: [`indices`](Self::indices) or [`floats`](Self::floats), as [`Spaces::head`] says; the other is empty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostAction<'a> {
    /// Choices or bits, one per action dimension.
    pub indices: &'a [u32],
    /// Torques, forces, …, one per action dimension, within the bounds of the policy's head if it has any.
    pub floats: &'a [f32],
}

/// What an environment shows and takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Spaces {
    /// Numbers of an observation, at least 1. One of several dimensions, as a `Box` of shape `[2, 3]`, lies flat, the last dimension fastest.
    pub obs_dim: usize,
    /// The head that is usual for its actions. A policy may have any other whose actions are the same, as the environment gets them:
    /// [`check`](Self::check). A head with masks says that the environment implements [`HostEnv::allowed`].
    pub head: Head,
}

impl Spaces {
    /// One of `actions` choices.
    pub const fn discrete(obs_dim: usize, actions: usize) -> Self {
        Self { obs_dim, head: Head::categorical(actions) }
    }

    /// One of `actions` choices, of which [`HostEnv::allowed`] says which there are.
    pub const fn masked(obs_dim: usize, actions: usize) -> Self {
        Self { obs_dim, head: Head::Categorical { actions, masked: true } }
    }

    /// A float per element of `low`, from there to `high`: a Gaussian, clamped on its way to the environment.
    pub fn bounded(obs_dim: usize, low: &[f32], high: &[f32]) -> Self {
        let bounds = Bounds { low: low.to_vec(), high: high.to_vec() };
        Self { obs_dim, head: Head::Gaussian { dims: low.len(), std: Std::default(), bounds: Some(bounds) } }
    }

    /// Separate tanh networks of the given widths, with the usual head.
    pub fn policy(&self, hidden: &[usize]) -> PolicySpec {
        PolicySpec::separate(self.obs_dim, hidden, Activation::Tanh, self.head.clone())
    }

    /// Refuses a policy that takes other observations or gives other actions.
    ///
    /// # Errors
    /// [`Error::Config`] with both.
    pub fn check(&self, spec: &PolicySpec) -> Result<()> {
        if spec.obs_dim() != self.obs_dim {
            let message = format!("is {} in the policy, the environment has {}", spec.obs_dim(), self.obs_dim);
            return Err(Error::config("obs_dim", message));
        }
        if self.head.is_masked() && !spec.head.is_masked() {
            let message = format!("{:?} has no masks, the environment allows some choices only", spec.head);
            return Err(Error::config("head", message));
        }
        if self.head.acts_alike(&spec.head) {
            return Ok(());
        }
        let message = format!("{:?} does not suit the environment, whose usual head is {:?}", spec.head, self.head);
        Err(Error::config("head", message))
    }
}

/// Which episode begins: all that its chance may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The collector's seed; in an [evaluation](super::Collector::evaluate) the [`evaluation_seed`](crate::solved::evaluation_seed) of it.
    pub seed: u64,
    /// Which environment of the collector.
    pub env: u32,
    /// Steps that each environment has taken when the episode begins, resets included ([`Collector::steps_taken`](super::Collector::steps_taken)); in an evaluation,
    /// those of the evaluation.
    pub step: u64,
}

impl Start {
    /// Four numbers in (0, 1) that are this episode's own, the same on every machine ([`Draw::Reset`]).
    pub fn uniforms(&self) -> [f32; 4] {
        self.more(0).map(uniform)
    }

    /// A seed for a generator of your own.
    pub fn seed(&self) -> u64 {
        // Not of the block that `uniforms` has.
        let [low, high, ..] = self.more(1);
        u64::from(low) | u64::from(high) << 32
    }

    fn more(&self, dimension: u32) -> [u32; 4] {
        block(self.seed, Draw::Reset, self.env, dimension, self.step)
    }
}
