//! Gradient steps on a batch and noise of the caller's, to compare them with another trainer's.

use super::learner::{GpuOffPolicy, Learning};
use super::moves::Moves;
use super::settings::Method;
use super::step::GradientStep;
use crate::data::{TransitionBatch, UpdateStats};
use crate::error::Result;
use crate::gpu::ReadBack;
use crate::memory::small;

/// What a gradient step computed row by row, see [`GpuOffPolicy::learn_batch`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchRows {
    /// Q of the stored actions by each critic, `[critics, B]`; with DQN of all choices, `[B, choices]`, with SAC of choices `[critics, B, choices]`.
    pub q_values: Vec<f32>,
    /// Gradient of the critics' loss by them, laid out as they are.
    pub d_q_values: Vec<f32>,
    /// Actions of the target (SAC: of the actor) for the next observations, `[B, D]`; none with DQN.
    pub next_actions: Vec<f32>,
    /// Actions of the actor for the observations, `[B, D]`, if it moved; none with DQN.
    pub actions: Vec<f32>,
    /// log π of the next actions, then of the actions, `[B]` each; with SAC. Of choices the second half is Σ π log π, the first is not written.
    pub logp: Vec<f32>,
    /// Of the temperature's last step: α before it, its loss, the gradient by log α, mean log π; 0 without one.
    pub temperature: [f32; 4],
}

/// Q from advantages and V of each row, and the gradient by Q from those by both.
fn dueling_rows(q: &mut [f32], values: &[f32], d_q: &mut [f32], d_values: &[f32]) {
    let choices = q.len() / d_values.len().max(1);
    let rows = q.chunks_mut(choices.max(1)).zip(d_q.chunks_mut(choices.max(1)));
    for ((q, d_q), (value, d_value)) in rows.zip(values.iter().zip(d_values)) {
        let shift = value - q.iter().sum::<f32>() / choices as f32;
        q.iter_mut().for_each(|q| *q += shift);
        d_q.iter_mut().for_each(|d_q| *d_q += d_value / choices as f32);
    }
}

impl GpuOffPolicy {
    /// A gradient step on `batch`, which counts as one and as an update. `moves` says what moves besides the critics; without it the counters do, as in
    /// [`learn`](crate::OffPolicy::learn). Targets follow after the step.
    ///
    /// # Errors
    /// Whatever [`TransitionBatch::validate`] finds, noise that the algorithm needs and the batch lacks, or a device error.
    pub fn learn_batch(&mut self, batch: &TransitionBatch, moves: Option<Moves>) -> Result<UpdateStats> {
        let gpu = self.gpu.clone();
        gpu.block_on(self.learn_batch_async(batch, moves))
    }

    /// [`learn_batch`](Self::learn_batch) without blocking.
    ///
    /// # Errors
    /// As there.
    pub async fn learn_batch_async(&mut self, batch: &TransitionBatch, moves: Option<Moves>) -> Result<UpdateStats> {
        batch.validate(&self.model.spec)?;
        let rows = small("batch rows", batch.rows())?;
        let noise = match self.settings.method {
            Method::Sac { .. } => [batch.next_noise()?, batch.own_noise()?].concat(),
            Method::Td3 { policy_noise, .. } if policy_noise > 0.0 => batch.next_noise()?,
            _ => Vec::new(),
        };
        let given = match self.given.take() {
            Some(given) if given.step.sampled.rows == rows => given,
            _ => {
                let step = GradientStep::new(&self.gpu, &self.model, &self.config, None, rows)?;
                let staging = ReadBack::new(&self.gpu, "statistics", step.statistics_len())?;
                Learning { step, staging }
            }
        };
        let stats = self.step_on(&given, batch, &noise, moves).await;
        self.given = Some(given);
        stats
    }

