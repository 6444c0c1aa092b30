//! A policy on the device, fed from host arrays. What waits for the device ends in `_async` here; the traits are its blocking shell.

use super::act::ActPlan;
use super::model::Model;
use super::submit::submit;
use super::updating::{UpdateKey, Updating};
use super::values::ValuePlan;
use crate::agent::{ActMode, Agent};
use crate::config::Config;
use crate::data::{Acted, Actions, Batch, Rollout, UpdateStats, check_mask, check_shape, finite, mask_bits};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu, ReadBack};
use crate::memory::small;
use crate::policy::{Branch, PolicySpec, initial_parameters_with};
use crate::state::{LearnerState, NormalizerState};
use ndarray::{Array1, Array2, ArrayView2};

/// Row counts whose plans for acting are kept: those of training, of an evaluation, and two to spare.
const ACT_PLANS: usize = 4;

/// A policy on the device. Observations and rollouts come from host arrays; for environments on the device see
/// [`super::GpuTrainer`], and to record into your own encoder [`super::PpoUpdate`].
///
/// It is an [`Agent`] that learns [`OnPolicy`](crate::OnPolicy). Their calls that wait for the device have a half here that ends in `_async` and never
/// blocks, for a browser or a loop that polls the device by itself; dropped before its end, it may or may not have been done.
///
/// Plans are kept from their first use on: of updates for the last shape, of [`act`](Agent::act) for the last four row counts, of
/// [`values`](Agent::values) for any row count up to the largest so far.
#[derive(Debug)]
pub struct GpuLearner {
    gpu: Gpu,
    pub(super) config: Config,
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

    /// The rows of observations that the networks can take.
    fn check_obs(&self, obs: ArrayView2<'_, f32>) -> Result<u32> {
        let rows = small("act", obs.nrows())?;
        check_shape("obs", obs.shape(), &[obs.nrows(), self.model.spec.obs_dim()])?;
        if rows == 0 {
            return Err(Error::config("obs", "has 0 rows"));
        }
        finite("obs", obs.iter()).map(|()| rows)
    }

    /// Actions by a plan for as many rows as `obs` has, which is finite.
    async fn act_by(
        &mut self,
        acting: &Acting,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<Acted> {
        let (head, slot) = (self.model.spec.head.clone(), self.model.push_schedule(&self.gpu, &self.config, 0)?);
        let Acting { rows, obs: buffer, plan, staging } = acting;
        self.gpu.write(buffer, 0, &obs.iter().copied().collect::<Vec<f32>>())?;
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
        let read = staging.fetch_async(&self.gpu).await?;
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
        Updating::new(&self.gpu, &self.model, &self.config, key)
    }

    /// Submits the plan, whose rows are written, and reads its statistics. The plan is kept either way.
    async fn run_update(&mut self, updating: Updating, order: Option<&[u32]>) -> Result<UpdateStats> {
        let stats = match updating.write_order(&self.gpu, order) {
            Ok(()) => self.submit_update(&updating).await,
            Err(error) => Err(error),
        };
        self.update = Some(updating);
        stats
    }

    async fn submit_update(&mut self, updating: &Updating) -> Result<UpdateStats> {
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
        let words = staging.fetch_async(&self.gpu).await?;
        let stats = plan.finish(&words, learning_rate)?;
        self.model.count_update(rows);
        Ok(stats)
    }

    /// [`Agent::act_masked`] without blocking.
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
        let acting = self.acting(rows)?;
        let acted = self.act_by(&acting, obs, allowed, mode).await;
        self.act.insert(0, acting);
        self.act.truncate(ACT_PLANS);
        acted
    }

    /// [`Agent::values`] without blocking.
    ///
    /// # Errors
    /// As there.
    pub async fn values_async(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        let rows = self.check_obs(obs)?;
        if self.model.spec.branch(Branch::VALUE).is_none() {
            return Ok(Array1::zeros(obs.nrows()));
        }
        let plan = match self.values.take() {
            Some(plan) if plan.fits(rows) => plan,
            _ => ValuePlan::new(&self.gpu, &self.model, rows)?,
        };
        let slot = self.model.push_schedule(&self.gpu, &self.config, 0)?;
        let host: Vec<f32> = obs.iter().copied().collect();
        let values = self.values.insert(plan).run(&self.gpu, &self.model, slot, &host, rows).await?;
        Ok(values.into())
    }

    /// [`Agent::parameters`] without blocking.
    ///
    /// # Errors
    /// A device error.
    pub async fn parameters_async(&self) -> Result<Vec<f32>> {
        self.gpu.read_async(&self.model.parameters).await
    }

    /// [`Agent::state`] without blocking.
    ///
    /// # Errors
    /// A device error.
    pub async fn state_async(&self) -> Result<LearnerState> {
        self.model.state_async(&self.gpu).await
    }

    /// [`OnPolicy::update_in_order`](crate::OnPolicy::update_in_order) without blocking.
    ///
    /// # Errors
    /// As there.
    pub async fn update_in_order_async(&mut self, rollout: &Rollout, order: Option<&[u32]>) -> Result<UpdateStats> {
        rollout.validate(&self.model.spec)?;
        if let Some(order) = order {
            crate::data::check_order(order, rollout.rows(), self.config.order_epochs())?;
        }
        NormalizerState::check_envs(&self.config, rollout.envs)?;
        let updating = self.updating(UpdateKey::of_rollout(rollout, order.is_some())?)?;
        updating.write_rollout(&self.gpu, &self.model.spec, rollout)?;
        self.run_update(updating, order).await
    }

    /// [`OnPolicy::update_batch`](crate::OnPolicy::update_batch) without blocking.
    ///
    /// # Errors
    /// As there.
    pub async fn update_batch_async(&mut self, batch: &Batch, order: Option<&[u32]>) -> Result<UpdateStats> {
        batch.validate(&self.model.spec)?;
        if let Some(order) = order {
            crate::data::check_order(order, batch.rows(), self.config.order_epochs())?;
        }
        let updating = self.updating(UpdateKey::of_batch(batch, &self.config, order.is_some())?)?;
        updating.write_batch(&self.gpu, batch)?;
        self.run_update(updating, order).await
    }
}
