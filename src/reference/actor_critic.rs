//! The whole policy: trunk, actor and critic over the flat parameter vector.

use super::Real;
use super::loss_ppo::PpoLoss;
use super::mlp::{Dense, Mlp, Tape, give};
use super::row_blocks::{BLOCK_ROWS, row_blocks};
use crate::data::check_shape;
use crate::error::{Error, Result};
use crate::parallel::prelude::*;
use crate::policy::{Branch, LayerRange, ParamLayout, PolicySpec};
use ndarray::{ArcArray2, Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, concatenate, s};
use std::ops::Range;

/// Most sums over rows that are held apart before they are added up. Like [`BLOCK_ROWS`] it fixes their order.
const PARTS: usize = 32;

/// Elements of a sum that one task adds up.
const SUM_CHUNK: usize = 4096;

/// Rows whose sum is held apart from others'.
fn part_rows(rows: usize) -> usize {
    BLOCK_ROWS * rows.div_ceil(BLOCK_ROWS * PARTS).max(1)
}

/// How many sums over `rows` rows are held apart.
pub(crate) fn parts(rows: usize) -> usize {
    rows.div_ceil(part_rows(rows))
}

/// A policy's networks with their numbers.
#[derive(Debug, Clone)]
pub struct ActorCritic<'a, F> {
    pub(super) spec: &'a PolicySpec,
    pub(super) layout: &'a ParamLayout,
    pub(super) trunk: Mlp<'a, F>,
    pub(super) policy: Mlp<'a, F>,
    pub(super) value: Mlp<'a, F>,
    pub(super) log_std: ArrayView1<'a, F>,
}

/// A forward pass, block by block.
#[derive(Debug, Clone)]
pub struct ActorCriticTape<F> {
    blocks: Vec<[Tape<F>; 3]>,
    /// Distribution rows `[rows, head.width()]`, see [`crate::policy::Head`].
    pub dist: Array2<F>,
    /// V(obs), `[rows]`.
    pub values: Array1<F>,
}

