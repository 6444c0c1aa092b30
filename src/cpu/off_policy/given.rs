//! Gradient steps on a batch and noise of the caller's.

use super::batch::{Batch, Noise};
use super::learn::Tally;
use super::learner::CpuOffPolicy;
use crate::cpu::needs;
use crate::data::{Actions, TransitionBatch, UpdateStats};
use crate::error::Result;
use crate::memory::require;
use crate::reference::Real;
use ndarray::{Array1, Array2};

fn wide<F: Real>(values: &Array2<f32>) -> Array2<F> {
    values.mapv(|value| F::of(f64::from(value)))
}

fn wide_rows<F: Real>(values: &Array1<f32>) -> Array1<F> {
    values.mapv(|value| F::of(f64::from(value)))
}

impl<F: Real> Batch<F> {
    /// The caller's transitions.
    fn given(batch: &TransitionBatch) -> Self {
        let (indices, floats) = match &batch.actions {
            Actions::Continuous(floats) => (Array1::zeros(0), wide(floats)),
            Actions::Discrete(indices) | Actions::Masked { indices, .. } => {
                (indices.column(0).to_owned(), Array2::zeros((batch.rows(), 0)))
            }
        };
        Self {
            obs: wide(&batch.obs),
            next_obs: wide(&batch.next_obs),
            rewards: wide_rows(&batch.rewards),
            terminated: batch.terminated.clone(),
            discounts: wide_rows(&batch.discounts),
            indices,
            floats,
        }
    }
}

impl<F: Real> CpuOffPolicy<F> {
    /// A gradient step on what the caller gives, which counts as one and as an update.
    pub(super) fn on_batch(&mut self, batch: &TransitionBatch) -> Result<UpdateStats> {
        batch.validate(&self.spec)?;
        let rows = batch.rows();
        let bytes = needs::gradient_step(&self.spec, size_of::<F>(), rows);
        require(|| format!("a gradient step on {rows} transitions"), bytes)?;
        let dims = self.spec.head.action_dims();
        let matrix = |values: Vec<f32>| -> Result<Array2<F>> {
            let len = values.len();
            let values = Array2::from_shape_vec((rows, dims), values);
            let values = values.map_err(|_| crate::error::Error::shape("noise", &[len], &[rows, dims]))?;
            Ok(wide(&values))
        };
        // Where actions are choices, SAC draws none.
        let is_sac = self.config.sac().is_some() && !self.spec.head.is_discrete();
        let smooths = self.config.td3().is_some_and(|td3| td3.policy_noise > 0.0);
        let zeros = || Array2::zeros((rows, dims));
        let noise = Noise {
            next: if is_sac || smooths { matrix(batch.next_noise()?)? } else { zeros() },
            own: if is_sac { matrix(batch.own_noise()?)? } else { Array2::zeros((0, dims)) },
        };
        let seen = self.take_step(&Batch::given(batch), &noise)?;
        let mut tally = Tally::default();
        tally.count(seen);
        let mut stats = self.end_update(tally);
        stats.minibatches.iter_mut().for_each(|own| own.rows = rows as u32);
        Ok(stats)
    }
}
