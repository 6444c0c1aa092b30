//! The loss of PPO, with or without a KL penalty, of A2C and of REINFORCE over one minibatch: value, statistics and gradient at the heads.

use super::ratio_stats::ratio_stats;
use super::reduce_moments::mean;
use super::{Real, head, surrogate};
use crate::config::{Config, KlDirection, Surrogate, ValueLoss};
use crate::data::{Actions, MinibatchStats, check_shape};
use crate::error::{Error, Result};
use crate::policy::Head;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// What the loss compares the policy with; all `[rows]`.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a, F> {
    /// Actions that were taken.
    pub actions: &'a Actions,
    /// Their log-probability then.
    pub logp_old: ArrayView1<'a, F>,
    /// Advantages, normalised already where they are to be.
    pub advantages: ArrayView1<'a, F>,
    /// Value targets.
    pub returns: ArrayView1<'a, F>,
    /// Values then.
    pub values_old: ArrayView1<'a, F>,
    /// Distribution rows then, `[rows, head.width()]`; read where [`Config::kl_direction`] names a KL.
    pub old_dist: Option<ArrayView2<'a, F>>,
}

/// The loss and its gradient.
#[derive(Debug, Clone)]
pub struct PpoLoss<F> {
    /// Losses, KL estimates and ratios; `grad_norm` is 0 and `stepped` false.
    pub stats: MinibatchStats,
    /// Gradient of the loss by the distribution rows, `[rows, head.width()]`.
    pub d_dist: Array2<F>,
    /// Gradient of the loss by the values, `[rows]`.
    pub d_values: Array1<F>,
}

/// `policy_loss − ent_coef · mean entropy + vf_coef · value_loss`, and the KL penalty (see [`Config`]) for distribution rows `dist`
/// `[rows, head.width()]` and `values` `[rows]`.
///
/// Terms are those of [`surrogate`]. log r is the clamped one in every statistic. A row counts as not finite when its
/// log-probability, entropy, value, value target or gradient is.
///
/// # Errors
/// [`crate::Error::Shape`] or [`crate::Error::Value`] if an array or an action does not fit.
pub fn loss_ppo<F: Real>(
    head: &Head,
    config: &Config,
    dist: ArrayView2<'_, F>,
    values: ArrayView1<'_, F>,
    targets: &Targets<'_, F>,
) -> Result<PpoLoss<F>> {
    let slope = penalty_slope(config, || current_kl(head, config, dist, targets))?;
    let mut loss = loss_of_block(head, config, dist, values, targets, slope)?;
    loss.stats.loss += penalty(config, loss.stats.kl).0;
    Ok(loss)
}

/// The loss of rows that are `shares` of a minibatch each, in order, from the losses of these alone: means are weighted with the
/// shares. The KL penalty is a function of the mean KL over the whole minibatch, and is not in it.
pub(super) fn loss_of_blocks<F: Real>(blocks: &[PpoLoss<F>], shares: &[f64]) -> MinibatchStats {
    let of = |number: fn(&MinibatchStats) -> f64| blocks.iter().map(move |block| number(&block.stats));
    let mean = |number| of(number).zip(shares).map(|(number, share)| share * number).sum::<f64>();
    MinibatchStats {
        rows: blocks.iter().map(|block| block.stats.rows).sum(),
        policy_loss: mean(|stats| stats.policy_loss),
        value_loss: mean(|stats| stats.value_loss),
        entropy: mean(|stats| stats.entropy),
        loss: mean(|stats| stats.loss),
        kl: mean(|stats| stats.kl),
        old_approx_kl: mean(|stats| stats.old_approx_kl),
        approx_kl_k2: mean(|stats| stats.approx_kl_k2),
        approx_kl: mean(|stats| stats.approx_kl),
        clipfrac: mean(|stats| stats.clipfrac),
        ratio_min: of(|stats| stats.ratio_min).fold(f64::INFINITY, f64::min),
        ratio_max: of(|stats| stats.ratio_max).fold(f64::NEG_INFINITY, f64::max),
        non_finite_rows: blocks.iter().map(|block| block.stats.non_finite_rows).sum(),
        head_hits: blocks.iter().map(|block| block.stats.head_hits).sum(),
        grad_norm: 0.0,
        stepped: false,
    }
}

