//! From gradients by the outputs of networks to their step.

use super::chain::{Between, Chain, WeightJob};
use super::optim::StepOf;
use super::step::Parts;
use crate::error::Result;
use crate::gpu::{Buffer, Call};
use crate::kernels::mlp_forward_networks::NOT_KEPT;

/// One network or two of one shape, that lie in a row, and the gradients by their outputs.
pub(super) struct Learned<'a> {
    pub chain: &'a Chain<'a>,
    pub networks: u32,
    pub between: &'a Between,
    /// First gradient by an output, `[networks, rows, outputs]` from it on.
    pub d_output_at: u32,
}

impl Parts<'_> {
    /// The step of networks of the shape of `chain`, one or two that lie in a row, by the gradient by their outputs.
    pub fn learn(
        &self,
        chain: &Chain<'_>,
        networks: u32,
        inputs_at: u32,
        d_output: &Buffer<f32>,
        between: &Between,
        of_actor: bool,
    ) -> Result<Vec<Call>> {
        self.learn_all(&[Learned { chain, networks, between, d_output_at: 0 }], inputs_at, d_output, of_actor)
    }

    /// The step of networks of several shapes that lie in a row; all see the inputs from `inputs_at` on. Two of one shape are clipped each by
    /// itself, several shapes together.
    pub fn learn_all(
        &self,
        all: &[Learned<'_>],
        inputs_at: u32,
        d_output: &Buffer<f32>,
        of_actor: bool,
    ) -> Result<Vec<Call>> {
        let (gpu, model) = (self.gpu, self.model);
        let Some(first) = all.first() else { return Ok(Vec::new()) };
        let begin = all.iter().map(|one| one.chain.network.first).fold(u32::MAX, u32::min);
        let count = all.iter().map(|one| one.networks * one.chain.network.count).sum();
        let (_, slices) = first.chain.slices(count);
        let partials = gpu.buffer("partials", u64::from(slices) * u64::from(count))?;
        let unused = gpu.buffer("no d_input", 1)?;
        let mut calls = Vec::new();
        for Learned { chain, networks, between, d_output_at } in all {
            let (own, outputs) = (chain.network, chain.network.layers.last().map_or(0, |layer| layer[1]));
            let kept = chain.kept() as u32;
            let place = |n: u32| d_output_at + n * chain.rows * outputs;
            let passes: Vec<_> =
                (0..*networks).map(|n| [own.first + n * own.count, place(n), n * kept, NOT_KEPT]).collect();
            calls.extend(chain.backward(&model.parameters, d_output, between, (&unused, 0), &passes)?);
            let jobs: Vec<_> = (0..*networks)
                .map(|n| WeightJob {
                    partial: own.first - begin + n * own.count,
                    input: inputs_at,
                    d_output: place(n),
                    kept: n * kept,
                })
                .collect();
            calls.extend(chain.weights(&jobs, self.inputs(), d_output, between, (&partials, count))?);
        }
        let (own, end) = (first.chain.network, begin + count);
        let apart = if first.networks == 2 { own.first + own.count..end } else { 0..0 };
        let optimizer = if of_actor { &model.actor } else { &model.critics };
        let step = StepOf { gpu, model, config: self.config, optimizer, range: begin..end, apart };
        calls.extend(step.calls(&partials, slices)?);
        Ok(calls)
    }
}
