//! A whole update of PPO, with or without a KL penalty, of A2C, or of REINFORCE, as straight-line mathematics.

use super::actor_critic::ActorCritic;
use super::advantage_normalize::{center_by, normalize_by};
use super::minibatch_gradient::minibatch_gradient_among;
use super::optim::{Adam, AdamSettings};
use super::ranks::Ranks;
use super::reduce_moments::{Moments, explained_of};
use super::rows::EpochRows;
use super::{Real, head};
use crate::config::{AdvantageNorm, Config, KlEstimator, KlMeasure, KlStop, RateStep};
use crate::data::{MinibatchStats, UpdateStats};
use crate::error::{Error, Result};
use crate::policy::{Branch, ParamLayout, PolicySpec};
use ndarray::Array1;

pub use super::minibatch_gradient::minibatch_gradient;
pub use super::rows::{Order, Rows};

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
    ppo_update_among(spec, config, lr, parameters, adam, rows, order, between, Ranks::ALONE)
}

/// [`ppo_update_between`] of rows that are spread over `ranks`, as one process with all of them would do it: its minibatches are the same
/// sets of rows, of which each rank has its own, and what is summed over rows is summed over ranks, too. `between` is given what all have
/// together. The order, if given, is of the rows of all.
///
/// # Errors
/// As [`ppo_update_between`], and those of a [`Collective`](crate::collective::Collective).
pub fn ppo_update_among<F: Real>(
    spec: &PolicySpec,
    config: &Config,
    lr: f64,
    parameters: &mut [F],
    adam: &mut Adam<F>,
    rows: &Rows<F>,
    order: Order<'_>,
    between: &mut Between<'_, F>,
    ranks: Ranks<'_>,
) -> Result<UpdateStats> {
    config.validate()?;
    config.expect_on_policy()?;
    config.check_branches(spec)?;
    order.validate(ranks.rows(rows.len()), config.update_epochs)?;
    let counted = rows.only_counted();
    let left = &counted.returns - &counted.values_old;
    let mut moments = [counted.returns.view(), left.view(), counted.advantages.view()].map(Moments::of);
    ranks.merge(&mut moments)?;
    let [returns, left, advantages] = moments;
    if returns.count == 0 && config.reinforce().is_none() {
        return Err(Error::config("batch", "has 0 rows that count"));
    }
    let layout = spec.layout();
    let whole = whole_batch(spec, &layout, config, parameters, rows, &counted, &advantages)?;
    let stats = UpdateStats {
        explained_variance: F::of(explained_of(&returns, &left)).as_f64(),
        learning_rate: lr,
        ..UpdateStats::default()
    };
    let settings = AdamSettings::new(config, layout.own_range(Branch::VALUE));
    let (met, kl_stop) = (f64::NAN, config.kl_stop().unwrap_or((KlStop::Epoch, f64::INFINITY)));
    let settings = (settings, kl_stop);
    let mut update = Update { spec, layout: &layout, config, settings, parameters, adam, between, ranks, stats, met };
    for epoch in 0..config.update_epochs {
        if update.epoch(&whole, &order.minibatches(config, &ranks, rows.len(), epoch), epoch)? {
            break;
        }
    }
    update.adapt(&whole, &counted, returns.count)?;
    Ok(update.stats)
}

fn normalized<F: Real>(config: &Config, scope: &Moments, advantages: &Array1<F>) -> Result<Array1<F>> {
    normalize_by(scope, advantages.view(), config.adv_ddof, F::of(config.adv_eps), F::of(config.adv_std_floor))
}

