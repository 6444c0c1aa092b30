//! Rows ready for an update.

use super::actions::Actions;
use super::checks::{check_shape, flags};
use super::counted::Counted;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use ndarray::{Array1, Array2};

/// Rows ready for an update, in any order: a flattened rollout with its advantages.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `[rows, obs_dim]`.
    pub obs: Array2<f32>,
    /// `[rows, action_dims]`.
    pub actions: Actions,
    /// log π_old(action | obs), `[rows]`.
    pub logp_old: Array1<f32>,
    /// Advantages, not normalised, `[rows]`.
    pub advantages: Array1<f32>,
    /// Value targets, `[rows]`.
    pub returns: Array1<f32>,
    /// V_old(obs), `[rows]`; read by value clipping and explained variance only.
    pub values_old: Array1<f32>,
    /// Distribution rows of the old policy, `[rows, head.width()]`, for analytic KL divergences (KL penalty, learning rate by
    /// KL). Where absent, the policy at the start of the update is the old one. TRPO measures from that one always.
    pub old_dist: Option<Array2<f32>>,
    /// 0 where a row is masked: it is padding, and its numbers mean nothing. 1 elsewhere; `[rows]`. No row is masked without. Means are over
    /// the other rows of a minibatch; one of masked rows alone has loss 0 and steps with gradient 0.
    pub valid: Option<Array1<u32>>,
}

impl Batch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.obs.nrows()
    }

    /// Shapes, finiteness and ranges against `spec`.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty batch, [`Error::Shape`] or [`Error::Value`] naming the first bad tensor.
    pub fn validate(&self, spec: &PolicySpec) -> Result<()> {
        let rows = self.rows();
        if rows == 0 {
            return Err(Error::config("batch", "has 0 rows"));
        }
        if let Some(valid) = &self.valid {
            check_shape("valid", valid.shape(), &[rows])?;
            flags("valid", valid.iter())?;
        }
        let counts = Counted::new("valid", self.valid.as_ref(), rows)?;
        check_shape("obs", self.obs.shape(), &[rows, spec.obs_dim()])?;
        counts.actions(&self.actions, spec, rows)?;
        counts.finite("obs", self.obs.iter(), spec.obs_dim())?;
        for (name, column) in [
            ("logp_old", &self.logp_old),
            ("advantages", &self.advantages),
            ("returns", &self.returns),
            ("values_old", &self.values_old),
        ] {
            check_shape(name, column.shape(), &[rows])?;
            counts.finite(name, column.iter(), 1)?;
        }
        if let Some(old_dist) = &self.old_dist {
            check_shape("old_dist", old_dist.shape(), &[rows, spec.head.width()])?;
            counts.finite("old_dist", old_dist.iter(), spec.head.width())?;
        }
        Ok(())
    }
}
