//! The policy alone (trunk, actor, log_std) and the critic alone, for updates that move them apart.

use super::Real;
use super::actor_critic::{ActorCritic, BLOCK_ROWS, dense, row_blocks};
use super::mlp::Tape;
use crate::Result;
use crate::data::check_shape;
use crate::policy::Network;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// A forward pass through trunk and actor.
#[derive(Debug, Clone)]
pub struct PolicyTape<F> {
    blocks: Vec<[Tape<F>; 2]>,
    /// Distribution rows `[rows, head.width()]`.
    pub dist: Array2<F>,
}

/// A forward pass through trunk and critic.
#[derive(Debug, Clone)]
pub struct ValueTape<F> {
    blocks: Vec<Tape<F>>,
    /// V(obs), `[rows]`.
    pub values: Array1<F>,
}

impl<F: Real> ActorCritic<'_, F> {
    /// Distribution rows of `obs` `[rows, obs_dim]`, with what [`backward_policy`](Self::backward_policy) and
    /// [`jvp_policy`](Self::jvp_policy) need.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `obs` has not the policy's width.
    pub fn forward_policy(&self, obs: ArrayView2<'_, F>) -> Result<PolicyTape<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim])?;
        let blocks = row_blocks(obs.nrows(), |rows| {
            let trunk = self.trunk.forward(obs.slice(s![rows, ..]))?;
            let policy = self.policy.forward(trunk.output())?;
            Ok([trunk, policy])
        })?;
        let raw = self.spec.head.raw_outputs();
        let mut dist = Array2::zeros((obs.nrows(), self.spec.head.width()));
        for (index, [_, policy]) in blocks.iter().enumerate() {
            let rows = index * BLOCK_ROWS..index * BLOCK_ROWS + policy.output().nrows();
            dist.slice_mut(s![rows.clone(), ..raw]).assign(&policy.output());
            dist.slice_mut(s![rows, raw..]).assign(&self.log_std);
        }
        Ok(PolicyTape { blocks, dist })
    }

    /// The flat gradient of Σ d_dist · dist, summed over rows: Jᵀ d_dist. 0 at the critic's parameters.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `d_dist` `[rows, head.width()]` does not fit the forward pass.
    pub fn backward_policy(&self, tape: &PolicyTape<F>, d_dist: ArrayView2<'_, F>) -> Result<Vec<F>> {
        check_shape("d_dist", d_dist.shape(), tape.dist.shape())?;
        let raw = self.spec.head.raw_outputs();
        self.sum_over_rows(d_dist.nrows(), |rows, sum| {
            let [trunk, policy] = &tape.blocks[rows.start / BLOCK_ROWS];
            let d_policy = self.add_gradient(Network::Policy, policy, d_dist.slice(s![rows.clone(), ..raw]), sum)?;
            if !self.trunk.layers.is_empty() {
                self.add_gradient(Network::Trunk, trunk, self.policy.input_gradient(d_policy).view(), sum)?;
            }
            self.add_log_std(d_dist.slice(s![rows, raw..]), sum);
            Ok(())
        })
    }

    /// Change of the distribution rows along a flat `tangent` of the parameters, J · tangent: `[rows, head.width()]`. The
    /// critic's part of it is not read; every row's log_std changes as the one parameter does.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `tangent` has not the parameters' length.
    pub fn jvp_policy(&self, tape: &PolicyTape<F>, tangent: &[F]) -> Result<Array2<F>> {
        check_shape("tangent", &[tangent.len()], &[self.layout.len()])?;
        let views = |network| -> Result<Vec<_>> {
            self.layout.layers(network).iter().map(|layer| dense(layer, tangent)).collect()
        };
        let (of_trunk, of_policy) = (views(Network::Trunk)?, views(Network::Policy)?);
        let blocks = row_blocks(tape.dist.nrows(), |rows| {
            let [trunk, policy] = &tape.blocks[rows.start / BLOCK_ROWS];
            let d_trunk = if of_trunk.is_empty() { None } else { Some(self.trunk.jvp(trunk, &of_trunk)?) };
            self.policy.jvp_from(policy, &of_policy, d_trunk)
        })?;
        let raw = self.spec.head.raw_outputs();
        let mut change = Array2::zeros(tape.dist.dim());
        for (index, block) in blocks.iter().enumerate() {
            change.slice_mut(s![index * BLOCK_ROWS..index * BLOCK_ROWS + block.nrows(), ..raw]).assign(block);
        }
        if let Some(start) = self.layout.log_std() {
            let free = self.spec.head.free_parameters();
            change.slice_mut(s![.., raw..]).assign(&ArrayView1::from(&tangent[start..start + free]));
        }
        Ok(change)
    }

    /// Values of `obs` `[rows, obs_dim]`, with what [`backward_value`](Self::backward_value) needs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `obs` has not the policy's width.
    pub fn forward_value(&self, obs: ArrayView2<'_, F>) -> Result<ValueTape<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim])?;
        let blocks = row_blocks(obs.nrows(), |rows| {
            let trunk = self.trunk.forward(obs.slice(s![rows, ..]))?;
            self.value.forward(trunk.output())
        })?;
        let values = blocks.iter().flat_map(|block| block.output().column(0).to_vec()).collect();
        Ok(ValueTape { blocks, values })
    }

    /// The flat gradient of Σ d_values · values at the critic's own parameters; 0 at the trunk's and the actor's.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `d_values` `[rows]` does not fit the forward pass.
    pub fn backward_value(&self, tape: &ValueTape<F>, d_values: ArrayView1<'_, F>) -> Result<Vec<F>> {
        check_shape("d_values", d_values.shape(), tape.values.shape())?;
        self.sum_over_rows(d_values.len(), |rows, sum| {
            let value = &tape.blocks[rows.start / BLOCK_ROWS];
            let d_value = d_values.slice(s![rows]).insert_axis(Axis(1));
            self.add_gradient(Network::Value, value, d_value, sum).map(|_| ())
        })
    }
}
