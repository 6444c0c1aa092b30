//! The off-policy learner behind the trait [`Agent`]: the blocking shell.

use super::learner::GpuOffPolicy;
use crate::agent::{ActMode, Agent};
use crate::config::Config;
use crate::data::{Acted, finite};
use crate::error::Result;
use crate::policy::PolicySpec;
use crate::state::LearnerState;
use ndarray::{Array1, ArrayView2};

impl Agent for GpuOffPolicy {
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
        let gpu = self.gpu.clone();
        gpu.block_on(self.act_masked_async(obs, allowed, mode))
    }

    /// Q of the greedy action, the least of two critics.
    fn values(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        let gpu = self.gpu.clone();
        gpu.block_on(self.values_async(obs))
    }

    fn parameters(&self) -> Result<Vec<f32>> {
        self.gpu.block_on(self.parameters_async())
    }

    /// The targets stay as they are.
    fn set_parameters(&mut self, parameters: &[f32]) -> Result<()> {
        let own = self.model.arrangement.to_device("parameters", parameters)?;
        finite("parameters", parameters.iter())?;
        self.gpu.write(&self.model.parameters, 0, &own)
    }

    fn state(&self) -> Result<LearnerState> {
        self.gpu.block_on(self.state_async(true))
    }

    fn set_state(&mut self, state: &LearnerState) -> Result<()> {
        self.go_on_from(state)
    }
}
