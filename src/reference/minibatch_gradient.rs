//! Loss and gradient of one minibatch of PPO, A2C or REINFORCE, of all its rows or of one rank's.

use super::actor_critic::ActorCritic;
use super::loss_ppo::{PpoLoss, current_kl, loss_of_block, loss_of_blocks, penalty, penalty_slope};
use super::ranks::Ranks;
use super::rows::Rows;
use super::{Real, head};
use crate::config::Config;
use crate::data::MinibatchStats;
use crate::error::{Error, Result};
use crate::policy::{ParamLayout, PolicySpec};
use ndarray::{Array1, Array2, Axis, concatenate};

/// Loss of one minibatch and its flat gradient, before clipping. `rows.advantages` are used as they are, and all rows count. Without a
/// row both are 0.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Value`] if rows, parameters and spec do not fit.
pub fn minibatch_gradient<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    parameters: &[F],
    rows: &Rows<F>,
) -> Result<(PpoLoss<F>, Vec<F>)> {
    minibatch_gradient_among(spec, layout, config, parameters, rows, rows.len(), &Ranks::ALONE)
}

/// [`minibatch_gradient`] of a minibatch of `all` rows, of which `rows` are this rank's: statistics and gradient are of all, and the gradient
/// at the heads of its own rows.
///
/// # Errors
/// As [`minibatch_gradient`], and those of a [`Collective`](crate::collective::Collective).
pub(super) fn minibatch_gradient_among<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    parameters: &[F],
    rows: &Rows<F>,
    all: usize,
    ranks: &Ranks<'_>,
) -> Result<(PpoLoss<F>, Vec<F>)> {
    let networks = ActorCritic::new(spec, layout, parameters)?;
    if all == 0 {
        return Ok((empty(spec), vec![F::zero(); parameters.len()]));
    }
    if !rows.is_empty() {
        rows.actions.validate(&spec.head, rows.len())?;
    }
    let slope = penalty_slope(config, || {
        ranks.mean(rows.len(), all, || {
            let mut dist = networks.distribution(rows.obs.view())?;
            head::forbid(&mut dist, &rows.actions)?;
            current_kl(&spec.head, config, dist.view(), &rows.targets(&rows.actions, 0..rows.len())?)
        })
    })?;
    let (mut loss, mut gradient) = if rows.is_empty() {
        (empty(spec), vec![F::zero(); parameters.len()])
    } else {
        of_own_rows(spec, config, &networks, rows, all, slope)?
    };
    ranks.sum(&mut gradient)?;
    loss.stats = ranks.stats(loss.stats)?;
    loss.stats.loss += penalty(config, loss.stats.kl).0;
    Ok((loss, gradient))
}

fn empty<F: Real>(spec: &PolicySpec) -> PpoLoss<F> {
    let (d_dist, d_values) = (Array2::zeros((0, spec.head.width())), Array1::zeros(0));
    PpoLoss { stats: MinibatchStats::default(), d_dist, d_values }
}

/// What `rows`, at least one, give to the loss of `all` rows and to its gradient, without the value of a KL penalty.
fn of_own_rows<F: Real>(
    spec: &PolicySpec,
    config: &Config,
    networks: &ActorCritic<'_, F>,
    rows: &Rows<F>,
    all: usize,
    slope: F,
) -> Result<(PpoLoss<F>, Vec<F>)> {
    let share = |count: usize| count as f64 / all as f64;
    let (blocks, gradient) = networks.gradient(rows.obs.view(), |block, mut dist, values| {
        let actions = rows.actions.select(&block.clone().collect::<Vec<_>>());
        head::forbid(&mut dist, &actions)?;
        let targets = rows.targets(&actions, block.clone())?;
        let mut loss = loss_of_block(&spec.head, config, dist.view(), values, &targets, slope)?;
        // A mean over all rows is the mean of the blocks' means, by their share.
        let share = F::of(share(block.len()));
        loss.d_dist *= share;
        loss.d_values *= share;
        Ok(loss)
    })?;
    let shares: Vec<f64> = blocks.iter().map(|block| share(block.d_values.len())).collect();
    let stats = loss_of_blocks(&blocks, &shares);
    let d_dist: Vec<_> = blocks.iter().map(|block| block.d_dist.view()).collect();
    let d_values: Vec<_> = blocks.iter().map(|block| block.d_values.view()).collect();
    let shape = |_| Error::shape("d_dist", &[d_dist.len()], &[rows.len()]);
    let (d_dist, d_values) =
        (concatenate(Axis(0), &d_dist).map_err(shape)?, concatenate(Axis(0), &d_values).map_err(shape)?);
    Ok((PpoLoss { stats, d_dist, d_values }, gradient))
}
