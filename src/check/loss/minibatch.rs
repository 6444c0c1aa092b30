//! The oracle's view of the rows of a minibatch.

use super::inputs::{Inputs, Loss};
use crate::check::head::masked;
use crate::check::support::wide;
use crate::config::Config;
use crate::data::Actions;
use crate::error::Result;
use crate::policy::Head;
use crate::reference::loss_ppo::{PpoLoss, Targets, loss_ppo as oracle};
use ndarray::{Array1, Array2, Axis};

/// The oracle's view of the rows of a minibatch.
pub(in crate::check) struct Minibatch {
    pub(in crate::check) head: Head,
    pub config: Config,
    pub(in crate::check) dist: Array2<f64>,
    pub(in crate::check) old: Array2<f64>,
    pub(in crate::check) values: Array1<f64>,
    pub(in crate::check) words: Vec<u32>,
    pub(in crate::check) samples: [Array1<f64>; 4],
}

impl Minibatch {
    pub(in crate::check) fn new(c: &Loss, inputs: &Inputs) -> Result<Self> {
        let words = inputs.words[c.row_offset * c.head.action_words()..].to_vec();
        let actions = Actions::from_words(&c.head, c.rows, &words)?;
        let column = |i: usize| inputs.samples[c.row_offset..].iter().map(|sample| f64::from(sample[i])).collect();
        Ok(Self {
            head: c.head.clone(),
            config: c.config(),
            dist: masked(&c.head, &inputs.dist, &actions)?,
            old: masked(&c.head, &inputs.old[c.row_offset * c.head.width()..], &actions)?,
            values: wide(&inputs.values).into(),
            words,
            samples: [column(0), column(1), column(2), column(3)],
        })
    }

    pub(in crate::check) fn actions(&self) -> Result<Actions> {
        Actions::from_words(&self.head, self.dist.nrows(), &self.words)
    }

    /// The loss over these rows alone.
    pub(in crate::check) fn oracle(&self, rows: &[usize]) -> Result<PpoLoss<f64>> {
        let actions = self.actions()?.select(rows);
        let [logp_old, advantages, returns, values_old] = self.samples.each_ref().map(|c| c.select(Axis(0), rows));
        let old = self.old.select(Axis(0), rows);
        let targets = Targets {
            actions: &actions,
            logp_old: logp_old.view(),
            advantages: advantages.view(),
            returns: returns.view(),
            values_old: values_old.view(),
            old_dist: Some(old.view()),
        };
        let (dist, values) = (self.dist.select(Axis(0), rows), self.values.select(Axis(0), rows));
        oracle(&self.head, &self.config, dist.view(), values.view(), &targets)
    }
}
