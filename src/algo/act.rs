//! From observations to actions, log-probabilities and values.

use super::forward::ForwardOnly;
use super::model::Model;
use super::network::{Block, Networks};
use super::normalize::ObsStep;
use super::rows;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu, Slot};
use crate::kernels::policy_sample;
use crate::policy::Branch;

/// Acting on a fixed number of rows.
#[derive(Debug)]
pub struct ActPlan {
    /// Observations as the networks see them, `[rows, obs_dim]`: those given, or normalised with running statistics.
    pub obs: Buffer<f32>,
    /// Action words, `[rows, action_words]`. With a masked head, write the masks there before recording
    /// ([`Head::mask_words`](crate::policy::Head::mask_words)).
    pub actions: Buffer<u32>,
    /// What the environment gets for them: words, `[rows, action_dims]`.
    pub env_actions: Buffer<u32>,
    /// `[rows]`.
    pub logp: Buffer<f32>,
    /// V(obs), in the units of the rewards, `[rows]`; 0 without a critic.
    pub values: Buffer<f32>,
    sample: Vec<Call>,
    greedy: Vec<Call>,
}

impl ActPlan {
    /// Allocates and binds for `obs` `[rows, obs_dim]`, not normalised. If observations are normalised, drawing an action
    /// adds them to the statistics; the greedy action does not.
    ///
    /// # Errors
    /// A buffer too short, a limit, or out of memory.
    pub fn new(gpu: &Gpu, model: &Model, obs: &Buffer<f32>, rows: u32) -> Result<Self> {
        let spec = &model.spec;
        let networks = Networks { gpu, spec, layout: &model.layout, parameters: &model.parameters };
        let values = gpu.buffer("values", u64::from(rows))?;
        let actions = gpu.buffer("actions", u64::from(rows) * spec.head.action_words() as u64)?;
        let env_actions = gpu.buffer("env_actions", u64::from(rows) * spec.head.action_dims() as u64)?;
        let logp = gpu.buffer("logp", u64::from(rows))?;
        let (mut seen, mut normalize) = (obs.clone(), Vec::new());
        if model.normalizer.has_obs() {
            seen = gpu.buffer("normalised obs", u64::from(rows) * spec.obs_dim() as u64)?;
            let unused = gpu.buffer("no final_obs", 1)?;
            let step = |update| ObsStep { rows, obs_offset: 0, final_offset: 0, final_rows: 0, update };
            normalize = model.normalizer.observations(gpu, obs, &seen, &unused, &[step(true), step(false)])?;
        }
        let to = ForwardOnly::new(gpu, spec, rows, &Branch::OUTPUTS)?;
        let block = Block { rows, obs_offset: 0, obs_stride: spec.obs_dim() as u32, value_offset: 0 };
        let forward: Vec<Call> =
            networks.forward_only(&seen, &to, Some(&values), &[block])?.into_iter().flatten().collect();
        let in_rewards = model.normalizer.values(gpu, &[(&values, rows)])?;
        let draw = |greedy: u32| -> Result<Vec<Call>> {
            let io = policy_sample::Io {
                head_outputs: to.head_outputs(),
                actions: &actions,
                logp: &logp,
                env_actions: &env_actions,
            };
            let params = policy_sample::Params { rows, greedy, ..Default::default() };
            let mut calls: Vec<Call> = normalize.iter().skip(greedy as usize).take(1).cloned().collect();
            calls.extend(forward.iter().cloned());
            calls.extend(rows::sample(gpu, &spec.head, &[params], &io, &model.ring)?);
            calls.extend(in_rewards.iter().cloned());
            Ok(calls)
        };
        let (sample, greedy) = (draw(0)?, draw(1)?);
        Ok(Self { obs: seen, actions, env_actions, logp, values, sample, greedy })
    }

    /// The dispatches, in order: of drawn actions, or of greedy ones.
    pub fn calls(&self, greedy: bool) -> &[Call] {
        if greedy { &self.greedy } else { &self.sample }
    }

    /// Records the dispatches. `slot` comes from [`Model::push_schedule`].
    pub fn record(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, greedy: bool, slot: Slot) {
        gpu.record(encoder, "act", self.calls(greedy), slot);
    }
}
