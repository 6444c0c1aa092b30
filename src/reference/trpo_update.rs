//! A whole update of TRPO or of the natural policy gradient, as straight-line mathematics.

use super::Real;
use super::actor_critic::ActorCritic;
use super::advantage_normalize::advantage_normalize;
use super::cg::{CgSettings, conjugate_gradient, dot};
use super::fisher::Fisher;
use super::head;
use super::optim::{Adam, AdamSettings};
use super::reduce_moments::{explained_variance, mean, reduce_norm};
use super::rows::{Order, Rows};
use super::surrogate;
use crate::config::{Acceptance, AdvantageNorm, Algorithm, Config, TrustRegion};
use crate::data::{MinibatchStats, TrustRegionStats, UpdateStats};
use crate::error::{Error, Result};
use crate::policy::{Branch, Head, ParamLayout, PolicySpec};
use ndarray::{Array1, ArrayView1, ArrayView2};
use std::ops::Range;

pub use super::head::mean_kl;

/// Where the critic's own parameters lie: [`ParamLayout::own_range`].
pub fn value_range(layout: &ParamLayout) -> Range<usize> {
    layout.own_range(Branch::VALUE)
}

/// One candidate of the line search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Try<F> {
    /// L of the candidate, over all rows.
    pub surrogate: F,
    /// Its KL against the policy at the start.
    pub kl: F,
}

/// A natural-gradient step and what led to it.
#[derive(Debug, Clone)]
pub struct PolicyStep<F> {
    /// All parameters after it; the ones before, bit for bit, if no candidate was taken.
    pub parameters: Vec<F>,
    /// g, the gradient of L.
    pub gradient: Vec<F>,
    /// x with F x ≈ g.
    pub direction: Vec<F>,
    /// Every candidate that was evaluated, in order.
    pub tries: Vec<Try<F>>,
    /// The numbers of it.
    pub stats: TrustRegionStats,
}

