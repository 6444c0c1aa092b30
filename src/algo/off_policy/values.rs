//! Q of greedy actions by the critics.

use super::learner::GpuOffPolicy;
use super::values_plan::ValuesPlan;
use crate::agent::ActMode;
use crate::data::Actions;
use crate::error::Result;
use crate::memory::small;
use ndarray::{Array1, ArrayView2};

/// Row counts whose plans for values are kept.
const PLANS: usize = 4;

impl GpuOffPolicy {
    /// [`Agent::values`](crate::Agent::values) without blocking: Q of the greedy action of each row of `obs`, the least of two critics; of DQN the
    /// greatest Q.
    ///
    /// # Errors
    /// As there.
    pub async fn values_async(&mut self, obs: ArrayView2<'_, f32>) -> Result<Array1<f32>> {
        let acted = self.act_masked_async(obs, None, ActMode::Greedy).await?;
        if self.model.arrangement.critics().is_empty() {
            return Ok(acted.values);
        }
        let rows = small("values", obs.nrows())?;
        let plan = match self.values.iter().position(|plan| plan.rows == rows) {
            Some(index) => self.values.remove(index),
            None => ValuesPlan::new(&self.gpu, &self.model, rows)?,
        };
        let seen: Vec<f32> = match &acted.actions {
            Actions::Continuous(actions) => {
                let rows = obs.outer_iter().zip(actions.outer_iter());
                rows.flat_map(|(obs, action)| obs.into_iter().chain(action).copied()).collect()
            }
            _ => obs.iter().copied().collect(),
        };
        let all = plan.run(&self.gpu, &seen).await;
        let width = plan.width as usize;
        self.values.insert(0, plan);
        self.values.truncate(PLANS);
        let all = all?;
        // Critics of choices have a column for each.
        let column = |row: usize| acted.actions.indices().map_or(0, |indices| indices[[row, 0]] as usize);
        let table = obs.nrows() * width;
        let least = |row: usize| all.iter().skip(row * width + column(row)).step_by(table).copied().reduce(f32::min);
        Ok((0..obs.nrows()).map(|row| least(row).unwrap_or(0.0)).collect())
    }
}
