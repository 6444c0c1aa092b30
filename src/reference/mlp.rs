//! Dense layers: forward, backward and the derivative along a tangent.

use super::Real;
pub use super::activation::{activate, derivative};
use crate::data::check_shape;
use crate::error::Result;
use crate::policy::Activation;
use ndarray::{ArcArray2, Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};

/// One dense layer, y = x Wᵀ + b.
#[derive(Debug, Clone, Copy)]
pub struct Dense<'a, F> {
    /// `[out, in]`.
    pub weight: ArrayView2<'a, F>,
    /// `[out]`.
    pub bias: ArrayView1<'a, F>,
}

/// A chain of dense layers with one activation between them.
#[derive(Debug, Clone)]
pub struct Mlp<'a, F> {
    /// Input side first.
    pub layers: Vec<Dense<'a, F>>,
    /// After every layer but the last.
    pub activation: Activation,
    /// Whether it follows the last layer too (a shared trunk).
    pub activate_output: bool,
}

/// What a forward pass keeps for the backward pass.
#[derive(Debug, Clone)]
pub struct Tape<F> {
    /// Input of each layer, and at the end the output: `[rows, width]` each. Networks with one input share it.
    pub activations: Vec<ArcArray2<F>>,
    /// Each layer's sum before the activation, where the activation's derivative is not known from the output.
    pub preactivations: Vec<Option<Array2<F>>>,
}

impl<F: Real> Tape<F> {
    /// The output, `[rows, outputs]`.
    pub fn output(&self) -> ArrayView2<'_, F> {
        self.last().view()
    }

    /// The output's array.
    pub(super) fn last(&self) -> &ArcArray2<F> {
        // A tape holds at least its input.
        &self.activations[self.activations.len() - 1]
    }

    /// Gives its arrays back, except for those that others hold.
    pub(super) fn give(self) {
        for array in self.activations.into_iter().flat_map(ArcArray2::try_into_owned_nocopy) {
            give(array);
        }
    }
}

/// Gradient of Σ cotangent · y.
#[derive(Debug, Clone)]
pub struct MlpGradient<F> {
    /// Of each layer's weight `[out, in]` and bias `[out]`, summed over rows.
    pub layers: Vec<(Array2<F>, Array1<F>)>,
    /// Of the input, `[rows, inputs]`.
    pub input: Array2<F>,
}

impl<F: Real> Mlp<'_, F> {
    fn activation_after(&self, layer: usize) -> Activation {
        if layer + 1 == self.layers.len() && !self.activate_output { Activation::Identity } else { self.activation }
    }

    /// h_0 = x; z_i = h_i W_iᵀ + b_i; h_{i+1} = f(z_i). `x` is `[rows, inputs]`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `x` or a layer does not fit what comes before it.
    pub fn forward(&self, x: ArrayView2<'_, F>) -> Result<Tape<F>> {
        let mut input = take(x.dim());
        input.assign(&x);
        self.forward_from(input.into_shared())
    }

    /// [`forward`](Self::forward) of an array that others may hold, too.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub(super) fn forward_from(&self, x: ArcArray2<F>) -> Result<Tape<F>> {
        let mut tape = Tape { activations: vec![x], preactivations: Vec::new() };
        for (index, layer) in self.layers.iter().enumerate() {
            let input = tape.output();
            check_shape(&format!("{index}.weight"), layer.weight.shape(), &[layer.bias.len(), input.ncols()])?;
            let mut hidden = take((input.nrows(), layer.bias.len()));
            F::product(false, input, layer.weight.t(), hidden.view_mut());
            let f = self.activation_after(index);
            let mut kept = None;
            match (f, hidden.as_slice_mut(), layer.bias.as_slice()) {
                (Activation::Tanh, Some(sums), Some(bias)) => F::tanh_of_sums(sums, bias),
                (Activation::Relu, Some(sums), Some(bias)) => F::relu_of_sums(sums, bias),
                _ => {
                    add_bias(&mut hidden, layer.bias);
                    kept = needs_sum(f).then(|| hidden.clone());
                    match hidden.as_slice_mut() {
                        _ if f == Activation::Identity => {}
                        Some(sums) => F::activate_all(f, sums),
                        None => hidden.mapv_inplace(|z| activate(f, z)),
                    }
                }
            }
            tape.preactivations.push(kept);
            tape.activations.push(hidden.into_shared());
        }
        Ok(tape)
    }

    /// Back-propagation of `cotangent` `[rows, outputs]` through a forward pass.
    ///
    /// ```text
    /// dz_i = dh_{i+1} ∘ f'(z_i);   dW_i = dz_iᵀ h_i;   db_i = Σ_rows dz_i;   dh_i = dz_i W_i
    /// ```
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `cotangent` has not the output's shape.
    pub fn backward(&self, tape: &Tape<F>, cotangent: ArrayView2<'_, F>) -> Result<MlpGradient<F>> {
        let mut layers = Vec::with_capacity(self.layers.len());
        let input = self.backward_layers(tape, cotangent, |_, d_sums, hidden| {
            layers.push((d_sums.t().dot(&hidden), d_sums.sum_axis(Axis(0))));
            Ok(())
        })?;
        layers.reverse();
        Ok(MlpGradient { layers, input: self.input_gradient(input) })
    }

    /// dh_0 from what [`backward_layers`](Self::backward_layers) returned.
    pub(super) fn input_gradient(&self, first: Array2<F>) -> Array2<F> {
        match self.layers.first() {
            Some(layer) => layer.back(first),
            None => first,
        }
    }

    /// [`backward`](Self::backward) without its sums over rows: `each` gets i, dz_i and h_i, from the last layer to the first. Returns
    /// dz_0, or `cotangent` if there is no layer.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub(super) fn backward_layers(
        &self,
        tape: &Tape<F>,
        cotangent: ArrayView2<'_, F>,
        mut each: impl FnMut(usize, ArrayView2<'_, F>, ArrayView2<'_, F>) -> Result<()>,
    ) -> Result<Array2<F>> {
        self.walk_back(tape, cotangent, |index, layer, d_sums, hidden| {
            each(index, d_sums.view(), hidden)?;
            Ok(if index > 0 { layer.back(d_sums) } else { d_sums })
        })
    }

    /// From the last layer to the first: `step` gets i, the layer, dz_i and h_i, and returns dh_i, or at the first layer what this is to return.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub(super) fn walk_back(
        &self,
        tape: &Tape<F>,
        cotangent: ArrayView2<'_, F>,
        mut step: impl FnMut(usize, &Dense<'_, F>, Array2<F>, ArrayView2<'_, F>) -> Result<Array2<F>>,
    ) -> Result<Array2<F>> {
        check_shape("cotangent", cotangent.shape(), tape.output().shape())?;
        let mut d_hidden = take(cotangent.dim());
        d_hidden.assign(&cotangent);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            self.scale(tape, index, &mut d_hidden, None);
            d_hidden = step(index, layer, d_hidden, tape.activations[index].view())?;
        }
        Ok(d_hidden)
    }

    /// (`d` + `bias`) ∘ f'(z) of layer `index`.
    fn scale(&self, tape: &Tape<F>, index: usize, d: &mut Array2<F>, bias: Option<ArrayView1<'_, F>>) {
        let (f, y) = (self.activation_after(index), &tape.activations[index + 1]);
        if f == Activation::Tanh {
            return times_tanh_slope(d, y, bias);
        }
        if let Some(bias) = bias {
            add_bias(d, bias);
        }
        if f == Activation::Identity {
            return;
        }
        // Where no z is kept it is not read.
        let z = tape.preactivations[index].as_ref().map_or(y.view(), |z| z.view());
        match (d.as_slice_mut(), z.as_slice(), y.as_slice()) {
            (Some(d), Some(z), Some(y)) => F::times_slope(f, d, z, y),
            _ => Zip::from(d).and(&z).and(y).for_each(|d, &z, &y| *d *= derivative(f, z, y)),
        }
    }

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
            check_shape(&format!("tangent.{index}.weight"), change.weight.shape(), layer.weight.shape())?;
            check_shape(&format!("tangent.{index}.bias"), change.bias.shape(), layer.bias.shape())?;
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

