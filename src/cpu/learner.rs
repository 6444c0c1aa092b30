//! [`Agent`] and [`OnPolicy`] on the CPU.

use super::needs;
use super::team::Team;
use crate::agent::{ActMode, Agent, OnPolicy};
use crate::collective::Collective;
use crate::config::Config;
use crate::data::{Acted, Actions, Batch, Rollout, UpdateStats, check_mask, check_shape, finite};
use crate::error::Result;
use crate::memory::require;
use crate::policy::{ParamLayout, PolicySpec, initial_parameters_with};
use crate::reference::actor_critic::ActorCritic;
use crate::reference::normalize::Normalizer;
use crate::reference::optim::Adam;
use crate::reference::{Real, head, head_actions, real::cast};
use crate::state::{LearnerState, NormalizerState};
use ndarray::{Array1, Array2, ArrayView2};
use std::sync::Arc;

/// A policy that acts and learns on the CPU, in `f32` or, as an oracle, in `f64`.
///
/// [`LearnerState`] is `f32`, so an `f64` learner loses digits when it is saved.
#[derive(Debug, Clone)]
pub struct CpuLearner<F: Real = f32> {
    pub(super) spec: PolicySpec,
    pub(super) layout: ParamLayout,
    pub(super) config: Config,
    pub(super) parameters: Vec<F>,
    pub(super) adam: Adam<F>,
    pub(super) update: u64,
    pub(super) env_steps: u64,
    pub(super) policy_step: u64,
    pub(super) seed: u64,
    /// As in [`LearnerState`].
    pub(super) kl_coef: F,
    pub(super) learning_rate: F,
    pub(super) search_direction: Vec<F>,
    /// Of a team, with the carried returns of this rank's environments.
    pub(super) normalizer: Normalizer<F>,
    pub(super) team: Team,
}

impl<F: Real> CpuLearner<F> {
    /// A learner with initial weights from `config.init` and `seed`.
    ///
    /// # Errors
    /// [`crate::Error::Config`] if `spec` or `config` is out of range, [`crate::Error::OwnLimit`] or [`crate::Error::Memory`] if they are
    /// too large.
    pub fn new(spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        Self::new_in(Team::default(), spec, config, seed)
    }

    /// [`new`](Self::new) as one of several ranks that learn one policy together, exactly as one process with the environments of all would:
    /// each brings the rollouts of its own. `config` is of all of them: `num_envs` counts the environments of all ranks, of which rank r has
    /// [its share](crate::collective::Share::even), and minibatches are of the rows of all. All ranks make the same calls, of
    /// [`state`](Agent::state) too, which is that of all: one process can go on from it, or another number of ranks.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`crate::Error::Rank`] if a rank's version, `spec`, `config` or `seed` is not that of rank 0, or a rank is gone.
    /// An error of one rank in a later call is one of all.
    pub fn new_among(collective: Arc<dyn Collective>, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        Self::new_in(Team::new(collective, &spec, &config, seed)?, spec, config, seed)
    }

    pub(super) fn new_in(team: Team, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        let mut learner = Self::empty(team, spec, config, seed, true)?;
        let (spec, init) = (&learner.spec, &learner.config.init);
        learner.parameters = initial_parameters_with(spec, init, seed).into_iter().map(widen).collect();
        learner.adam = Adam::new(learner.parameters.len());
        Ok(learner)
    }

