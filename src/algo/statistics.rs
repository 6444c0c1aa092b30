//! The finishing half of an update's statistics: numbers from the words that its recording half copied. Nothing here waits.

use super::trust_region::TrustRegionUpdate;
use super::update::PpoUpdate;
use crate::data::{MinibatchStats, TrustRegionStats, UpdateStats};
use crate::error::{Error, Result};
use crate::kernels::words::{decisions, minibatch_stats as of};
use crate::kernels::{cg_step, loss_kl, loss_statistics, optim_line_search, reduce_episodes, reduce_moments};
use crate::state::EpisodeStats;

/// An f32 of the statistics.
pub(super) fn float(word: u32) -> f64 {
    f64::from(f32::from_bits(word))
}

/// The episodes that ended, from the words of [`reduce_episodes`]' summary.
pub(super) fn episodes_of(summary: &[u32]) -> EpisodeStats {
    let number = |column: usize| float(summary[column]);
    if number(reduce_episodes::COUNT) <= 0.0 {
        return EpisodeStats::NONE;
    }
    EpisodeStats {
        count: number(reduce_episodes::COUNT) as u64,
        return_sum: number(reduce_episodes::RETURN_SUM),
        length_sum: number(reduce_episodes::LENGTH_SUM),
        return_min: number(reduce_episodes::RETURN_MIN),
        return_max: number(reduce_episodes::RETURN_MAX),
    }
}

/// That a copy of statistics has all of them.
pub(super) fn words_are(words: &[u32], needs: u64) -> Result<()> {
    let holds = words.len() as u64;
    let shape = || "statistics_len()".to_owned();
    let wrong = || Error::BufferLength { kernel: "update", buffer: "statistics", holds, needs, shape: shape() };
    if holds == needs { Ok(()) } else { Err(wrong()) }
}

impl PpoUpdate {
    /// Minibatches that were visited, of which the device counted `count`, and whether a KL ended an epoch: where it does, gaps are
    /// left, which follow from the numbers by the device's own comparison.
    fn visited(&self, count: u32, approx_kl: impl Fn(u32) -> f64) -> (Vec<u32>, bool) {
        let Some(limit) = self.epoch_limit else { return ((0..count).collect(), false) };
        let (mut visited, mut ended) = (Vec::new(), false);
        for epoch in (0..self.minibatches).step_by(self.per_epoch.max(1) as usize) {
            for index in epoch..epoch + self.per_epoch {
                visited.push(index);
                if approx_kl(index) > f64::from(limit) {
                    ended = true;
                    break;
                }
            }
        }
        (visited, ended)
    }

    /// The statistics from the words that [`record_statistics`](Self::record_statistics) copied, all
    /// [`statistics_len`](Self::statistics_len) of them. `learning_rate` is that of the configuration, for
    /// [`UpdateStats::learning_rate`] where it does not follow the KL. Waits for nothing: how the words are awaited is the caller's.
    ///
    /// # Errors
    /// [`Error::BufferLength`] for another number of words.
    pub fn finish(&self, words: &[u32], learning_rate: f64) -> Result<UpdateStats> {
        words_are(words, self.statistics_len())?;
        let (control, rest) = words.split_at(loss_statistics::CONTROL_WORDS as usize);
        let (variances, rest) = rest.split_at(2 * reduce_moments::MOMENTS);
        let (trace, kl_state) = rest.split_at(self.trace.len() as usize);
        let column = |index: u32, c: usize| float(trace[index as usize * of::WIDTH + c]);
        let visited = control[decisions::VISITED].min(self.minibatches);
        let (visited, ended_epochs) = self.visited(visited, |index| column(index, of::APPROX_KL));
        let epochs = visited.last().map_or(0, |last| last / self.per_epoch + 1);
        let begun = (epochs.saturating_sub(1)) * self.per_epoch;
        let last_epoch = visited.iter().filter(|index| **index < begun).count() as u32;
        let minibatches = visited
            .into_iter()
            .map(|index| {
                let column = |c: usize| column(index, c);
                let ratio_min = column(of::RATIO_MIN);
                MinibatchStats {
                    rows: column(of::ROWS) as u32,
                    policy_loss: column(of::POLICY_LOSS),
                    value_loss: column(of::VALUE_LOSS),
                    entropy: column(of::ENTROPY),
                    loss: column(of::LOSS),
                    kl: column(of::KL),
                    old_approx_kl: column(of::OLD_APPROX_KL),
                    approx_kl_k2: column(of::APPROX_KL_K2),
                    approx_kl: column(of::APPROX_KL),
                    clipfrac: column(of::CLIPFRAC),
                    // Without a row that counts there is no ratio.
                    ratio_min: if ratio_min > 3e38 { 0.0 } else { ratio_min },
                    ratio_max: column(of::RATIO_MAX),
                    non_finite_rows: column(of::NON_FINITE_ROWS) as u32,
                    head_hits: column(of::HEAD_HITS) as u32,
                    grad_norm: column(of::GRAD_NORM),
                    stepped: column(of::STEPPED) != 0.0,
                }
            })
            .collect();
        // Of the returns, then of returns − values_old.
        let deviation =
            |moments: usize| float(variances[moments * reduce_moments::MOMENTS + reduce_moments::DEVIATION]);
        let (of_returns, of_residuals) = (deviation(0), deviation(1));
        let explained = if of_returns > 0.0 { 1.0 - (of_residuals / of_returns).powi(2) } else { f64::NAN };
        let rate = float(kl_state[loss_kl::STATE_LEARNING_RATE]);
        let kl_coef = float(kl_state[loss_kl::STATE_KL_COEF]);
        let stop = control[decisions::STOP];
        Ok(UpdateStats {
            minibatches,
            optimizer_steps: control[decisions::STEPS_TAKEN],
            epochs,
            last_epoch,
            skipped_steps: control[decisions::STEPS_SKIPPED],
            explained_variance: explained,
            learning_rate: if self.adaptive_lr && rate > 0.0 { rate } else { learning_rate },
            kl: self.kl_penalty.map(|_| float(kl_state[loss_kl::STATE_KL])),
            kl_coef: self.kl_penalty.map(|penalty| if penalty.adaptive { kl_coef } else { penalty.kl_coef }),
            stopped_early: ended_epochs || stop != 0 && stop <= self.minibatches,
            ..UpdateStats::default()
        })
    }
}

