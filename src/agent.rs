//! What every implementation of an algorithm can do, wherever it runs.

use crate::config::Config;
use crate::data::{Acted, Batch, EnvStep, Rollout, TransitionBatch, UpdateStats};
use crate::error::Result;
use crate::policy::PolicySpec;
use crate::state::LearnerState;
use ndarray::{Array1, ArrayView2};

/// How an action is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActMode {
    /// Drawn from the distribution; advances the step counter of the random draws, and the running statistics take the
    /// observations in ([`ObsNorm`](crate::config::ObsNorm)).
    Sample,
    /// The mode of the distribution (most probable index, mean); draws nothing and leaves the statistics as they are.
    Greedy,
}

/// A policy that acts: an actor with a critic beside it, whatever moves its parameters. The device ([`crate::algo::GpuLearner`]) and the CPU
/// ([`crate::cpu::CpuLearner`]) are behind it, so that one can be swapped for the other. [`OnPolicy`] and [`OffPolicy`] are the two ways in which
/// they learn: from rollouts of their own policy, and from a replay memory.
///
/// An agent can be sent to another thread. A call that returns an error has changed nothing.
pub trait Agent: Send {
    /// The policy's shape.
    fn spec(&self) -> &PolicySpec;

    /// The settings.
    fn config(&self) -> &Config;

    /// Actions, their log-probabilities and the values for `obs` `[rows, obs_dim]`, as the environment gave them: if observations
    /// are normalised, the agent does it. With a masked head, every choice is allowed.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Value`] if `obs` does not fit or is not finite.
    fn act(&mut self, obs: ArrayView2<'_, f32>, mode: ActMode) -> Result<Acted> {
        self.act_masked(obs, None, mode)
    }

    /// [`act`](Self::act) among the choices that `allowed` `[rows, head.raw_outputs()]` allows, for masked heads: the flags
    /// come back with the actions ([`Actions::Masked`](crate::data::Actions)), to be stored with them.
    ///
    /// # Errors
    /// As [`act`](Self::act); [`crate::Error::Config`] for a mask where the head is not masked.
    fn act_masked(
        &mut self,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<Acted>;

    /// V of `obs` `[rows, obs_dim]` that are not acted on: the real last observations of truncated episodes (right after their
    /// step) and those after the window. Statistics stay as they are.
    ///
    /// # Errors
    /// As [`act`](Self::act).
    fn values(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        Ok(self.act(obs, ActMode::Greedy)?.values)
    }

    /// The flat parameter vector, in the order of [`PolicySpec::layout`].
    ///
    /// # Errors
    /// A device error.
    fn parameters(&self) -> Result<Vec<f32>>;

    /// Replaces the parameters; optimiser moments and counters stay.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Value`] if they do not fit or are not finite.
    fn set_parameters(&mut self, parameters: &[f32]) -> Result<()>;

    /// Everything that decides the future: parameters, moments, counters.
    ///
    /// # Errors
    /// A device error.
    fn state(&self) -> Result<LearnerState>;

    /// Continues from `state`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if it belongs to another policy.
    fn set_state(&mut self, state: &LearnerState) -> Result<()>;
}

/// An [`Agent`] that learns from rollouts of its own: PPO, A2C, TRPO and their relatives.
///
/// Files and bytes are in [`SaveAgent`](crate::checkpoint::SaveAgent).
pub trait OnPolicy: Agent {
    /// Advantages and one update on `rollout`, with the environment's own rewards: if rewards are scaled or value targets
    /// normalised, the agent does it.
    ///
    /// # Errors
    /// Whatever [`Rollout::validate`] finds, or a device error.
    fn update(&mut self, rollout: &Rollout) -> Result<UpdateStats> {
        self.update_in_order(rollout, None)
    }

