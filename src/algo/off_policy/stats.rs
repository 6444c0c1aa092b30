//! What gradient steps measured, from the words that were copied.

use super::super::statistics::{float, words_are};
use super::model::OffPolicyModel;
use super::step::GradientStep;
use crate::config::Config;
use crate::data::{MinibatchStats, OffPolicyStats, UpdateStats};
use crate::error::Result;
use crate::gpu::ReadBack;
use crate::kernels::loss_statistics::{CONTROL_WORDS, TRACE_WIDTH};
use crate::kernels::words::{decisions, minibatch_stats};

/// Words before the partial sums: control of both optimisers, the critics' trace, log α.
const BEFORE: u64 = 2 * CONTROL_WORDS + TRACE_WIDTH + 1;

/// What the statistics need besides the words that come back.
#[derive(Debug)]
pub(super) struct StepReading {
    pub config: Config,
    pub critics: usize,
    /// Since the start, with those that are read.
    pub gradient_steps: u64,
    /// Of the last action.
    pub epsilon: Option<f64>,
}

impl StepReading {
    /// The statistics of `step` from its words.
    ///
    /// # Errors
    /// [`crate::Error::BufferLength`] for another number of words.
    pub fn read(&self, step: &GradientStep, words: &[u32]) -> Result<UpdateStats> {
        let mut stats = step.finish(words, &self.config, self.critics, self.gradient_steps)?;
        if let Some(own) = &mut stats.off_policy {
            own.epsilon = self.epsilon;
        }
        Ok(stats)
    }
}

impl GradientStep {
    /// Words of the statistics.
    pub fn statistics_len(&self) -> u64 {
        BEFORE + 4 * (self.critic_partials.len() + self.actor_partials.len())
    }

    /// Records a copy of what the last step left into `staging`, from its word `at` on.
    ///
    /// # Errors
    /// [`crate::Error::BufferLength`] if it does not fit.
    pub fn record_statistics(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        model: &OffPolicyModel,
        staging: &ReadBack<u32>,
        at: u64,
    ) -> Result<()> {
        let sources = [
            model.critics.control.clone(),
            model.actor.control.clone(),
            model.critics.trace.cast(),
            model.alpha.log_alpha.cast(),
            self.critic_partials.cast(),
            self.actor_partials.cast(),
        ];
        staging.check(at, self.statistics_len())?;
        let mut to = at;
        for source in &sources {
            let count = source.len();
            staging.copy(encoder, source, 0, to, count)?;
            to += count;
        }
        Ok(())
    }

    /// The statistics of `taken` gradient steps, the last of which is the one before `gradient_steps` since the start.
    ///
    /// # Errors
    /// [`crate::Error::BufferLength`] for another number of words.
    pub fn finish(&self, words: &[u32], config: &Config, critics: usize, gradient_steps: u64) -> Result<UpdateStats> {
        words_are(words, self.statistics_len())?;
        let (of_critics, rest) = words.split_at(CONTROL_WORDS as usize);
        let (of_actor, rest) = rest.split_at(CONTROL_WORDS as usize);
        let (trace, rest) = rest.split_at(TRACE_WIDTH as usize);
        let (log_alpha, rest) = rest.split_at(1);
        let (critic, actor) = rest.split_at(4 * self.critic_partials.len() as usize);
        let rows = self.sampled.rows;
        let sums = |words: &[u32]| {
            words.chunks_exact(4).fold([0.0; 4], |sums: [f64; 4], partial| {
                std::array::from_fn(|column| sums[column] + float(partial[column]))
            })
        };
        let (critic, actor) = (sums(critic), sums(actor));
        let mean = |sum: f64| sum / f64::from(rows);
        let sac = config.sac();
        let stepped = of_critics[decisions::STEP] == 1;
        let minibatch = MinibatchStats {
            rows,
            policy_loss: mean(actor[0]),
            value_loss: mean(critic[0]),
            loss: mean(critic[0]),
            entropy: if sac.is_some() { -mean(actor[1]) } else { 0.0 },
            non_finite_rows: critic[3] as u32,
            grad_norm: if stepped { float(trace[minibatch_stats::GRAD_NORM]) } else { 0.0 },
            stepped,
            ..MinibatchStats::default()
        };
        let alpha = sac.map(|own| if own.autotune { float(log_alpha[0]).exp() } else { own.alpha });
        let off_policy = OffPolicyStats {
            gradient_steps,
            q_values: mean(critic[1]) / critics.max(1) as f64,
            targets: mean(critic[2]),
            alpha,
            epsilon: None,
        };
        Ok(UpdateStats {
            minibatches: vec![minibatch],
            optimizer_steps: of_critics[decisions::STEPS_TAKEN],
            skipped_steps: of_critics[decisions::STEPS_SKIPPED] + of_actor[decisions::STEPS_SKIPPED],
            learning_rate: config.learning_rate,
            off_policy: Some(off_policy),
            ..UpdateStats::default()
        })
    }
}
