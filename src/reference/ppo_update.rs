//! A whole update of PPO, with or without a KL penalty, of A2C, or of REINFORCE, as straight-line mathematics.

use super::actor_critic::ActorCritic;
use super::advantage_normalize::{advantage_center, advantage_normalize};
use super::loss_ppo::{PpoLoss, current_kl, loss_of_block, loss_of_blocks, penalty_slope};
use super::optim::{Adam, AdamSettings};
use super::reduce_moments::explained_variance;
use super::{Real, head};
use crate::config::{AdvantageNorm, Config, KlEstimator, KlMeasure, KlStop, RateStep};
use crate::data::{MinibatchStats, UpdateStats};
use crate::error::{Error, Result};
use crate::policy::{Branch, ParamLayout, PolicySpec};
use ndarray::{Array1, Array2, Axis, concatenate};

pub use super::rows::{Order, Rows};

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
    let networks = ActorCritic::new(spec, layout, parameters)?;
    if rows.is_empty() {
        let (d_dist, d_values) = (Array2::zeros((0, spec.head.width())), Array1::zeros(0));
        let loss = PpoLoss { stats: MinibatchStats::default(), d_dist, d_values };
        return Ok((loss, vec![F::zero(); parameters.len()]));
    }
    rows.actions.validate(&spec.head, rows.len())?;
    let slope = penalty_slope(config, || {
        let mut dist = networks.distribution(rows.obs.view())?;
        head::forbid(&mut dist, &rows.actions)?;
        current_kl(&spec.head, config, dist.view(), &rows.targets(&rows.actions, 0..rows.len())?)
    })?;
    let share = |count: usize| count as f64 / rows.len() as f64;
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
    let stats = loss_of_blocks(config, &blocks, &shares);
    let d_dist: Vec<_> = blocks.iter().map(|block| block.d_dist.view()).collect();
    let d_values: Vec<_> = blocks.iter().map(|block| block.d_values.view()).collect();
    let shape = |_| Error::shape("d_dist", &[d_dist.len()], &[rows.len()]);
    let (d_dist, d_values) =
        (concatenate(Axis(0), &d_dist).map_err(shape)?, concatenate(Axis(0), &d_values).map_err(shape)?);
    Ok((PpoLoss { stats, d_dist, d_values }, gradient))
}

/// One update (Schulman et al. 2017, algorithm 1, the inner loop): `update_epochs` passes over the rows in minibatches.
///
/// ```text
/// normalise advantages over the batch, or take off their mean (a baseline), if so set
/// for each epoch, for each minibatch (Config::minibatches) in the epoch's order:
///     normalise advantages over the minibatch, if so set
///     loss, statistics
///     if kl_stop is minibatch and approx_kl > limit: end the update before this step; rest_of_epoch: the epoch
///     if adaptive_lr goes by minibatches: lr follows this one's KL
///     gradient, clip, optimiser at learning rate lr (nothing if the gradient is not finite)
/// after an epoch: if adaptive_lr goes by epochs: lr follows the mean KL of its minibatches
///     if kl_stop is epoch and its last approx_kl > limit: end the update
/// with a KL penalty: β for the next update, by the KL over all rows at the end, or by that of the last minibatch
/// ```
///
/// Masked rows are dropped from each minibatch, and means are over what is left of it.
///
/// β of this update is [`KlPenalty::kl_coef`](crate::config::KlPenalty::kl_coef); the next one is in the statistics. A2C and REINFORCE are the same with one epoch.
/// REINFORCE's batch may be without a row that counts, if no episode ended: a step with gradient 0.
///
/// # Errors
/// [`Error::Config`], [`Error::Shape`] or [`Error::Value`] if the inputs do not fit; nothing was changed then.
pub fn ppo_update<F: Real>(
    spec: &PolicySpec,
    config: &Config,
    lr: f64,
    parameters: &mut [F],
    adam: &mut Adam<F>,
    rows: &Rows<F>,
    order: Order<'_>,
) -> Result<UpdateStats> {
    ppo_update_between(spec, config, lr, parameters, adam, rows, order, &mut |_, _| Ok(()))
}