    /// A learner that goes on from `state`; no weights are drawn.
    ///
    /// # Errors
    /// As [`new`](Self::new), and as [`Agent::set_state`].
    pub fn from_state(spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Self> {
        Self::from_state_in(Team::default(), spec, config, state)
    }

    pub(super) fn from_state_in(team: Team, spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Self> {
        let mut learner = Self::empty(team, spec, config, state.seed, false)?;
        learner.set_state(state)?;
        Ok(learner)
    }

    /// A learner without its numbers, once it is sure that they fit.
    fn empty(team: Team, spec: PolicySpec, config: Config, seed: u64, draws: bool) -> Result<Self> {
        spec.validate()?;
        config.validate()?;
        config.expect_on_policy()?;
        config.check_branches(&spec)?;
        let what = || format!("a learner with {} parameters", spec.parameter_count());
        require(what, needs::learner(&spec, &config, size_of::<F>(), draws))?;
        let (layout, parameters, adam) = (spec.layout(), Vec::new(), Adam::new(0));
        let (kl_coef, learning_rate, search_direction) = (F::zero(), F::zero(), Vec::new());
        let (update, env_steps, policy_step) = (0, 0, 0);
        let normalizer = team.normalizer(&config, spec.obs_dim(), &NormalizerState::default())?;
        Ok(Self {
            spec,
            layout,
            config,
            parameters,
            adam,
            update,
            env_steps,
            policy_step,
            seed,
            kl_coef,
            learning_rate,
            search_direction,
            normalizer,
            team,
        })
    }

    /// Actions, their log-probabilities and the observations as the networks saw them, without the values.
    pub(crate) fn choose(
        &mut self,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<(Actions, Array1<f32>, Array2<f32>)> {
        self.check_obs(obs)?;
        check_mask(&self.spec.head, obs.nrows(), allowed)?;
        let rows = obs.nrows();
        require(|| format!("acting on {rows} rows"), needs::act(&self.spec, size_of::<F>(), rows))?;
        let (mut normalizer, share) = (self.normalizer.clone(), self.team.share(self.config.num_envs));
        let sampled = mode == ActMode::Sample;
        if sampled && !self.team.alone() {
            check_shape("obs", obs.shape(), &[share.own, self.spec.obs_dim()])?;
        }
        let seen = if sampled { normalizer.observe(obs, &self.team.ranks(share))? } else { normalizer.seen(obs) };
        let obs: Array2<F> = cast(seen.view());
        let mut dist = self.networks()?.distribution(obs.view())?;
        if let Some(allowed) = allowed {
            dist.zip_mut_with(&allowed, |logit, allowed| {
                if !allowed {
                    *logit = F::neg_infinity();
                }
            });
        }
        let actions = match mode {
            ActMode::Greedy => head_actions::greedy(&self.spec.head, dist.view())?,
            ActMode::Sample => {
                head_actions::sample_from(&self.spec.head, dist.view(), self.seed, self.policy_step, share.first)?
            }
        };
        let logp = head::log_prob(&self.spec.head, dist.view(), &actions)?.mapv(F::as_f32);
        if sampled {
            self.policy_step += 1;
            self.normalizer = normalizer;
        }
        Ok((actions, logp, seen))
    }

    /// Observations as the networks see them, with the statistics as they are.
    pub(crate) fn seen(&self, obs: ArrayView2<'_, f32>) -> Array2<f32> {
        self.normalizer.seen(obs)
    }

    /// V of each row of observations as the networks see them, in the units of the rewards.
    pub(crate) fn values_of_seen(&self, seen: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        self.check_obs(seen)?;
        let obs: Array2<F> = cast(seen);
        Ok(self.normalizer.values(self.networks()?.values(obs.view())?).mapv(F::as_f32))
    }

    /// The running statistics, to be put back where a rollout fails.
    pub(crate) fn normalizer(&self) -> Normalizer<F> {
        self.normalizer.clone()
    }

    pub(crate) fn set_normalizer(&mut self, normalizer: Normalizer<F>) {
        self.normalizer = normalizer;
    }

    pub(crate) fn policy_step(&self) -> u64 {
        self.policy_step
    }

    pub(crate) fn set_policy_step(&mut self, step: u64) {
        self.policy_step = step;
    }

    fn networks(&self) -> Result<ActorCritic<'_, F>> {
        ActorCritic::new(&self.spec, &self.layout, &self.parameters)
    }

    fn check_obs(&self, obs: ArrayView2<'_, f32>) -> Result<()> {
        check_shape("obs", obs.shape(), &[obs.nrows().max(1), self.spec.obs_dim()])?;
        finite("obs", obs.iter())
    }

    /// Updates done.
    pub(super) fn updates(&self) -> u64 {
        self.update
    }
}

fn widen<F: Real>(value: f32) -> F {
    F::of(f64::from(value))
}

fn narrow<F: Real>(values: &[F]) -> Vec<f32> {
    values.iter().map(|value| value.as_f32()).collect()
}

impl<F: Real> Agent for CpuLearner<F> {
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
        let (policy_step, normalizer) = (self.policy_step, self.normalizer.clone());
        let outcome = self.choose(obs, allowed, mode).and_then(|(actions, logp, obs)| {
            let env_actions = head_actions::to_env(&self.spec.head, &actions)?;
            Ok(Acted { actions, env_actions, logp, values: self.values_of_seen(obs.view())?, obs })
        });
        outcome.inspect_err(|error| {
            (self.policy_step, self.normalizer) = (policy_step, normalizer);
            self.team.fail(error);
        })
    }

    fn values(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        self.check_obs(obs)?;
        self.values_of_seen(self.seen(obs).view())
    }

    fn parameters(&self) -> Result<Vec<f32>> {
        Ok(narrow(&self.parameters))
    }

    fn set_parameters(&mut self, parameters: &[f32]) -> Result<()> {
        check_shape("parameters", &[parameters.len()], &[self.layout.len()])?;
        finite("parameters", parameters.iter())?;
        self.parameters = parameters.iter().copied().map(widen).collect();
        Ok(())
    }

    fn state(&self) -> Result<LearnerState> {
        Ok(LearnerState {
            parameters: narrow(&self.parameters),
            exp_avg: narrow(&self.adam.exp_avg),
            exp_avg_sq: narrow(&self.adam.exp_avg_sq),
            optimizer_step: self.adam.step,
            update: self.update,
            env_steps: self.env_steps,
            policy_step: self.policy_step,
            seed: self.seed,
            kl_coef: self.kl_coef.as_f32(),
            learning_rate: self.learning_rate.as_f32(),
            search_direction: narrow(&self.search_direction),
            normalizer: NormalizerState {
                discounted_returns: self.team.joined(self.normalizer.carried())?,
                ..self.normalizer.state()
            },
            off_policy: None,
        })
    }

    fn set_state(&mut self, state: &LearnerState) -> Result<()> {
        state.check(self.layout.len())?;
        self.normalizer = self.team.normalizer(&self.config, self.spec.obs_dim(), &state.normalizer)?;
        let wide = |values: &[f32]| values.iter().copied().map(widen).collect();
        self.parameters = wide(&state.parameters);
        self.adam =
            Adam { exp_avg: wide(&state.exp_avg), exp_avg_sq: wide(&state.exp_avg_sq), step: state.optimizer_step };
        (self.update, self.env_steps) = (state.update, state.env_steps);
        (self.policy_step, self.seed) = (state.policy_step, state.seed);
        (self.kl_coef, self.learning_rate) = (widen(state.kl_coef), widen(state.learning_rate));
        self.search_direction = wide(&state.search_direction);
        Ok(())
    }
}

impl<F: Real> OnPolicy for CpuLearner<F> {
    fn update_in_order(&mut self, rollout: &Rollout, order: Option<&[u32]>) -> Result<UpdateStats> {
        self.on_rollout(rollout, order, &mut |_, _| Ok(()))
    }

    fn update_batch(&mut self, batch: &Batch, order: Option<&[u32]>) -> Result<UpdateStats> {
        self.on_batch(batch, order, &mut |_, _| Ok(()))
    }
}