impl<F: Real> Dense<'_, F> {
    /// dh = dz W.
    fn back(&self, d_sums: Array2<F>) -> Array2<F> {
        let d_hidden = self.back_of(d_sums.view());
        give(d_sums);
        d_hidden
    }

    /// The same of an array that is needed further.
    pub(super) fn back_of(&self, d_sums: ArrayView2<'_, F>) -> Array2<F> {
        let mut d_hidden = take((d_sums.nrows(), self.weight.ncols()));
        F::product(false, d_sums, self.weight.view(), d_hidden.view_mut());
        d_hidden
    }
}

/// An array with anything in it.
pub(super) fn take<F: Real>(shape: (usize, usize)) -> Array2<F> {
    // As many numbers as the shape has.
    Array2::from_shape_vec(shape, F::take(shape.0 * shape.1)).unwrap_or_else(|_| Array2::zeros(shape))
}

/// An array that is no longer needed.
pub(super) fn give<F: Real>(array: Array2<F>) {
    F::give(array.into_raw_vec_and_offset().0);
}

/// `bias` added to every row.
fn add_bias<F: Real>(sums: &mut Array2<F>, bias: ArrayView1<'_, F>) {
    match (sums.as_slice_mut(), bias.as_slice()) {
        (Some(sums), Some(bias)) => {
            for row in sums.chunks_exact_mut(bias.len().max(1)) {
                row.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += *bias);
            }
        }
        _ => *sums += &bias,
    }
}

/// d ← (d + bias) (1 − y²).
fn times_tanh_slope<F: Real>(d: &mut Array2<F>, y: &ArcArray2<F>, bias: Option<ArrayView1<'_, F>>) {
    let none: &[F] = &[];
    match (d.as_slice_mut(), y.as_slice(), bias.map_or(Some(none), |bias| bias.to_slice())) {
        (Some(d), Some(y), Some(bias)) => F::times_tanh_slope(d, y, bias),
        _ => {
            if let Some(bias) = bias {
                *d += &bias;
            }
            d.zip_mut_with(y, |d, y| *d *= derivative(Activation::Tanh, *y, *y));
        }
    }
}

/// Whether f'(z) asks for z, and not for f(z) alone.
fn needs_sum(f: Activation) -> bool {
    !matches!(f, Activation::Identity | Activation::Tanh | Activation::Relu)
}
