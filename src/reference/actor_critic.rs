//! The whole policy: trunk, actor and critic over the flat parameter vector.

use super::Real;
use super::mlp::{Dense, Mlp, Tape, add_product};
use crate::data::check_shape;
use crate::policy::{LayerRange, Network, ParamLayout, PolicySpec};
use crate::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, concatenate, s};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of one block. It fixes the order of the sums over rows, so it is a constant and not a function of the threads.
pub const BLOCK_ROWS: usize = 256;

/// Most sums over rows that are held apart before they are added up. Like [`BLOCK_ROWS`] it fixes their order.
const PARTS: usize = 32;

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
        let chain = |network, activate_output| -> Result<Mlp<'a, F>> {
            let layers = layout.layers(network).iter().map(|layer| dense(layer, parameters)).collect::<Result<_>>()?;
            Ok(Mlp { layers, activation: spec.activation, activate_output })
        };
        let free = spec.head.free_parameters();
        let log_std = layout.log_std().map_or(&[] as &[F], |start| &parameters[start..start + free]);
        Ok(Self {
            spec,
            layout,
            trunk: chain(Network::Trunk, true)?,
            policy: chain(Network::Policy, false)?,
            value: chain(Network::Value, false)?,
            log_std: ArrayView1::from(log_std),
        })
    }

    /// Distribution rows and values of `obs` `[rows, obs_dim]`, with what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    /// [`Error::Shape`] if `obs` has not the policy's width.
    pub fn forward(&self, obs: ArrayView2<'_, F>) -> Result<ActorCriticTape<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim])?;
        let blocks = row_blocks(obs.nrows(), |rows| {
            let trunk = self.trunk.forward(obs.slice(s![rows, ..]))?;
            let policy = self.policy.forward(trunk.output())?;
            let value = self.value.forward(trunk.output())?;
            Ok([trunk, policy, value])
        })?;
        let width = self.spec.head.width();
        let raw = self.spec.head.raw_outputs();
        let mut dist = Array2::zeros((obs.nrows(), width));
        let mut values = Array1::zeros(obs.nrows());
        for (index, [_, policy, value]) in blocks.iter().enumerate() {
            let first = index * BLOCK_ROWS;
            let rows = first..first + value.output().nrows();
            dist.slice_mut(s![rows.clone(), ..raw]).assign(&policy.output());
            dist.slice_mut(s![rows.clone(), raw..]).assign(&self.log_std);
            values.slice_mut(s![rows]).assign(&value.output().column(0));
        }
        Ok(ActorCriticTape { blocks, dist, values })
    }

    /// Distribution rows alone.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn distribution(&self, obs: ArrayView2<'_, F>) -> Result<Array2<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim])?;
        let raw = self.blocks_of(obs, &self.policy)?;
        let log_std = self.log_std.broadcast((obs.nrows(), self.log_std.len()));
        let log_std = log_std.ok_or_else(|| Error::shape("log_std", self.log_std.shape(), &[raw.ncols()]))?;
        concatenate(Axis(1), &[raw.view(), log_std]).map_err(|_| Error::shape("log_std", log_std.shape(), raw.shape()))
    }

    /// Values alone, `[rows]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn values(&self, obs: ArrayView2<'_, F>) -> Result<Array1<F>> {
        check_shape("obs", obs.shape(), &[obs.nrows(), self.spec.obs_dim])?;
        Ok(self.blocks_of(obs, &self.value)?.column(0).to_owned())
    }

    fn blocks_of(&self, obs: ArrayView2<'_, F>, network: &Mlp<'_, F>) -> Result<Array2<F>> {
        let blocks = row_blocks(obs.nrows(), |rows| {
            let trunk = self.trunk.forward(obs.slice(s![rows, ..]))?;
            Ok(network.forward(trunk.output())?.output().to_owned())
        })?;
        let views: Vec<_> = blocks.iter().map(|block| block.view()).collect();
        concatenate(Axis(0), &views).map_err(|_| Error::shape("obs", obs.shape(), &[1, self.spec.obs_dim]))
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
        let raw = self.spec.head.raw_outputs();
        self.sum_over_rows(d_values.len(), |rows, sum| {
            let [trunk, policy, value] = &tape.blocks[rows.start / BLOCK_ROWS];
            let d_raw = d_dist.slice(s![rows.clone(), ..raw]);
            let d_policy = self.add_gradient(Network::Policy, policy, d_raw, sum)?;
            let d_value = d_values.slice(s![rows.clone()]).insert_axis(Axis(1));
            let d_value = self.add_gradient(Network::Value, value, d_value, sum)?;
            if !self.trunk.layers.is_empty() {
                let d_hidden = self.policy.input_gradient(d_policy) + self.value.input_gradient(d_value);
                self.add_gradient(Network::Trunk, trunk, d_hidden.view(), sum)?;
            }
            self.add_log_std(d_dist.slice(s![rows, raw..]), sum);
            Ok(())
        })
    }

    /// A flat sum over rows. `work` adds what a block of rows contributes; blocks are added in order, in at most [`PARTS`] parts that
    /// are then added in order.
    pub(super) fn sum_over_rows(
        &self,
        rows: usize,
        work: impl Fn(Range<usize>, &mut [F]) -> Result<()> + Sync,
    ) -> Result<Vec<F>> {
        let part_rows = BLOCK_ROWS * rows.div_ceil(BLOCK_ROWS * PARTS).max(1);
        let part = |index: usize| {
            let mut sum = vec![F::zero(); self.layout.len()];
            for start in (index * part_rows..rows.min((index + 1) * part_rows)).step_by(BLOCK_ROWS) {
                work(start..rows.min(start + BLOCK_ROWS), &mut sum)?;
            }
            Ok(sum)
        };
        let parts: Vec<Vec<F>> = (0..rows.div_ceil(part_rows)).into_par_iter().map(part).collect::<Result<_>>()?;
        let mut parts = parts.into_iter();
        let mut total = parts.next().unwrap_or_else(|| vec![F::zero(); self.layout.len()]);
        for part in parts {
            total.iter_mut().zip(part).for_each(|(total, term)| *total += term);
        }
        Ok(total)
    }

    /// Adds the gradient of `network` by its own layers to `flat`; returns that by its first layer's sums.
    pub(super) fn add_gradient(
        &self,
        network: Network,
        tape: &Tape<F>,
        cotangent: ArrayView2<'_, F>,
        flat: &mut [F],
    ) -> Result<Array2<F>> {
        let ranges = self.layout.layers(network);
        let mlp = match network {
            Network::Trunk => &self.trunk,
            Network::Policy => &self.policy,
            Network::Value => &self.value,
        };
        mlp.backward_layers(tape, cotangent, |index, d_sums, hidden| {
            let LayerRange { weight, bias, outputs, inputs } = ranges[index];
            let d_weight =
                ArrayViewMut2::from_shape((outputs, inputs), &mut flat[weight..weight + outputs * inputs])
                    .map_err(|_| Error::shape("weight", &[d_sums.ncols(), hidden.ncols()], &[outputs, inputs]))?;
            add_product(d_sums.t(), hidden, d_weight);
            let mut d_bias = ArrayViewMut1::from(&mut flat[bias..bias + outputs]);
            d_bias += &d_sums.sum_axis(Axis(0));
            Ok(())
        })
    }

    /// Adds the sum over rows of `d_log_std` `[rows, free parameters]` to `flat`.
    pub(super) fn add_log_std(&self, d_log_std: ArrayView2<'_, F>, flat: &mut [F]) {
        if let Some(start) = self.layout.log_std() {
            let mut own = ArrayViewMut1::from(&mut flat[start..start + d_log_std.ncols()]);
            own += &d_log_std.sum_axis(Axis(0));
        }
    }
}

pub(super) fn dense<'a, F: Real>(layer: &LayerRange, parameters: &'a [F]) -> Result<Dense<'a, F>> {
    let weight = &parameters[layer.weight..layer.weight + layer.outputs * layer.inputs];
    let weight = ArrayView2::from_shape((layer.outputs, layer.inputs), weight)
        .map_err(|_| Error::shape("weight", &[weight.len()], &[layer.outputs, layer.inputs]))?;
    Ok(Dense { weight, bias: ArrayView1::from(&parameters[layer.bias..layer.bias + layer.outputs]) })
}

/// `work` on each block of rows, in parallel, results in order.
pub(super) fn row_blocks<T: Send>(
    rows: usize,
    work: impl Fn(Range<usize>) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    let block = |index: usize| work(index * BLOCK_ROWS..rows.min((index + 1) * BLOCK_ROWS));
    match rows.div_ceil(BLOCK_ROWS) {
        1 => Ok(vec![block(0)?]),
        blocks => (0..blocks).into_par_iter().map(block).collect(),
    }
}
