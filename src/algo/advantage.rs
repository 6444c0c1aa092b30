//! From a rollout on the device to advantages and returns.

use crate::config::{AdvantageKind, Config};
use crate::error::{Error, Result};
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::{advantage_gae, advantage_gae_chunked, advantage_k_step, advantage_vtrace};

/// A rollout `[T, N]` as it lies on the device. An embedder fills it with their own buffers
/// ([`Buffer::from_wgpu`]).
#[derive(Debug, Clone)]
pub struct RolloutBuffers {
    /// T.
    pub steps: u32,
    /// N.
    pub envs: u32,
    /// `[steps, envs]`.
    pub rewards: Buffer<f32>,
    /// `[steps + 1, envs]`; the last row is V of the observation after the window.
    pub values: Buffer<f32>,
    /// `[steps, envs]`: V of the real last observation where truncated; not read elsewhere.
    pub final_values: Buffer<f32>,
    /// `[steps, envs]`, 0 or 1.
    pub terminated: Buffer<u32>,
    /// `[steps, envs]`, 0 or 1.
    pub truncated: Buffer<u32>,
    /// log π(a) − log μ(a), `[steps, envs]`, from [`super::LogRhoPlan`]; for [`Estimator::Vtrace`] and [`Estimator::Puff`].
    pub log_rhos: Option<Buffer<f32>>,
    /// The caller's mask, `[steps, envs]`: 0 in masked rows, else 1; [`super::ValidPlan`] reads it.
    pub valid: Option<Buffer<u32>>,
}

/// Which advantages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimator {
    /// GAE(λ); `returns` are TD(λ) returns. λ = 1 gives bootstrapped discounted returns.
    Gae {
        /// λ in [0, 1].
        gae_lambda: f32,
    },
    /// Â^(k).
    KStep {
        /// Most rewards in a sum, at least 1.
        k: u32,
    },
    /// V-trace, see [`AdvantageKind::Vtrace`].
    Vtrace {
        /// λ in [0, 1].
        gae_lambda: f32,
        /// Largest ρ.
        rho_bar: f32,
        /// Largest c before λ.
        c_bar: f32,
        /// Largest weight of an advantage.
        pg_rho_bar: f32,
    },
    /// GAE with clipped ratios, see [`AdvantageKind::Puff`].
    Puff {
        /// λ in [0, 1].
        gae_lambda: f32,
        /// Largest weight of a temporal difference.
        rho_clip: f32,
        /// Largest factor of what follows.
        c_clip: f32,
    },
    /// Discounted sums of rewards alone: nothing is bootstrapped. Advantages are the sums minus V.
    RewardsOnly,
}

impl From<&Config> for Estimator {
    fn from(config: &Config) -> Self {
        let gae_lambda = config.gae_lambda as f32;
        match config.advantage {
            AdvantageKind::Gae => Self::Gae { gae_lambda },
            AdvantageKind::Vtrace { rho_bar, c_bar, pg_rho_bar } => {
                Self::Vtrace { gae_lambda, rho_bar: rho_bar as f32, c_bar: c_bar as f32, pg_rho_bar: pg_rho_bar as f32 }
            }
            AdvantageKind::Puff { rho_clip, c_clip } => {
                Self::Puff { gae_lambda, rho_clip: rho_clip as f32, c_clip: c_clip as f32 }
            }
        }
    }
}

/// Advantages and returns of one rollout shape. Column walk or chunks, as the shape asks.
#[derive(Debug)]
pub struct AdvantagePlan {
    /// `[steps, envs]`, not normalised.
    pub advantages: Buffer<f32>,
    /// `[steps, envs]`.
    pub returns: Buffer<f32>,
    calls: Vec<Call>,
}

impl AdvantagePlan {
    /// Allocates and binds.
    ///
    /// # Errors
    /// A buffer too short, a limit, out of memory, or [`Error::Config`] without the `log_rhos` that the estimator needs.
    pub fn new(gpu: &Gpu, rollout: &RolloutBuffers, gamma: f32, estimator: Estimator) -> Result<Self> {
        let (steps, envs) = (rollout.steps, rollout.envs);
        let count = u64::from(steps) * u64::from(envs);
        let advantages = gpu.buffer("advantages", count)?;
        let returns = gpu.buffer("returns", count)?;
        let RolloutBuffers { rewards, values, final_values, terminated, truncated, .. } = rollout;
        let (gae_lambda, bootstrap) = match estimator {
            Estimator::Gae { gae_lambda } => (gae_lambda, 1),
            Estimator::RewardsOnly => (1.0, 0),
            Estimator::Vtrace { gae_lambda, rho_bar, c_bar, pg_rho_bar } => {
                let form = advantage_vtrace::VTRACE;
                let params =
                    advantage_vtrace::Params { steps, envs, gamma, gae_lambda, form, rho_bar, c_bar, pg_rho_bar };
                return Self::corrected(gpu, rollout, params, advantages, returns);
            }
            Estimator::Puff { gae_lambda, rho_clip: rho_bar, c_clip: c_bar } => {
                let (form, pg_rho_bar) = (advantage_vtrace::PUFF, 1.0);
                let params =
                    advantage_vtrace::Params { steps, envs, gamma, gae_lambda, form, rho_bar, c_bar, pg_rho_bar };
                return Self::corrected(gpu, rollout, params, advantages, returns);
            }
            Estimator::KStep { k } => {
                let io = advantage_k_step::Io {
                    rewards,
                    values,
                    final_values,
                    terminated,
                    truncated,
                    advantages: &advantages,
                    returns: &returns,
                };
                let calls = advantage_k_step::bind(gpu, &[advantage_k_step::Params { steps, envs, k, gamma }], &io)?;
                return Ok(Self { advantages, returns, calls });
            }
        };
        let calls = if advantage_gae::prefers_chunks(steps, envs) {
            let carries = gpu.buffer("carries", advantage_gae_chunked::carries(steps, envs))?;
            let io = advantage_gae_chunked::Io {
                rewards,
                values,
                final_values,
                terminated,
                truncated,
                advantages: &advantages,
                returns: &returns,
                carries: &carries,
            };
            let params =
                advantage_gae_chunked::Params { steps, envs, gamma, gae_lambda, bootstrap, ..Default::default() };
            advantage_gae_chunked::bind(gpu, &[params], &io)?
        } else {
            let io = advantage_gae::Io {
                rewards,
                values,
                final_values,
                terminated,
                truncated,
                advantages: &advantages,
                returns: &returns,
            };
            let params = advantage_gae::Params { steps, envs, gamma, gae_lambda, bootstrap, ..Default::default() };
            advantage_gae::bind(gpu, &[params], &io)?
        };
        Ok(Self { advantages, returns, calls })
    }

    fn corrected(
        gpu: &Gpu,
        rollout: &RolloutBuffers,
        params: advantage_vtrace::Params,
        advantages: Buffer<f32>,
        returns: Buffer<f32>,
    ) -> Result<Self> {
        let RolloutBuffers { rewards, values, final_values, terminated, truncated, .. } = rollout;
        let log_rhos = rollout
            .log_rhos
            .as_ref()
            .ok_or_else(|| Error::config("log_rhos", "are absent, the estimator needs them (LogRhoPlan)"))?;
        let io = advantage_vtrace::Io {
            rewards,
            values,
            final_values,
            terminated,
            truncated,
            log_rhos,
            advantages: &advantages,
            returns: &returns,
        };
        let calls = advantage_vtrace::bind(gpu, &[params], &io)?;
        Ok(Self { advantages, returns, calls })
    }

    /// The dispatches, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}
