//! The rows of an update, and the order in which its epochs see them.

use super::Real;
use super::batch_shuffle::BatchShuffle;
use super::loss_ppo::Targets;
use super::real::cast;
use crate::config::{Config, MinibatchRest, Shuffle};
use crate::data::{Actions, Batch, check_order, check_shape};
use crate::error::{Error, Result};
use ndarray::{Array1, Array2, Axis, s};
use std::ops::Range;

/// The rows of an update, in any order: a [`Batch`] in the precision of the arithmetic. Its fields are those.
#[derive(Debug, Clone)]
pub struct Rows<F> {
    /// `[rows, obs_dim]`.
    pub obs: Array2<F>,
    /// `[rows, action_dims]`.
    pub actions: Actions,
    /// `[rows]`.
    pub logp_old: Array1<F>,
    /// `[rows]`.
    pub advantages: Array1<F>,
    /// `[rows]`.
    pub returns: Array1<F>,
    /// `[rows]`.
    pub values_old: Array1<F>,
    /// `[rows, head.width()]`.
    pub old_dist: Option<Array2<F>>,
    /// `[rows]`: 0 where a row is masked; none is without.
    pub valid: Option<Array1<u32>>,
}

impl<F: Real> Rows<F> {
    /// The same rows in another precision.
    pub fn from_batch(batch: &Batch) -> Self {
        Self {
            obs: cast(batch.obs.view()),
            actions: batch.actions.clone(),
            logp_old: cast(batch.logp_old.view()),
            advantages: cast(batch.advantages.view()),
            returns: cast(batch.returns.view()),
            values_old: cast(batch.values_old.view()),
            old_dist: batch.old_dist.as_ref().map(|rows| cast(rows.view())),
            valid: batch.valid.clone(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.obs.nrows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Places of the rows that count.
    pub fn counted(&self) -> Vec<usize> {
        (0..self.len()).filter(|row| self.valid.as_ref().is_none_or(|valid| valid[*row] != 0)).collect()
    }

    /// The rows that count, which is then all of them.
    pub fn only_counted(&self) -> Self {
        if self.valid.is_none() {
            return self.clone();
        }
        let indices: Vec<u32> = self.counted().into_iter().map(|row| row as u32).collect();
        Self { valid: None, ..self.gather(&indices) }
    }

    /// What the loss compares a block of rows with; `actions` are theirs.
    pub(super) fn targets<'a>(&'a self, actions: &'a Actions, block: Range<usize>) -> Result<Targets<'a, F>> {
        for (name, column) in [
            ("logp_old", &self.logp_old),
            ("advantages", &self.advantages),
            ("returns", &self.returns),
            ("values_old", &self.values_old),
        ] {
            check_shape(name, column.shape(), &[self.len()])?;
        }
        if let Some(old) = &self.old_dist {
            check_shape("old_dist", old.shape(), &[self.len(), old.ncols()])?;
        }
        Ok(Targets {
            actions,
            logp_old: self.logp_old.slice(s![block.clone()]),
            advantages: self.advantages.slice(s![block.clone()]),
            returns: self.returns.slice(s![block.clone()]),
            values_old: self.values_old.slice(s![block.clone()]),
            old_dist: self.old_dist.as_ref().map(|rows| rows.slice(s![block.clone(), ..])),
        })
    }

    /// The rows `indices`, in that order.
    pub fn gather(&self, indices: &[u32]) -> Self {
        let indices: Vec<usize> = indices.iter().map(|index| *index as usize).collect();
        let pick = |column: &Array1<F>| column.select(Axis(0), &indices);
        Self {
            obs: self.obs.select(Axis(0), &indices),
            actions: self.actions.select(&indices),
            logp_old: pick(&self.logp_old),
            advantages: pick(&self.advantages),
            returns: pick(&self.returns),
            values_old: pick(&self.values_old),
            old_dist: self.old_dist.as_ref().map(|rows| rows.select(Axis(0), &indices)),
            valid: self.valid.as_ref().map(|valid| valid.select(Axis(0), &indices)),
        }
    }
}

/// The order of the rows in each epoch.
#[derive(Debug, Clone, Copy)]
pub enum Order<'a> {
    /// [`Config::order_epochs`] `× rows` indices, epoch after epoch.
    Given(&'a [u32]),
    /// [`BatchShuffle`] of this seed and update, as [`Config::shuffle`] says.
    Keyed {
        /// Seed of the learner.
        seed: u64,
        /// Updates done before.
        update: u64,
    },
}

impl Order<'_> {
    /// Refuses a given order of the wrong length or with an index out of range.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Value`].
    pub fn validate(&self, rows: usize, epochs: usize) -> Result<()> {
        if rows > u32::MAX as usize {
            return Err(Error::config("batch", format!("has {rows} rows, at most {} fit an index", u32::MAX)));
        }
        let Self::Given(order) = self else { return Ok(()) };
        check_order(order, rows, epochs)
    }

    /// Permutation `epoch` of all rows, whatever the settings say of epochs; the order was validated.
    pub(super) fn permutation(&self, rows: usize, epoch: usize) -> Vec<u32> {
        match *self {
            Self::Given(order) => order[epoch * rows..(epoch + 1) * rows].to_vec(),
            Self::Keyed { seed, update } => BatchShuffle::new(rows as u32, seed, epoch as u32, update).order(),
        }
    }

    /// The rows that epoch `epoch` sees, one minibatch after the other; the order was validated.
    pub(super) fn epoch(&self, config: &Config, rows: usize, epoch: usize) -> Vec<u32> {
        let seen = config.minibatches(rows).rows();
        let among = if config.minibatch_rest == MinibatchRest::Cut { seen } else { rows };
        let mut order = match (*self, config.shuffle) {
            (Self::Given(_), _) => self.permutation(rows, epoch),
            (_, Shuffle::Never) => (0..among as u32).collect(),
            (_, Shuffle::AfterFirst) if epoch == 0 => (0..among as u32).collect(),
            (Self::Keyed { seed, update }, Shuffle::Update) => BatchShuffle::new(among as u32, seed, 0, update).order(),
            (Self::Keyed { seed, update }, Shuffle::Epoch | Shuffle::AfterFirst) => {
                BatchShuffle::new(among as u32, seed, epoch as u32, update).order()
            }
        };
        order.truncate(seen);
        order
    }
}
