//! The rows of an update, and the order in which its epochs see them.

use super::Real;
use super::batch_shuffle::BatchShuffle;
use super::loss_ppo::Targets;
use super::ranks::Ranks;
use super::real::cast;
use crate::collective::Share;
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

    /// This rank's rows in each minibatch of epoch `epoch`, in the order of all ranks' rows; `rows` are its own, and the order was validated.
    pub(super) fn minibatches(&self, config: &Config, ranks: &Ranks<'_>, rows: usize, epoch: usize) -> EpochRows {
        let minibatches = config.minibatches(ranks.rows(rows));
        let Some(share) = ranks.share() else {
            return EpochRows { order: self.epoch(config, rows, epoch), ranges: minibatches.ranges().collect() };
        };
        let (all, seen) = (share.rows(rows), minibatches.rows());
        let among = if config.minibatch_rest == MinibatchRest::Cut { seen } else { all };
        let shuffled = match config.shuffle {
            Shuffle::Never => None,
            Shuffle::AfterFirst if epoch == 0 => None,
            Shuffle::Update => Some(0),
            Shuffle::Epoch | Shuffle::AfterFirst => Some(epoch),
        };
        let placed = match (*self, shuffled) {
            (Self::Keyed { .. }, None) => share.placed(rows, |row| (row < among).then_some(row)),
            (Self::Keyed { .. }, Some(epoch)) => self.placed(share, rows, among, epoch),
            (Self::Given(_), _) => self.placed(share, rows, all, epoch),
        };
        let from = |place| placed.partition_point(|(other, _)| *other < place);
        let ranges = minibatches.ranges().map(|range| from(range.start)..from(range.end)).collect();
        EpochRows { order: placed.into_iter().map(|(_, row)| row).collect(), ranges }
    }

    /// Where each of this rank's rows comes in permutation `epoch` of the first `among` rows of all, by place; with its own number.
    pub(super) fn placed(&self, share: Share, rows: usize, among: usize, epoch: usize) -> Vec<(usize, u32)> {
        match *self {
            Self::Given(order) => {
                let order = order[epoch * share.rows(rows)..][..among].iter().enumerate();
                order.filter_map(|(place, row)| Some((place, share.own_row(*row as usize)? as u32))).collect()
            }
            Self::Keyed { seed, update } => {
                let shuffle = BatchShuffle::new(among as u32, seed, epoch as u32, update);
                share.placed(rows, |row| (row < among).then(|| shuffle.place(row as u32) as usize))
            }
        }
    }
}

/// The rows that an epoch sees, and where each minibatch lies among them.
#[derive(Debug, Clone)]
pub(super) struct EpochRows {
    order: Vec<u32>,
    ranges: Vec<Range<usize>>,
}

impl EpochRows {
    /// Minibatch after minibatch.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.ranges.iter().map(|range| &self.order[range.clone()])
    }
}

impl Share {
    /// The places that `place` gives to this rank's rows by their numbers among all, in order; with each row's own number.
    fn placed(&self, rows: usize, place: impl Fn(usize) -> Option<usize>) -> Vec<(usize, u32)> {
        let mut placed: Vec<_> = (0..rows).filter_map(|row| Some((place(self.row(row))?, row as u32))).collect();
        placed.sort_unstable();
        placed
    }
}
