//! DQN's network: values of all choices, or a stream of advantages beside one of values.

use super::Real;
use super::flat_mlp::{FlatMlp, by_numbers};
use super::mlp::{Tape, give};
use super::row_blocks::both;
use crate::data::check_shape;
use crate::error::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// Q of each choice from an observation: one network, or the two streams of Wang et al. 2016.
///
/// Flat order: the numbers of the first network, then those of the stream of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QNetwork {
    choices: FlatMlp,
    value: Option<FlatMlp>,
}

/// A pass of a [`QNetwork`].
#[derive(Debug, Clone)]
pub struct QTape<F> {
    choices: Tape<F>,
    /// Of the stream of values, and what came of both.
    value: Option<(Tape<F>, Array2<F>)>,
}

impl From<FlatMlp> for QNetwork {
    fn from(choices: FlatMlp) -> Self {
        Self { choices, value: None }
    }
}

impl QNetwork {
    /// Q = V + A − mean A (Wang et al. 2016, equation 9) of two networks on the same input.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if they have not one input, or `value` not one output.
    pub fn dueling(advantages: FlatMlp, value: FlatMlp) -> Result<Self> {
        check_shape("value", &[value.inputs(), value.outputs()], &[advantages.inputs(), 1])?;
        Ok(Self { choices: advantages, value: Some(value) })
    }

    /// Numbers of all weights and biases.
    pub fn len(&self) -> usize {
        self.choices.len() + self.value.as_ref().map_or(0, FlatMlp::len)
    }

    /// Whether there is nothing to train (never).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pass of `obs` `[rows, inputs]` with the numbers `parameters`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there are not [`len`](Self::len) numbers, or `obs` has another width.
    pub fn forward<F: Real>(&self, parameters: &[F], obs: ArrayView2<'_, F>) -> Result<QTape<F>> {
        let (own, of_value) = self.split(parameters)?;
        let Some(value) = &self.value else {
            return Ok(QTape { choices: self.choices.with(own)?.forward(obs)?, value: None });
        };
        let size = self.choices.len() * obs.nrows();
        let (advantages, value) =
            both(size, || self.choices.with(own)?.forward(obs), || value.with(of_value)?.forward(obs));
        let (advantages, value) = (advantages?, value?);
        let q = dueling(advantages.output(), value.output().column(0));
        Ok(QTape { choices: advantages, value: Some((value, q)) })
    }

    /// Gradient of Σ cotangent · Q by the flat numbers. [`Real::give`] takes the vector's room back.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `cotangent` has not the output's shape.
    pub(super) fn by_numbers<F: Real>(
        &self,
        parameters: &[F],
        tape: &QTape<F>,
        cotangent: ArrayView2<'_, F>,
    ) -> Result<Vec<F>> {
        let (own, of_value) = self.split(parameters)?;
        let (Some(value), Some((value_tape, _))) = (&self.value, &tape.value) else {
            return by_numbers(&self.choices.with(own)?, &tape.choices, cotangent);
        };
        let (by_advantages, by_value) = dueling_gradient(cotangent);
        let mut flat = by_numbers(&self.choices.with(own)?, &tape.choices, by_advantages.view())?;
        let rest = by_numbers(&value.with(of_value)?, value_tape, by_value.insert_axis(Axis(1)).view())?;
        flat.extend_from_slice(&rest);
        F::give(rest);
        Ok(flat)
    }

    fn split<'a, F>(&self, parameters: &'a [F]) -> Result<(&'a [F], &'a [F])> {
        check_shape("parameters", &[parameters.len()], &[self.len()])?;
        Ok(parameters.split_at(self.choices.len()))
    }
}

impl<F: Real> QTape<F> {
    /// Q of each choice, `[rows, choices]`.
    pub fn output(&self) -> ArrayView2<'_, F> {
        self.value.as_ref().map_or_else(|| self.choices.output(), |(_, q)| q.view())
    }

    /// Takes the pass's room back.
    pub fn give(self) {
        self.choices.give();
        if let Some((value, q)) = self.value {
            value.give();
            give(q);
        }
    }
}

/// Q = V + A − mean A of each row: `advantages` `[rows, choices]`, `values` `[rows]`.
pub fn dueling<F: Real>(advantages: ArrayView2<'_, F>, values: ArrayView1<'_, F>) -> Array2<F> {
    let mut q = advantages.to_owned();
    for (mut row, value) in q.outer_iter_mut().zip(values) {
        let shift = *value - row.sum() / F::count(row.len());
        row.mapv_inplace(|advantage| advantage + shift);
    }
    q
}

/// Gradients by the advantages `[rows, choices]` and by the values `[rows]`, from that by Q: d_A = d_Q − mean d_Q, d_V = Σ d_Q.
pub fn dueling_gradient<F: Real>(by_q: ArrayView2<'_, F>) -> (Array2<F>, Array1<F>) {
    let by_value = by_q.sum_axis(Axis(1));
    let choices = F::count(by_q.ncols());
    let by_advantages = &by_q - &by_value.mapv(|sum| sum / choices).insert_axis(Axis(1));
    (by_advantages, by_value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Activation;
    use ndarray::array;

    #[test]
    fn values_and_advantages_add_up_by_hand() {
        // Means 2 and 1.
        let q = dueling(array![[1.0, 3.0], [-1.0, 3.0]].view(), array![10.0, -4.0].view());
        assert_eq!(q, array![[9.0, 11.0], [-6.0, -2.0]]);
        // Whatever is added to all advantages of a row, Q stays.
        assert_eq!(dueling(array![[5.0, 7.0]].view(), array![10.0].view()), array![[9.0, 11.0]]);
        let (by_advantages, by_value) = dueling_gradient(array![[0.0, 4.0]].view());
        assert_eq!((by_advantages, by_value), (array![[-2.0, 2.0]], array![4.0]));
    }

    /// By each number, central differences of Σ c Q.
    #[test]
    fn its_gradient_is_that_of_its_values() {
        let shape = |sizes: Vec<usize>| FlatMlp::new(sizes, Activation::Tanh).unwrap();
        let network = QNetwork::dueling(shape(vec![2, 4, 3]), shape(vec![2, 5, 1])).unwrap();
        let number = |i: usize| (0.7 * i as f64 + 0.3).sin();
        let mut numbers: Vec<f64> = (0..network.len()).map(number).collect();
        let obs = array![[0.3, -1.1], [0.8, 0.4], [-0.2, 0.5]];
        let weights = array![[1.0, -0.5, 0.2], [0.0, 2.0, 0.3], [0.7, 0.1, -1.0]];
        let total = |numbers: &[f64]| (&network.forward(numbers, obs.view()).unwrap().output() * &weights).sum();
        let tape = network.forward(&numbers, obs.view()).unwrap();
        let gradient = network.by_numbers(&numbers, &tape, weights.view()).unwrap();
        for i in 0..numbers.len() {
            let (kept, h) = (numbers[i], 1e-5);
            numbers[i] = kept + h;
            let above = total(&numbers);
            numbers[i] = kept - h;
            let slope = (above - total(&numbers)) / (2.0 * h);
            numbers[i] = kept;
            // Of third order: h² times derivatives near 1, and roundings of sums near 10 by h.
            assert!((slope - gradient[i]).abs() < 1e-8, "{i}: {slope} {}", gradient[i]);
        }
        assert!(QNetwork::dueling(shape(vec![2, 3]), shape(vec![3, 1])).is_err());
        assert!(QNetwork::dueling(shape(vec![2, 3]), shape(vec![2, 2])).is_err());
        assert!(network.forward(&numbers[1..], obs.view()).is_err());
    }
}
