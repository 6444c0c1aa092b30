//! Dense layers: forward, backward and the derivative along a tangent.

use super::Real;
use crate::Result;
use crate::data::check_shape;
use crate::policy::Activation;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};

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
    /// Input of each layer, and at the end the output: `[rows, width]` each.
    pub activations: Vec<Array2<F>>,
    /// Each layer's sum before the activation.
    pub preactivations: Vec<Array2<F>>,
}

impl<F: Real> Tape<F> {
    /// The output, `[rows, outputs]`.
    pub fn output(&self) -> ArrayView2<'_, F> {
        // A tape holds at least its input.
        self.activations[self.activations.len() - 1].view()
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
        let mut tape = Tape { activations: vec![x.to_owned()], preactivations: Vec::new() };
        for (index, layer) in self.layers.iter().enumerate() {
            let input = tape.output();
            check_shape(&format!("{index}.weight"), layer.weight.shape(), &[layer.bias.len(), input.ncols()])?;
            let sums = input.dot(&layer.weight.t()) + layer.bias;
            let f = self.activation_after(index);
            tape.activations.push(if f == Activation::Identity { sums.clone() } else { sums.mapv(|z| activate(f, z)) });
            tape.preactivations.push(sums);
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
        check_shape("cotangent", cotangent.shape(), tape.output().shape())?;
        let mut d_hidden = cotangent.to_owned();
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let f = self.activation_after(index);
            if f != Activation::Identity {
                Zip::from(&mut d_hidden)
                    .and(&tape.preactivations[index])
                    .and(&tape.activations[index + 1])
                    .for_each(|d, &z, &y| *d *= derivative(f, z, y));
            }
            layers.push((d_hidden.t().dot(&tape.activations[index]), d_hidden.sum_axis(Axis(0))));
            d_hidden = d_hidden.dot(&layer.weight);
        }
        layers.reverse();
        Ok(MlpGradient { layers, input: d_hidden })
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
        self.jvp_from(tape, tangent, Array2::zeros(tape.activations[0].dim()))
    }

    /// [`jvp`](Self::jvp) with the input changing by `input` `[rows, inputs]`: ḣ_0 = input.
    ///
    /// # Errors
    /// As [`jvp`](Self::jvp), or if `input` has not the input's shape.
    pub fn jvp_from(&self, tape: &Tape<F>, tangent: &[Dense<'_, F>], input: Array2<F>) -> Result<Array2<F>> {
        check_shape("tangent", &[tangent.len()], &[self.layers.len()])?;
        check_shape("input", input.shape(), tape.activations[0].shape())?;
        let mut hidden = input;
        for (index, (layer, change)) in self.layers.iter().zip(tangent).enumerate() {
            check_shape(&format!("tangent.{index}.weight"), change.weight.shape(), layer.weight.shape())?;
            check_shape(&format!("tangent.{index}.bias"), change.bias.shape(), layer.bias.shape())?;
            let f = self.activation_after(index);
            hidden = hidden.dot(&layer.weight.t()) + tape.activations[index].dot(&change.weight.t()) + change.bias;
            Zip::from(&mut hidden)
                .and(&tape.preactivations[index])
                .and(&tape.activations[index + 1])
                .for_each(|d, &z, &y| *d *= derivative(f, z, y));
        }
        Ok(hidden)
    }
}

/// f(z), see [`Activation`].
pub fn activate<F: Real>(f: Activation, z: F) -> F {
    let (one, half) = (F::one(), F::of(0.5));
    match f {
        Activation::Identity => z,
        Activation::Tanh => z.tanh(),
        // Not `max`, which would turn NaN into 0.
        Activation::Relu => {
            if z <= F::zero() {
                F::zero()
            } else {
                z
            }
        }
        Activation::Elu => {
            if z > F::zero() {
                z
            } else {
                z.exp_m1()
            }
        }
        Activation::Silu => z * sigmoid(z),
        Activation::GeluTanh => half * z * (one + gelu_inner(z).tanh()),
        Activation::GeluErf => half * z * (one + (z * F::of(std::f64::consts::FRAC_1_SQRT_2)).erf()),
    }
}

/// f'(z), where y = f(z) is known.
pub fn derivative<F: Real>(f: Activation, z: F, y: F) -> F {
    let (zero, one, half) = (F::zero(), F::one(), F::of(0.5));
    match f {
        Activation::Identity => one,
        Activation::Tanh => one - y * y,
        Activation::Relu => {
            if z > zero {
                one
            } else {
                zero
            }
        }
        Activation::Elu => {
            if z > zero {
                one
            } else {
                z.exp()
            }
        }
        Activation::Silu => {
            let s = sigmoid(z);
            s * (one + z * (one - s))
        }
        Activation::GeluTanh => {
            let t = gelu_inner(z).tanh();
            let inner = F::of(GELU_SCALE) * (one + F::of(3.0 * GELU_CUBIC) * z * z);
            half * (one + t) + half * z * (one - t * t) * inner
        }
        Activation::GeluErf => {
            let density = F::of(1.0 / (2.0 * std::f64::consts::PI).sqrt()) * (-half * z * z).exp();
            half * (one + (z * F::of(std::f64::consts::FRAC_1_SQRT_2)).erf()) + z * density
        }
    }
}

/// √(2/π).
const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
const GELU_CUBIC: f64 = 0.044_715;

fn gelu_inner<F: Real>(z: F) -> F {
    F::of(GELU_SCALE) * (z + F::of(GELU_CUBIC) * z * z * z)
}

fn sigmoid<F: Real>(z: F) -> F {
    F::one() / (F::one() + (-z).exp())
}