impl TrustRegionUpdate {
    /// The statistics from the words that [`record_statistics`](Self::record_statistics) copied; see [`PpoUpdate::finish`].
    ///
    /// # Errors
    /// [`Error::BufferLength`] for another number of words.
    pub fn finish(&self, words: &[u32], learning_rate: f64) -> Result<UpdateStats> {
        words_are(words, self.statistics_len())?;
        let (critic, rest) = words.split_at(self.critic.statistics_len() as usize);
        let (trace, rest) = rest.split_at(self.trace.len() as usize);
        let (cg, search) = rest.split_at(self.cg.len() as usize);
        let (cg, search) = (|index: usize| float(cg[index]), |index: usize| float(search[index]));
        let iterations = cg(cg_step::ITERATIONS).min(f64::from(self.cg_iterations)) as u32;
        let accepted = search(optim_line_search::ACCEPTED) != 0.0;
        let (kl_before, surrogate_before) =
            (search(optim_line_search::KL_BEFORE), search(optim_line_search::OBJECTIVE_BEFORE));
        let policy = TrustRegionStats {
            kl_before,
            kl_after: if accepted { search(optim_line_search::KL) } else { kl_before },
            surrogate_before,
            surrogate_after: if accepted { search(optim_line_search::OBJECTIVE) } else { surrogate_before },
            expected_improvement: cg(cg_step::STEP_SCALE) * cg(cg_step::BX),
            tries: search(optim_line_search::TRIES) as u32,
            accepted,
            accepted_try: accepted.then(|| search(optim_line_search::ACCEPTED_TRY) as u32),
            cg_iterations: iterations,
            residuals: (0..=iterations as usize).map(|index| cg(cg_step::TRACE + index)).collect(),
            negative_curvature: cg(cg_step::NEGATIVE_CURVATURE) != 0.0,
            gradient_norm: cg(cg_step::BB).sqrt(),
            quadratic_form: cg(cg_step::XHX),
            step_scale: cg(cg_step::STEP_SCALE),
            entropy: float(trace[of::ENTROPY]),
            head_hits: float(trace[of::HEAD_HITS]) as u32,
        };
        let mut stats = self.critic.finish(critic, learning_rate)?;
        // The policy has no part in the critic's minibatches: only these columns mean something there.
        for minibatch in &mut stats.minibatches {
            *minibatch = MinibatchStats {
                rows: minibatch.rows,
                value_loss: minibatch.value_loss,
                loss: minibatch.value_loss,
                non_finite_rows: minibatch.non_finite_rows,
                grad_norm: minibatch.grad_norm,
                stepped: minibatch.stepped,
                ..MinibatchStats::default()
            };
        }
        stats.trust_region = Some(policy);
        Ok(stats)
    }
}