/// [`loss_ppo`] without the value of the KL penalty, whose gradient alone is in it: `slope` · mean KL.
pub(super) fn loss_of_block<F: Real>(
    head: &Head,
    config: &Config,
    dist: ArrayView2<'_, F>,
    values: ArrayView1<'_, F>,
    targets: &Targets<'_, F>,
    slope: F,
) -> Result<PpoLoss<F>> {
    check_shape("values", values.shape(), &[dist.nrows()])?;
    let rows = F::count(dist.nrows().max(1));
    let clip_coef = clip_range(config);
    let head::Both { logp, entropy: entropies, by_logp, by_entropy } = head::both(head, dist, targets.actions)?;

    let dual_clip = config.ppo().and_then(|ppo| ppo.dual_clip).map(F::of);
    let (policy_loss, d_logp) = match config.algorithm.surrogate() {
        Surrogate::LogProb => surrogate::policy_gradient(logp.view(), targets.advantages)?,
        Surrogate::Clip => {
            surrogate::clip(logp.view(), targets.logp_old, targets.advantages, clip_coef, clip_coef, dual_clip)?
        }
        Surrogate::Ratio => surrogate::unclipped(logp.view(), targets.logp_old, targets.advantages)?,
    };
    let (half_value_loss, d_half) = half_value_loss(config, values, targets)?;
    // Those carry a factor of ½.
    let scale = if config.algorithm.kind().has_critic() { 2.0 * config.vf_loss_scale } else { 0.0 };
    let value_loss = scale * half_value_loss;
    let entropy = mean(entropies.view());
    let ent_coef = F::of(config.ent_coef);
    let loss = (policy_loss - ent_coef * entropy).as_f64() + config.vf_coef * value_loss;
    let kl = current_kl(head, config, dist, targets)?;

    let d_entropy = -ent_coef / rows;
    let (mut d_dist, mut by_entropy) = (by_logp, by_entropy);
    d_dist *= &d_logp.insert_axis(Axis(1));
    by_entropy *= d_entropy;
    d_dist += &by_entropy;
    if let (Some(direction), Some(_)) = (config.kl_direction(), config.kl_penalty()) {
        let old = old_dist(dist, targets)?;
        let each = Array1::from_elem(dist.nrows(), slope / rows);
        d_dist += &match direction {
            KlDirection::OldNew => head::kl_old_new_grad(head, old, dist, each.view())?,
            KlDirection::NewOld => head::kl_new_old_grad(head, old, dist, each.view())?,
        };
    }
    let d_values = d_half.mapv(|d| F::of(config.vf_coef * scale * d));

    let bad = |r: usize| {
        let own = [logp[r], entropies[r], values[r], targets.returns[r], d_values[r]];
        !own.iter().chain(d_dist.row(r)).all(|value| value.is_finite())
    };
    let ratio = ratio_stats(logp.view(), targets.logp_old, clip_coef, clip_coef)?;
    let stats = MinibatchStats {
        rows: dist.nrows() as u32,
        policy_loss: policy_loss.as_f64(),
        // A loss beyond f32 is beyond what the device can say, and this f32 path says no more.
        value_loss: F::of(value_loss).as_f64(),
        entropy: entropy.as_f64(),
        loss: F::of(loss).as_f64(),
        kl: kl.as_f64(),
        old_approx_kl: ratio.k1.as_f64(),
        approx_kl_k2: ratio.k2.as_f64(),
        approx_kl: ratio.k3.as_f64(),
        clipfrac: ratio.clip_fraction.as_f64(),
        ratio_min: ratio.min.as_f64(),
        ratio_max: ratio.max.as_f64(),
        non_finite_rows: (0..dist.nrows()).filter(|r| bad(*r)).count() as u32,
        head_hits: head::hits(head, dist)?.sum(),
        grad_norm: 0.0,
        stepped: false,
    };
    Ok(PpoLoss { stats, d_dist, d_values })
}

/// The clip range. Trust regions have none: no ratio and no value is beyond this one.
fn clip_range<F: Real>(config: &Config) -> F {
    config.algorithm.clip().map_or(F::infinity(), |(range, _)| F::of(range))
}

/// Half of the value loss, and its gradient by the values.
fn half_value_loss<F: Real>(
    config: &Config,
    values: ArrayView1<'_, F>,
    targets: &Targets<'_, F>,
) -> Result<(f64, Array1<f64>)> {
    let range = config.clip_coef_vf.map_or_else(|| clip_range(config), F::of);
    // In f64, where the square of no f32 overflows; the gradient is linear in the error and fits.
    let wide = |column: ArrayView1<'_, F>| column.mapv(F::as_f64);
    let (v, returns, values_old) = (wide(values), wide(targets.returns), wide(targets.values_old));
    let (v, returns, values_old, limit) = (v.view(), returns.view(), values_old.view(), range.as_f64());
    match config.value_loss {
        ValueLoss::Plain => surrogate::value_mse(v, returns),
        ValueLoss::ClipMax => surrogate::value_clip_max(v, values_old, returns, limit),
        ValueLoss::ClipOnly => surrogate::value_clip_only(v, values_old, returns, limit),
        ValueLoss::Huber { delta } => surrogate::value_huber(v, returns, delta),
        ValueLoss::ClampError { max } => surrogate::value_clamp_error(v, returns, max),
    }
}

fn old_dist<'a, F: Real>(dist: ArrayView2<'_, F>, targets: &Targets<'a, F>) -> Result<ArrayView2<'a, F>> {
    targets.old_dist.ok_or_else(|| Error::shape("old_dist", &[0, 0], dist.shape()))
}

/// Mean KL in the configured direction; 0 without one.
pub(super) fn current_kl<F: Real>(
    head: &Head,
    config: &Config,
    dist: ArrayView2<'_, F>,
    targets: &Targets<'_, F>,
) -> Result<F> {
    let Some(direction) = config.kl_direction() else { return Ok(F::zero()) };
    head::mean_kl(head, direction, old_dist(dist, targets)?, dist)
}

/// d penalty / d KL; `kl`, the mean over the whole minibatch, is asked for only where it matters.
pub(super) fn penalty_slope<F: Real>(config: &Config, kl: impl FnOnce() -> Result<F>) -> Result<F> {
    let hinge = config.kl_penalty().is_some_and(|settings| settings.hinge.is_some());
    Ok(F::of(penalty(config, if hinge { kl()?.as_f64() } else { 0.0 }).1))
}

/// The KL penalty and its derivative by the mean KL; 0 without one.
///
/// ```text
/// h = max(0, KL − factor · target_kl);   penalty = β KL + coef h²;   d penalty / d KL = β + 2 coef h
/// ```
pub(super) fn penalty(config: &Config, kl: f64) -> (f64, f64) {
    let Some(settings) = config.kl_penalty() else { return (0.0, 0.0) };
    let over = |factor: f64| (kl - factor * settings.target_kl).max(0.0);
    let (h, coef) = settings.hinge.map_or((0.0, 0.0), |hinge| (over(hinge.factor), hinge.coef));
    (settings.kl_coef * kl + coef * h * h, settings.kl_coef + 2.0 * coef * h)
}
