//! The device behind the traits [`Agent`] and [`OnPolicy`], fed from host arrays.

use super::act::ActPlan;
use super::advantage::RolloutBuffers;
use super::batch::BatchBuffers;
use super::model::Model;
use super::plan::UpdatePlan;
use super::prepare::RolloutRows;
use super::submit::submit;
use super::values::ValuePlan;
use crate::agent::{ActMode, Agent, OnPolicy};
use crate::config::Config;
use crate::data::{Acted, Actions, Autoreset, Batch, Rollout, UpdateStats, check_mask, check_shape, finite, mask_bits};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ReadBack};
use crate::memory::small;
use crate::policy::{PolicySpec, initial_parameters_with};
use crate::state::{LearnerState, NormalizerState};
use ndarray::{Array1, Array2, ArrayView2};

/// Row counts whose plans for acting are kept: those of training, of an evaluation, and two to spare.
const ACT_PLANS: usize = 4;

/// A policy on the device. Observations and rollouts come from host arrays; for environments on the device see
/// [`super::GpuTrainer`], and to record into your own encoder [`super::PpoUpdate`].
///
/// Plans are made on first use and kept: of updates for the last shape, of [`act`](Agent::act) for the last four row counts, of
/// [`values`](Agent::values) for any row count up to the largest so far.
#[derive(Debug)]
pub struct GpuLearner {
    gpu: Gpu,
    config: Config,
    pub(super) model: Model,
    /// The last used first.
    act: Vec<Acting>,
    values: Option<ValuePlan>,
    update: Option<Updating>,
}

#[derive(Debug)]
struct Acting {
    rows: u32,
    obs: Buffer<f32>,
    plan: ActPlan,
    staging: ReadBack<u32>,
}

#[derive(Debug)]
struct Updating {
    key: UpdateKey,
    rollout: Option<Recorded>,
    batch: BatchBuffers,
    order: Option<Buffer<u32>>,
    /// Mask, rewards, ratios, advantages, value targets: what comes before the update itself.
    prepare: Vec<Call>,
    plan: UpdatePlan,
    staging: ReadBack<u32>,
}

/// Where a rollout from the host goes on the device.
#[derive(Debug)]
struct Recorded {
    buffers: RolloutBuffers,
    ended_before: Option<Buffer<u32>>,
}

/// What decides a plan's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpdateKey {
    Rollout { steps: u32, envs: u32, autoreset: Autoreset, with_valid: bool, with_ended: bool, with_order: bool },
    Batch { rows: u32, with_order: bool, with_old_dist: bool, with_valid: bool },
}

impl GpuLearner {
    /// A policy with initial weights from `config.init` and `seed`.
    ///
    /// # Errors
    /// A bad spec or config, a limit, or out of memory, before any weight is drawn.
    pub fn new(gpu: &Gpu, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        let learner = Self::empty(gpu, spec, config, seed)?;
        learner.draw()?;
        Ok(learner)
    }

    /// A policy that goes on from `state`; no weights are drawn.
    ///
    /// # Errors
    /// As [`new`](Self::new), and as [`Agent::set_state`].
    pub fn from_state(gpu: &Gpu, spec: PolicySpec, config: Config, state: &LearnerState) -> Result<Self> {
        let mut learner = Self::empty(gpu, spec, config, state.seed)?;
        learner.set_state(state)?;
        Ok(learner)
    }

    /// A policy whose parameters are yet to be written.
    pub(super) fn empty(gpu: &Gpu, spec: PolicySpec, config: Config, seed: u64) -> Result<Self> {
        let model = Model::empty(gpu, &spec, &config, seed)?;
        Ok(Self { gpu: gpu.clone(), config, model, act: Vec::new(), values: None, update: None })
    }