/// All rows of this rank, with what an update needs of the policy at its start; `scope` is of the advantages of all ranks.
fn whole_batch<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    parameters: &[F],
    rows: &Rows<F>,
    counted: &Rows<F>,
    scope: &Moments,
) -> Result<Rows<F>> {
    let mut whole = rows.clone();
    let advantages = match config.norm_adv {
        AdvantageNorm::Batch => Some(normalized(config, scope, &counted.advantages)?),
        _ => config.centers().then(|| center_by(scope, counted.advantages.view())),
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
    /// Of the optimiser; and when an update or epoch stops early, and the limit; without one no KL is above it.
    settings: (AdamSettings, (KlStop, f64)),
    parameters: &'a mut [F],
    adam: &'a mut Adam<F>,
    between: &'a mut Between<'a, F>,
    ranks: Ranks<'a>,
    stats: UpdateStats,
    /// KL of the last minibatch with a row that counts.
    met: f64,
}

impl<F: Real> Update<'_, F> {
    /// One epoch over `minibatches`; whether the update ends with it.
    fn epoch(&mut self, whole: &Rows<F>, minibatches: &EpochRows, epoch: usize) -> Result<bool> {
        let (config, kl_stop) = (self.config, self.settings.1);
        let scopes = self.scopes(whole, minibatches)?;
        let (first, mut ends) = (self.stats.minibatches.len(), false);
        self.stats.epochs += 1;
        self.stats.last_epoch = first as u32;
        for (index, own) in minibatches.iter().enumerate() {
            let scope = scopes.as_ref().map(|scopes| scopes[index]);
            if !self.minibatch(whole.gather(own).only_counted(), scope)? {
                self.stats.stopped_early = true;
                ends = kl_stop.0 == KlStop::Minibatch;
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
        if kl_stop.0 == KlStop::Epoch && stats.last().approx_kl > kl_stop.1 {
            stats.stopped_early = epoch + 1 < config.update_epochs;
            ends = true;
        }
        Ok(ends)
    }

    /// Of the advantages in each minibatch that count, over all ranks: by one message for all of them. One process needs none.
    fn scopes(&self, whole: &Rows<F>, minibatches: &EpochRows) -> Result<Option<Vec<Moments>>> {
        if self.ranks.alone() {
            return Ok(None);
        }
        let counts = |row: &&u32| whole.valid.as_ref().is_none_or(|valid| valid[**row as usize] != 0);
        let of = |own: &[u32]| {
            let advantages = own.iter().filter(counts).map(|row| whole.advantages[*row as usize]);
            Moments::of(advantages.collect::<Array1<F>>().view())
        };
        let mut scopes: Vec<_> = minibatches.iter().map(of).collect();
        self.ranks.merge(&mut scopes)?;
        Ok(Some(scopes))
    }

    /// One minibatch, whose advantages have the moments `scope`, or their own; false where its KL ends epoch or update before the step.
    fn minibatch(&mut self, mut minibatch: Rows<F>, scope: Option<Moments>) -> Result<bool> {
        let (config, (settings, kl_stop)) = (self.config, &self.settings);
        let all = scope.map_or(minibatch.len(), |scope| scope.count);
        if config.norm_adv == AdvantageNorm::Minibatch {
            let scope = scope.unwrap_or_else(|| Moments::of(minibatch.advantages.view()));
            minibatch.advantages = normalized(config, &scope, &minibatch.advantages)?;
        }
        let (parameters, ranks) = (&*self.parameters, &self.ranks);
        let (loss, mut gradient) =
            minibatch_gradient_among(self.spec, self.layout, config, parameters, &minibatch, all, ranks)?;
        let mut measured = loss.stats;
        (self.between)(&mut gradient, &mut measured)?;
        if all > 0 {
            self.met = measured.kl;
        }
        let stats = &mut self.stats;
        if kl_stop.0 != KlStop::Epoch && measured.approx_kl > kl_stop.1 {
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
        let step = self.adam.step(settings, stats.learning_rate, self.parameters, &gradient)?;
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

    /// β of the next update; `all` rows count, of all ranks.
    fn adapt(&mut self, whole: &Rows<F>, counted: &Rows<F>, all: usize) -> Result<()> {
        let (Some(penalty), Some(old)) = (self.config.kl_penalty(), &whole.only_counted().old_dist) else {
            return Ok(());
        };
        let kl = match penalty.measure {
            KlMeasure::LastMinibatch => self.met,
            KlMeasure::AllRows => {
                let networks = ActorCritic::new(self.spec, self.layout, self.parameters)?;
                let mean = |rows: &Rows<F>| {
                    let mut dist = networks.distribution(rows.obs.view())?;
                    head::forbid(&mut dist, &rows.actions)?;
                    head::mean_kl(&self.spec.head, penalty.direction, old.view(), dist.view())
                };
                self.ranks.mean(counted.len(), all, || mean(counted))?.as_f64()
            }
        };
        self.stats.kl = Some(kl);
        self.stats.kl_coef = Some(penalty.next_kl_coef(penalty.kl_coef, kl));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
