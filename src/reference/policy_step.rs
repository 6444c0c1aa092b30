//! The policy's step of TRPO or of the natural policy gradient.

use super::Real;
use super::actor_critic::ActorCritic;
use super::actor_critic_parts::PolicyTape;
use super::cg::{CgSettings, conjugate_gradient, dot};
use super::fisher::Fisher;
use super::head::{self, mean_kl};
use super::ranks::Ranks;
use super::reduce_moments::{mean, reduce_norm};
use super::rows::Rows;
use super::surrogate;
use crate::config::{Acceptance, Algorithm, Config, TrustRegion};
use crate::data::TrustRegionStats;
use crate::error::Result;
use crate::policy::{Head, ParamLayout, PolicySpec};
use ndarray::{Array1, ArrayView1, ArrayView2};

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
/// Masked rows have no part in it: means are over the others, and the Fisher matrix is over those of every
/// `fisher_subsample`-th row that do.
///
/// There is no step where g is 0, or gᵀ x or xᵀ F x is not above 0 or not finite, or no row counts.
///
/// # Errors
/// [`crate::Error::Shape`] or [`crate::Error::Value`] if rows, parameters and spec do not fit.
pub fn policy_step<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    parameters: &[F],
    rows: &Rows<F>,
    warm_start: Option<&[F]>,
) -> Result<PolicyStep<F>> {
    let places: Vec<_> = (0..rows.len()).collect();
    policy_step_among(spec, layout, config, parameters, rows, &places, warm_start, Ranks::ALONE)
}

/// [`policy_step`] of rows that are spread over `ranks`; `places` says where each of this rank's comes among all.
///
/// # Errors
/// As [`policy_step`], and those of a [`Collective`](crate::collective::Collective).
pub(super) fn policy_step_among<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    parameters: &[F],
    rows: &Rows<F>,
    places: &[usize],
    warm_start: Option<&[F]>,
    ranks: Ranks<'_>,
) -> Result<PolicyStep<F>> {
    let region = config.expect_trust_region()?;
    let (own, rows) = (rows, &rows.only_counted());
    let all = ranks.count(rows.len())?;
    if all == 0 {
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
    let policy = Policy { head: &spec.head, rows, all, ranks };
    let (surrogate_before, gradient) = policy.gradient(&networks, &tape)?;
    // Every k-th row of the batch as it came; of them, those that count.
    let every = region.fisher_subsample.max(1);
    let looked_at: Vec<u32> = (0..own.len() as u32).filter(|row| places[*row as usize].is_multiple_of(every)).collect();
    let (form, looked_at) = (region.fisher, own.gather(&looked_at).only_counted());
    let damping = F::of(region.damping);
    let fisher = Fisher::new(spec, layout, parameters, looked_at.obs.view(), &looked_at.actions, form, 1, damping)?;
    let fisher = fisher.among(ranks)?;
    let settings = CgSettings::from(region);
    let (direction, report) = conjugate_gradient(|v| fisher.apply(v), &gradient, warm_start, &settings)?;
    let quadratic_form = dot(&direction, &fisher.apply(&direction)?);
    let search = !matches!(config.algorithm, Algorithm::Npg(_));
    let scale = match region.step_size.filter(|_| !search) {
        Some(size) => F::of(size),
        None => (F::of(2.0 * region.max_kl) / quadratic_form).sqrt(),
    };
    let slope = dot(&gradient, &direction);
    let leads = quadratic_form > F::zero() && slope > F::zero() && slope.is_finite() && scale.is_finite();
    let scale = if leads { scale } else { F::zero() };
    let expected = scale * slope;
    let kl_before = policy.kl(region, old, old)?;
    let own_hits = head::hits(&spec.head, old)?.sum();
    let entropy = ranks.mean(rows.len(), all, || Ok(mean(head::entropy(&spec.head, old)?.view())))?;
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
            entropy: entropy.as_f64(),
            head_hits: ranks.count(own_hits as usize)? as u32,
            ..TrustRegionStats::default()
        },
        gradient,
        direction,
    };
    if scale == F::zero() {
        return Ok(step);
    }
    line_search(spec, layout, config, parameters, &policy, old, [surrogate_before, scale, expected], &mut step)?;
    Ok(step)
}

/// What a policy is measured on: this rank's rows that count, of `all`.
struct Policy<'a, F> {
    head: &'a Head,
    rows: &'a Rows<F>,
    all: usize,
    ranks: Ranks<'a>,
}

impl<F: Real> Policy<'_, F> {
    /// L and its gradient.
    fn gradient(&self, networks: &ActorCritic<'_, F>, tape: &PolicyTape<F>) -> Result<(F, Vec<F>)> {
        let (rows, old) = (self.rows, tape.dist.view());
        let (own, mut d_logp) = surrogate(self.head, old, rows)?;
        if !self.ranks.alone() {
            d_logp *= F::of(rows.len() as f64 / self.all as f64);
        }
        let d_dist = head::log_prob_grad(self.head, old, &rows.actions, d_logp.view())?;
        let mut gradient = networks.backward_policy(tape, d_dist.view())?;
        self.ranks.sum(&mut gradient)?;
        Ok((self.ranks.mean(rows.len(), self.all, || Ok(own))?, gradient))
    }

    /// L of `dist`.
    fn surrogate(&self, dist: ArrayView2<'_, F>) -> Result<F> {
        self.ranks.mean(self.rows.len(), self.all, || Ok(surrogate(self.head, dist, self.rows)?.0))
    }

    /// Its KL against `old`.
    fn kl(&self, region: &TrustRegion, old: ArrayView2<'_, F>, dist: ArrayView2<'_, F>) -> Result<F> {
        self.ranks.mean(self.rows.len(), self.all, || mean_kl(self.head, region.kl_direction, old, dist))
    }
}

/// Candidates along the direction of `step`, until one is taken. The numbers are L at the start, the length of the full step along the
/// direction, and what it promises.
fn line_search<F: Real>(
    spec: &PolicySpec,
    layout: &ParamLayout,
    config: &Config,
    parameters: &[F],
    policy: &Policy<'_, F>,
    old: ArrayView2<'_, F>,
    [surrogate_before, scale, expected]: [F; 3],
    step: &mut PolicyStep<F>,
) -> Result<()> {
    let (region, search) = (config.expect_trust_region()?, !matches!(config.algorithm, Algorithm::Npg(_)));
    let mut fraction = F::one();
    for index in 0..if search { region.line_search_steps } else { 1 } {
        let along = fraction * scale;
        let candidate: Vec<F> = parameters.iter().zip(&step.direction).map(|(p, x)| *p + along * *x).collect();
        let mut dist = ActorCritic::new(spec, layout, &candidate)?.distribution(policy.rows.obs.view())?;
        head::forbid(&mut dist, &policy.rows.actions)?;
        let tried = Try { surrogate: policy.surrogate(dist.view())?, kl: policy.kl(region, old, dist.view())? };
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
    Ok(())
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
