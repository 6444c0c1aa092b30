//! Gradient ascent and TRPO on a ridge.
//!
//! The policy has two parameters: an action is drawn from a normal distribution of mean μ and standard deviation σ. The reward is a narrow bump at
//! 0, so the objective has a closed form,
//!
//! ```text
//! r(a) = exp(−a² / 2w²);   J(μ, σ) = E r(a) = w / √(w² + σ²) · exp(−μ² / 2 (w² + σ²))
//! ```
//!
//! and is a ridge along μ = 0 that rises and narrows as σ falls. Both methods start at the same policy and see the same batches: actions at the
//! quantiles of the policy, with r − mean r as their advantage. Both steps are the reference's.

use anyhow::{Context, Result};
use ndarray::{Array1, Array2, Axis};
use statrs::distribution::{ContinuousCDF, Normal};
use wgpo::config::TrustRegion;
use wgpo::data::{Actions, Batch};
use wgpo::low_level::reference::rows::Rows;
use wgpo::low_level::reference::trpo_update::{PolicyStep, policy_step};
use wgpo::policy::{Activation, Head, ParamLayout, PolicySpec};
use wgpo::{Algorithm, Config};

/// w.
pub const WIDTH: f64 = 0.25;
/// δ of TRPO.
pub const MAX_KL: f64 = 0.1;
/// Step size of gradient ascent.
pub const RATE: f64 = 2.0;
/// Steps of each.
pub const STEPS: usize = 15;
/// μ and σ of the first policy.
pub const START: (f64, f64) = (-1.5, 1.0);
const ROWS: usize = 1024;

/// J of the policy with mean `mu` and standard deviation `sigma`.
pub fn objective(mu: f64, sigma: f64) -> f64 {
    let variance = WIDTH * WIDTH + sigma * sigma;
    WIDTH / variance.sqrt() * (-0.5 * mu * mu / variance).exp()
}

/// The |μ| at which J is `level` with standard deviation `sigma`; `None` where the ridge is below it.
pub fn half_width(level: f64, sigma: f64) -> Option<f64> {
    let variance = WIDTH * WIDTH + sigma * sigma;
    let squared = 2.0 * variance * (WIDTH / variance.sqrt() / level).ln();
    (squared >= 0.0).then(|| squared.sqrt())
}

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// θ + rate · ∇J.
    GradientAscent,
    /// A natural-gradient step to the edge of the trust region, and a line search.
    TrustRegion,
}

/// The policies of a walk, each (μ, σ), the first included.
pub fn walk(method: Method) -> Result<Vec<(f64, f64)>> {
    let mut policy = Bandit::new()?;
    let mut path = vec![policy.place()];
    for _ in 0..STEPS {
        let step = policy.step()?;
        match method {
            Method::TrustRegion => policy.parameters = step.parameters,
            Method::GradientAscent => {
                policy.parameters.iter_mut().zip(&step.gradient).for_each(|(theta, slope)| *theta += RATE * slope);
            }
        }
        path.push(policy.place());
    }
    Ok(path)
}

/// The bandit's policy: a layer that sees nothing, whose bias is μ, and a Gaussian head, whose parameter is log σ.
struct Bandit {
    spec: PolicySpec,
    layout: ParamLayout,
    config: Config,
    parameters: Vec<f64>,
    mu: usize,
    log_std: usize,
    /// Standard normal quantiles, one per row.
    quantiles: Array1<f64>,
}

