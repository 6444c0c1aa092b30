//! Q of greedy actions by the critics.

use super::chain::{Chain, Inputs};
use super::learner::GpuOffPolicy;
use crate::agent::{ActMode, Agent};
use crate::data::Actions;
use crate::error::Result;
use crate::gpu::Slot;
use crate::kernels::mlp_forward_networks::NOT_KEPT;
use crate::memory::small;
use ndarray::{Array1, ArrayView2};

impl GpuOffPolicy {
    /// Q of the greedy action of each row of `obs`, the least of two critics; of DQN the greatest Q.
    pub(super) fn greedy_values(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        let acted = self.act(obs, ActMode::Greedy)?;
        let (gpu, model) = (&self.gpu, &self.model);
        let rows = small("values", obs.nrows())?;
        let critics = model.arrangement.critics();
        let Some(first) = critics.first() else { return Ok(acted.values) };
        let width = if model.spec.head.is_discrete() { model.spec.head.raw_outputs() } else { 1 };
        let chain = Chain { gpu, activation: model.spec.activation, network: first, rows };
        let columns = |row: usize| acted.actions.indices().map_or(0, |indices| indices[[row, 0]] as usize);
        let joined: Vec<f32> = match &acted.actions {
            Actions::Continuous(actions) => obs
                .outer_iter()
                .zip(actions.outer_iter())
                .flat_map(|(obs, action)| [obs.to_vec(), action.to_vec()].concat())
                .collect(),
            _ => obs.iter().copied().collect(),
        };
        let seen = gpu.upload("seen", &joined)?;
        let table = rows * width as u32;
        let q = gpu.buffer("q", critics.len() as u64 * u64::from(table))?;
        let unused = gpu.buffer("unused", 1)?;
        let passes: Vec<_> =
            (0..).zip(&critics).map(|(index, critic)| [critic.first, 0, index * table, NOT_KEPT]).collect();
        let inputs = Inputs { buffer: &seen, stride: (joined.len() / obs.nrows()) as u32 };
        let calls = chain.forward(&model.parameters, inputs, &q, &unused, &passes)?;
        gpu.run("values", &calls, Slot::default())?;
        let all = gpu.read(&q)?;
        let least =
            |row: usize| all.iter().skip(row * width + columns(row)).step_by(table as usize).copied().reduce(f32::min);
        Ok((0..obs.nrows()).map(|row| least(row).unwrap_or(0.0)).collect())
    }
}
