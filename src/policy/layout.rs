//! The one flat parameter vector and the names of its ranges.

use super::branch::{Branch, Layer};
use super::spec::PolicySpec;

/// One named tensor inside the flat vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamRange {
    /// For example `policy.0.weight`.
    pub name: String,
    /// First element in the flat vector.
    pub offset: usize,
    /// Weights are `[out, in]` (PyTorch's convention, y = x Wᵀ + b), biases, `log_std` and `std` `[n]`.
    pub shape: Vec<usize>,
}

impl ParamRange {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |len: usize, size| len.saturating_mul(*size))
    }

    /// Whether it has no elements (never, in a valid layout).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements' indices in the flat vector.
    pub fn indices(&self) -> std::ops::Range<usize> {
        self.offset..self.offset.saturating_add(self.len())
    }
}

/// One dense layer inside the flat vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerRange {
    /// Input width.
    pub inputs: usize,
    /// Output width.
    pub outputs: usize,
    /// First element of the weight `[outputs, inputs]`.
    pub weight: usize,
    /// First element of the bias `[outputs]`.
    pub bias: usize,
}

/// The layers of one branch inside the flat vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchRange {
    /// The branch's name.
    pub name: String,
    /// Which branch it takes the output of, as an index into [`ParamLayout::branches`]; `None` for the observation, with or without an action.
    pub input: Option<usize>,
    /// Whether another branch takes its output, so that the activation follows its last layer, too.
    pub feeds: bool,
    /// Its layers, input side first.
    pub layers: Vec<LayerRange>,
}

impl BranchRange {
    /// Whether layer `index` is an output of the network: the last layer, and no other branch takes what it gives.
    pub fn is_output(&self, index: usize) -> bool {
        !self.feeds && index + 1 == self.layers.len()
    }
}

/// Names and places of all trainable numbers of a policy.
///
/// Order: branch by branch as the spec has them, of the usual ones `trunk.0.weight`, `trunk.0.bias`, …, `policy.0.weight`, …, `value.0.weight`,
/// …; then the bias of the actor's last layer, then `log_std` (or
/// `std`), without gaps. That bias comes so late because it has as many numbers as the head wants: with hidden layers whose widths are multiples of
/// four every weight then starts at one, and the tiled kernels read four at a time. Go by [`get`](Self::get), not by the order.
/// Gradients, Adam moments and tangents have the same layout. Of a spec that [`PolicySpec::validate`] refuses, offsets and lengths end at the
/// greatest `usize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamLayout {
    ranges: Vec<ParamRange>,
    branches: Vec<BranchRange>,
    log_std: Option<usize>,
    len: usize,
}

impl PolicySpec {
    /// Where each weight, bias and free parameter lies in the flat vector.
    pub fn layout(&self) -> ParamLayout {
        ParamLayout::new(self)
    }
}

impl ParamLayout {
    fn new(spec: &PolicySpec) -> Self {
        let mut ranges = Vec::new();
        let mut len = 0;
        let mut push = |name: String, shape: Vec<usize>| {
            let (offset, range) = (len, ParamRange { name, offset: len, shape });
            // A spec that nobody validated may have any sizes.
            len = len.saturating_add(range.len());
            ranges.push(range);
            offset
        };
        let inputs: Vec<_> = (0..spec.branches.len()).map(|index| spec.input_of(index)).collect();
        let mut branches = Vec::with_capacity(inputs.len());
        for (place, branch) in spec.branches.iter().enumerate() {
            let name = &branch.name;
            let mut layers = Vec::with_capacity(branch.layers.len());
            let sizes = spec.sizes_at(place);
            for (index, (layer, pair)) in branch.layers.iter().zip(sizes.windows(2)).enumerate() {
                let (inputs, outputs) = (pair[0], pair[1]);
                // The one kind that there is has two tensors.
                let Layer::Dense { .. } = layer;
                let weight = push(format!("{name}.{index}.weight"), vec![outputs, inputs]);
                let late = name == Branch::POLICY && index + 1 == branch.layers.len();
                let bias = if late { 0 } else { push(format!("{name}.{index}.bias"), vec![outputs]) };
                layers.push(LayerRange { inputs, outputs, weight, bias });
            }
            let feeds = inputs.contains(&Some(place));
            branches.push(BranchRange { name: name.clone(), input: inputs[place], feeds, layers });
        }
        let actors = branches.iter_mut().filter(|branch| branch.name == Branch::POLICY);
        for BranchRange { name, layers, .. } in actors {
            let index = layers.len().saturating_sub(1);
            if let Some(last) = layers.last_mut() {
                last.bias = push(format!("{name}.{index}.bias"), vec![last.outputs]);
            }
        }
        let free = spec.head.free_parameters();
        let log_std = (free > 0).then(|| push(spec.head.free_name().to_owned(), vec![free]));
        Self { ranges, branches, log_std, len }
    }

    /// Number of trainable parameters.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to train (never, in a valid layout).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All ranges in order of offset.
    pub fn ranges(&self) -> &[ParamRange] {
        &self.ranges
    }

    /// The range called `name`.
    pub fn get(&self, name: &str) -> Option<&ParamRange> {
        self.ranges.iter().find(|range| range.name == name)
    }

    /// The branches, in the spec's order.
    pub fn branches(&self) -> &[BranchRange] {
        &self.branches
    }

    /// The branch called `name`.
    pub fn branch(&self, name: &str) -> Option<&BranchRange> {
        self.branches.iter().find(|branch| branch.name == name)
    }

    /// The layers of the branch called `name`, input side first; empty if there is none.
    pub fn layers(&self, name: &str) -> &[LayerRange] {
        self.branch(name).map_or(&[], |branch| &branch.layers)
    }

    /// The layers that actor and critic share; empty if they share none.
    pub fn trunk(&self) -> &[LayerRange] {
        let shared = self.branch(Branch::POLICY).and_then(|policy| policy.input);
        shared.and_then(|shared| self.branches.get(shared)).map_or(&[], |trunk| &trunk.layers)
    }

    /// All layers from the observation to the output of the branch called `name`.
    pub fn path(&self, name: &str) -> Vec<LayerRange> {
        let before = |branch: &&BranchRange| branch.input.and_then(|input| self.branches.get(input));
        let mut path: Vec<_> = std::iter::successors(self.branch(name), before).collect();
        path.reverse();
        path.into_iter().flat_map(|branch| branch.layers.iter().copied()).collect()
    }

    /// Where the numbers of the own layers of the branch called `name` lie, which are next to each other in all branches but the actor's;
    /// empty without a layer.
    pub fn own_range(&self, name: &str) -> std::ops::Range<usize> {
        let layers = self.layers(name);
        let first = layers.first().map_or(0, |layer| layer.weight);
        first..layers.last().map_or(first, |layer| layer.bias + layer.outputs)
    }

    /// First element of the free `log_std`, or `std` with [`StdType::Scalar`](super::StdType::Scalar), if the head has one.
    pub fn log_std(&self) -> Option<usize> {
        self.log_std
    }
}

#[cfg(test)]
mod tests;
