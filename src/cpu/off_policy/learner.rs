//! The learner: its parts, and [`Agent`].

use super::batch::{Batch, Noise};
use super::method::Method;
use super::networks::Networks;
use crate::agent::{ActMode, Agent};
use crate::config::Config;
use crate::cpu::needs;
use crate::data::{Acted, check_mask, check_shape, finite};
use crate::error::Result;
use crate::memory::require;
use crate::policy::{ParamLayout, PolicySpec, initial_parameters_with};
use crate::reference::Real;
use crate::reference::replay::Replay;
use crate::state::LearnerState;
use ndarray::{Array1, ArrayView2};

/// DQN, DDPG, TD3 or SAC on the CPU, in `f32` or, as an oracle, in `f64`, with its ring of transitions.
///
/// - [`act`](Agent::act): the greedy action, or with [`ActMode::Sample`] as the algorithm explores: ε-greedy; Gaussian noise on tanh of the
///   actor's outputs; SAC's own distribution; of floats uniform numbers until `learning_starts`. Actions that are floats are in
///   [−1, 1], as transitions have them ([`EnvStep`](crate::data::EnvStep)), and in the head's bounds for the environment. The
///   log-probabilities are SAC's where it drew from its distribution, else 0. The values are DQN's greatest Q; with the
///   others 0, as a critic would take a pass of its own: [`values`](Agent::values) makes it.
/// - [`store`](crate::OffPolicy::store) and [`learn`](crate::OffPolicy::learn): transitions, and gradient steps by the reference's updates.
///
/// [`LearnerState`] is `f32`, so an `f64` learner loses digits when it is saved. The ring keeps each next observation, whatever
/// [`Replay::compact`](crate::config::Replay::compact) says of the device's.
#[derive(Debug, Clone)]
pub struct CpuOffPolicy<F: Real = f32> {
    pub(super) spec: PolicySpec,
    pub(super) layout: ParamLayout,
    pub(super) config: Config,
    pub(super) networks: Networks,
    pub(super) method: Method<F>,
    /// The head's free parameters, which nothing trains.
    pub(super) free: Vec<f32>,
    pub(super) ring: Replay<F>,
    pub(super) batch: Batch<F>,
    pub(super) noise: Noise<F>,
    pub(super) update: u64,
    pub(super) gradient_steps: u64,
    pub(super) env_steps: u64,
    pub(super) policy_step: u64,
    pub(super) seed: u64,
    /// What the last step of the actor saw: its loss, and with SAC the entropy.
    pub(super) of_actor: [f64; 2],
}

impl<F: Real> CpuOffPolicy<F> {
    /// A learner with initial weights from `config.init` and `seed`, its targets the same, and an empty ring.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if `spec` or `config` is out of range or the algorithm is not off-policy, [`crate::Error::OwnLimit`] or [`crate::Error::Memory`]
    /// if they are too large.
    pub fn new(spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        Self::check(&spec, &config, true)?;
        let parameters = initial_parameters_with(&spec, &config.init, seed);
        Self::made(spec, config, &Self::fresh(parameters, seed))
    }

    /// A learner that goes on from `state`; no weights are drawn.
    ///
    /// # Errors
    /// As [`new`](Self::new), and as [`Agent::set_state`].
    pub fn from_state(spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Self> {
        Self::check(&spec, &config, false)?;
        Self::made(spec, config, state)
    }

    /// That there can be such a learner.
    fn check(spec: &PolicySpec, config: &Config, draws: bool) -> Result<()> {
        spec.validate()?;
        config.validate()?;
        config.expect_replay()?;
        config.check_branches(spec)?;
        let what = || format!("a learner with {} parameters and its ring", spec.parameter_count());
        require(what, needs::off_policy_learner(spec, config, size_of::<F>(), draws))
    }

    fn made(spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Self> {
        let replay = config.expect_replay()?;
        let layout = spec.layout();
        state.check(layout.len())?;
        let networks = Networks::new(&spec, &layout)?;
        let own = Self::own_state(&config, state)?;
        let method = Method::of(&networks, &config, state, &own)?;
        let head = &spec.head;
        let places = [replay.places(config.num_envs), config.num_envs];
        let dims = if head.is_discrete() { 0 } else { head.action_dims() };
        let mut learner = Self {
            ring: Replay::new(places, spec.obs_dim(), head.action_words()),
            batch: Batch::new(replay.batch_size, spec.obs_dim(), head),
            noise: Noise::new(replay.batch_size, dims, config.sac().is_some()),
            networks,
            method,
            free: Vec::new(),
            update: 0,
            gradient_steps: 0,
            env_steps: 0,
            policy_step: 0,
            seed: state.seed,
            of_actor: [0.0; 2],
            spec,
            layout,
            config,
        };
        learner.set_state(state)?;
        Ok(learner)
    }

    fn check_obs(&self, obs: ArrayView2<'_, f32>) -> Result<()> {
        check_shape("obs", obs.shape(), &[obs.nrows().max(1), self.spec.obs_dim()])?;
        finite("obs", obs.iter())?;
        let rows = obs.nrows();
        require(|| format!("acting on {rows} rows"), needs::act(&self.spec, size_of::<F>(), rows))
    }

    /// Environment steps stored since the start, all environments together.
    pub(super) fn env_steps(&self) -> u64 {
        self.env_steps
    }

    /// Updates done.
    pub(super) fn updates(&self) -> u64 {
        self.update
    }
}

impl<F: Real> Agent for CpuOffPolicy<F> {
    fn spec(&self) -> &PolicySpec {
        &self.spec
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn act_masked(
        &mut self,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<Acted> {
        self.check_obs(obs)?;
        check_mask(&self.spec.head, obs.nrows(), allowed)?;
        let acted = self.choose(obs, mode)?;
        if mode == ActMode::Sample {
            self.policy_step = self.policy_step.wrapping_add(1);
        }
        Ok(acted)
    }

    fn values(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        self.check_obs(obs)?;
        self.greedy_values(obs)
    }

    fn parameters(&self) -> Result<Vec<f32>> {
        Ok(self.state_without_replay()?.parameters)
    }

    /// The targets stay as well.
    fn set_parameters(&mut self, parameters: &[f32]) -> Result<()> {
        check_shape("parameters", &[parameters.len()], &[self.layout.len()])?;
        finite("parameters", parameters.iter())?;
        self.method.set_parameters(&self.networks, parameters);
        self.free = self.free_of(parameters);
        Ok(())
    }

    fn state(&self) -> Result<LearnerState> {
        self.state_with_replay()
    }

    fn set_state(&mut self, state: &LearnerState) -> Result<()> {
        self.go_on_from(state)
    }
}
