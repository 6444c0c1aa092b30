//! The loss of PPO, with or without a KL penalty, and of A2C over one minibatch: value, statistics and gradient at the heads.

use super::reduce_moments::mean;
use super::trpo_update::mean_kl;
use super::{Real, head, surrogate};
use crate::data::{Actions, MinibatchStats, check_shape};
use crate::policy::Head;
use crate::{Algorithm, Error, KlDirection, PpoConfig, Result, ValueLoss};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

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
    /// Distribution rows then, `[rows, head.width()]`; read where [`PpoConfig::kl_direction`] names a KL.
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

/// `policy_loss − ent_coef · mean entropy + vf_coef · value_loss`, and the KL penalty (see [`PpoConfig`]) for distribution rows `dist`
/// `[rows, head.width()]` and `values` `[rows]`.
///
/// Terms are those of [`surrogate`]. log r is the clamped one in every statistic. A row counts as not finite when its
/// log-probability, entropy, value, value target or gradient is.
///
/// # Errors
/// [`crate::Error::Shape`] or [`crate::Error::Value`] if an array or an action does not fit.
pub fn loss_ppo<F: Real>(
    head: &Head,
    config: &PpoConfig,
    dist: ArrayView2<'_, F>,
    values: ArrayView1<'_, F>,
    targets: &Targets<'_, F>,
) -> Result<PpoLoss<F>> {
    check_shape("values", values.shape(), &[dist.nrows()])?;
    let rows = F::count(dist.nrows().max(1));
    let clip_coef = F::of(config.clip_coef);
    let logp = head::log_prob(head, dist, targets.actions)?;
    let entropies = head::entropy(head, dist)?;

    let dual_clip = config.dual_clip.map(F::of);
    let (policy_loss, d_logp) = if config.algorithm == Algorithm::A2c {
        surrogate::policy_gradient(logp.view(), targets.advantages)?
    } else if config.clips() {
        surrogate::clip(logp.view(), targets.logp_old, targets.advantages, clip_coef, clip_coef, dual_clip)?
    } else {
        surrogate::unclipped(logp.view(), targets.logp_old, targets.advantages)?
    };
    let range = F::of(config.clip_coef_vf.unwrap_or(config.clip_coef));
    let (half_value_loss, d_half) = match config.value_loss {
        ValueLoss::Plain => surrogate::value_mse(values, targets.returns)?,
        ValueLoss::ClipMax => surrogate::value_clip_max(values, targets.values_old, targets.returns, range)?,
        ValueLoss::ClipOnly => surrogate::value_clip_only(values, targets.values_old, targets.returns, range)?,
        ValueLoss::Huber { delta } => surrogate::value_huber(values, targets.returns, F::of(delta))?,
        ValueLoss::ClampError { max } => surrogate::value_clamp_error(values, targets.returns, F::of(max))?,
    };
    // Those carry a factor of ½.
    let scale = F::of(2.0 * config.vf_loss_scale);
    let value_loss = scale * half_value_loss;
    let entropy = mean(entropies.view());
    let (ent_coef, vf_coef) = (F::of(config.ent_coef), F::of(config.vf_coef));
    let (kl, penalty, d_penalty) = kl_penalty(head, config, dist, targets)?;
    let loss = policy_loss - ent_coef * entropy + vf_coef * value_loss + penalty;

    let d_entropy = Array1::from_elem(dist.nrows(), -ent_coef / rows);
    let mut d_dist = head::log_prob_grad(head, dist, targets.actions, d_logp.view())?
        + head::entropy_grad(head, dist, d_entropy.view())?;
    if let Some(d_penalty) = d_penalty {
        d_dist += &d_penalty;
    }
    let d_values = d_half.mapv(|d| vf_coef * scale * d);

    let bad = |r: usize| {
        let own = [logp[r], entropies[r], values[r], targets.returns[r], d_values[r]];
        !own.iter().chain(d_dist.row(r)).all(|value| value.is_finite())
    };
    let ratio = surrogate::ratio_stats(logp.view(), targets.logp_old, clip_coef, clip_coef)?;
    let stats = MinibatchStats {
        policy_loss: policy_loss.as_f64(),
        value_loss: value_loss.as_f64(),
        entropy: entropy.as_f64(),
        loss: loss.as_f64(),
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

/// Mean KL, the penalty and its gradient by the distribution rows:
///
/// ```text
/// KL = mean kl;   h = max(0, KL − factor · target_kl);   penalty = β KL + coef h²;   d penalty / d KL = β + 2 coef h
/// ```
fn kl_penalty<F: Real>(
    head: &Head,
    config: &PpoConfig,
    dist: ArrayView2<'_, F>,
    targets: &Targets<'_, F>,
) -> Result<(F, F, Option<Array2<F>>)> {
    let Some(direction) = config.kl_direction() else { return Ok((F::zero(), F::zero(), None)) };
    let old = targets.old_dist.ok_or_else(|| Error::shape("old_dist", &[0, 0], dist.shape()))?;
    let kl = mean_kl(head, direction, old, dist)?;
    let Some(settings) = config.kl_penalty else { return Ok((kl, F::zero(), None)) };
    let beta = F::of(settings.kl_coef);
    let (mut penalty, mut slope) = (beta * kl, beta);
    if let Some(hinge) = settings.hinge {
        let over = kl - F::of(hinge.factor * settings.target_kl);
        if over > F::zero() {
            penalty += F::of(hinge.coef) * over * over;
            slope += F::of(2.0 * hinge.coef) * over;
        }
    }
    let each = Array1::from_elem(dist.nrows(), slope / F::count(dist.nrows().max(1)));
    let gradient = match direction {
        KlDirection::OldNew => head::kl_old_new_grad(head, old, dist, each.view())?,
        KlDirection::NewOld => head::kl_new_old_grad(head, old, dist, each.view())?,
    };
    Ok((kl, penalty, Some(gradient)))
}
