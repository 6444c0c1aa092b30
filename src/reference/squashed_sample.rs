//! A squashed Gaussian's sample with its derivatives: what SAC draws and learns through.

use super::Real;
use super::real::{SquashInputs, SquashOutputs};
use super::squash::between;
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// How raw outputs become a squashed Gaussian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquashSettings {
    /// Least logarithm of a standard deviation; by a clamp, the logarithm below it is this, and has no gradient.
    pub log_std_min: f64,
    /// Greatest, likewise.
    pub log_std_max: f64,
    /// Whether tanh holds the logarithm between the two, as in CleanRL, not a clamp.
    pub log_std_tanh: bool,
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
    /// Derivative of u by the raw log_std.
    by_log_std: Array2<F>,
    /// Derivative of log σ by the raw log_std: by a clamp 1 within the limits, 0 beyond them.
    log_std_slope: Array2<F>,
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

    /// log σ of a raw log_std, and its derivative by that.
    fn limited<F: Real>(&self, raw: F) -> (f64, F) {
        let (raw, low, high) = (raw.as_f64(), self.log_std_min, self.log_std_max);
        if self.log_std_tanh {
            let (log_std, slope) = between(raw, low, high);
            return (log_std, F::of(slope));
        }
        (raw.clamp(low, high), F::of(f64::from(u8::from((low..=high).contains(&raw)))))
    }

    /// Draws with given standard normal `noise` (Haarnoja et al. 2018, appendix C):
    ///
    /// ```text
    /// log σ = clamp(log_std, log_std_min, log_std_max), or
    /// log σ = log_std_min + ½ (log_std_max − log_std_min)(tanh log_std + 1);   u = mean + σ noise;   a = tanh u
    /// log π = Σ_d −noise²/2 − log σ − ½ log 2π − log(1 − a² + ε)
    /// ```
    ///
    /// with ε = 0 by log(1 − tanh²u) = 2 (log 2 − u − softplus(−2u)). 1 − a² is 4e/(1 + e)², e = exp(−2|u|), which does not cancel.
    /// Computed in f64 and rounded once, also for f32.
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
        let flat = |numbers: ArrayView2<'_, F>| numbers.iter().copied().collect::<Vec<F>>();
        let (means, noise) = (flat(mean), flat(noise));
        let (log_sigma, slopes): (Vec<f64>, Vec<F>) = log_std.iter().map(|raw| self.limited(*raw)).unzip();
        let count = means.len();
        let [mut pre_squash, mut action, mut by_pre, mut slope, mut moved] = [(); 5].map(|()| vec![F::zero(); count]);
        let mut of_dims = vec![0.0; count];
        let out = SquashOutputs {
            pre_squash: &mut pre_squash,
            action: &mut action,
            by_pre: &mut by_pre,
            slope: &mut slope,
            moved: &mut moved,
            log_prob: &mut of_dims,
        };
        F::squash(self.epsilon, &SquashInputs { mean: &means, log_sigma: &log_sigma, noise: &noise }, out);
        let shaped = |numbers: Vec<F>| {
            Array2::from_shape_vec(mean.dim(), numbers).map_err(|_| Error::shape("mean", mean.shape(), &[count]))
        };
        let sums = of_dims.chunks_exact(mean.ncols().max(1)).map(|row| F::of(row.iter().fold(0.0, |sum, d| sum + d)));
        let mut log_prob = Array1::zeros(mean.nrows());
        log_prob.iter_mut().zip(sums).for_each(|(place, sum)| *place = sum);
        let log_std_slope = shaped(slopes)?;
        let all = SquashedSample {
            pre_squash: shaped(pre_squash)?,
            action: shaped(action)?,
            log_prob,
            by_pre: shaped(by_pre)?,
            slope: shaped(slope)?,
            by_log_std: shaped(moved)? * &log_std_slope,
            log_std_slope,
        };
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
        let by_log_std = &by_mean * &self.by_log_std - &self.log_std_slope * &w;
        Ok((by_mean, by_log_std))
    }
}
