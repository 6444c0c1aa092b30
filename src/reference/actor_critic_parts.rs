//! The policy alone (trunk, actor, log_std) and the critic alone, for updates that move them apart.

use super::Real;
use super::actor_critic::{ActorCritic, dense};
use super::mlp::{Tape, give};
use super::row_blocks::{BLOCK_ROWS, row_blocks};
use crate::data::check_shape;
use crate::error::Result;
use crate::policy::{Branch, LayerRange};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use std::ops::Range;

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
    /// Distribution rows of `obs` `[rows, obs_dim]`, with what [`backward_policy`](Self::backward_policy)
    /// needs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `obs` has not the policy's width.
    pub fn forward_policy(&self, obs: ArrayView2<'_, F>) -> Result<PolicyTape<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim()])?;
        let blocks = row_blocks(obs.nrows(), |rows| {
            let trunk = self.trunk.forward(obs.slice(s![rows, ..]))?;
            let policy = self.policy.forward_from(trunk.last().clone())?;
            Ok([trunk, policy])
        })?;
        let mut dist = Array2::zeros((obs.nrows(), self.spec.head.width()));
        for (index, [_, policy]) in blocks.iter().enumerate() {
            let rows = index * BLOCK_ROWS..index * BLOCK_ROWS + policy.output().nrows();
            self.store_dist(policy, dist.slice_mut(s![rows, ..]));
        }
        Ok(PolicyTape { blocks, dist })
    }

    /// The flat gradient of Σ d_dist · dist, summed over rows: Jᵀ d_dist. 0 at the critic's parameters.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `d_dist` `[rows, head.width()]` does not fit the forward pass.
    pub fn backward_policy(&self, tape: &PolicyTape<F>, d_dist: ArrayView2<'_, F>) -> Result<Vec<F>> {
        check_shape("d_dist", d_dist.shape(), tape.dist.shape())?;
        let (_, sum) = self.sum_over_rows(d_dist.nrows(), self.layout.own_range(Branch::VALUE), |rows, sum| {
            self.add_policy_block(&tape.blocks[rows.start / BLOCK_ROWS], d_dist.slice(s![rows, ..]), sum)
        })?;
        Ok(sum)
    }

    /// [`backward_policy`](Self::backward_policy) of one block, added to `sum`.
    fn add_policy_block(&self, [trunk, policy]: &[Tape<F>; 2], d_dist: ArrayView2<'_, F>, sum: &mut [F]) -> Result<()> {
        let raw = self.spec.head.raw_outputs();
        let d_policy = Self::add_gradient(self.policy(), policy, d_dist.slice(s![.., ..raw]), sum)?;
        if !self.trunk.layers.is_empty() {
            give(Self::add_gradient(self.trunk(), trunk, self.policy.input_gradient(d_policy).view(), sum)?);
        } else {
            give(d_policy);
        }
        self.add_log_std(d_dist.slice(s![.., raw..]), sum);
        Ok(())
    }

    /// Jᵀ `middle`(J · tangent), J the Jacobian of the distribution rows: forward along the tangent and back again, block by block
    /// while it is in cache. `middle` gets which rows these are and their change `[rows, head.width()]`, in which every row's log_std
    /// changes as the one parameter does; the critic's part of `tangent` is not read.
    ///
    /// # Errors
    /// Those of `middle`, and [`crate::Error::Shape`] if `tangent` has not the parameters' length.
    pub(super) fn there_and_back(
        &self,
        tape: &PolicyTape<F>,
        tangent: &[F],
        middle: impl Fn(Range<usize>, Array2<F>) -> Result<Array2<F>> + Sync,
    ) -> Result<Vec<F>> {
        check_shape("tangent", &[tangent.len()], &[self.layout.len()])?;
        let views =
            |ranges: &[LayerRange]| -> Result<Vec<_>> { ranges.iter().map(|layer| dense(layer, tangent)).collect() };
        let (of_trunk, of_policy) = (views(self.layout.trunk())?, views(self.layout.layers(Branch::POLICY))?);
        let (raw, free) = (self.spec.head.raw_outputs(), self.spec.head.free_parameters());
        let of_log_std = self.layout.log_std().map(|start| ArrayView1::from(&tangent[start..start + free]));
        let (_, sum) = self.sum_over_rows(tape.dist.nrows(), self.layout.own_range(Branch::VALUE), |rows, sum| {
            let block = &tape.blocks[rows.start / BLOCK_ROWS];
            let [trunk, policy] = block;
            let d_trunk = if of_trunk.is_empty() { None } else { Some(self.trunk.jvp(trunk, &of_trunk)?) };
            let mut change = Array2::zeros((rows.len(), self.spec.head.width()));
            let d_raw = self.policy.jvp_from(policy, &of_policy, d_trunk)?;
            change.slice_mut(s![.., ..raw]).assign(&d_raw);
            give(d_raw);
            if let Some(of_log_std) = &of_log_std {
                change.slice_mut(s![.., raw..]).assign(of_log_std);
            }
            self.add_policy_block(block, middle(rows, change)?.view(), sum)
        })?;
        Ok(sum)
    }

    /// Values of `obs` `[rows, obs_dim]`, with what [`backward_value`](Self::backward_value) needs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `obs` has not the policy's width.
    pub fn forward_value(&self, obs: ArrayView2<'_, F>) -> Result<ValueTape<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim()])?;
        let blocks = row_blocks(obs.nrows(), |rows| {
            let trunk = self.trunk.forward(obs.slice(s![rows, ..]))?;
            self.value.forward_from(self.critic_input(&trunk))
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
        let (_, sum) = self.sum_over_rows(d_values.len(), 0..0, |rows, sum| {
            let value = &tape.blocks[rows.start / BLOCK_ROWS];
            let d_value = d_values.slice(s![rows]).insert_axis(Axis(1));
            Self::add_gradient(self.value(), value, d_value, sum).map(give)
        })?;
        Ok(sum)
    }
}
