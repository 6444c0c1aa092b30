//! The one flat parameter vector and the names of its ranges.

use super::{Network, PolicySpec};

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

/// Names and places of all trainable numbers of a policy.
///
/// Order: `trunk.0.weight`, `trunk.0.bias`, …, `policy.0.weight`, …, `value.0.weight`, …, the bias of the actor's last layer, `log_std` (or
/// `std`), without gaps. That bias comes so late because it has as many numbers as the head wants: with hidden layers whose widths are multiples of
/// four every weight then starts at one, and the tiled kernels read four at a time. Go by [`get`](Self::get), not by the order.
/// Gradients, Adam moments and tangents have the same layout. Of a spec that [`PolicySpec::validate`] refuses, offsets and lengths end at the
/// greatest `usize`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamLayout {
    ranges: Vec<ParamRange>,
    layers: [Vec<LayerRange>; 3],
    log_std: Option<usize>,
    len: usize,
}

impl ParamLayout {
    pub(super) fn new(spec: &PolicySpec) -> Self {
        let mut ranges = Vec::new();
        let mut len = 0;
        let mut push = |name: String, shape: Vec<usize>| {
            let (offset, range) = (len, ParamRange { name, offset: len, shape });
            // A spec that nobody validated may have any sizes.
            len = len.saturating_add(range.len());
            ranges.push(range);
            offset
        };
        let mut layers = Network::ALL.map(|network| {
            let sizes = spec.sizes(network);
            let last = sizes.len().saturating_sub(2);
            let mut layers = Vec::new();
            for (index, pair) in sizes.windows(2).enumerate() {
                let (inputs, outputs) = (pair[0], pair[1]);
                let weight = push(format!("{}.{index}.weight", network.name()), vec![outputs, inputs]);
                let bias = if network == Network::Policy && index == last {
                    0
                } else {
                    push(format!("{}.{index}.bias", network.name()), vec![outputs])
                };
                layers.push(LayerRange { inputs, outputs, weight, bias });
            }
            layers
        });
        let actor = &mut layers[Network::Policy as usize];
        let index = actor.len().saturating_sub(1);
        if let Some(last) = actor.last_mut() {
            last.bias = push(format!("{}.{index}.bias", Network::Policy.name()), vec![last.outputs]);
        }
        let free = spec.head.free_parameters();
        let log_std = (free > 0).then(|| push(spec.head.free_name().to_owned(), vec![free]));
        Self { ranges, layers, log_std, len }
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

    /// The dense layers of `network`, input side first; empty for a trunk that is not there.
    pub fn layers(&self, network: Network) -> &[LayerRange] {
        &self.layers[network as usize]
    }

    /// Where the numbers of `network`'s own layers lie, which are next to each other; empty without a layer.
    pub fn own_range(&self, network: Network) -> std::ops::Range<usize> {
        let layers = self.layers(network);
        let first = layers.first().map_or(0, |layer| layer.weight);
        first..layers.last().map_or(first, |layer| layer.bias + layer.outputs)
    }

    /// First element of the free `log_std`, or `std` with [`StdType::Scalar`](super::StdType::Scalar), if the head has one.
    pub fn log_std(&self) -> Option<usize> {
        self.log_std
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Activation, Head, Network, PolicySpec};

    #[test]
    fn ranges_follow_each_other_without_gaps() {
        let spec = PolicySpec {
            obs_dim: 3,
            trunk: vec![5],
            policy_hidden: vec![7],
            value_hidden: vec![],
            activation: Activation::Tanh,
            head: Head::gaussian(2),
        };
        let layout = spec.layout();
        let mut next = 0;
        for range in layout.ranges() {
            assert_eq!(range.offset, next, "{}", range.name);
            next += range.len();
        }
        assert_eq!(next, layout.len());
        let names: Vec<_> = layout.ranges().iter().map(|range| range.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "trunk.0.weight",
                "trunk.0.bias",
                "policy.0.weight",
                "policy.0.bias",
                "policy.1.weight",
                "value.0.weight",
                "value.0.bias",
                "policy.1.bias",
                "log_std"
            ]
        );
        let value = layout.layers(Network::Value);
        assert_eq!((value.len(), value[0].inputs, value[0].outputs), (1, 5, 1));
        assert_eq!(layout.log_std(), Some(layout.len() - 2));
    }

    /// What lets the tiled kernels read four weights at a time.
    #[test]
    fn weights_begin_at_multiples_of_four() {
        for head in [Head::categorical(2), Head::gaussian(21), Head::bernoulli(3)] {
            let spec = PolicySpec::separate(6, &[64, 20], Activation::Tanh, head);
            let layout = spec.layout();
            for range in layout.ranges().iter().filter(|range| range.name.ends_with("weight")) {
                assert_eq!(range.offset % 4, 0, "{}", range.name);
            }
        }
    }
}