/// What stands between the gradient of a minibatch and everything that follows from it (early stop, learning rate, clipping, step). It is
/// given the flat gradient before clipping and the minibatch's statistics, and may change both: to average them over several processes that
/// have a part of the rows each, for example.
pub type Between<'a, F> = dyn FnMut(&mut [F], &mut MinibatchStats) -> Result<()> + 'a;

/// [`ppo_update`] with something between gradient and step of each minibatch.
///
/// # Errors
/// As [`ppo_update`]. An error of `between` ends the update where it is: parameters and moments have then the steps before it.
pub fn ppo_update_between<F: Real>(
    spec: &PolicySpec,
    config: &Config,
    lr: f64,
    parameters: &mut [F],
    adam: &mut Adam<F>,
    rows: &Rows<F>,
    order: Order<'_>,
    between: &mut Between<'_, F>,
) -> Result<UpdateStats> {
    config.validate()?;
    config.expect_on_policy()?;
    config.check_branches(spec)?;
    order.validate(rows.len(), config.update_epochs)?;
    let counted = rows.only_counted();
    if counted.is_empty() && config.reinforce().is_none() {
        return Err(Error::config("batch", "has 0 rows that count"));
    }
    let layout = spec.layout();
    let whole = whole_batch(spec, &layout, config, parameters, rows, &counted)?;
    let stats = UpdateStats {
        explained_variance: explained_variance(counted.values_old.view(), counted.returns.view()).as_f64(),
        learning_rate: lr,
        ..UpdateStats::default()
    };
    let settings = AdamSettings::new(config, layout.own_range(Branch::VALUE));
    let (met, kl_stop) = (f64::NAN, config.kl_stop().unwrap_or((KlStop::Epoch, f64::INFINITY)));
    let mut update = Update { spec, layout: &layout, config, settings, parameters, adam, between, stats, kl_stop, met };
    for epoch in 0..config.update_epochs {
        if update.epoch(&whole, &order.epoch(config, rows.len(), epoch), epoch)? {
            break;
        }
    }
    update.adapt(&whole, &counted)?;
    Ok(update.stats)
}

fn normalized<F: Real>(config: &Config, advantages: &Array1<F>) -> Result<Array1<F>> {
    advantage_normalize(advantages.view(), config.adv_ddof, F::of(config.adv_eps), F::of(config.adv_std_floor))
}

/// All rows, with what an update needs of the policy at its start.
fn whole_batch<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    parameters: &[F],
    rows: &Rows<F>,
    counted: &Rows<F>,
) -> Result<Rows<F>> {
    let mut whole = rows.clone();
    let advantages = match config.norm_adv {
        AdvantageNorm::Batch => Some(normalized(config, &counted.advantages)?),
        _ => config.centers().then(|| advantage_center(counted.advantages.view())),
    };
    for (row, advantage) in rows.counted().into_iter().zip(advantages.into_iter().flatten()) {
        whole.advantages[row] = advantage;
    }
    if config.kl_direction().is_some() && whole.old_dist.is_none() {
        whole.old_dist = Some(ActorCritic::new(spec, layout, parameters)?.distribution(rows.obs.view())?);
    }
    if let Some(old) = &mut whole.old_dist {
        head::forbid(old, &rows.actions)?;
    }
    Ok(whole)
}

/// An update that is going on.
struct Update<'a, F> {
    spec: &'a PolicySpec,
    layout: &'a ParamLayout,
    config: &'a Config,
    settings: AdamSettings,
    parameters: &'a mut [F],
    adam: &'a mut Adam<F>,
    between: &'a mut Between<'a, F>,
    stats: UpdateStats,
    /// When an update or epoch stops early, and the limit; without one no KL is above it.
    kl_stop: (KlStop, f64),
    /// KL of the last minibatch with a row that counts.
    met: f64,
}

