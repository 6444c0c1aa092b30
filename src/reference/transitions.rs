//! A batch of transitions, as off-policy updates take it.

use super::Real;
use super::mlp::take;
use super::td_target::td_target;
use crate::data::check_shape;
use crate::error::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};
use std::ops::Range;

/// B transitions, without their actions.
#[derive(Debug, Clone, Copy)]
pub struct Transitions<'a, F> {
    /// `[B, obs_dim]`.
    pub obs: ArrayView2<'a, F>,
    /// The real next observation, also at an end, `[B, obs_dim]`.
    pub next_obs: ArrayView2<'a, F>,
    /// Rewards, or sums of n steps, `[B]`.
    pub rewards: ArrayView1<'a, F>,
    /// 1 where the transition ended in a terminal state, `[B]`. Truncations are not told: they do not stop the look ahead.
    pub terminated: ArrayView1<'a, u32>,
    /// γ, or γ^m of m steps, `[B]`.
    pub discounts: ArrayView1<'a, F>,
}

impl<F: Real> Transitions<'_, F> {
    /// B.
    pub fn rows(&self) -> usize {
        self.obs.nrows()
    }

    /// That all arrays have B rows.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] naming the first that has not.
    pub fn validate(&self) -> Result<()> {
        check_shape("next_obs", self.next_obs.shape(), self.obs.shape())?;
        check_shape("rewards", &[self.rewards.len()], &[self.rows()])?;
        check_shape("terminated", &[self.terminated.len()], &[self.rows()])?;
        check_shape("discounts", &[self.discounts.len()], &[self.rows()])
    }

    /// Those of `rows`, which are there.
    pub(super) fn of_rows(&self, rows: Range<usize>) -> Transitions<'_, F> {
        Transitions {
            obs: self.obs.slice(s![rows.clone(), ..]),
            next_obs: self.next_obs.slice(s![rows.clone(), ..]),
            rewards: self.rewards.slice(s![rows.clone()]),
            terminated: self.terminated.slice(s![rows.clone()]),
            discounts: self.discounts.slice(s![rows]),
        }
    }

    /// y of each transition, with the value `next` of its next state, `[B]`.
    ///
    /// # Errors
    /// As [`td_target`].
    pub fn targets(&self, next: ArrayView1<'_, F>) -> Result<Array1<F>> {
        td_target(self.rewards, self.terminated, self.discounts, next)
    }
}

/// `[rows, obs_dim + dims]`: what a critic of states and actions sees.
///
/// # Errors
/// [`crate::Error::Shape`] if the rows differ in number.
pub(super) fn joined<F: Real>(obs: ArrayView2<'_, F>, actions: ArrayView2<'_, F>) -> Result<Array2<F>> {
    check_shape("actions", actions.shape(), &[obs.nrows(), actions.ncols()])?;
    let mut seen = take((obs.nrows(), obs.ncols() + actions.ncols()));
    seen.slice_mut(s![.., ..obs.ncols()]).assign(&obs);
    seen.slice_mut(s![.., obs.ncols()..]).assign(&actions);
    Ok(seen)
}
