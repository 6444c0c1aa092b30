//! Dense layers: forward, backward and the derivative along a tangent.

use super::Real;
use crate::Result;
use crate::data::check_shape;
use crate::policy::Activation;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, Zip};

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
    /// Each layer's sum before the activation, where the activation's derivative is not known from the output.
    pub preactivations: Vec<Option<Array2<F>>>,
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
            let mut hidden = layer.biases(input.nrows());
            add_product(input, layer.weight.t(), hidden.view_mut());
            let f = self.activation_after(index);
            tape.preactivations.push(needs_sum(f).then(|| hidden.clone()));
            activate_all(f, &mut hidden);
            tape.activations.push(hidden);
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
        self.layers.first().map_or_else(|| first.clone(), |layer| first.dot(&layer.weight))
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
        check_shape("cotangent", cotangent.shape(), tape.output().shape())?;
        let mut d_hidden = cotangent.to_owned();
        for (index, layer) in self.layers.iter().enumerate().rev() {
            self.scale(tape, index, &mut d_hidden);
            each(index, d_hidden.view(), tape.activations[index].view())?;
            if index > 0 {
                d_hidden = d_hidden.dot(&layer.weight);
            }
        }
        Ok(d_hidden)
    }

    /// `d` ∘ f'(z) of layer `index`.
    fn scale(&self, tape: &Tape<F>, index: usize, d: &mut Array2<F>) {
        let (f, y) = (self.activation_after(index), &tape.activations[index + 1]);
        match (f, &tape.preactivations[index]) {
            (Activation::Identity, _) => {}
            // A loop of its own, so that the compiler sees one formula.
            (Activation::Tanh, _) => d.zip_mut_with(y, |d, y| *d *= derivative(Activation::Tanh, *y, *y)),
            (_, Some(z)) => Zip::from(d).and(z).and(y).for_each(|d, &z, &y| *d *= derivative(f, z, y)),
            // z is not read.
            (_, None) => d.zip_mut_with(y, |d, y| *d *= derivative(f, *y, *y)),
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
            let mut sums = change.biases(tape.activations[index].nrows());
            add_product(tape.activations[index].view(), change.weight.t(), sums.view_mut());
            if let Some(hidden) = &hidden {
                add_product(hidden.view(), layer.weight.t(), sums.view_mut());
            }
            self.scale(tape, index, &mut sums);
            hidden = Some(sums);
        }
        Ok(hidden.unwrap_or_else(|| Array2::zeros(tape.activations[0].dim())))
    }
}

impl<F: Real> Dense<'_, F> {
    /// The bias in each of `rows` rows.
    fn biases(&self, rows: usize) -> Array2<F> {
        let mut sums = Array2::zeros((rows, self.bias.len()));
        sums.rows_mut().into_iter().for_each(|mut row| row.assign(&self.bias));
        sums
    }
}

/// C ← C + A B.
pub(super) fn add_product<F: Real>(a: ArrayView2<'_, F>, b: ArrayView2<'_, F>, mut c: ArrayViewMut2<'_, F>) {
    general_mat_mul(F::one(), &a, &b, F::one(), &mut c);
}

/// Whether f'(z) asks for z, and not for f(z) alone.
fn needs_sum(f: Activation) -> bool {
    !matches!(f, Activation::Identity | Activation::Tanh | Activation::Relu)
}

/// f of every element.
fn activate_all<F: Real>(f: Activation, sums: &mut Array2<F>) {
    match (f, sums.as_slice_memory_order_mut()) {
        (Activation::Identity, _) => {}
        (Activation::Tanh, Some(sums)) => F::tanh_all(sums),
        _ => sums.mapv_inplace(|z| activate(f, z)),
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

/// f'(z), where y = f(z) is known. Identity, tanh and relu read y alone.
pub fn derivative<F: Real>(f: Activation, z: F, y: F) -> F {
    let (zero, one, half) = (F::zero(), F::one(), F::of(0.5));
    match f {
        Activation::Identity => one,
        Activation::Tanh => one - y * y,
        Activation::Relu => {
            if y > zero {
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