    /// Writes the initial weights.
    pub(super) fn draw(&self) -> Result<()> {
        let weights = initial_parameters_with(&self.model.spec, &self.config.init, self.model.seed);
        self.gpu.write(&self.model.parameters, 0, &weights)
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Parameters, moments and counters on the device.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The plan for `rows` rows: one of the last, or a new one. It is to be put back.
    fn acting(&mut self, rows: u32) -> Result<Acting> {
        if let Some(index) = self.act.iter().position(|acting| acting.rows == rows) {
            return Ok(self.act.remove(index));
        }
        let obs = self.gpu.buffer("obs", u64::from(rows) * self.model.spec.obs_dim() as u64)?;
        let plan = ActPlan::new(&self.gpu, &self.model, &obs, rows)?;
        let head = &self.model.spec.head;
        let mut words = u64::from(rows) * (head.action_words() + head.action_dims() + 2) as u64;
        if self.model.normalizer.has_obs() {
            words += plan.obs.len();
        }
        let staging = ReadBack::new(&self.gpu, "acted", words)?;
        Ok(Acting { rows, obs, plan, staging })
    }

    /// The number of rows of observations that the networks can take.
    fn check_obs(&self, obs: ArrayView2<'_, f32>) -> Result<u32> {
        let rows = small("act", obs.nrows())?;
        check_shape("obs", obs.shape(), &[obs.nrows(), self.model.spec.obs_dim()])?;
        if rows == 0 {
            return Err(Error::config("obs", "has 0 rows"));
        }
        finite("obs", obs.iter()).map(|()| rows)
    }

    /// Actions by a plan for as many rows as `obs` has, which is finite.
    fn act_by(
        &mut self,
        acting: &Acting,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<Acted> {
        let head = self.model.spec.head.clone();
        let slot = self.model.push_schedule(&self.gpu, &self.config, 0)?;
        let Acting { rows, obs: buffer, plan, staging } = acting;
        let host: Vec<f32> = obs.iter().copied().collect();
        self.gpu.write(buffer, 0, &host)?;
        if head.is_masked() {
            let (dims, all) = (head.action_dims(), ndarray::Array1::from_elem(head.raw_outputs(), true));
            let row_words = |row: usize| {
                let mask = mask_bits(allowed.as_ref().map_or(all.view(), |allowed| allowed.row(row)));
                std::iter::repeat_n(0, dims).chain(mask).collect::<Vec<u32>>()
            };
            self.gpu.write(&plan.actions, 0, &(0..obs.nrows()).flat_map(row_words).collect::<Vec<_>>())?;
        }
        let mut encoder = self.gpu.encoder("act");
        plan.record(&self.gpu, &mut encoder, mode == ActMode::Greedy, slot);
        let (rows, words, env_words) = (u64::from(*rows), plan.actions.len(), plan.env_actions.len());
        let normalizes = self.model.normalizer.has_obs();
        let mut copies = vec![
            (plan.actions.clone(), words),
            (plan.env_actions.clone(), env_words),
            (plan.logp.cast(), rows),
            (plan.values.cast(), rows),
        ];
        if normalizes {
            copies.push((plan.obs.cast(), plan.obs.len()));
        }
        let mut at = 0;
        for (source, count) in &copies {
            staging.copy(&mut encoder, source, 0, at, *count)?;
            at += count;
        }
        self.gpu.submit(encoder)?;
        let read = staging.fetch(&self.gpu)?;
        let (actions, rest) = read.split_at(words as usize);
        let (env_actions, rest) = rest.split_at(env_words as usize);
        let (logp, rest) = rest.split_at(rows as usize);
        let (values, seen) = rest.split_at(rows as usize);
        let floats = |part: &[u32]| part.iter().map(|word| f32::from_bits(*word)).collect::<Array1<f32>>();
        let obs = if normalizes {
            let floats = seen.iter().map(|word| f32::from_bits(*word)).collect();
            let shape = (rows as usize, self.model.spec.obs_dim());
            Array2::from_shape_vec(shape, floats)
                .map_err(|_| Error::shape("obs", &[seen.len()], &[shape.0, shape.1]))?
        } else {
            obs.to_owned()
        };
        let actions = Actions::from_words(&head, rows as usize, actions)?;
        let env_actions = Actions::env_from_words(&head, rows as usize, env_actions)?;
        if mode == ActMode::Sample {
            self.model.policy_step = self.model.policy_step.wrapping_add(1);
        }
        Ok(Acted { actions, env_actions, logp: floats(logp), values: floats(values), obs })
    }

    /// The plan for `key`: the last one, or a new one. It is to be put back.
    fn updating(&mut self, key: UpdateKey) -> Result<Updating> {
        if let Some(updating) = self.update.take_if(|updating| updating.key == key) {
            return Ok(updating);
        }
        let (gpu, spec) = (&self.gpu, &self.model.spec);
        let rows = match key {
            UpdateKey::Rollout { steps, envs, .. } => u64::from(steps) * u64::from(envs),
            UpdateKey::Batch { rows, .. } => u64::from(rows),
        };
        let mut prepare = Vec::new();
        let (obs, actions) = (
            gpu.buffer("obs", rows * spec.obs_dim() as u64)?,
            gpu.buffer("actions", rows * spec.head.action_words() as u64)?,
        );
        let logp_old = gpu.buffer("logp_old", rows)?;
        let (batch, rollout) = match key {
            UpdateKey::Batch { with_old_dist, with_valid, .. } => {
                let width = spec.head.width() as u64;
                let batch = BatchBuffers {
                    rows: rows as u32,
                    obs,
                    actions,
                    logp_old,
                    advantages: gpu.buffer("advantages", rows)?,
                    returns: gpu.buffer("returns", rows)?,
                    values_old: gpu.buffer("values_old", rows)?,
                    old_dist: with_old_dist.then(|| gpu.buffer("old_dist", rows * width)).transpose()?,
                    valid: with_valid.then(|| gpu.buffer("valid", rows)).transpose()?,
                };
                (batch, None)
            }
            UpdateKey::Rollout { steps, envs, autoreset, with_valid, with_ended, .. } => {
                let buffers = RolloutBuffers {
                    steps,
                    envs,
                    rewards: gpu.buffer("rewards", rows)?,
                    values: gpu.buffer("values", rows + u64::from(envs))?,
                    final_values: gpu.buffer("final_values", rows)?,
                    terminated: gpu.buffer("terminated", rows)?,
                    truncated: gpu.buffer("truncated", rows)?,
                    log_rhos: None,
                    valid: with_valid.then(|| gpu.buffer("valid", rows)).transpose()?,
                };
                let ended_before = with_ended.then(|| gpu.buffer("ended_before", envs.into())).transpose()?;
                let acted = RolloutRows { obs, actions, logp: logp_old };
                let (model, config, ended) = (&self.model, &self.config, ended_before.as_ref());
                let (calls, batch) = super::prepare::prepare(gpu, model, config, &buffers, &acted, autoreset, ended)?;
                prepare = calls;
                (batch, Some(Recorded { buffers, ended_before }))
            }
        };
        let order = match key {
            UpdateKey::Batch { with_order: true, .. } | UpdateKey::Rollout { with_order: true, .. } => {
                Some(gpu.buffer("order", rows.saturating_mul(self.config.order_epochs() as u64))?)
            }
            _ => None,
        };
        if rollout.is_none() {
            let (returns, values_old, valid) = (&batch.returns, &batch.values_old, batch.valid.as_ref());
            prepare = self.model.normalizer.targets(gpu, batch.rows, returns, values_old, valid)?;
        }
        let plan = UpdatePlan::new(gpu, &self.model, &self.config, &batch, order.as_ref())?;
        let staging = ReadBack::new(gpu, "statistics", plan.statistics_len())?;
        Ok(Updating { key, rollout, batch, order, prepare, plan, staging })
    }

    /// Submits the plan and reads its statistics.
    fn run_update(&mut self, updating: &Updating) -> Result<UpdateStats> {
        let Updating { plan, staging, prepare, batch, .. } = updating;
        let rows = batch.rows as usize;
        let learning_rate = self.config.learning_rate_at(self.model.progress(&self.config, rows));
        let slot = self.model.push_schedule_for(&self.gpu, &self.config, 0, rows)?;
        let calls: Vec<Call> = prepare.iter().chain(plan.calls()).cloned().collect();
        submit(
            &self.gpu,
            "ppo_update",
            &calls,
            slot,
            |encoder| {
                plan.record_start(encoder);
                Ok(())
            },
            |encoder| plan.record_statistics(encoder, staging, 0),
        )?;
        let words = staging.fetch(&self.gpu)?;
        let stats = plan.finish(&words, learning_rate)?;
        self.model.count_update(rows);
        Ok(stats)
    }
}

impl Agent for GpuLearner {
    fn spec(&self) -> &PolicySpec {
        &self.model.spec
    }

    fn act_masked(
        &mut self,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<Acted> {
        let rows = self.check_obs(obs)?;
        check_mask(&self.model.spec.head, obs.nrows(), allowed)?;
        let acting = self.acting(rows)?;
        let acted = self.act_by(&acting, obs, allowed, mode);
        self.act.insert(0, acting);
        self.act.truncate(ACT_PLANS);
        acted
    }

    fn values(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        let rows = self.check_obs(obs)?;
        let plan = match self.values.take() {
            Some(plan) if plan.fits(rows) => plan,
            _ => ValuePlan::new(&self.gpu, &self.model, rows)?,
        };
        let slot = self.model.push_schedule(&self.gpu, &self.config, 0)?;
        let host: Vec<f32> = obs.iter().copied().collect();
        let values = self.values.insert(plan).run(&self.gpu, &self.model, slot, &host, rows)?;
        Ok(values.into())
    }

    fn parameters(&self) -> Result<Vec<f32>> {
        self.gpu.read(&self.model.parameters)
    }

    fn set_parameters(&mut self, parameters: &[f32]) -> Result<()> {
        check_shape("parameters", &[parameters.len()], &[self.model.layout.len()])?;
        finite("parameters", parameters.iter())?;
        self.gpu.write(&self.model.parameters, 0, parameters)
    }

    fn state(&self) -> Result<LearnerState> {
        self.model.state(&self.gpu)
    }

    fn set_state(&mut self, state: &LearnerState) -> Result<()> {
        self.model.set_state(&self.gpu, state)
    }
}

impl OnPolicy for GpuLearner {
    fn config(&self) -> &Config {
        &self.config
    }

    fn update_in_order(&mut self, rollout: &Rollout, order: Option<&[u32]>) -> Result<UpdateStats> {
        rollout.validate(&self.model.spec)?;
        if let Some(order) = order {
            crate::data::check_order(order, rollout.rows(), self.config.order_epochs())?;
        }
        NormalizerState::check_envs(&self.config, rollout.envs)?;
        let (counted, last_values) = (rollout.counted(), rollout.last_values()?);
        let autoreset = rollout.autoreset;
        // With same-step resets no window begins after an end.
        let ended = rollout.ended_before.as_ref().filter(|_| autoreset != Autoreset::SameStep);
        let key = UpdateKey::Rollout {
            steps: small("steps", rollout.steps)?,
            envs: small("envs", rollout.envs)?,
            autoreset,
            with_valid: rollout.valid.is_some(),
            with_ended: ended.is_some(),
            with_order: order.is_some(),
        };
        small("rollout rows", rollout.rows())?;
        let updating = self.updating(key)?;
        {
            let Updating { batch, order: place, rollout: Some(Recorded { buffers, ended_before }), .. } = &updating
            else {
                return Err(Error::Internal("the plan of a rollout's update has no rollout"));
            };
            let gpu = &self.gpu;
            if let (Some(place), Some(order)) = (place, order) {
                gpu.write(place, 0, order)?;
            }
            let host = |array: &ndarray::Array2<f32>| array.iter().copied().collect::<Vec<f32>>();
            let words = |array: &ndarray::Array2<u32>| array.iter().copied().collect::<Vec<u32>>();
            gpu.write(&batch.obs, 0, &host(&rollout.obs))?;
            let mut actions = rollout.actions.words();
            if let Some(counted) = &counted {
                // No kernel may meet an index without a choice.
                let words = self.model.spec.head.action_words();
                for (row, _) in actions.chunks_mut(words).zip(counted).filter(|(_, valid)| **valid == 0) {
                    row.fill(0);
                }
            }
            gpu.write(&batch.actions, 0, &actions)?;
            gpu.write(&batch.logp_old, 0, &rollout.logp.to_vec())?;
            gpu.write(&buffers.rewards, 0, &host(&rollout.rewards))?;
            gpu.write(&buffers.values, 0, &host(&rollout.values))?;
            gpu.write(&buffers.final_values, 0, &host(&last_values))?;
            gpu.write(&buffers.terminated, 0, &words(&rollout.terminated))?;
            gpu.write(&buffers.truncated, 0, &words(&rollout.truncated))?;
            if let (Some(place), Some(valid)) = (&buffers.valid, &rollout.valid) {
                gpu.write(place, 0, &words(valid))?;
            }
            if let (Some(place), Some(ended)) = (ended_before, ended) {
                gpu.write(place, 0, &ended.to_vec())?;
            }
        }
        let stats = self.run_update(&updating);
        self.update = Some(updating);
        stats
    }

    fn update_batch(&mut self, batch: &Batch, order: Option<&[u32]>) -> Result<UpdateStats> {
        batch.validate(&self.model.spec)?;
        let rows = batch.rows();
        if let Some(order) = order {
            crate::data::check_order(order, rows, self.config.order_epochs())?;
        }
        // Where no divergence is asked for, nobody reads them.
        let old_dist = batch.old_dist.as_ref().filter(|_| self.config.kl_direction().is_some());
        let (with_order, with_old_dist, with_valid) = (order.is_some(), old_dist.is_some(), batch.valid.is_some());
        let rows = small("batch rows", rows)?;
        let updating = self.updating(UpdateKey::Batch { rows, with_order, with_old_dist, with_valid })?;
        {
            let Updating { batch: buffers, order: place, .. } = &updating;
            let gpu = &self.gpu;
            gpu.write(&buffers.obs, 0, &batch.obs.iter().copied().collect::<Vec<f32>>())?;
            gpu.write(&buffers.actions, 0, &batch.actions.words())?;
            gpu.write(&buffers.logp_old, 0, &batch.logp_old.to_vec())?;
            gpu.write(&buffers.advantages, 0, &batch.advantages.to_vec())?;
            gpu.write(&buffers.returns, 0, &batch.returns.to_vec())?;
            gpu.write(&buffers.values_old, 0, &batch.values_old.to_vec())?;
            if let (Some(place), Some(rows)) = (&buffers.old_dist, old_dist) {
                gpu.write(place, 0, &rows.iter().copied().collect::<Vec<f32>>())?;
            }
            if let (Some(place), Some(valid)) = (&buffers.valid, &batch.valid) {
                gpu.write(place, 0, &valid.to_vec())?;
            }
            if let (Some(place), Some(order)) = (place, order) {
                gpu.write(place, 0, order)?;
            }
        }
        let stats = self.run_update(&updating);
        self.update = Some(updating);
        stats
    }
}
