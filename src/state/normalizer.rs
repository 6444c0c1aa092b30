//! The running statistics of a learner, as they are saved: one small state for both implementations.

use crate::config::{Config, RewardNormKind};
use crate::data::{check_shape, finite};
use crate::error::{Error, Result};
use crate::memory::filled;

/// Running means and variances of numbers that are counted together.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningMoments {
    /// Means, one per column. In f64, as a long history moves by less than an f32 can; the device keeps each as two f32, 48 bits.
    pub mean: Vec<f64>,
    /// Variances, one per column, each at least 0. Both lie within the range of f32.
    pub variance: Vec<f64>,
    /// Rows merged so far.
    pub count: u64,
    /// What the count began with.
    pub initial_count: f32,
}

impl RunningMoments {
    /// Mean 0 and variance 1.
    pub fn new(columns: usize, initial_count: f64) -> Self {
        Self {
            mean: filled(0.0, columns),
            variance: filled(1.0, columns),
            count: 0,
            initial_count: initial_count as f32,
        }
    }

    fn check(&self, name: &str, columns: usize) -> Result<()> {
        for (part, values) in [("mean", &self.mean), ("variance", &self.variance)] {
            let name = format!("normalizer.{name}.{part}");
            check_shape(&name, &[values.len()], &[columns])?;
            if let Some(index) = values.iter().position(|value| value.is_nan() || value.abs() > f64::from(f32::MAX)) {
                let (tensor, value) = (name, values[index].to_string());
                return Err(Error::Value { tensor, index, value, expected: "a number within the range of f32".into() });
            }
        }
        let initial_count = f64::from(self.initial_count);
        let squares = self.variance.iter().chain([&initial_count]);
        match squares.enumerate().find(|(_, value)| !(**value >= 0.0 && value.is_finite())) {
            Some((index, value)) => Err(Error::Value {
                tensor: format!("normalizer.{name}, its variance and initial count"),
                index,
                value: value.to_string(),
                expected: "a finite number from 0".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// All running statistics of a learner; what is off is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NormalizerState {
    /// Of observations, `[obs_dim]`.
    pub obs: Option<RunningMoments>,
    /// Of discounted returns or rewards, `[1]`.
    pub reward: Option<RunningMoments>,
    /// The discounted return G of each environment so far, `[num_envs]`; empty where nothing scales by returns.
    pub discounted_returns: Vec<f32>,
    /// Of value targets, `[1]`.
    pub value: Option<RunningMoments>,
}

impl NormalizerState {
    /// What a learner with these settings begins with.
    pub fn new(config: &Config, obs_dim: usize) -> Self {
        let scaled = config.norm_reward.filter(|norm| norm.kind == RewardNormKind::Returns);
        Self {
            obs: config.norm_obs.map(|norm| RunningMoments::new(obs_dim, norm.initial_count)),
            reward: config.norm_reward.map(|norm| RunningMoments::new(1, norm.initial_count)),
            discounted_returns: scaled.map_or_else(Vec::new, |_| filled(0.0, config.num_envs)),
            value: config.norm_value.map(|norm| RunningMoments::new(1, norm.initial_count)),
        }
    }

    /// This state, with what it lacks (because it was saved without) as [`new`](Self::new) has it.
    ///
    /// # Errors
    /// [`Error::Config`] if it has statistics that the settings do not use: a policy that learnt on normalised observations
    /// knows no others. [`Error::Shape`] or [`Error::Value`] if something does not fit or is out of range.
    pub fn complete(&self, config: &Config, obs_dim: usize) -> Result<Self> {
        let fresh = Self::new(config, obs_dim);
        let part = |name: &'static str, field, saved: &Option<RunningMoments>, fresh: Option<RunningMoments>| {
            let Some(saved) = saved else { return Ok(fresh) };
            let Some(fresh) = fresh else {
                return Err(Error::config(field, format!("is off, the state has running statistics \"{name}\"")));
            };
            saved.check(name, fresh.mean.len())?;
            Ok(Some(saved.clone()))
        };
        // First, for an error that names the setting.
        let obs = part("obs", "norm_obs", &self.obs, fresh.obs)?;
        let reward = part("reward", "norm_reward", &self.reward, fresh.reward)?;
        let value = part("value", "norm_value", &self.value, fresh.value)?;
        if self.reward.is_some() && self.discounted_returns.is_empty() && !fresh.discounted_returns.is_empty() {
            return Err(Error::config("norm_reward", "is of returns, the state has statistics of rewards"));
        }
        let discounted_returns = if self.discounted_returns.is_empty() {
            fresh.discounted_returns
        } else {
            let (got, want) = (self.discounted_returns.len(), fresh.discounted_returns.len());
            check_shape("normalizer.discounted_returns", &[got], &[want])?;
            finite("normalizer.discounted_returns", self.discounted_returns.iter())?;
            self.discounted_returns.clone()
        };
        Ok(Self { obs, reward, discounted_returns, value })
    }

    /// Refuses a window of other environments than those whose returns are carried from window to window.
    pub(crate) fn check_envs(config: &Config, envs: usize) -> Result<()> {
        let carries = config.norm_reward.is_some_and(|norm| norm.kind == RewardNormKind::Returns);
        if carries && envs != config.num_envs {
            let expected = config.num_envs;
            let message = format!("carries the returns of num_envs {expected} environments, the rollout has {envs}");
            return Err(Error::config("norm_reward", message));
        }
        Ok(())
    }
}
