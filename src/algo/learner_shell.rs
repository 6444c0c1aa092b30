//! The device's learner behind the traits [`Agent`] and [`OnPolicy`]: the blocking shell.

use super::learner::GpuLearner;
use crate::agent::{ActMode, Agent, OnPolicy};
use crate::config::Config;
use crate::data::{Acted, Batch, Rollout, UpdateStats, check_shape, finite};
use crate::error::Result;
use crate::policy::PolicySpec;
use crate::state::LearnerState;
use ndarray::{Array1, ArrayView2};

impl Agent for GpuLearner {
    fn spec(&self) -> &PolicySpec {
        &self.model.spec
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn act_masked(
        &mut self,
        obs: ArrayView2<'_, f32>,
        allowed: Option<ArrayView2<'_, bool>>,
        mode: ActMode,
    ) -> Result<Acted> {
        let gpu = self.gpu().clone();
        gpu.block_on(self.act_masked_async(obs, allowed, mode))
    }

    fn values(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        let gpu = self.gpu().clone();
        gpu.block_on(self.values_async(obs))
    }

    fn parameters(&self) -> Result<Vec<f32>> {
        self.gpu().read(&self.model.parameters)
    }

    fn set_parameters(&mut self, parameters: &[f32]) -> Result<()> {
        check_shape("parameters", &[parameters.len()], &[self.model.layout.len()])?;
        finite("parameters", parameters.iter())?;
        self.gpu().write(&self.model.parameters, 0, parameters)
    }

    fn state(&self) -> Result<LearnerState> {
        self.model.state(self.gpu())
    }

    fn set_state(&mut self, state: &LearnerState) -> Result<()> {
        let gpu = self.gpu().clone();
        self.model.set_state(&gpu, state)
    }
}

impl OnPolicy for GpuLearner {
    fn update_in_order(&mut self, rollout: &Rollout, order: Option<&[u32]>) -> Result<UpdateStats> {
        let gpu = self.gpu().clone();
        gpu.block_on(self.update_in_order_async(rollout, order))
    }

    fn update_batch(&mut self, batch: &Batch, order: Option<&[u32]>) -> Result<UpdateStats> {
        let gpu = self.gpu().clone();
        gpu.block_on(self.update_batch_async(batch, order))
    }
}
