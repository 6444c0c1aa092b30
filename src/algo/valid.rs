//! Which rows of a rollout are transitions.

use super::advantage::RolloutBuffers;
use crate::data::Autoreset;
use crate::error::Result;
use crate::gpu::{Buffer, Call, Gpu};
use crate::kernels::batch_valid;

/// The mask of a rollout whose environments are reset in one of Gymnasium's ways.
#[derive(Debug)]
pub struct ValidPlan {
    /// `[steps, envs]`: 1 a transition, 0 filler or padding. It goes to [`super::BatchBuffers::valid`].
    pub valid: Buffer<u32>,
    calls: Vec<Call>,
}

impl ValidPlan {
    /// Allocates and binds. Rows that [`RolloutBuffers::valid`] has as 0 are masked in every mode; `ended_before` `[envs]` says where the
    /// transition before the window ended its episode. With [`Autoreset::NextStep`] the rollout's `final_values` are written.
    ///
    /// # Errors
    /// A buffer too short, a limit, or out of memory.
    pub fn new(
        gpu: &Gpu,
        rollout: &RolloutBuffers,
        autoreset: Autoreset,
        ended_before: Option<&Buffer<u32>>,
    ) -> Result<Self> {
        let RolloutBuffers { steps, envs, terminated, .. } = rollout;
        let valid = gpu.buffer("valid", u64::from(*steps) * u64::from(*envs))?;
        let io = batch_valid::Io {
            terminated,
            truncated: &rollout.truncated,
            ended_before: ended_before.unwrap_or(terminated),
            given: rollout.valid.as_ref().unwrap_or(terminated),
            values: &rollout.values,
            final_values: &rollout.final_values,
            valid: &valid,
        };
        let params = batch_valid::Params {
            steps: *steps,
            envs: *envs,
            autoreset: autoreset.code(),
            use_ended: u32::from(ended_before.is_some()),
            use_given: u32::from(rollout.valid.is_some()),
            ..Default::default()
        };
        let calls = batch_valid::bind(gpu, &[params], &io)?;
        Ok(Self { valid, calls })
    }

    /// The dispatches, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }
}
