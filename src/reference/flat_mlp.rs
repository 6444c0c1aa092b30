//! A network by itself: a chain of dense layers over a flat vector of its own, as critics, their targets and actors of off-policy
//! algorithms are.

use super::Real;
use super::actor_critic::add_rows;
use super::mlp::{Dense, Mlp, Tape, give};
use super::row_blocks::both;
use crate::data::check_shape;
use crate::error::{Error, Result};
use crate::policy::Activation;
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2};

/// The shape of a network: widths from input to output, and the activation after every layer but the last.
///
/// Flat order: `0.weight` `[out, in]`, `0.bias` `[out]`, `1.weight`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlatMlp {
    sizes: Vec<usize>,
    activation: Activation,
}

impl FlatMlp {
    /// A network of widths `sizes`, input first.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two widths, or a width of 0.
    pub fn new(sizes: Vec<usize>, activation: Activation) -> Result<Self> {
        if sizes.len() < 2 || sizes.contains(&0) {
            return Err(Error::config("sizes", format!("is {sizes:?}, expected at least two widths from 1 on")));
        }
        Ok(Self { sizes, activation })
    }

    /// Width of the input.
    pub fn inputs(&self) -> usize {
        self.sizes[0]
    }

    /// Width of the output.
    pub fn outputs(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// Numbers of all weights and biases.
    pub fn len(&self) -> usize {
        self.sizes.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum()
    }

    /// Whether there is nothing to train (never).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The network with the numbers `parameters`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not [`len`](Self::len) of them.
    pub fn with<'a, F: Real>(&self, parameters: &'a [F]) -> Result<Mlp<'a, F>> {
        check_shape("parameters", &[parameters.len()], &[self.len()])?;
        let mut rest = parameters;
        let layer = |pair: &[usize]| {
            let (weight, after) = rest.split_at(pair[0] * pair[1]);
            let (bias, after) = after.split_at(pair[1]);
            rest = after;
            let weight = ArrayView2::from_shape((pair[1], pair[0]), weight)
                .map_err(|_| Error::shape("weight", &[weight.len()], &[pair[1], pair[0]]))?;
            Ok(Dense { weight, bias: ArrayView1::from(bias) })
        };
        let layers = self.sizes.windows(2).map(layer).collect::<Result<_>>()?;
        Ok(Mlp { layers, activation: self.activation, activate_output: false })
    }
}

/// Gradient of Σ cotangent · y by the flat numbers, and by the input `[rows, inputs]`.
///
/// # Errors
/// [`Error::Shape`] if `cotangent` has not the output's shape.
#[cfg(test)]
fn gradient<F: Real>(
    network: &Mlp<'_, F>,
    tape: &Tape<F>,
    cotangent: ArrayView2<'_, F>,
) -> Result<(Vec<F>, Array2<F>)> {
    Ok((by_numbers(network, tape, cotangent)?, by_input(network, tape, cotangent)?))
}

/// Gradient of Σ cotangent · y by the flat numbers alone. [`Real::give`] takes the vector's room back.
///
/// # Errors
/// [`Error::Shape`] if `cotangent` has not the output's shape.
pub(super) fn by_numbers<F: Real>(
    network: &Mlp<'_, F>,
    tape: &Tape<F>,
    cotangent: ArrayView2<'_, F>,
) -> Result<Vec<F>> {
    let len = |layer: &Dense<'_, F>| layer.weight.len() + layer.bias.len();
    let mut flat = F::take(network.layers.iter().map(len).sum());
    let mut end = flat.len();
    let rest = network.walk_back(tape, cotangent, |index, layer, d_sums, hidden| {
        let (outputs, inputs) = layer.weight.dim();
        let start = end - outputs * (inputs + 1);
        let (weight, bias) = flat[start..end].split_at_mut(outputs * inputs);
        end = start;
        let weight = ArrayViewMut2::from_shape((outputs, inputs), weight)
            .map_err(|_| Error::shape("weight", &[d_sums.ncols(), hidden.ncols()], &[outputs, inputs]))?;
        let own = || {
            F::product(false, d_sums.t(), hidden, weight);
            bias.fill(F::zero());
            add_rows(d_sums.view(), bias);
        };
        if index == 0 {
            own();
            return Ok(d_sums);
        }
        // One product each, and others may be under way: what is worth a thread here is more than a pass of a small network.
        let size = d_sums.nrows() * inputs * outputs / 4;
        let ((), d_hidden) = both(size, own, || layer.back_of(d_sums.view()));
        give(d_sums);
        Ok(d_hidden)
    })?;
    give(rest);
    Ok(flat)
}

/// The sum of gradients of several parts of the rows, in order; there is at least one.
pub(super) fn added<F: Real>(parts: Vec<Vec<F>>) -> Vec<F> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    for part in parts {
        F::add_rows(&part, &mut sum);
        F::give(part);
    }
    sum
}

/// Gradient of Σ cotangent · y by the input alone, `[rows, inputs]`.
///
/// # Errors
/// As [`by_numbers`].
pub(super) fn by_input<F: Real>(
    network: &Mlp<'_, F>,
    tape: &Tape<F>,
    cotangent: ArrayView2<'_, F>,
) -> Result<Array2<F>> {
    Ok(network.input_gradient(network.backward_layers(tape, cotangent, |_, _, _| Ok(()))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn numbers_are_taken_in_their_order() {
        let net = FlatMlp::new(vec![2, 1, 2], Activation::Identity).unwrap();
        assert_eq!((net.len(), net.inputs(), net.outputs()), (7, 2, 2));
        let flat = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let network = net.with(&flat).unwrap();
        // 1·1 + 1·2 + 3 = 6; 6·4 + 6 and 6·5 + 7.
        let tape = network.forward(array![[1.0, 1.0]].view()).unwrap();
        assert_eq!(tape.output(), array![[30.0, 37.0]]);
        let (by_flat, by_input) = gradient(&network, &tape, array![[1.0, 0.0]].view()).unwrap();
        assert_eq!(by_flat, [4.0, 4.0, 4.0, 6.0, 0.0, 1.0, 0.0]);
        assert_eq!(by_input, array![[4.0, 8.0]]);
        assert!(matches!(net.with(&flat[1..]), Err(Error::Shape { .. })));
        assert!(matches!(FlatMlp::new(vec![2], Activation::Tanh), Err(Error::Config { .. })));
    }
}
