//! Running mean and variance.

use super::Real;
use super::reduce_moments::Moments;
use crate::config::EpsPlacement;
use crate::state::RunningMoments;
use ndarray::{Array1, ArrayView2};

/// The moments of each column.
pub(super) fn columns<F: Real>(batch: ArrayView2<'_, F>) -> Vec<Moments> {
    batch.columns().into_iter().map(Moments::of).collect()
}

/// Mean and variance of everything merged so far, column by column. In f64 whatever the numbers are: in f32 a history of 10⁵ rows
/// stands still, as what a row moves it by is below its last digit.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// `[columns]`.
    pub mean: Array1<f64>,
    /// `[columns]`.
    pub variance: Array1<f64>,
    /// Rows merged.
    pub count: u64,
    /// What the count began with.
    pub initial_count: f64,
}

impl Running {
    /// Mean 0 and variance 1, with the weight of `initial_count` rows.
    pub fn new(columns: usize, initial_count: f64) -> Self {
        Self { mean: Array1::zeros(columns), variance: Array1::ones(columns), count: 0, initial_count }
    }

    /// From a saved state.
    pub fn from_moments(saved: &RunningMoments) -> Self {
        let (mean, variance) = (saved.mean.clone().into(), saved.variance.clone().into());
        Self { mean, variance, count: saved.count, initial_count: saved.initial_count.into() }
    }

    /// To a saved state; exact where the initial count is an f32.
    pub fn moments(&self) -> RunningMoments {
        RunningMoments {
            mean: self.mean.to_vec(),
            variance: self.variance.to_vec(),
            count: self.count,
            initial_count: self.initial_count as f32,
        }
    }

    /// Merges the rows of `batch` `[rows, columns]` (Chan, Golub & LeVeque 1983):
    ///
    /// ```text
    /// d = m_b − mean;  total = count + rows
    /// variance ← (variance · count + v_b · rows + d² · count · rows / total) / total;   mean ← mean + d · rows / total
    /// ```
    ///
    /// A column whose new mean or variance is beyond the range of f32, in which the device and files keep them, keeps those it had; the count
    /// is of all columns. False if there was one.
    pub fn merge<F: Real>(&mut self, batch: ArrayView2<'_, F>) -> bool {
        self.merge_moments(&columns(batch))
    }

    /// [`merge`](Self::merge) of rows that are known by the moments of their columns.
    pub fn merge_moments(&mut self, batch: &[Moments]) -> bool {
        let merged = batch.first().map_or(0, |column| column.count);
        if merged == 0 {
            return true;
        }
        let mut all = true;
        let (count, rows) = (self.count as f64 + self.initial_count, merged as f64);
        let total = count + rows;
        for ((column, mean), variance) in batch.iter().zip(&mut self.mean).zip(&mut self.variance) {
            let (m_b, v_b) = (column.mean, column.variance(0));
            let d = m_b - *mean;
            let merged = (*variance * count + v_b * rows + d * d * count * rows / total) / total;
            let moved = *mean + d * rows / total;
            let most = f64::from(f32::MAX);
            if merged <= most && moved.abs() <= most {
                (*mean, *variance) = (moved, merged);
            } else {
                all = false;
            }
        }
        self.count = self.count.saturating_add(merged as u64);
        all
    }

    /// What deviations of each column are divided by: √(variance + ε), or √variance + ε.
    pub fn scale(&self, eps: f64, placement: EpsPlacement) -> Array1<f64> {
        match placement {
            EpsPlacement::InsideRoot => self.variance.mapv(|variance| (variance + eps).sqrt()),
            EpsPlacement::OutsideRoot => self.variance.mapv(|variance| variance.sqrt() + eps),
        }
    }
}