/// The policy's step (Schulman et al. 2015, appendix C), from `warm_start` or 0 with the conjugate gradients.
///
/// ```text
/// L(θ) = mean r A over all rows, A as given;  KL(θ) = mean KL between π_θ and π at the start, in the configured direction
/// g = ∇L;  x ≈ (F + damping)⁻¹ g;  step = √(2 max_kl / xᵀ (F + damping) x) · x, or with NPG step_size · x
/// TRPO: for j = 0, 1, …:  take θ + factorʲ · step if KL ≤ kl_margin · max_kl and L is accepted; else keep θ
/// NPG:  take θ + step unless its L or KL is not finite
/// ```
///
/// Rows that do not count have no part in it: means are over the others, and the Fisher matrix is over those of every
/// `fisher_subsample`-th row that do.
///
/// There is no step where g is 0, or gᵀ x or xᵀ F x is not above 0 or not finite, or no row counts.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Value`] if rows, parameters and spec do not fit.
pub fn policy_step<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    parameters: &[F],
    rows: &Rows<F>,
    warm_start: Option<&[F]>,
) -> Result<PolicyStep<F>> {
    let region = &config.trust_region;
    let (all, rows) = (rows, &rows.only_counted());
    if rows.is_empty() {
        let none = vec![F::zero(); parameters.len()];
        return Ok(PolicyStep {
            parameters: parameters.to_vec(),
            gradient: none.clone(),
            direction: none,
            tries: Vec::new(),
            stats: TrustRegionStats { residuals: vec![0.0], ..TrustRegionStats::default() },
        });
    }
    let networks = ActorCritic::new(spec, layout, parameters)?;
    let mut tape = networks.forward_policy(rows.obs.view())?;
    head::forbid(&mut tape.dist, &rows.actions)?;
    let old = tape.dist.view();
    let (surrogate_before, d_logp) = surrogate(&spec.head, old, rows)?;
    let gradient =
        networks.backward_policy(&tape, head::log_prob_grad(&spec.head, old, &rows.actions, d_logp.view())?.view())?;
    // Every k-th row of the batch as it came; of them, those that count.
    let looked_at: Vec<u32> = (0..all.len() as u32).step_by(region.fisher_subsample.max(1)).collect();
    let (form, looked_at) = (region.fisher, all.gather(&looked_at).only_counted());
    let damping = F::of(region.damping);
    let fisher = Fisher::new(spec, layout, parameters, looked_at.obs.view(), &looked_at.actions, form, 1, damping)?;
    let settings = CgSettings::from(region);
    let (direction, report) = conjugate_gradient(|v| fisher.apply(v), &gradient, warm_start, &settings)?;
    let quadratic_form = dot(&direction, &fisher.apply(&direction)?);
    let search = config.algorithm != Algorithm::Npg;
    let scale = match region.step_size.filter(|_| !search) {
        Some(size) => F::of(size),
        None => (F::of(2.0 * region.max_kl) / quadratic_form).sqrt(),
    };
    let slope = dot(&gradient, &direction);
    let leads = quadratic_form > F::zero() && slope > F::zero() && slope.is_finite() && scale.is_finite();
    let scale = if leads { scale } else { F::zero() };
    let expected = scale * slope;
    let kl_before = mean_kl(&spec.head, region.kl_direction, old, old)?;
    let mut step = PolicyStep {
        parameters: parameters.to_vec(),
        tries: Vec::new(),
        stats: TrustRegionStats {
            kl_before: kl_before.as_f64(),
            kl_after: kl_before.as_f64(),
            surrogate_before: surrogate_before.as_f64(),
            surrogate_after: surrogate_before.as_f64(),
            expected_improvement: expected.as_f64(),
            cg_iterations: report.iterations,
            residuals: report.residuals,
            negative_curvature: report.negative_curvature,
            gradient_norm: reduce_norm(ArrayView1::from(&gradient)).as_f64(),
            quadratic_form: quadratic_form.as_f64(),
            step_scale: scale.as_f64(),
            entropy: mean(head::entropy(&spec.head, old)?.view()).as_f64(),
            head_hits: head::hits(&spec.head, old)?.sum(),
            ..TrustRegionStats::default()
        },
        gradient,
        direction,
    };
    if scale == F::zero() {
        return Ok(step);
    }
    let mut fraction = F::one();
    for index in 0..if search { region.line_search_steps } else { 1 } {
        let along = fraction * scale;
        let candidate: Vec<F> = parameters.iter().zip(&step.direction).map(|(p, x)| *p + along * *x).collect();
        let mut dist = ActorCritic::new(spec, layout, &candidate)?.distribution(rows.obs.view())?;
        head::forbid(&mut dist, &rows.actions)?;
        let tried = Try {
            surrogate: surrogate(&spec.head, dist.view(), rows)?.0,
            kl: mean_kl(&spec.head, region.kl_direction, old, dist.view())?,
        };
        step.tries.push(tried);
        step.stats.tries += 1;
        let taken = if search {
            accepts(region, tried, surrogate_before, fraction * expected)
        } else {
            tried.surrogate.is_finite() && tried.kl.is_finite()
        };
        if taken {
            step.parameters = candidate;
            step.stats.accepted = true;
            step.stats.accepted_try = Some(index as u32);
            step.stats.surrogate_after = tried.surrogate.as_f64();
            step.stats.kl_after = tried.kl.as_f64();
            break;
        }
        fraction *= F::of(region.line_search_factor);
    }
    Ok(step)
}

/// Whether the line search takes a candidate. NaN is never taken.
fn accepts<F: Real>(region: &TrustRegion, tried: Try<F>, before: F, expected: F) -> bool {
    let improvement = tried.surrogate - before;
    let improves = match region.acceptance {
        Acceptance::Improves => improvement > F::zero(),
        Acceptance::NotWorse => improvement >= F::zero(),
        Acceptance::Ratio(ratio) => improvement > F::zero() && improvement > F::of(ratio) * expected,
    };
    improves && improvement.is_finite() && tried.kl <= F::of(region.kl_margin * region.max_kl)
}

