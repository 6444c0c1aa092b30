//! [`GpuOffPolicy`]: an off-policy learner on the device, fed from host arrays or from buffers.

use super::act::{ActStep, Acting, Way};
use super::model::OffPolicyModel;
use super::ring::{LEAST_STEPS, ReplayRing, shape};
use super::settings::StepSettings;
use super::step::GradientStep;
use super::store_calls::HostStore;
use super::values_plan::ValuesPlan;
use crate::agent::{ActMode, Agent};
use crate::config::Config;
use crate::data::{Acted, Actions, check_mask, check_shape, finite};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ReadBack};
use crate::memory::small;
use crate::policy::{PolicySpec, initial_parameters_with};
use crate::state::LearnerState;
use ndarray::{Array1, ArrayView2};

/// Row counts whose plans for acting are kept.
const ACT_PLANS: usize = 4;

/// DQN, DDPG, TD3 or SAC on the device, with its replay memory there.
///
/// [`act`](Agent::act), [`store`](crate::OffPolicy::store) and [`learn`](crate::OffPolicy::learn) take host arrays; for environments on the device see
/// [`GpuOffPolicyTrainer`](super::GpuOffPolicyTrainer), and for transitions in buffers of your own [`store_plan`](Self::store_plan). Actions of
/// [`ActMode::Sample`] explore, as [`OffPolicy`](crate::OffPolicy) says; floats are in [−1, 1] in [`Acted::actions`] and in the head's bounds for the
/// environment. Log-probabilities are SAC's where it drew from its distribution, else 0; values are DQN's greatest Q, else 0, as critics would
/// take a pass of their own: [`values`](Agent::values) makes it.
///
/// A network has at most 6 layers, each at most 512 wide. In the compact form ([`Replay::compact`](crate::config::Replay::compact)) each step's observations
/// are those that followed the last one of the same environment, and truncations of an environment are at least 8 steps apart on average:
/// else the oldest ones lose their last observation, for which the one before it stands.
///
/// Plans are made on first use and kept.
#[derive(Debug)]
pub struct GpuOffPolicy {
    pub(super) gpu: Gpu,
    pub(super) config: Config,
    pub(super) settings: StepSettings,
    pub(super) model: OffPolicyModel,
    pub(super) ring: ReplayRing,
    /// The last used first.
    act: Vec<ActPlan>,
    pub(super) learning: Option<Learning>,
    /// On a batch of the caller's.
    pub(super) given: Option<Learning>,
    pub(super) host: Option<HostStore>,
    /// The last used first.
    pub(super) values: Vec<ValuesPlan>,
}

/// A gradient step with the room for what it measured.
#[derive(Debug)]
pub(super) struct Learning {
    pub step: GradientStep,
    pub staging: ReadBack<u32>,
}

#[derive(Debug)]
struct ActPlan {
    rows: u32,
    obs: Buffer<f32>,
    acting: Acting,
    /// By [`Way`].
    calls: [Vec<Call>; 3],
    staging: ReadBack<u32>,
}

impl GpuOffPolicy {
    /// A learner with initial weights from `config.init` and `seed`, its targets the same, and an empty memory.
    ///
    /// # Errors
    /// A bad spec or config, an algorithm that learns from rollouts, a memory that the device does not bind at once (with both numbers), or out of
    /// memory, before any weight is drawn.
    pub fn new(gpu: &Gpu, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        let mut learner = Self::empty(gpu, spec, config, seed, LEAST_STEPS)?;
        learner.bind_steps()?;
        learner.draw()?;
        Ok(learner)
    }

