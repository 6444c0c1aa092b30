//! From a rollout on the device to the returns of whole episodes.

use super::advantage::RolloutBuffers;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::advantage_return;

/// Returns to go of the rows whose episode ends within the window, for REINFORCE.
#[derive(Debug)]
pub struct ReturnPlan {
    /// `[steps, envs]`, 0 in rows that do not count.
    pub returns: Buffer<f32>,
    /// `[steps, envs]`: 1 where a row counts and has a whole return.
    pub valid: Buffer<u32>,
    calls: Vec<Call>,
}

impl ReturnPlan {
    /// Allocates and binds. Rows that `given` `[steps, envs]` has as 0 do not count. The rollout's values are not read.
    ///
    /// # Errors
    /// A buffer too short, a limit (more than 60,000 steps), or out of memory.
    pub fn new(gpu: &Gpu, rollout: &RolloutBuffers, gamma: f32, given: Option<&Buffer<u32>>) -> Result<Self> {
        let RolloutBuffers { steps, envs, rewards, terminated, truncated, .. } = rollout;
        let rows = u64::from(*steps) * u64::from(*envs);
        let (returns, valid) = (gpu.buffer("returns", rows)?, gpu.buffer("valid", rows)?);
        let io = advantage_return::Io {
            rewards,
            terminated,
            truncated,
            given: given.unwrap_or(terminated),
            returns: &returns,
            valid: &valid,
        };
        let params = advantage_return::Params { steps: *steps, envs: *envs, gamma, masked: given.is_some().into() };
        let calls = advantage_return::bind(gpu, &[params], &io)?;
        Ok(Self { returns, valid, calls })
    }

    /// The dispatches, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}
