//! A squashed Gaussian's sample with its derivatives: what SAC draws and learns through.

use super::Real;
use super::squash::log_slope;
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// How raw outputs become a squashed Gaussian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquashSettings {
    /// Least logarithm of a standard deviation; below it the logarithm is this, and has no gradient.
    pub log_std_min: f64,
    /// Greatest, likewise.
    pub log_std_max: f64,
    /// Added inside log(1 − tanh²u): 0, the exact form, or Stable-Baselines3's 1e-6.
    pub epsilon: f64,
}

/// Actions of some rows, with what their derivatives need; all `[rows, dims]` but the log-probabilities.
#[derive(Debug, Clone)]
pub struct SquashedSample<F> {
    /// u = mean + σ · noise.
    pub pre_squash: Array2<F>,
    /// tanh u, in [−1, 1].
    pub action: Array2<F>,
    /// log π(action), summed over dimensions, in nats, `[rows]`; of the action in [−1, 1], whatever the environment's bounds.
    pub log_prob: Array1<F>,
    /// Derivative of the log-probability by u, the noise held fixed.
    by_pre: Array2<F>,
    /// Derivative of the action by u.
    slope: Array2<F>,
    /// Derivative of u by the raw log_std; 0 beyond the limits.
    by_log_std: Array2<F>,
    /// Whether log_std is within the limits.
    inside: Array2<F>,
}

impl SquashSettings {
    /// That the limits are in order, and ε at least 0.
    ///
    /// # Errors
    /// [`Error::Config`] if not.
    pub fn validate(&self) -> Result<()> {
        if self.log_std_min <= self.log_std_max && self.epsilon >= 0.0 {
            return Ok(());
        }
        let message = format!("is {} to {}, epsilon {}", self.log_std_min, self.log_std_max, self.epsilon);
        Err(Error::config("log_std", message))
    }

    /// Draws with given standard normal `noise` (Haarnoja et al. 2018, appendix C):
    ///
    /// ```text
    /// log σ = clamp(log_std, log_std_min, log_std_max);   u = mean + σ noise;   a = tanh u
    /// log π = Σ_d −noise²/2 − log σ − ½ log 2π − log(1 − a² + ε)
    /// ```
    ///
    /// with ε = 0 by log(1 − tanh²u) = 2 (log 2 − u − softplus(−2u)). 1 − a² is 4e/(1 + e)², e = exp(−2|u|), which does not cancel.
    /// Computed in f64 and rounded once.
    ///
    /// # Errors
    /// [`Error::Shape`] if the arrays, all `[rows, dims]`, differ in shape; [`Error::Config`] if the limits are not in order.
    pub fn sample<F: Real>(
        &self,
        mean: ArrayView2<'_, F>,
        log_std: ArrayView2<'_, F>,
        noise: ArrayView2<'_, F>,
    ) -> Result<SquashedSample<F>> {
        check_shape("log_std", log_std.shape(), mean.shape())?;
        check_shape("noise", noise.shape(), mean.shape())?;
        self.validate()?;
        let zeros = || Array2::zeros(mean.dim());
        let mut all = SquashedSample {
            pre_squash: zeros(),
            action: zeros(),
            log_prob: Array1::zeros(mean.nrows()),
            by_pre: zeros(),
            slope: zeros(),
            by_log_std: zeros(),
            inside: zeros(),
        };
        let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
        for r in 0..mean.nrows() {
            let mut log_prob = 0.0;
            for d in 0..mean.ncols() {
                let (raw, noise) = (log_std[[r, d]].as_f64(), noise[[r, d]].as_f64());
                let log_sigma = raw.clamp(self.log_std_min, self.log_std_max);
                let inside = f64::from(u8::from((self.log_std_min..=self.log_std_max).contains(&raw)));
                let moved = log_sigma.exp() * noise;
                let u = mean[[r, d]].as_f64() + moved;
                let e = (-2.0 * u.abs()).exp();
                let (a, slope) = (u.tanh(), 4.0 * e / (1.0 + e).powi(2));
                let exact = self.epsilon == 0.0;
                let log_jacobian = if exact { log_slope(u) } else { (slope + self.epsilon).ln() };
                log_prob += -0.5 * noise * noise - log_sigma - half_log_tau - log_jacobian;
                let by_pre = if exact { 2.0 * a } else { 2.0 * a * slope / (slope + self.epsilon) };
                for (array, value) in [
                    (&mut all.pre_squash, u),
                    (&mut all.action, a),
                    (&mut all.by_pre, by_pre),
                    (&mut all.slope, slope),
                    (&mut all.by_log_std, inside * moved),
                    (&mut all.inside, inside),
                ] {
                    array[[r, d]] = F::of(value);
                }
            }
            all.log_prob[r] = F::of(log_prob);
        }
        Ok(all)
    }
}

impl<F: Real> SquashedSample<F> {
    /// Gradient of Σ_r w_log_prob · log π + Σ_{r,d} w_action · a by the raw outputs: by the means, and by the log_std before their
    /// limits, each `[rows, dims]`. −noise²/2 has no derivative.
    ///
    /// # Errors
    /// [`Error::Shape`] if the weights, `[rows]` and `[rows, dims]`, do not fit.
    pub fn gradient(
        &self,
        w_log_prob: ArrayView1<'_, F>,
        w_action: ArrayView2<'_, F>,
    ) -> Result<(Array2<F>, Array2<F>)> {
        check_shape("w_log_prob", &[w_log_prob.len()], &[self.log_prob.len()])?;
        check_shape("w_action", w_action.shape(), self.action.shape())?;
        let w = w_log_prob.insert_axis(ndarray::Axis(1));
        let by_mean = &self.by_pre * &w + &self.slope * &w_action;
        // d log π / d log σ also has the −1 of −log σ.
        let by_log_std = &by_mean * &self.by_log_std - &self.inside * &w;
        Ok((by_mean, by_log_std))
    }
}