    /// A learner that goes on from `state`; no weights are drawn.
    ///
    /// # Errors
    /// As [`new`](Self::new), and as [`Agent::set_state`].
    pub fn from_state(gpu: &Gpu, spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Self> {
        let mut learner = Self::empty(gpu, spec, config, state.seed, LEAST_STEPS)?;
        learner.bind_steps()?;
        learner.set_state(state)?;
        Ok(learner)
    }

    /// A learner whose parameters are yet to be written.
    pub(super) fn empty(gpu: &Gpu, spec: PolicySpec, config: Config, seed: u64, least_steps: u32) -> Result<Self> {
        spec.validate()?;
        config.validate()?;
        config.check_branches(&spec)?;
        let settings = StepSettings::of(&config, &spec)?;
        small("batch_size", config.expect_replay()?.batch_size)?;
        // The largest of all: what does not fit is refused first.
        let ring = ReplayRing::new(gpu, shape(&config, &spec, least_steps)?)?;
        let model = OffPolicyModel::empty(gpu, &spec, &config, seed)?;
        let (act, values, learning, given, host) = (Vec::new(), Vec::new(), None, None, None);
        Ok(Self { gpu: gpu.clone(), config, settings, model, ring, act, learning, given, host, values })
    }

    /// Writes the initial weights, and α.
    pub(super) fn draw(&mut self) -> Result<()> {
        let weights = initial_parameters_with(&self.model.spec, &self.config.init, self.model.seed);
        self.set_state(&self.fresh(weights))
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Bytes of the memory of transitions on the device.
    pub fn replay_bytes(&self) -> u64 {
        self.ring.ring.bytes() + self.ring.ends.bytes()
    }

    /// Dispatches of a gradient step that moves the actor and the targets; made on first use.
    ///
    /// # Errors
    /// As [`learn`](crate::OffPolicy::learn).
    pub fn dispatches(&mut self) -> Result<usize> {
        let learning = self.learning()?;
        let count = learning.step.most_calls();
        self.learning = Some(learning);
        Ok(count)
    }

    /// The plan of gradient steps. It is to be put back.
    pub(super) fn learning(&mut self) -> Result<Learning> {
        if let Some(learning) = self.learning.take() {
            return Ok(learning);
        }
        let rows = small("batch_size", self.config.expect_replay()?.batch_size)?;
        let step = GradientStep::new(&self.gpu, &self.model, &self.config, Some(&self.ring), rows)?;
        let staging = ReadBack::new(&self.gpu, "statistics", step.statistics_len())?;
        Ok(Learning { step, staging })
    }

    /// Binds a gradient step, so that networks and batches that the kernels do not take are refused before anything is stored.
    fn bind_steps(&mut self) -> Result<()> {
        self.learning = Some(self.learning()?);
        Ok(())
    }

    /// How actions are sampled now: uniform before learning starts.
    pub(super) fn exploration(&self, env_steps: u64) -> Way {
        let starts = self.config.replay().map_or(0, |replay| replay.learning_starts);
        if env_steps < starts && self.config.dqn().is_none() { Way::Uniform } else { Way::Explore }
    }

    /// ε after `env_steps` environment steps; 0 but with DQN.
    pub(super) fn epsilon(&self, env_steps: u64) -> f32 {
        self.config.epsilon_at(env_steps).unwrap_or(0.0) as f32
    }

    fn check_obs(&self, obs: ArrayView2<'_, f32>) -> Result<u32> {
        let rows = small("act", obs.nrows())?;
        check_shape("obs", obs.shape(), &[obs.nrows(), self.model.spec.obs_dim()])?;
        if rows == 0 {
            return Err(Error::config("obs", "has 0 rows"));
        }
        finite("obs", obs.iter()).map(|()| rows)
    }

    /// The plan for `rows` rows: one of the last, or a new one. It is to be put back.
    fn acting(&mut self, rows: u32) -> Result<ActPlan> {
        if let Some(index) = self.act.iter().position(|plan| plan.rows == rows) {
            return Ok(self.act.remove(index));
        }
        let (gpu, model) = (&self.gpu, &self.model);
        let obs = gpu.buffer("obs", u64::from(rows) * model.spec.obs_dim() as u64)?;
        let acting = Acting::new(gpu, model, rows, 1)?;
        let step = [ActStep { step_offset: 0, obs_offset: 0 }];
        let list = |way| -> Result<Vec<Call>> {
            let mut calls: Vec<Call> =
                acting.calls(gpu, model, &self.config, &obs, way, &step)?.into_iter().flatten().collect();
            calls.extend(acting.value_calls(gpu, model, &obs)?);
            Ok(calls)
        };
        let calls = [list(Way::Greedy)?, list(Way::Explore)?, list(Way::Uniform)?];
        let words = acting.actions.len() + acting.env_actions.len() + acting.logp.len() + acting.outputs.len();
        let staging = ReadBack::new(gpu, "acted", words)?;
        Ok(ActPlan { rows, obs, acting, calls, staging })
    }

    /// Actions by a plan for as many rows as `obs` has, which is finite.
    async fn act_by(&mut self, plan: &ActPlan, obs: ArrayView2<'_, f32>, mode: ActMode) -> Result<Acted> {
        let way = if mode == ActMode::Greedy { Way::Greedy } else { self.exploration(self.model.env_steps) };
        let slot = self.model.push_schedule(&self.gpu, &self.config, 0, 0, [0, 0])?;
        let host: Vec<f32> = obs.iter().copied().collect();
        self.gpu.write(&plan.obs, 0, &host)?;
        let acting = &plan.acting;
        self.gpu.write(&acting.epsilon, 0, &[self.epsilon(self.model.env_steps)])?;
        let mut encoder = self.gpu.encoder("act");
        self.gpu.record(&mut encoder, "act", &plan.calls[way as usize], slot);
        let sources = [acting.actions.clone(), acting.env_actions.clone(), acting.logp.cast(), acting.outputs.cast()];
        let mut at = 0;
        for source in &sources {
            plan.staging.copy(&mut encoder, source, 0, at, source.len())?;
            at += source.len();
        }
        self.gpu.submit(encoder)?;
        let words = plan.staging.fetch_async(&self.gpu).await?;
        let (actions, rest) = words.split_at(acting.actions.len() as usize);
        let (env_actions, rest) = rest.split_at(acting.env_actions.len() as usize);
        let (logp, outputs) = rest.split_at(acting.logp.len() as usize);
        let (head, rows) = (&self.model.spec.head, obs.nrows());
        let acted_by_sac = self.config.sac().is_some() && way == Way::Explore;
        let float = |word: &u32| f32::from_bits(*word);
        let acted = Acted {
            actions: Actions::from_words(head, rows, actions)?,
            env_actions: Actions::env_from_words(head, rows, env_actions)?,
            logp: if acted_by_sac { logp.iter().map(float).collect() } else { Array1::zeros(rows) },
            values: match self.config.dqn() {
                Some(_) => greatest_values(outputs, rows, head.raw_outputs()),
                None => Array1::zeros(rows),
            },
            obs: obs.to_owned(),
        };
        if mode == ActMode::Sample {
            self.model.policy_step = self.model.policy_step.wrapping_add(1);
        }
        Ok(acted)
    }

    /// [`Agent::act_masked`](crate::Agent::act_masked) without blocking.
    ///
    /// # Errors
    /// As there.
    pub async fn act_masked_async(
        &mut self,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<Acted> {
        let rows = self.check_obs(obs)?;
        check_mask(&self.model.spec.head, obs.nrows(), allowed)?;
        let plan = self.acting(rows)?;
        let acted = self.act_by(&plan, obs, mode).await;
        self.act.insert(0, plan);
        self.act.truncate(ACT_PLANS);
        acted
    }

    /// [`Agent::parameters`](crate::Agent::parameters) without blocking.
    ///
    /// # Errors
    /// A device error.
    pub async fn parameters_async(&self) -> Result<Vec<f32>> {
        let own = self.gpu.read_async(&self.model.parameters).await?;
        self.model.arrangement.to_layout("parameters", &own[..self.model.layout.len()])
    }
}

/// The greatest Q of each of `rows` rows: tables of Q, or advantages with V of all rows behind them.
fn greatest_values(outputs: &[u32], rows: usize, choices: usize) -> Array1<f32> {
    let numbers: Vec<f32> = outputs.iter().map(|word| f32::from_bits(*word)).collect();
    let (table, values) = numbers.split_at(rows * choices);
    let greatest = |(r, row): (usize, &[f32])| {
        let shift = values.get(r).map_or(0.0, |value| value - row.iter().sum::<f32>() / choices as f32);
        row.iter().copied().fold(f32::NEG_INFINITY, f32::max) + shift
    };
    table.chunks(choices).enumerate().map(greatest).collect()
}
