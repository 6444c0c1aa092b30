//! What an optimiser step changes, as buffers on the device.

use super::normalize::NormalizerBuffers;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Gpu, Slot, UniformRing};
use crate::kernels::loss_kl;
use crate::kernels::optim_adam::bias_corrections;
use crate::kernels::per_update::PerUpdate;
use crate::policy::{ParamLayout, PolicySpec};
use crate::state::LearnerState;

/// A clip range that no ratio leaves (they are clamped to e^±20).
const NO_CLIP: f64 = 1e30;

/// Parameters, moments and step count on the device, with the ring of per-update values and the host's counters.
#[derive(Debug)]
pub struct Model {
    /// The policy's shape.
    pub spec: PolicySpec,
    /// Names and places in the flat vector.
    pub layout: ParamLayout,
    /// Flat parameters, `[layout.len()]`.
    pub parameters: Buffer<f32>,
    /// First moments, same layout.
    pub exp_avg: Buffer<f32>,
    /// Second moments, same layout.
    pub exp_avg_sq: Buffer<f32>,
    /// Steps taken since the start, `[1]`.
    pub optimizer_step: Buffer<u32>,
    /// The natural gradient's last direction x, same layout; where conjugate gradients start warm they begin at it.
    pub search_direction: Buffer<f32>,
    /// β and learning rate of the next update where the KL sets them (0: the configuration's), see [`loss_kl`].
    pub kl_state: Buffer<f32>,
    /// Running statistics of observations, rewards and value targets.
    pub normalizer: NormalizerBuffers,
    /// Adam's bias corrections of every t.
    pub(super) bias_correction: Buffer<[f32; 2]>,
    /// The decays that the table is for.
    betas: (f64, f64),
    /// Per-update values.
    pub(super) ring: UniformRing,
    /// Updates done.
    pub(super) update: u64,
    /// Environment steps that they took in.
    pub(super) env_steps: u64,
    /// Policy steps taken.
    pub policy_step: u64,
    /// Seed of all draws.
    pub seed: u64,
    /// Whether `search_direction` is part of the state.
    warm: bool,
}

impl Model {
    /// Buffers for `spec`, with `parameters` and fresh moments.
    ///
    /// # Errors
    /// A bad spec or config, parameters of another length, or out of memory.
    pub fn new(gpu: &Gpu, spec: &PolicySpec, config: &Config, parameters: &[f32], seed: u64) -> Result<Self> {
        spec.validate()?;
        crate::data::check_shape("parameters", &[parameters.len()], &[spec.layout().len()])?;
        let model = Self::empty(gpu, spec, config, seed)?;
        gpu.write(&model.parameters, 0, parameters)?;
        Ok(model)
    }

    /// [`new`](Self::new) with all parameters at 0, which are to be written yet: what does not fit is refused before they are drawn.
    pub(super) fn empty(gpu: &Gpu, spec: &PolicySpec, config: &Config, seed: u64) -> Result<Self> {
        spec.validate()?;
        config.validate()?;
        config.expect_on_policy()?;
        config.check_branches(spec)?;
        let layout = spec.layout();
        let count = layout.len() as u64;
        Ok(Self {
            spec: spec.clone(),
            parameters: gpu.buffer("parameters", count)?,
            exp_avg: gpu.buffer("exp_avg", count)?,
            exp_avg_sq: gpu.buffer("exp_avg_sq", count)?,
            optimizer_step: gpu.buffer("optimizer_step", 1)?,
            search_direction: gpu.buffer("search_direction", count)?,
            kl_state: gpu.buffer("kl_state", loss_kl::STATE_WORDS)?,
            normalizer: NormalizerBuffers::new(gpu, config, spec.obs_dim())?,
            bias_correction: gpu.upload("bias_correction", &bias_corrections(config.adam_beta1, config.adam_beta2)?)?,
            betas: (config.adam_beta1, config.adam_beta2),
            ring: PerUpdate::ring(gpu)?,
            layout,
            update: 0,
            env_steps: 0,
            policy_step: 0,
            seed,
            warm: config.trust_region().is_some_and(|region| region.cg_warm_start),
        })
    }

    /// Refuses a configuration whose Adam decays are not those that the model was made with.
    pub(super) fn check_betas(&self, config: &Config) -> Result<()> {
        if self.betas == (config.adam_beta1, config.adam_beta2) {
            return Ok(());
        }
        let (now, then) = ((config.adam_beta1, config.adam_beta2), self.betas);
        Err(Error::config("adam_beta1", format!("and adam_beta2 are {now:?}, but the model was made for {then:?}")))
    }

