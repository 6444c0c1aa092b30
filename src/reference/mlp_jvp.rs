//! The derivative of dense layers along a tangent.

use super::Real;
use super::mlp::{Dense, Mlp, Tape, give, take};
use crate::data::check_shape;
use crate::error::Result;
use ndarray::Array2;

impl<F: Real> Mlp<'_, F> {
    /// Derivative of the output along a change `tangent` of all weights and biases, the input held fixed: `[rows, outputs]`.
    ///
    /// ```text
    /// ż_i = ḣ_i W_iᵀ + h_i Ẇ_iᵀ + ḃ_i;   ḣ_{i+1} = f'(z_i) ∘ ż_i;   ḣ_0 = 0
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `tangent` has not this network's shape.
    pub fn jvp(&self, tape: &Tape<F>, tangent: &[Dense<'_, F>]) -> Result<Array2<F>> {
        self.jvp_from(tape, tangent, None)
    }

    /// [`jvp`](Self::jvp) with the input changing by `input` `[rows, inputs]`, if given: ḣ_0 = input.
    ///
    /// # Errors
    /// As [`jvp`](Self::jvp), or if `input` has not the input's shape.
    pub fn jvp_from(&self, tape: &Tape<F>, tangent: &[Dense<'_, F>], input: Option<Array2<F>>) -> Result<Array2<F>> {
        check_shape("tangent", &[tangent.len()], &[self.layers.len()])?;
        if let Some(input) = &input {
            check_shape("input", input.shape(), tape.activations[0].shape())?;
        }
        let mut hidden = input;
        for (index, (layer, change)) in self.layers.iter().zip(tangent).enumerate() {
            if (change.weight.dim(), change.bias.dim()) != (layer.weight.dim(), layer.bias.dim()) {
                check_shape(&format!("tangent.{index}.weight"), change.weight.shape(), layer.weight.shape())?;
                check_shape(&format!("tangent.{index}.bias"), change.bias.shape(), layer.bias.shape())?;
            }
            let mut sums = take((tape.activations[index].nrows(), change.bias.len()));
            F::product(false, tape.activations[index].view(), change.weight.t(), sums.view_mut());
            if let Some(hidden) = hidden {
                F::product(true, hidden.view(), layer.weight.t(), sums.view_mut());
                give(hidden);
            }
            self.scale(tape, index, &mut sums, Some(change.bias));
            hidden = Some(sums);
        }
        Ok(hidden.unwrap_or_else(|| Array2::zeros(tape.activations[0].dim())))
    }
}
