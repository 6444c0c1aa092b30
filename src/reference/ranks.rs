//! Several processes that have a part of an update's rows each: which part, and what all of them have together.

use super::Real;
use super::reduce_moments::Moments;
use crate::collective::{Collective, Share};
use crate::data::MinibatchStats;
use crate::error::Result;

/// The ranks that an update's rows are spread over, or the one process that has them all: then every function here is the identity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ranks<'a>(Option<(&'a dyn Collective, Share)>);

impl<'a> Ranks<'a> {
    /// One process.
    pub const ALONE: Self = Self(None);

    /// This rank, whose rows are those of the environments of `share`.
    pub fn of(collective: &'a dyn Collective, share: Share) -> Self {
        Self(Some((collective, share)))
    }

    /// Whether one process has all rows.
    pub const fn alone(&self) -> bool {
        self.0.is_none()
    }

    /// Which environments are this rank's, of several.
    pub fn share(&self) -> Option<Share> {
        self.0.map(|(_, share)| share)
    }

    /// Rows of all, where this one has `own`.
    pub fn rows(&self, own: usize) -> usize {
        self.0.map_or(own, |(_, share)| share.rows(own))
    }

    /// Each element becomes the sum over all ranks, in rank order.
    ///
    /// # Errors
    /// As [`Collective::all_gather`].
    pub fn sum<F: Real>(&self, values: &mut [F]) -> Result<()> {
        self.0.map_or(Ok(()), |(collective, _)| F::sum_ranks(collective, values))
    }

    /// The sums of a few numbers.
    ///
    /// # Errors
    /// As [`Collective::all_gather`].
    pub fn sums<const N: usize>(&self, mut values: [f64; N]) -> Result<[f64; N]> {
        self.sum(&mut values)?;
        Ok(values)
    }

    /// The sum of counts.
    ///
    /// # Errors
    /// As [`Collective::all_gather`].
    pub fn count(&self, own: usize) -> Result<usize> {
        Ok(if self.alone() { own } else { self.sums([own as f64])?[0] as usize })
    }

    /// The mean over the rows of all, `all`, from the mean over this rank's `own` rows, which is not asked for where it has none.
    ///
    /// # Errors
    /// Those of `mean`, and as [`Collective::all_gather`].
    pub fn mean<F: Real>(&self, own: usize, all: usize, mean: impl FnOnce() -> Result<F>) -> Result<F> {
        if self.alone() {
            return mean();
        }
        let sum = if own == 0 { 0.0 } else { mean()?.as_f64() * (own as f64 / all as f64) };
        Ok(F::of(self.sums([sum])?[0]))
    }

    /// Each of `moments`, of this rank's numbers, becomes that of all ranks' numbers.
    ///
    /// # Errors
    /// As [`Collective::all_gather`].
    pub fn merge(&self, moments: &mut [Moments]) -> Result<()> {
        let Some((collective, _)) = self.0 else { return Ok(()) };
        let own: Vec<f64> = moments.iter().flat_map(|own| [own.count as f64, own.mean, own.squares]).collect();
        let all = every(collective, &own)?;
        for (index, merged) in moments.iter_mut().enumerate() {
            let of_rank = |numbers: &[f64]| {
                let [count, mean, squares] = [0, 1, 2].map(|part| numbers[3 * index + part]);
                Moments { count: count as usize, mean, squares }
            };
            *merged = Moments::merged(&all.chunks(own.len()).map(of_rank).collect::<Vec<_>>());
        }
        Ok(())
    }

    /// The statistics of a minibatch, from each rank's part of them: means as sums over its own rows, divided by the rows of all. The
    /// greatest and the least ratio are those of ranks with a row.
    ///
    /// # Errors
    /// As [`Collective::all_gather`].
    pub fn stats(&self, own: MinibatchStats) -> Result<MinibatchStats> {
        let Some((collective, _)) = self.0 else { return Ok(own) };
        let numbers = numbers_of(&own);
        let all = every(collective, &numbers)?;
        let sum = |part: usize| all.chunks(numbers.len()).map(|of_rank| of_rank[part]).sum::<f64>();
        let with_rows = || all.chunks(numbers.len()).filter(|of_rank| of_rank[0] > 0.0);
        Ok(MinibatchStats {
            rows: sum(0) as u32,
            policy_loss: sum(1),
            value_loss: sum(2),
            entropy: sum(3),
            loss: sum(4),
            kl: sum(5),
            old_approx_kl: sum(6),
            approx_kl_k2: sum(7),
            approx_kl: sum(8),
            clipfrac: sum(9),
            ratio_min: with_rows().map(|of_rank| of_rank[10]).reduce(f64::min).unwrap_or(0.0),
            ratio_max: with_rows().map(|of_rank| of_rank[11]).reduce(f64::max).unwrap_or(0.0),
            non_finite_rows: sum(12) as u32,
            head_hits: sum(13) as u32,
            grad_norm: 0.0,
            stepped: false,
        })
    }
}

/// In the order in which [`Ranks::stats`] reads them.
fn numbers_of(stats: &MinibatchStats) -> [f64; 14] {
    [
        f64::from(stats.rows),
        stats.policy_loss,
        stats.value_loss,
        stats.entropy,
        stats.loss,
        stats.kl,
        stats.old_approx_kl,
        stats.approx_kl_k2,
        stats.approx_kl,
        stats.clipfrac,
        stats.ratio_min,
        stats.ratio_max,
        f64::from(stats.non_finite_rows),
        f64::from(stats.head_hits),
    ]
}

/// The numbers of all ranks, one rank after the other.
fn every(collective: &dyn Collective, own: &[f64]) -> Result<Vec<f64>> {
    let mut all = vec![0.0; own.len() * collective.size()];
    collective.all_gather(bytemuck::cast_slice(own), bytemuck::cast_slice_mut(&mut all))?;
    Ok(all)
}