impl<F: Real> Update<'_, F> {
    /// One epoch over the rows of `order`; whether the update ends with it.
    fn epoch(&mut self, whole: &Rows<F>, order: &[u32], epoch: usize) -> Result<bool> {
        let config = self.config;
        let (first, mut ends) = (self.stats.minibatches.len(), false);
        self.stats.epochs += 1;
        self.stats.last_epoch = first as u32;
        for range in config.minibatches(whole.len()).ranges() {
            if !self.minibatch(whole.gather(&order[range]).only_counted())? {
                self.stats.stopped_early = true;
                ends = self.kl_stop.0 == KlStop::Minibatch;
                break;
            }
        }
        let stats = &mut self.stats;
        if let Some(rate) = config.adaptive_lr().filter(|rate| rate.step == RateStep::Epoch) {
            // NaN, which moves nothing, where none has a row that counts.
            let seen: Vec<_> = stats.minibatches[first..].iter().filter(|minibatch| minibatch.rows > 0).collect();
            let mean = seen.iter().map(|minibatch| rate.kl(minibatch)).sum::<f64>() / seen.len() as f64;
            stats.learning_rate = rate.next(stats.learning_rate, mean);
        }
        if self.kl_stop.0 == KlStop::Epoch && stats.last().approx_kl > self.kl_stop.1 {
            stats.stopped_early = epoch + 1 < config.update_epochs;
            ends = true;
        }
        Ok(ends)
    }

    /// One minibatch; false where its KL ends epoch or update before the step.
    fn minibatch(&mut self, mut minibatch: Rows<F>) -> Result<bool> {
        let config = self.config;
        if config.norm_adv == AdvantageNorm::Minibatch {
            minibatch.advantages = normalized(config, &minibatch.advantages)?;
        }
        let (loss, mut gradient) = minibatch_gradient(self.spec, self.layout, config, self.parameters, &minibatch)?;
        let mut measured = loss.stats;
        (self.between)(&mut gradient, &mut measured)?;
        if !minibatch.is_empty() {
            self.met = measured.kl;
        }
        let stats = &mut self.stats;
        if self.kl_stop.0 != KlStop::Epoch && measured.approx_kl > self.kl_stop.1 {
            stats.minibatches.push(measured);
            return Ok(false);
        }
        if let Some(rate) = config.adaptive_lr().filter(|rate| rate.step == RateStep::Minibatch) {
            let kl = rate.kl(&measured);
            let says_nothing = rate.estimator == KlEstimator::K3 && stats.minibatches.is_empty();
            if !says_nothing || kl >= rate.target_kl {
                stats.learning_rate = rate.next(stats.learning_rate, kl);
            }
        }
        let step = self.adam.step(&self.settings, stats.learning_rate, self.parameters, &gradient)?;
        measured.stepped = step.stepped;
        if step.stepped {
            measured.grad_norm = step.grad_norm.as_f64();
            stats.optimizer_steps += 1;
        } else {
            stats.skipped_steps += 1;
        }
        stats.minibatches.push(measured);
        Ok(true)
    }

    /// β of the next update.
    fn adapt(&mut self, whole: &Rows<F>, counted: &Rows<F>) -> Result<()> {
        let (Some(penalty), Some(old)) = (self.config.kl_penalty(), &whole.only_counted().old_dist) else {
            return Ok(());
        };
        let kl = match penalty.measure {
            KlMeasure::LastMinibatch => self.met,
            KlMeasure::AllRows => {
                let networks = ActorCritic::new(self.spec, self.layout, self.parameters)?;
                let mut dist = networks.distribution(counted.obs.view())?;
                head::forbid(&mut dist, &counted.actions)?;
                head::mean_kl(&self.spec.head, penalty.direction, old.view(), dist.view())?.as_f64()
            }
        };
        self.stats.kl = Some(kl);
        self.stats.kl_coef = Some(penalty.next_kl_coef(penalty.kl_coef, kl));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
