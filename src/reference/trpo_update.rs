//! A whole update of TRPO or of the natural policy gradient, as straight-line mathematics.

use super::Real;
use super::actor_critic::ActorCritic;
use super::advantage_normalize::normalize_by;
use super::optim::{Adam, AdamSettings};
use super::policy_step::policy_step_among;
use super::ppo_update::Between;
use super::ranks::Ranks;
use super::reduce_moments::{Moments, explained_of};
use super::rows::{Order, Rows};
use super::surrogate;
use crate::config::{AdvantageNorm, Config};
use crate::data::{MinibatchStats, UpdateStats};
use crate::error::{Error, Result};
use crate::policy::{Branch, ParamLayout, PolicySpec};
use ndarray::Array1;

pub use super::head::mean_kl;
pub use super::policy_step::{PolicyStep, Try, policy_step};

/// The critic's part: `update_epochs` passes in minibatches over `vf_loss_scale · mean (v − R)²`, each a step of the
/// optimiser on the critic's own parameters. Adds to `stats`.
///
/// # Errors
/// [`Error::Shape`] if rows, parameters and spec do not fit.
pub fn critic_update<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    lr: f64,
    parameters: &mut [F],
    adam: &mut Adam<F>,
    rows: &Rows<F>,
    order: Order<'_>,
    stats: &mut UpdateStats,
) -> Result<()> {
    let between: &mut Between<'_, F> = &mut |_, _| Ok(());
    critic_update_among(spec, layout, config, lr, parameters, adam, rows, order, stats, between, Ranks::ALONE)
}

/// [`critic_update`] of rows that are spread over `ranks`, with something between gradient and step of each minibatch. The gradient is flat over
/// all parameters, and 0 outside of the critic's own parameters; the statistics have rows, loss and rows that are not finite.
fn critic_update_among<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    lr: f64,
    parameters: &mut [F],
    adam: &mut Adam<F>,
    rows: &Rows<F>,
    order: Order<'_>,
    stats: &mut UpdateStats,
    between: &mut Between<'_, F>,
    ranks: Ranks<'_>,
) -> Result<()> {
    let settings = AdamSettings::new(config, layout.own_range(Branch::VALUE));
    let scale = 2.0 * config.vf_loss_scale;
    for epoch in 0..config.update_epochs {
        stats.epochs += 1;
        stats.last_epoch = stats.minibatches.len() as u32;
        for own in order.minibatches(config, &ranks, rows.len(), epoch).iter() {
            let minibatch = rows.gather(own).only_counted();
            let all = ranks.count(minibatch.len())?;
            let networks = ActorCritic::new(spec, layout, parameters)?;
            let tape = networks.forward_value(minibatch.obs.view())?;
            // In f64, where the square of no f32 overflows.
            let wide = |column: &Array1<F>| column.mapv(F::as_f64);
            let (half_loss, d_half) = surrogate::value_mse(wide(&tape.values).view(), wide(&minibatch.returns).view())?;
            let share = if ranks.alone() { 1.0 } else { minibatch.len() as f64 / all.max(1) as f64 };
            let d_values = d_half.mapv(|d| F::of(share * scale * d));
            let mut gradient = networks.backward_value(&tape, d_values.view())?;
            ranks.sum(&mut gradient)?;
            let bad = tape.values.iter().zip(&d_values).filter(|(v, d)| !(v.is_finite() && d.is_finite())).count();
            let [loss, bad] = ranks.sums([if share > 0.0 { share * scale * half_loss } else { 0.0 }, bad as f64])?;
            let loss = F::of(loss).as_f64();
            let mut measured = MinibatchStats {
                rows: all as u32,
                value_loss: loss,
                loss,
                non_finite_rows: bad as u32,
                ..MinibatchStats::default()
            };
            between(&mut gradient, &mut measured)?;
            let step = adam.step_within(layout.own_range(Branch::VALUE), &settings, lr, parameters, &gradient)?;
            stats.optimizer_steps += u32::from(step.stepped);
            stats.skipped_steps += u32::from(!step.stepped);
            measured.grad_norm = if step.stepped { step.grad_norm.as_f64() } else { 0.0 };
            measured.stepped = step.stepped;
            stats.minibatches.push(measured);
        }
    }
    Ok(())
}

/// One update: advantages normalised over the policy's rows unless `norm_adv` is none, the policy's step, then the critic's.
///
/// The policy's rows are all, or with `subsample` k the first ⌈rows / k⌉ of the last permutation of `order`; the critic has all
/// rows, in the permutations before.
///
/// `search_direction` is the last solution of the conjugate gradients where they start warm (empty before the first), and
/// is left alone elsewhere. A solution that is not finite is not kept.
///
/// # Errors
/// [`Error::Config`], [`Error::Shape`] or [`Error::Value`] if the inputs do not fit; nothing was changed then.
pub fn trpo_update<F: Real>(
    spec: &PolicySpec,
    config: &Config,
    lr: f64,
    parameters: &mut [F],
    adam: &mut Adam<F>,
    search_direction: &mut Vec<F>,
    rows: &Rows<F>,
    order: Order<'_>,
) -> Result<UpdateStats> {
    let none: &mut Between<'_, F> = &mut |_, _| Ok(());
    trpo_update_between(spec, config, lr, parameters, adam, search_direction, rows, order, none)
}