impl Bandit {
    fn new() -> Result<Self> {
        let spec = PolicySpec::separate(1, &[], Activation::Tanh, Head::gaussian(1));
        let layout = spec.layout();
        let start = |name: &str| {
            let range = layout.ranges().iter().find(|range| range.name == name);
            range.map(|range| range.indices().start).with_context(|| format!("no parameter {name}"))
        };
        let (mu, log_std) = (start("policy.0.bias")?, start("log_std")?);
        let mut parameters = vec![0.0; layout.len()];
        (parameters[mu], parameters[log_std]) = (START.0, START.1.ln());
        let normal = Normal::standard();
        let quantiles = (0..ROWS).map(|row| normal.inverse_cdf((row as f64 + 0.5) / ROWS as f64)).collect();
        // Two parameters: two iterations solve it, and nothing is near singular.
        let region = TrustRegion { max_kl: MAX_KL, damping: 0.0, ..TrustRegion::sb3_contrib() };
        let config = Config { algorithm: Algorithm::Trpo(region), ..Config::trpo_sb3_contrib() };
        Ok(Self { spec, layout, config, parameters, mu, log_std, quantiles })
    }

    /// (μ, σ).
    fn place(&self) -> (f64, f64) {
        (self.parameters[self.mu], self.parameters[self.log_std].exp())
    }

    /// TRPO's step from here, and with it the gradient of the surrogate, which here is that of J.
    fn step(&self) -> Result<PolicyStep<f64>> {
        let (mu, sigma) = self.place();
        let actions = self.quantiles.mapv(|quantile| mu + sigma * quantile);
        let rewards = actions.mapv(|action| (-0.5 * (action / WIDTH).powi(2)).exp());
        let advantages = &rewards - rewards.mean().unwrap_or(0.0);
        let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
        let logp = self.quantiles.mapv(|quantile| -0.5 * quantile * quantile - sigma.ln() - half_log_tau);
        let narrow = |numbers: Array1<f64>| numbers.mapv(|number| number as f32);
        let batch = Batch {
            obs: Array2::zeros((ROWS, 1)),
            actions: Actions::Continuous(narrow(actions).insert_axis(Axis(1))),
            logp_old: narrow(logp),
            advantages: narrow(advantages),
            returns: Array1::zeros(ROWS),
            values_old: Array1::zeros(ROWS),
            old_dist: None,
            valid: None,
        };
        let rows = Rows::from_batch(&batch);
        Ok(policy_step(&self.spec, &self.layout, &self.config, &self.parameters, &rows, None)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// J's own derivative, by central differences, against the gradient that the reference has from the batch. Quantiles integrate a smooth
    /// function with an error of their spacing squared in the middle and of the cut tails, 1e-3 of these numbers; the batch is in f32.
    #[test]
    fn the_gradient_is_that_of_the_objective() {
        let policy = Bandit::new().unwrap();
        let gradient = policy.step().unwrap().gradient;
        let ((mu, sigma), h) = (START, 1e-5);
        let by_mu = (objective(mu + h, sigma) - objective(mu - h, sigma)) / (2.0 * h);
        let by_log_std = (objective(mu, sigma * h.exp()) - objective(mu, sigma * (-h).exp())) / (2.0 * h);
        assert!((gradient[policy.mu] - by_mu).abs() < 2e-3 * by_mu.abs(), "{} {by_mu}", gradient[policy.mu]);
        let close = (gradient[policy.log_std] - by_log_std).abs() < 2e-3 * by_mu.abs();
        assert!(close, "{} {by_log_std}", gradient[policy.log_std]);
    }

    #[test]
    fn ascent_falls_off_the_ridge_and_the_trust_region_stays_on_it() {
        let end = |method| {
            let path = walk(method).unwrap();
            assert_eq!(path.len(), STEPS + 1);
            path.iter().map(|(mu, sigma)| objective(*mu, *sigma)).collect::<Vec<_>>()
        };
        let (ascent, region) = (end(Method::GradientAscent), end(Method::TrustRegion));
        assert!(region.is_sorted(), "each step improves: {region:?}");
        assert!(region[STEPS] > 0.9, "{region:?}");
        assert!(ascent[STEPS] < 0.01 && ascent.iter().any(|j| *j > 0.3), "{ascent:?}");
    }

    #[test]
    fn a_contour_is_where_the_objective_has_its_level() {
        let half = half_width(0.3, 0.4).unwrap();
        assert!((objective(half, 0.4) - 0.3).abs() < 1e-12);
        assert_eq!(half_width(0.9, 1.0), None);
    }
}