    /// Writes the values of the coming update, on [`Config::batch_size`] rows, to the next slot of the ring.
    ///
    /// # Errors
    /// A wgpu error.
    pub fn push_schedule(&self, gpu: &Gpu, config: &Config, env_step: u64) -> Result<Slot> {
        self.push_schedule_for(gpu, config, env_step, config.batch_size())
    }

    /// How much of the run is done before an update on `rows` rows.
    pub(super) fn progress(&self, config: &Config, rows: usize) -> f64 {
        config.progress(self.env_steps, rows)
    }

    /// Counts an update on `rows` rows, once it is recorded: schedules and shuffles go on from there.
    pub fn count_update(&mut self, rows: usize) {
        self.update = self.update.saturating_add(1);
        self.env_steps = self.env_steps.saturating_add(rows as u64);
    }

    /// [`push_schedule`](Self::push_schedule) for an update on `rows` rows.
    ///
    /// # Errors
    /// A wgpu error.
    pub fn push_schedule_for(&self, gpu: &Gpu, config: &Config, env_step: u64, rows: usize) -> Result<Slot> {
        let (low, high) = (|word: u64| word as u32, |word: u64| (word >> 32) as u32);
        // The trust region bounds the step by itself: its gradient is of the plain surrogate.
        let progress = self.progress(config, rows);
        let schedule = PerUpdate {
            learning_rate: config.learning_rate_at(progress) as f32,
            clip_coef: config.clip_coef_at(progress).unwrap_or(NO_CLIP) as f32,
            ent_coef: if config.trust_region().is_some() { 0.0 } else { config.ent_coef_at(progress) as f32 },
            clip_coef_vf: config.value_limit_at(progress).unwrap_or(NO_CLIP) as f32,
            seed_low: low(self.seed),
            seed_high: high(self.seed),
            update_low: low(self.update),
            update_high: high(self.update),
            policy_step_low: low(self.policy_step),
            policy_step_high: high(self.policy_step),
            env_step_low: low(env_step),
            env_step_high: high(env_step),
            ..PerUpdate::default()
        };
        self.ring.push(gpu, &schedule)
    }

    /// Everything that an update changes, read back.
    ///
    /// # Errors
    /// A device error; [`Error::Waits`] in a browser.
    pub fn state(&self, gpu: &Gpu) -> Result<LearnerState> {
        gpu.block_on(self.state_async(gpu))
    }

    /// [`state`](Self::state) without blocking.
    ///
    /// # Errors
    /// A device error.
    pub async fn state_async(&self, gpu: &Gpu) -> Result<LearnerState> {
        let kl_state = gpu.read_async(&self.kl_state).await?;
        let kept = |index: usize| kl_state.get(index).copied().unwrap_or(0.0);
        Ok(LearnerState {
            parameters: gpu.read_async(&self.parameters).await?,
            exp_avg: gpu.read_async(&self.exp_avg).await?,
            exp_avg_sq: gpu.read_async(&self.exp_avg_sq).await?,
            optimizer_step: gpu.read_async(&self.optimizer_step).await?.first().copied().unwrap_or(0),
            update: self.update,
            env_steps: self.env_steps,
            policy_step: self.policy_step,
            seed: self.seed,
            kl_coef: kept(0),
            learning_rate: kept(1),
            normalizer: self.normalizer.state(gpu).await?,
            // Before the first update there is none.
            search_direction: match self.warm && self.update > 0 {
                true => gpu.read_async(&self.search_direction).await?,
                false => Vec::new(),
            },
            off_policy: None,
        })
    }

    /// Continues from `state`.
    ///
    /// # Errors
    /// [`Error::Shape`] if it belongs to another policy, [`Error::Config`] if it has running statistics that the settings do not
    /// use; nothing has changed then.
    pub fn set_state(&mut self, gpu: &Gpu, state: &LearnerState) -> Result<()> {
        state.check(self.layout.len())?;
        let normalizer = self.normalizer.complete(&state.normalizer)?;
        gpu.write(&self.parameters, 0, &state.parameters)?;
        gpu.write(&self.exp_avg, 0, &state.exp_avg)?;
        gpu.write(&self.exp_avg_sq, 0, &state.exp_avg_sq)?;
        gpu.write(&self.optimizer_step, 0, &[state.optimizer_step])?;
        let mut direction = state.search_direction.clone();
        direction.resize(self.layout.len(), 0.0);
        gpu.write(&self.search_direction, 0, &direction)?;
        gpu.write(&self.kl_state, 0, &[state.kl_coef, state.learning_rate])?;
        self.normalizer.set_state(gpu, &normalizer)?;
        (self.update, self.env_steps) = (state.update, state.env_steps);
        (self.policy_step, self.seed) = (state.policy_step, state.seed);
        Ok(())
    }
}
