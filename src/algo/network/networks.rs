//! What every list of calls needs, and what feeds a layer.

use super::activations::Activations;
use crate::gpu::{Buffer, Gpu};
use crate::policy::{Activation, BranchRange, ParamLayout, PolicySpec};

/// Some rows that go through the networks together.
#[derive(Debug, Clone, Copy)]
pub(in crate::algo) struct Block {
    /// Number of rows.
    pub rows: u32,
    /// First element of the observations.
    pub obs_offset: u32,
    /// Elements from one row of the observations to the next: `obs_dim`, more where rows are padded, or a multiple of it to take
    /// every k-th row.
    pub obs_stride: u32,
    /// First element of the values.
    pub value_offset: u32,
}

/// The pieces that every list of calls needs.
#[derive(Debug, Clone, Copy)]
pub(in crate::algo) struct Networks<'a> {
    pub gpu: &'a Gpu,
    pub spec: &'a PolicySpec,
    pub layout: &'a ParamLayout,
    pub parameters: &'a Buffer<f32>,
}

/// Parameters of a kernel of dense layers: where `$layer` lies in the flat vector, and where its input lies for `$block`, which is the
/// observations if `$from_obs`.
macro_rules! dense_params {
    ($kernel:ident, $layer:expr, $block:expr, $from_obs:expr, { $($field:ident: $value:expr),* $(,)? }) => {
        $kernel::Params {
            rows: $block.rows,
            inputs: $layer.inputs as u32,
            outputs: $layer.outputs as u32,
            weight: $layer.weight as u32,
            bias: $layer.bias as u32,
            input_offset: if $from_obs { $block.obs_offset } else { 0 },
            input_stride: if $from_obs { $block.obs_stride } else { $layer.inputs as u32 },
            $($field: $value,)*
            ..Default::default()
        }
    };
}
pub(super) use dense_params;

impl Networks<'_> {
    /// Branch `at` with its layers.
    pub(super) fn branch(&self, at: usize) -> &BranchRange {
        &self.layout.branches()[at]
    }

    /// What a kernel applies to the kept output of a hidden layer where it loads it.
    fn on_load(&self) -> Activation {
        if self.spec.activation.keeps_preactivation() { self.spec.activation } else { Activation::Identity }
    }

    /// What a kernel applies to the input of a layer where it loads it: nothing to observations.
    pub(super) fn on_load_of(&self, from_obs: bool) -> Activation {
        if from_obs { Activation::Identity } else { self.on_load() }
    }

    /// What a kernel applies to a hidden layer before it stores it.
    pub(super) fn on_store(&self) -> Activation {
        if self.spec.activation.keeps_preactivation() { Activation::Identity } else { self.spec.activation }
    }

    /// Branches, of those in `order`, whose layers of one index go together: two that take the same input, feed no other and are as deep as each
    /// other.
    pub(super) fn groups(&self, order: &[usize]) -> Vec<Vec<usize>> {
        let alike = |a: &BranchRange, b: &BranchRange| {
            !a.feeds && !b.feeds && a.input == b.input && a.layers.len() == b.layers.len()
        };
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for &at in order {
            match groups.last_mut() {
                Some(last) if last.len() == 1 && alike(self.branch(last[0]), self.branch(at)) => last.push(at),
                _ => groups.push(vec![at]),
            }
        }
        groups
    }

    /// The buffer that feeds layer `index` of branch `at`, and whether that is the observations.
    pub(super) fn input<'b>(
        &self,
        at: usize,
        index: usize,
        obs: &'b Buffer<f32>,
        kept: &'b Activations,
    ) -> (&'b Buffer<f32>, bool) {
        if index > 0 {
            return (&kept.of(at)[index - 1], false);
        }
        match self.branch(at).input.and_then(|before| kept.of(before).last()) {
            Some(before) => (before, false),
            None => (obs, true),
        }
    }
}
