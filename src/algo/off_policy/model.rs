//! What gradient steps of an off-policy algorithm change, as buffers on the device.

use super::arrangement::Arrangement;
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Gpu, Slot, UniformRing};
use crate::kernels::loss_statistics::{CONTROL_WORDS, TRACE_WIDTH};
use crate::kernels::optim_adam::bias_corrections;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{optim_clip, words::decisions};
use crate::policy::{ParamLayout, PolicySpec};

/// What an optimiser of some of the networks keeps: of the critics (DQN: of its network), or of the actor.
#[derive(Debug)]
pub(super) struct Optimizer {
    /// `[CONTROL_WORDS]`.
    pub control: Buffer<u32>,
    /// Steps taken, `[1]`.
    pub step: Buffer<u32>,
    /// The last gradient's norm, `[TRACE_WIDTH]`.
    pub trace: Buffer<f32>,
    /// Partial sums of the norm.
    pub norm_partials: Buffer<[f32; 4]>,
}

impl Optimizer {
    fn new(gpu: &Gpu, count: u32) -> Result<Self> {
        Ok(Self {
            control: gpu.buffer("control", CONTROL_WORDS)?,
            step: gpu.buffer("optimizer_step", 1)?,
            trace: gpu.buffer("trace", TRACE_WIDTH)?,
            norm_partials: gpu.buffer("norm_partials", optim_clip::groups(count.max(1)).into())?,
        })
    }

    /// Counts skipped steps anew and says the step size: `None` is the schedule's.
    pub fn start(&self, gpu: &Gpu, learning_rate: Option<f64>) -> Result<()> {
        let mut words = [0; CONTROL_WORDS as usize];
        // The word 0 is the schedule's; a rate of 0 is −0.
        let word = |rate: f64| if rate == 0.0 { (-0.0_f32).to_bits() } else { (rate as f32).to_bits() };
        words[decisions::LEARNING_RATE] = learning_rate.map_or(0, word);
        gpu.write(&self.control, 0, &words)
    }
}

/// log α of SAC, with its moments.
#[derive(Debug)]
pub(super) struct Alpha {
    /// `[1]`.
    pub log_alpha: Buffer<f32>,
    /// `[1]`.
    pub exp_avg: Buffer<f32>,
    /// `[1]`.
    pub exp_avg_sq: Buffer<f32>,
    /// Steps taken, `[1]`.
    pub step: Buffer<u32>,
    /// α before the last step, the loss, its gradient, mean log π, `[1]`.
    pub statistics: Buffer<[f32; 4]>,
}

/// Parameters of all networks and of their targets, moments and counters.
#[derive(Debug)]
pub(super) struct OffPolicyModel {
    pub spec: PolicySpec,
    pub layout: ParamLayout,
    pub arrangement: Arrangement,
    /// Online numbers, then as many of the targets.
    pub parameters: Buffer<f32>,
    /// First moments, one set of numbers.
    pub exp_avg: Buffer<f32>,
    /// Second moments.
    pub exp_avg_sq: Buffer<f32>,
    /// The gradient.
    pub gradient: Buffer<f32>,
    /// Of the critics, or of DQN's network.
    pub critics: Optimizer,
    /// Of the actor.
    pub actor: Optimizer,
    pub alpha: Alpha,
    pub bias_correction: Buffer<[f32; 2]>,
    pub ring: UniformRing,
    /// Gradient steps taken.
    pub gradient_steps: u64,
    /// Updates done, each of some gradient steps.
    pub update: u64,
    /// Environment steps stored, all environments.
    pub env_steps: u64,
    /// Policy steps taken.
    pub policy_step: u64,
    /// Seed of all draws.
    pub seed: u64,
}

impl OffPolicyModel {
    /// Buffers for `spec`, all numbers 0.
    ///
    /// # Errors
    /// A bad spec or config, a limit, or out of memory.
    pub fn empty(gpu: &Gpu, spec: &PolicySpec, config: &Config, seed: u64) -> Result<Self> {
        spec.validate()?;
        config.validate()?;
        config.check_branches(spec)?;
        let layout = spec.layout();
        let arrangement = Arrangement::new(&layout)?;
        let count = u64::from(arrangement.len);
        let alpha = Alpha {
            log_alpha: gpu.buffer("log_alpha", 1)?,
            exp_avg: gpu.buffer("log_alpha exp_avg", 1)?,
            exp_avg_sq: gpu.buffer("log_alpha exp_avg_sq", 1)?,
            step: gpu.buffer("log_alpha step", 1)?,
            statistics: gpu.buffer("log_alpha statistics", 1)?,
        };
        Ok(Self {
            spec: spec.clone(),
            parameters: gpu.buffer("parameters and targets", 2 * count)?,
            exp_avg: gpu.buffer("exp_avg", count)?,
            exp_avg_sq: gpu.buffer("exp_avg_sq", count)?,
            gradient: gpu.buffer("gradient", count)?,
            critics: Optimizer::new(gpu, arrangement.len)?,
            actor: Optimizer::new(gpu, arrangement.len)?,
            alpha,
            bias_correction: gpu.upload("bias_correction", &bias_corrections(config.adam_beta1, config.adam_beta2)?)?,
            ring: PerUpdate::ring(gpu)?,
            layout,
            arrangement,
            gradient_steps: 0,
            update: 0,
            env_steps: 0,
            policy_step: 0,
            seed,
        })
    }

    /// First number of the targets.
    pub fn targets(&self) -> u32 {
        self.arrangement.len
    }

    /// Writes the counters, as they are `later` gradient steps later, to the next slot of the ring. `place` and `stored` are the replay ring's.
    pub fn push_schedule(
        &self,
        gpu: &Gpu,
        config: &Config,
        later: u64,
        env_step: u64,
        [place, stored]: [u32; 2],
    ) -> Result<Slot> {
        let (low, high) = (|word: u64| word as u32, |word: u64| (word >> 32) as u32);
        let step = self.gradient_steps.wrapping_add(later);
        let replay = config.expect_replay()?;
        // Both are below 2^31, by the config's check.
        let (hold, phase) = (replay.exploration_hold, self.policy_step - replay.held_step(self.policy_step));
        let schedule = PerUpdate {
            learning_rate: config.learning_rate as f32,
            seed_low: low(self.seed),
            seed_high: high(self.seed),
            update_low: low(self.update),
            update_high: high(self.update),
            policy_step_low: low(self.policy_step),
            policy_step_high: high(self.policy_step),
            env_step_low: low(env_step),
            env_step_high: high(env_step),
            gradient_step_low: low(step),
            gradient_step_high: high(step),
            replay_place: place,
            replay_stored: stored,
            exploration_hold: low(hold),
            exploration_phase: low(phase),
            ..PerUpdate::default()
        };
        self.ring.push(gpu, &schedule)
    }
}