    async fn step_on(
        &mut self,
        given: &Learning,
        batch: &TransitionBatch,
        noise: &[f32],
        moves: Option<Moves>,
    ) -> Result<UpdateStats> {
        let (gpu, sampled) = (&self.gpu, &given.step.sampled);
        let words = batch.actions.words();
        let (width, dim) = (sampled.action_words as usize, sampled.obs_dim as usize);
        let mut seen = vec![0; sampled.words.len() as usize];
        for (copy, rows) in [(0, &batch.obs), (1, &batch.next_obs), (2, &batch.obs)] {
            for (r, row) in rows.outer_iter().enumerate().filter(|_| copy < sampled.copies) {
                let at = sampled.copy(copy) as usize + r * sampled.stride as usize;
                seen[at..at + dim].iter_mut().zip(row).for_each(|(to, value)| *to = value.to_bits());
                if copy == 0 && sampled.with_actions {
                    seen[at + dim..at + dim + width].copy_from_slice(&words[r * width..][..width]);
                }
            }
        }
        let sample = |r: usize| [batch.rewards[r], batch.discounts[r], batch.terminated[r] as f32, 1.0];
        gpu.write(&sampled.words, 0, &seen)?;
        gpu.write(&sampled.actions, 0, &words)?;
        gpu.write(&sampled.samples, 0, &(0..batch.rows()).map(sample).collect::<Vec<_>>())?;
        gpu.write(&given.step.noise, 0, noise)?;
        self.start_steps()?;
        let moves = moves.unwrap_or_else(|| self.settings.moves(self.model.gradient_steps));
        let slot = self.model.push_schedule(gpu, &self.config, 0, 0, [0, 0])?;
        let mut encoder = gpu.encoder("learn_batch");
        gpu.record(&mut encoder, "gradient step", given.step.calls(moves), slot);
        given.step.record_statistics(&mut encoder, &self.model, &given.staging, 0)?;
        gpu.submit(encoder)?;
        let words = given.staging.fetch_async(gpu).await?;
        self.model.gradient_steps = self.model.gradient_steps.saturating_add(1);
        self.model.update = self.model.update.saturating_add(1);
        self.finish(given, &words)
    }

    /// What the last [`learn_batch`](Self::learn_batch) computed row by row; nothing before it.
    ///
    /// # Errors
    /// A device error.
    pub fn batch_rows(&self) -> Result<BatchRows> {
        let Some(Learning { step, .. }) = &self.given else { return Ok(BatchRows::default()) };
        let (gpu, sampled) = (&self.gpu, &step.sampled);
        let mut d_q_values = gpu.read(&step.d_q)?;
        let mut q_values = gpu.read(&step.q)?;
        if self.model.arrangement.value().is_some() {
            let behind = sampled.rows as usize * self.model.spec.head.raw_outputs();
            let values = q_values.split_off(3 * behind);
            q_values.truncate(behind);
            let d_values = d_q_values.split_off(behind);
            dueling_rows(&mut q_values, &values, &mut d_q_values, &d_values);
        }
        q_values.truncate(d_q_values.len());
        let logp = if self.config.sac().is_some() { gpu.read(&step.logp)? } else { Vec::new() };
        let temperature = gpu.read(&self.model.alpha.statistics)?.first().copied().unwrap_or_default();
        if !sampled.with_actions {
            return Ok(BatchRows { q_values, d_q_values, logp, temperature, ..BatchRows::default() });
        }
        let seen = gpu.read(&sampled.seen)?;
        let actions_of = |copy: u32| -> Vec<f32> {
            let rows = seen[sampled.copy(copy) as usize..].chunks(sampled.stride as usize);
            let own = |row: &[f32]| row[sampled.obs_dim as usize..][..sampled.action_words as usize].to_vec();
            rows.take(sampled.rows as usize).flat_map(own).collect()
        };
        Ok(BatchRows { q_values, d_q_values, next_actions: actions_of(1), actions: actions_of(2), logp, temperature })
    }

    /// The last gradients, before clipping, in the layout of the parameters; 0 for what has none.
    ///
    /// # Errors
    /// A device error.
    pub fn gradient(&self) -> Result<Vec<f32>> {
        self.model.arrangement.to_layout("gradient", &self.gpu.read(&self.model.gradient)?)
    }

    /// Moves the targets once, by τ, as a gradient step does that is due to.
    ///
    /// # Errors
    /// A device error.
    pub fn follow_targets(&mut self) -> Result<()> {
        let learning = self.learning()?;
        let slot = self.model.push_schedule(&self.gpu, &self.config, 0, 0, [0, 0]);
        let done = slot.and_then(|slot| self.gpu.run("follow", learning.step.follow(), slot));
        self.learning = Some(learning);
        done
    }
}
