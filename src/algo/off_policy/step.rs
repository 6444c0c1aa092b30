//! One gradient step as lists of dispatches, bound once.

use super::chain::Inputs;
use super::model::OffPolicyModel;
use super::moves::Moves;
use super::optim::follow;
use super::ring::ReplayRing;
use super::sampled::Sampled;
use super::settings::{Method, StepSettings};
use crate::config::Config;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::loss_dqn::groups;
use crate::kernels::policy_squash::Source;
use crate::kernels::replay_sample;

/// A gradient step on a batch of one size. Recording it costs its dispatches alone; each needs a slot of the schedule of its own.
#[derive(Debug)]
pub(super) struct GradientStep {
    pub sampled: Sampled,
    /// Standard normals, `[rows, dims]`, twice as many with SAC: of the next observations first.
    pub noise: Buffer<f32>,
    /// Q of the stored actions, `[critics, rows]` (of choices: of all), then of the others.
    pub q: Buffer<f32>,
    /// Gradient of the critics' loss by the first of them, `[critics, rows]`, or `[.., rows, choices]`.
    pub d_q: Buffer<f32>,
    /// log π, `[2 rows]`: of the next actions first.
    pub logp: Buffer<f32>,
    /// Sums over 64 rows: loss, Q, target, rows that are not finite.
    pub critic_partials: Buffer<[f32; 4]>,
    /// Sums over 64 rows: loss, log π, least Q, rows that are not finite.
    pub actor_partials: Buffer<[f32; 4]>,
    /// By `actor`, then `targets`.
    calls: [[Vec<Call>; 2]; 2],
    follow: Vec<Call>,
}

/// Buffers and sizes while a step is put together.
pub(super) struct Parts<'a> {
    pub gpu: &'a Gpu,
    pub model: &'a OffPolicyModel,
    pub config: &'a Config,
    pub settings: &'a StepSettings,
    /// Given, or drawn.
    pub source: Source,
    pub sampled: &'a Sampled,
    pub noise: &'a Buffer<f32>,
    pub q: &'a Buffer<f32>,
    pub d_q: &'a Buffer<f32>,
    pub logp: &'a Buffer<f32>,
    pub critic_partials: &'a Buffer<[f32; 4]>,
    pub actor_partials: &'a Buffer<[f32; 4]>,
}

/// What comes before the targets, with and without the actor's step.
pub(super) type Steps = [Vec<Call>; 2];

impl GradientStep {
    /// On transitions drawn from `ring`, or, without one, on a batch and noise that the caller writes.
    ///
    /// # Errors
    /// A limit, networks wider than 512 or deeper than 6 layers, or out of memory.
    pub fn new(
        gpu: &Gpu,
        model: &OffPolicyModel,
        config: &Config,
        ring: Option<&ReplayRing>,
        rows: u32,
    ) -> Result<Self> {
        let settings = StepSettings::of(config, &model.spec)?;
        let head = &model.spec.head;
        let (obs_dim, words) = (model.spec.obs_dim() as u32, head.action_words() as u32);
        let sampled = Sampled::new(gpu, rows, obs_dim, words, !head.is_discrete())?;
        let (b, dims) = (u64::from(rows), head.action_dims() as u64);
        // A value or a table of each critic: online, target, and of the actor's actions. DQN has three tables, and a column more with a stream of values.
        let (critics, choices) = (model.arrangement.critics().len() as u64, head.raw_outputs() as u64);
        let values = 3 * match settings.method {
            Method::Dqn { .. } => choices + u64::from(model.arrangement.value().is_some()),
            Method::SacChoices { .. } => critics * choices,
            Method::Td3 { .. } | Method::Sac { .. } => critics,
        };
        let noise = gpu.buffer("noise", 2 * b * dims)?;
        let q = gpu.buffer("q", values.max(1) * b)?;
        let d_q = gpu.buffer("d_q", (values / 3).max(1) * b)?;
        let logp = gpu.buffer("logp", 2 * b)?;
        let critic_partials = gpu.buffer("loss_partials", groups(rows).into())?;
        let actor_partials = gpu.buffer("actor loss_partials", groups(rows).into())?;
        let parts = Parts {
            gpu,
            model,
            config,
            settings: &settings,
            source: if ring.is_some() { Source::Update } else { Source::Given },
            sampled: &sampled,
            noise: &noise,
            q: &q,
            d_q: &d_q,
            logp: &logp,
            critic_partials: &critic_partials,
            actor_partials: &actor_partials,
        };
        let (steps, followed) = match settings.method {
            Method::Dqn { double, huber } => (parts.dqn(double, huber)?, model.arrangement.range()),
            Method::Td3 { .. } => (parts.td3()?, 0..model.arrangement.len),
            Method::Sac { .. } => (parts.sac()?, parts.critic_range()),
            Method::SacChoices { .. } => (parts.sac_choices()?, parts.critic_range()),
        };
        let sample = ring.map(|ring| parts.sample(ring)).transpose()?.unwrap_or_default();
        let follow = follow(gpu, model, followed, settings.tau)?;
        let list = |actor: usize, targets: &[Call]| [&sample, steps[actor].as_slice(), targets].concat();
        let calls = [0, 1].map(|actor| [list(actor, &[]), list(actor, &follow)]);
        Ok(Self { noise, q, d_q, logp, critic_partials, actor_partials, calls, follow, sampled })
    }

    /// The dispatches of a step, in order.
    pub fn calls(&self, moves: Moves) -> &[Call] {
        &self.calls[usize::from(moves.actor)][usize::from(moves.targets)]
    }

    /// Dispatches of a step that moves everything.
    pub fn most_calls(&self) -> usize {
        self.calls(Moves::ALL).len()
    }

    /// Forgets what the actor's last step measured: it belongs to what was before.
    pub fn forget(&self, gpu: &Gpu) -> Result<()> {
        gpu.write(&self.actor_partials, 0, &vec![[0.0; 4]; self.actor_partials.len() as usize])
    }

    /// The dispatch by which the targets follow.
    pub fn follow(&self) -> &[Call] {
        &self.follow
    }
}

impl Parts<'_> {
    fn sample(&self, ring: &ReplayRing) -> Result<Vec<Call>> {
        let (sampled, shape) = (self.sampled, ring.shape);
        let params = replay_sample::Params {
            rows: sampled.rows,
            envs: shape.envs,
            capacity: shape.capacity,
            obs_dim: shape.obs_dim,
            action_words: shape.action_words,
            slots: shape.slots,
            steps: self.settings.n_steps,
            gamma: self.config.gamma as f32,
            seen_stride: sampled.stride,
            with_actions: sampled.with_actions.into(),
            copies: sampled.copies,
            ..Default::default()
        };
        let io = replay_sample::Io {
            ring: &ring.ring,
            ends: &ring.ends,
            seen: &sampled.words,
            actions: &sampled.actions,
            samples: &sampled.samples,
        };
        replay_sample::bind(self.gpu, &[params], &io, &self.model.ring)
    }

    /// Where networks find what they see.
    pub fn inputs(&self) -> Inputs<'_> {
        Inputs { buffer: &self.sampled.seen, stride: self.sampled.stride }
    }

    /// Numbers of all critics.
    pub fn critic_range(&self) -> std::ops::Range<u32> {
        let critics = self.model.arrangement.critics();
        let (first, last) = (critics.first(), critics.last());
        first.map_or(0, |first| first.first)..last.map_or(0, |last| last.range().end)
    }
}