    /// [`update`](Self::update) with the rows in a given order, as [`update_batch`](Self::update_batch) takes it; row t · N + n is step t of
    /// environment n. So an update of another library can be repeated minibatch by minibatch.
    ///
    /// # Errors
    /// As [`update`](Self::update); an order of the wrong length or with an index out of range.
    fn update_in_order(&mut self, rollout: &Rollout, order: Option<&[u32]>) -> Result<UpdateStats>;

    /// One update on rows with given advantages, so that reward scaling has no part in it. Returns and old values are in the units of the rewards. `order`, if given, holds
    /// [`Config::order_epochs`] `× rows` indices: the permutation of each epoch in turn; without it the keyed shuffle is used. With
    /// TRPO the epochs are the critic's, and with [`crate::config::TrustRegion::subsample`] the policy's permutation comes after them.
    ///
    /// # Errors
    /// Whatever [`Batch::validate`] finds, an order of the wrong length or with an index out of range, or a device error.
    fn update_batch(&mut self, batch: &Batch, order: Option<&[u32]>) -> Result<UpdateStats>;
}

/// An [`Agent`] that learns from a replay memory: DQN, DDPG, TD3 and SAC.
///
/// With environments of your own: [`act`](Agent::act) with [`ActMode::Sample`], step them, [`store`](Self::store) what came of it, and
/// [`learn`](Self::learn) for as many gradient steps as [`Replay::due`](crate::config::Replay::due) says. Sampled actions explore: ε-greedy with DQN,
/// with noise with DDPG and TD3, by the policy's own distribution with SAC; the last three are uniform until
/// [`learning_starts`](crate::config::Replay::learning_starts) environment steps are stored.
pub trait OffPolicy: Agent {
    /// Takes a step of all [`num_envs`](Config::num_envs) environments into the memory, over the oldest one if that is full.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Value`] if it does not fit the policy or is not finite; a device error.
    fn store(&mut self, step: &EnvStep) -> Result<()>;

    /// `gradient_steps` gradient steps, each on a batch drawn anew. One update: it counts one up in [`LearnerState::update`]. Statistics are of the
    /// last gradient step. With 0 steps nothing is done or counted.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if nothing was stored yet; a device error.
    fn learn(&mut self, gradient_steps: u64) -> Result<UpdateStats>;

    /// A gradient step on a batch and noise of the caller's, to compare with another trainer's; the memory has no part in it. It counts as a gradient
    /// step and as an update. What moves besides the critics follows from the count of gradient steps, as in [`learn`](Self::learn).
    ///
    /// # Errors
    /// Whatever [`TransitionBatch::validate`] finds, [`crate::Error::Config`] for noise that the algorithm draws actions by and the batch lacks; a
    /// device error.
    fn learn_batch(&mut self, batch: &TransitionBatch) -> Result<UpdateStats>;

    /// Transitions in the memory, of all environments.
    fn stored(&self) -> u64;
}

#[cfg(all(test, feature = "cpu", not(target_arch = "wasm32")))]
mod tests {
    use super::{Agent, OffPolicy, OnPolicy};
    use crate::algo::{GpuLearner, GpuTrainer};
    use crate::cpu::{CpuLearner, CpuOffPolicy, CpuTrainer};
    use crate::host::HostTrainer;
    use crate::trainer::Trainer;

    /// That this compiles is the test.
    #[test]
    fn whatever_learns_can_be_sent_to_another_thread() {
        fn sent<T: Send + ?Sized>() {}
        sent::<GpuLearner>();
        sent::<CpuLearner<f32>>();
        sent::<CpuLearner<f64>>();
        sent::<CpuOffPolicy<f32>>();
        sent::<GpuTrainer>();
        sent::<CpuTrainer>();
        sent::<HostTrainer<GpuLearner>>();
        sent::<HostTrainer<CpuLearner>>();
        sent::<dyn Agent>();
        sent::<dyn OnPolicy>();
        sent::<dyn OffPolicy>();
        sent::<dyn Trainer>();
    }
}
