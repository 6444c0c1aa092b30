//! Distribution rows or values alone, of which nothing is kept for a way back.

use super::Real;
use super::actor_critic::ActorCritic;
use super::mlp::{Mlp, give};
use super::row_blocks::row_blocks;
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};

impl<F: Real> ActorCritic<'_, F> {
    /// Distribution rows alone.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn distribution(&self, obs: ArrayView2<'_, F>) -> Result<Array2<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim()])?;
        let raw = self.blocks_of(obs, &self.policy)?;
        if self.log_std.is_empty() {
            return Ok(raw);
        }
        let log_std = self.log_std.broadcast((obs.nrows(), self.log_std.len()));
        let log_std = log_std.ok_or_else(|| Error::shape("log_std", self.log_std.shape(), &[raw.ncols()]))?;
        concatenate(Axis(1), &[raw.view(), log_std]).map_err(|_| Error::shape("log_std", log_std.shape(), raw.shape()))
    }

    /// Values alone, `[rows]`; 0 without a critic.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn values(&self, obs: ArrayView2<'_, F>) -> Result<Array1<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim()])?;
        if self.value.layers.is_empty() {
            return Ok(Array1::zeros(obs.nrows()));
        }
        Ok(self.blocks_of(obs, &self.value)?.column(0).to_owned())
    }

    fn blocks_of(&self, obs: ArrayView2<'_, F>, network: &Mlp<'_, F>) -> Result<Array2<F>> {
        let mut blocks = row_blocks(obs.nrows(), |rows| {
            let own = obs.slice(s![rows, ..]);
            if self.trunk.layers.is_empty() {
                return network.output_of(own);
            }
            let trunk = self.trunk.output_of(own)?;
            let output = network.output_of(trunk.view())?;
            give(trunk);
            Ok(output)
        })?;
        if blocks.len() == 1 {
            return Ok(blocks.remove(0));
        }
        let views: Vec<_> = blocks.iter().map(|block| block.view()).collect();
        concatenate(Axis(0), &views).map_err(|_| Error::shape("obs", obs.shape(), &[1, self.spec.obs_dim()]))
    }
}
