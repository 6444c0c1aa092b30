//! The whole policy: trunk, actor and critic over the flat parameter vector.

use super::Real;
use super::mlp::{Dense, Mlp, MlpGradient, Tape};
use crate::data::check_shape;
use crate::policy::{LayerRange, Network, ParamLayout, PolicySpec};
use crate::{Error, Result};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use rayon::prelude::*;

/// Rows of one block. It fixes the order of the sums over rows, so it is a constant and not a function of the threads.
pub const BLOCK_ROWS: usize = 256;

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
        let parts = row_blocks(d_values.len(), |rows| {
            let [trunk, policy, value] = &tape.blocks[rows.start / BLOCK_ROWS];
            let d_raw = d_dist.slice(s![rows.clone(), ..raw]);
            let d_policy = self.policy.backward(policy, d_raw)?;
            let d_value = self.value.backward(value, d_values.slice(s![rows.clone()]).insert_axis(Axis(1)))?;
            let mut part = vec![F::zero(); self.layout.len()];
            if !self.trunk.layers.is_empty() {
                let d_hidden = &d_policy.input + &d_value.input;
                self.scatter(Network::Trunk, &self.trunk.backward(trunk, d_hidden.view())?, &mut part);
            }
            self.scatter(Network::Policy, &d_policy, &mut part);
            self.scatter(Network::Value, &d_value, &mut part);
            if let Some(start) = self.layout.log_std() {
                let d_log_std = d_dist.slice(s![rows, raw..]).sum_axis(Axis(0));
                part[start..start + d_log_std.len()].copy_from_slice(&d_log_std.to_vec());
            }
            Ok(part)
        })?;
        Ok(self.sum(parts))
    }

    /// Flat gradients of the blocks, added in order.
    pub(super) fn sum(&self, parts: Vec<Vec<F>>) -> Vec<F> {
        let mut gradient = vec![F::zero(); self.layout.len()];
        for part in parts {
            for (sum, term) in gradient.iter_mut().zip(part) {
                *sum += term;
            }
        }
        gradient
    }

    pub(super) fn scatter(&self, network: Network, gradient: &MlpGradient<F>, flat: &mut [F]) {
        for (layer, (weight, bias)) in self.layout.layers(network).iter().zip(&gradient.layers) {
            for (place, value) in flat[layer.weight..].iter_mut().zip(weight) {
                *place = *value;
            }
            for (place, value) in flat[layer.bias..].iter_mut().zip(bias) {
                *place = *value;
            }
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
    work: impl Fn(std::ops::Range<usize>) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    let block = |index: usize| work(index * BLOCK_ROWS..rows.min((index + 1) * BLOCK_ROWS));
    match rows.div_ceil(BLOCK_ROWS) {
        1 => Ok(vec![block(0)?]),
        blocks => (0..blocks).into_par_iter().map(block).collect(),
    }
}