/// [`trpo_update`] with something between gradient and step of the critic's minibatches, whose gradient is 0 outside of the critic's parameters. The policy's
/// step stands before them and is this process' own.
///
/// # Errors
/// As [`trpo_update`]. An error of `between` ends the update where it is.
pub fn trpo_update_between<F: Real>(
    spec: &PolicySpec,
    config: &Config,
    lr: f64,
    parameters: &mut [F],
    adam: &mut Adam<F>,
    search_direction: &mut Vec<F>,
    rows: &Rows<F>,
    order: Order<'_>,
    between: &mut Between<'_, F>,
) -> Result<UpdateStats> {
    let none = Ranks::ALONE;
    trpo_update_among(spec, config, lr, parameters, adam, search_direction, rows, order, between, none)
}

/// [`trpo_update_between`] of rows that are spread over `ranks`, as one process with all of them would do it: the policy's step, too, is that
/// of all rows, and `between` is given what all have together. The order, if given, is of the rows of all.
///
/// # Errors
/// As [`trpo_update_between`], and those of a [`Collective`](crate::collective::Collective).
pub fn trpo_update_among<F: Real>(
    spec: &PolicySpec,
    config: &Config,
    lr: f64,
    parameters: &mut [F],
    adam: &mut Adam<F>,
    search_direction: &mut Vec<F>,
    rows: &Rows<F>,
    order: Order<'_>,
    between: &mut Between<'_, F>,
    ranks: Ranks<'_>,
) -> Result<UpdateStats> {
    config.validate()?;
    config.expect_on_policy()?;
    config.check_branches(spec)?;
    order.validate(ranks.rows(rows.len()), config.order_epochs())?;
    let counted = rows.only_counted();
    let left = &counted.returns - &counted.values_old;
    let mut moments = [counted.returns.view(), left.view()].map(Moments::of);
    ranks.merge(&mut moments)?;
    let [returns, left] = moments;
    if returns.count == 0 {
        return Err(Error::config("batch", "has 0 rows that count"));
    }
    let layout = spec.layout();
    let region = config.expect_trust_region()?;
    let warm = region.cg_warm_start;
    let start = Some(search_direction.as_slice()).filter(|start| warm && !start.is_empty());
    let (mut of_policy, places) = rows_of_policy(config, region.subsample, rows, order, ranks);
    if config.norm_adv != AdvantageNorm::None {
        let advantages = of_policy.only_counted().advantages;
        let (eps, floor) = (F::of(config.adv_eps), F::of(config.adv_std_floor));
        let mut scope = [Moments::of(advantages.view())];
        ranks.merge(&mut scope)?;
        let normal = normalize_by(&scope[0], advantages.view(), config.adv_ddof, eps, floor)?;
        for (row, advantage) in of_policy.counted().into_iter().zip(normal) {
            of_policy.advantages[row] = advantage;
        }
    }
    let step = policy_step_among(spec, &layout, config, parameters, &of_policy, &places, start, ranks)?;
    let mut stats = UpdateStats {
        explained_variance: F::of(explained_of(&returns, &left)).as_f64(),
        learning_rate: lr,
        trust_region: Some(step.stats),
        ..UpdateStats::default()
    };
    if warm && step.direction.iter().all(|x| x.is_finite()) {
        *search_direction = step.direction;
    }
    parameters.copy_from_slice(&step.parameters);
    critic_update_among(spec, &layout, config, lr, parameters, adam, rows, order, &mut stats, between, ranks)?;
    Ok(stats)
}

/// This rank's rows for the policy's step, and where each comes among those of all ranks: all, or one of `every` by the last permutation.
fn rows_of_policy<F: Real>(
    config: &Config,
    every: usize,
    rows: &Rows<F>,
    order: Order<'_>,
    ranks: Ranks<'_>,
) -> (Rows<F>, Vec<usize>) {
    let (all, last) = (ranks.rows(rows.len()), config.update_epochs);
    let (places, own): (Vec<_>, Vec<_>) = match (every, ranks.share()) {
        (1, share) => {
            let place = |row| share.map_or(row, |share| share.row(row));
            return (rows.clone(), (0..rows.len()).map(place).collect());
        }
        (_, None) => order.permutation(all, last).into_iter().enumerate().take(all.div_ceil(every)).unzip(),
        (_, Some(share)) => {
            let placed = order.placed(share, rows.len(), all, last).into_iter();
            placed.take_while(|(place, _)| *place < all.div_ceil(every)).unzip()
        }
    };
    (rows.gather(&own), places)
}