impl<'a, F: Real> ActorCritic<'a, F> {
    /// Views of `parameters`, in the order of `layout`, which must be `spec.layout()`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not `layout.len()` of them.
    pub fn new(spec: &'a PolicySpec, layout: &'a ParamLayout, parameters: &'a [F]) -> Result<Self> {
        check_shape("parameters", &[parameters.len()], &[layout.len()])?;
        let chain = |layers: &[LayerRange], activate_output| -> Result<Mlp<'a, F>> {
            let layers = layers.iter().map(|layer| dense(layer, parameters)).collect::<Result<_>>()?;
            Ok(Mlp { layers, activation: spec.activation, activate_output })
        };
        let free = spec.head.free_parameters();
        let log_std = layout.log_std().map_or(&[] as &[F], |start| &parameters[start..start + free]);
        Ok(Self {
            spec,
            layout,
            trunk: chain(layout.trunk(), true)?,
            policy: chain(layout.layers(Branch::POLICY), false)?,
            value: chain(layout.layers(Branch::VALUE), false)?,
            log_std: ArrayView1::from(log_std),
        })
    }

    /// Distribution rows and values (0 without a critic) of `obs` `[rows, obs_dim]`, with what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    /// [`Error::Shape`] if `obs` has not the policy's width.
    pub fn forward(&self, obs: ArrayView2<'_, F>) -> Result<ActorCriticTape<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim()])?;
        let blocks = row_blocks(obs.nrows(), |rows| self.forward_block(obs.slice(s![rows, ..])))?;
        let mut dist = Array2::zeros((obs.nrows(), self.spec.head.width()));
        let mut values = Array1::zeros(obs.nrows());
        for (index, [_, policy, value]) in blocks.iter().enumerate() {
            let rows = index * BLOCK_ROWS..index * BLOCK_ROWS + value.output().nrows();
            self.store_dist(policy, dist.slice_mut(s![rows.clone(), ..]));
            values.slice_mut(s![rows]).assign(&value.output().column(0));
        }
        Ok(ActorCriticTape { blocks, dist, values })
    }

    /// Trunk, actor and critic on a block of rows.
    fn forward_block(&self, obs: ArrayView2<'_, F>) -> Result<[Tape<F>; 3]> {
        let trunk = self.trunk.forward(obs)?;
        let policy = self.policy.forward_from(trunk.last().clone())?;
        let value = self.value.forward_from(self.critic_input(&trunk))?;
        Ok([trunk, policy, value])
    }

    /// What the critic takes; values of 0, which go through no layers, where there is none.
    pub(super) fn critic_input(&self, trunk: &Tape<F>) -> ArcArray2<F> {
        if self.value.layers.is_empty() { ArcArray2::zeros((trunk.last().nrows(), 1)) } else { trunk.last().clone() }
    }

    /// Raw outputs and the free parameters, row by row.
    pub(super) fn store_dist(&self, policy: &Tape<F>, mut dist: ArrayViewMut2<'_, F>) {
        let raw = self.spec.head.raw_outputs();
        dist.slice_mut(s![.., ..raw]).assign(&policy.output());
        dist.slice_mut(s![.., raw..]).assign(&self.log_std);
    }

    /// Distribution rows alone.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn distribution(&self, obs: ArrayView2<'_, F>) -> Result<Array2<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim()])?;
        if obs.is_empty() {
            return Ok(Array2::zeros((0, self.spec.head.width())));
        }
        let raw = self.blocks_of(obs, &self.policy)?;
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
        let blocks = row_blocks(obs.nrows(), |rows| {
            let trunk = self.trunk.forward(obs.slice(s![rows, ..]))?;
            Ok(network.forward(trunk.output())?.output().to_owned())
        })?;
        let views: Vec<_> = blocks.iter().map(|block| block.view()).collect();
        concatenate(Axis(0), &views).map_err(|_| Error::shape("obs", obs.shape(), &[1, self.spec.obs_dim()]))
    }

    /// The flat gradient of Σ d_dist · dist + Σ d_values · values, summed over rows.
    ///
    /// # Errors
    /// [`Error::Shape`] if `d_dist` `[rows, head.width()]` or `d_values` `[rows]` do not fit the forward pass.
    pub fn backward(
        &self,
        tape: &ActorCriticTape<F>,
        d_dist: ArrayView2<'_, F>,
        d_values: ArrayView1<'_, F>,
    ) -> Result<Vec<F>> {
        check_shape("d_dist", d_dist.shape(), tape.dist.shape())?;
        check_shape("d_values", d_values.shape(), tape.values.shape())?;
        let (_, sum) = self.sum_over_rows(d_values.len(), 0..0, |rows, sum| {
            let block = &tape.blocks[rows.start / BLOCK_ROWS];
            self.add_block(block, d_dist.slice(s![rows.clone(), ..]), d_values.slice(s![rows]), sum)
        })?;
        Ok(sum)
    }

    /// [`backward`](Self::backward) of one block, added to `sum`.
    fn add_block(
        &self,
        [trunk, policy, value]: &[Tape<F>; 3],
        d_dist: ArrayView2<'_, F>,
        d_values: ArrayView1<'_, F>,
        sum: &mut [F],
    ) -> Result<()> {
        let raw = self.spec.head.raw_outputs();
        let d_policy = Self::add_gradient(self.policy(), policy, d_dist.slice(s![.., ..raw]), sum)?;
        let d_value = Self::add_gradient(self.value(), value, d_values.insert_axis(Axis(1)), sum)?;
        if !self.trunk.layers.is_empty() {
            let mut d_hidden = self.policy.input_gradient(d_policy);
            if !self.value.layers.is_empty() {
                d_hidden = d_hidden + self.value.input_gradient(d_value);
            }
            give(Self::add_gradient(self.trunk(), trunk, d_hidden.view(), sum)?);
        } else {
            give(d_policy);
            give(d_value);
        }
        self.add_log_std(d_dist.slice(s![.., raw..]), sum);
        Ok(())
    }

    /// Forward pass, `loss` and backward pass of each block of rows, one after the other while it is in cache. `loss` gets which rows
    /// these are, their distribution rows and their values; gradients are summed over all rows. The blocks' losses are in order.
    ///
    /// # Errors
    /// Those of `loss`, and as [`forward`](Self::forward).
    pub(super) fn gradient(
        &self,
        obs: ArrayView2<'_, F>,
        loss: impl Fn(Range<usize>, Array2<F>, ArrayView1<'_, F>) -> Result<PpoLoss<F>> + Sync,
    ) -> Result<(Vec<PpoLoss<F>>, Vec<F>)> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim()])?;
        self.sum_over_rows(obs.nrows(), 0..0, |rows, sum| {
            let block = self.forward_block(obs.slice(s![rows.clone(), ..]))?;
            let mut dist = Array2::zeros((rows.len(), self.spec.head.width()));
            self.store_dist(&block[1], dist.view_mut());
            let loss = loss(rows, dist, block[2].output().column(0))?;
            self.add_block(&block, loss.d_dist.view(), loss.d_values.view(), sum)?;
            block.into_iter().for_each(Tape::give);
            Ok(loss)
        })
    }

    /// A flat sum over rows. `work` adds what a block of rows contributes; blocks are added in order, in at most [`PARTS`] parts that
    /// are then added in order. What else `work` returns comes in the blocks' order. To the range `unused` it adds nothing.
    pub(super) fn sum_over_rows<T: Send>(
        &self,
        rows: usize,
        unused: Range<usize>,
        work: impl Fn(Range<usize>, &mut [F]) -> Result<T> + Sync,
    ) -> Result<(Vec<T>, Vec<F>)> {
        let part_rows = part_rows(rows);
        let part = |(index, sum): (usize, &mut [F])| {
            sum[..unused.start].fill(F::zero());
            sum[unused.end..].fill(F::zero());
            let blocks = (index * part_rows..rows.min((index + 1) * part_rows)).step_by(BLOCK_ROWS);
            blocks.map(|start| work(start..rows.min(start + BLOCK_ROWS), sum)).collect::<Result<Vec<T>>>()
        };
        let len = self.layout.len();
        let mut sums = F::take(len * rows.div_ceil(part_rows));
        let others: Vec<_> = sums.par_chunks_mut(len.max(1)).enumerate().map(part).collect::<Result<_>>()?;
        let mut total = vec![F::zero(); len];
        let (before, after) = total.split_at_mut(unused.end);
        let (before, after) = (before[..unused.start].par_chunks_mut(SUM_CHUNK), after.par_chunks_mut(SUM_CHUNK));
        let starts = |first: usize| move |(index, total)| (first + index * SUM_CHUNK, total);
        let chunks = before.enumerate().map(starts(0)).chain(after.enumerate().map(starts(unused.end)));
        chunks.for_each(|(start, total): (usize, &mut [F])| {
            let own = start..start + total.len();
            for part in sums.chunks(len) {
                total.iter_mut().zip(&part[own.clone()]).for_each(|(total, term)| *total += *term);
            }
        });
        F::give(sums);
        Ok((others.into_iter().flatten().collect(), total))
    }

    /// The trunk and where its layers lie.
    pub(super) fn trunk(&self) -> (&Mlp<'a, F>, &[LayerRange]) {
        (&self.trunk, self.layout.trunk())
    }

    /// The actor's own layers and where they lie.
    pub(super) fn policy(&self) -> (&Mlp<'a, F>, &[LayerRange]) {
        (&self.policy, self.layout.layers(Branch::POLICY))
    }

    /// The critic's own layers and where they lie.
    pub(super) fn value(&self) -> (&Mlp<'a, F>, &[LayerRange]) {
        (&self.value, self.layout.layers(Branch::VALUE))
    }

    /// Adds the gradient of `network` by its own layers, which lie at `ranges`, to `flat`; returns that by its first layer's sums.
    pub(super) fn add_gradient(
        (network, ranges): (&Mlp<'_, F>, &[LayerRange]),
        tape: &Tape<F>,
        cotangent: ArrayView2<'_, F>,
        flat: &mut [F],
    ) -> Result<Array2<F>> {
        network.backward_layers(tape, cotangent, |index, d_sums, hidden| {
            let LayerRange { weight, bias, outputs, inputs } = ranges[index];
            let d_weight =
                ArrayViewMut2::from_shape((outputs, inputs), &mut flat[weight..weight + outputs * inputs])
                    .map_err(|_| Error::shape("weight", &[d_sums.ncols(), hidden.ncols()], &[outputs, inputs]))?;
            F::product(true, d_sums.t(), hidden, d_weight);
            add_rows(d_sums, &mut flat[bias..bias + outputs]);
            Ok(())
        })
    }

    /// Adds the sum over rows of `d_log_std` `[rows, free parameters]` to `flat`.
    pub(super) fn add_log_std(&self, d_log_std: ArrayView2<'_, F>, flat: &mut [F]) {
        if let Some(start) = self.layout.log_std() {
            add_rows(d_log_std, &mut flat[start..start + d_log_std.ncols()]);
        }
    }
}

/// Adds each row of `rows` `[rows, columns]` to `sum` `[columns]`.
pub(super) fn add_rows<F: Real>(rows: ArrayView2<'_, F>, sum: &mut [F]) {
    match rows.to_slice() {
        Some(all) => F::add_rows(all, sum),
        None => rows.rows().into_iter().for_each(|row| sum.iter_mut().zip(row).for_each(|(sum, term)| *sum += *term)),
    }
}

pub(super) fn dense<'a, F: Real>(layer: &LayerRange, parameters: &'a [F]) -> Result<Dense<'a, F>> {
    let weight = &parameters[layer.weight..layer.weight + layer.outputs * layer.inputs];
    let weight = ArrayView2::from_shape((layer.outputs, layer.inputs), weight)
        .map_err(|_| Error::shape("weight", &[weight.len()], &[layer.outputs, layer.inputs]))?;
    Ok(Dense { weight, bias: ArrayView1::from(&parameters[layer.bias..layer.bias + layer.outputs]) })
}