/// L and its derivative by each row's log-probability.
fn surrogate<F: Real>(head: &Head, dist: ArrayView2<'_, F>, rows: &Rows<F>) -> Result<(F, Array1<F>)> {
    let logp = head::log_prob(head, dist, &rows.actions)?;
    let (loss, d_logp) = surrogate::unclipped(logp.view(), rows.logp_old.view(), rows.advantages.view())?;
    Ok((-loss, -d_logp))
}

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
    let settings = AdamSettings::new(config, layout.own_range(Branch::VALUE));
    let scale = 2.0 * config.vf_loss_scale;
    for epoch in 0..config.update_epochs {
        stats.epochs += 1;
        let order = order.epoch(config, rows.len(), epoch);
        for range in config.minibatches(rows.len()).ranges() {
            let minibatch = rows.gather(&order[range]).only_counted();
            let networks = ActorCritic::new(spec, layout, parameters)?;
            let tape = networks.forward_value(minibatch.obs.view())?;
            // In f64, where the square of no f32 overflows.
            let wide = |column: &Array1<F>| column.mapv(F::as_f64);
            let (half_loss, d_half) = surrogate::value_mse(wide(&tape.values).view(), wide(&minibatch.returns).view())?;
            let d_values = d_half.mapv(|d| F::of(scale * d));
            let gradient = networks.backward_value(&tape, d_values.view())?;
            let bad = tape.values.iter().zip(&d_values).filter(|(v, d)| !(v.is_finite() && d.is_finite())).count();
            let step = adam.step_within(layout.own_range(Branch::VALUE), &settings, lr, parameters, &gradient)?;
            stats.optimizer_steps += u32::from(step.stepped);
            stats.skipped_steps += u32::from(!step.stepped);
            let loss = F::of(scale * half_loss).as_f64();
            stats.minibatches.push(MinibatchStats {
                rows: minibatch.len() as u32,
                value_loss: loss,
                loss,
                non_finite_rows: bad as u32,
                grad_norm: if step.stepped { step.grad_norm.as_f64() } else { 0.0 },
                stepped: step.stepped,
                ..MinibatchStats::default()
            });
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
    config.validate()?;
    order.validate(rows.len(), config.order_epochs())?;
    let counted = rows.only_counted();
    if counted.is_empty() {
        return Err(Error::config("batch", "has 0 rows that count"));
    }
    let layout = spec.layout();
    let warm = config.trust_region.cg_warm_start;
    let start = Some(search_direction.as_slice()).filter(|start| warm && !start.is_empty());
    let mut of_policy = match config.trust_region.subsample {
        1 => rows.clone(),
        every => rows.gather(&order.permutation(rows.len(), config.update_epochs)[..rows.len().div_ceil(every)]),
    };
    if config.norm_adv != AdvantageNorm::None {
        let advantages = of_policy.only_counted().advantages;
        let (eps, floor) = (F::of(config.adv_eps), F::of(config.adv_std_floor));
        let normal = advantage_normalize(advantages.view(), config.adv_ddof, eps, floor)?;
        for (row, advantage) in of_policy.counted().into_iter().zip(normal) {
            of_policy.advantages[row] = advantage;
        }
    }
    let step = policy_step(spec, &layout, config, parameters, &of_policy, start)?;
    let mut stats = UpdateStats {
        explained_variance: explained_variance(counted.values_old.view(), counted.returns.view()).as_f64(),
        learning_rate: lr,
        trust_region: Some(step.stats),
        ..UpdateStats::default()
    };
    if warm && step.direction.iter().all(|x| x.is_finite()) {
        *search_direction = step.direction;
    }
    parameters.copy_from_slice(&step.parameters);
    critic_update(spec, &layout, config, lr, parameters, adam, rows, order, &mut stats)?;
    Ok(stats)
}
