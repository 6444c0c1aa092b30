//! What is done with many numbers at once, as the formulas have it: one after the other, on one thread, in any precision. It is what the
//! oracle in `f64` does, and what a test holds [`fast`](super::fast) to. Products of matrices alone are a library's: ndarray's, by the crate
//! `matrixmultiply`, which uses the CPU's vector instructions.

use super::activation::{activate, derivative};
use super::real::{AdamStep, FlatWindow, Real, SquashInputs, SquashOutputs};
use super::reduce_moments::wide_sum;
use super::squash::log_slope;
use crate::collective::Collective;
use crate::error::Result;
use crate::policy::Activation;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

pub(super) fn tanh_of_sums<F: Real>(rows: &mut [F], bias: &[F]) {
    for row in rows.chunks_exact_mut(bias.len().max(1)) {
        row.iter_mut().zip(bias).for_each(|(y, bias)| *y = (*y + *bias).tanh());
    }
}

pub(super) fn relu_of_sums<F: Real>(rows: &mut [F], bias: &[F]) {
    for row in rows.chunks_exact_mut(bias.len().max(1)) {
        row.iter_mut().zip(bias).for_each(|(y, bias)| *y = activate(Activation::Relu, *y + *bias));
    }
}

pub(super) fn activate_all<F: Real>(f: Activation, values: &mut [F]) {
    values.iter_mut().for_each(|value| *value = activate(f, *value));
}

pub(super) fn times_slope<F: Real>(f: Activation, d: &mut [F], z: &[F], y: &[F]) {
    d.iter_mut().zip(z).zip(y).for_each(|((d, z), y)| *d *= derivative(f, *z, *y));
}

pub(super) fn times_tanh_slope<F: Real>(d: &mut [F], y: &[F], bias: &[F]) {
    let slope = |y: &F| F::one() - *y * *y;
    if bias.is_empty() {
        return d.iter_mut().zip(y).for_each(|(d, y)| *d *= slope(y));
    }
    for (d, y) in d.chunks_exact_mut(bias.len()).zip(y.chunks_exact(bias.len())) {
        d.iter_mut().zip(y).zip(bias).for_each(|((d, y), bias)| *d = (*d + *bias) * slope(y));
    }
}

pub(super) fn add_rows<F: Real>(rows: &[F], sum: &mut [F]) {
    for row in rows.chunks_exact(sum.len().max(1)) {
        sum.iter_mut().zip(row).for_each(|(sum, term)| *sum += *term);
    }
}

pub(super) fn product<F: Real>(add: bool, a: ArrayView2<'_, F>, b: ArrayView2<'_, F>, mut c: ArrayViewMut2<'_, F>) {
    let before = if add { F::one() } else { F::zero() };
    general_mat_mul(F::one(), &a, &b, before, &mut c);
}

pub(super) fn gae<F: Real>(
    window: &FlatWindow<'_, F>,
    gamma: F,
    decay: F,
    mut advantages: ArrayViewMut2<'_, F>,
    mut returns: ArrayViewMut2<'_, F>,
) {
    let (steps, envs) = advantages.dim();
    for n in 0..envs {
        let mut following = F::zero();
        for t in (0..steps).rev() {
            let at = t * envs + n;
            let (terminated, truncated) = (window.terminated[at] != 0, window.truncated[at] != 0);
            let next = match (terminated, truncated) {
                (true, _) => F::zero(),
                (false, true) => window.final_values[at],
                (false, false) => window.values[at + envs],
            };
            let delta = window.rewards[at] + gamma * next - window.values[at];
            // What lies beyond an end need not even be a number.
            following = if terminated || truncated { delta } else { delta + decay * following };
            advantages[[t, n]] = following;
            returns[[t, n]] = following + window.values[at];
        }
    }
}

pub(super) fn squares<F: Real>(values: &[F]) -> f64 {
    wide_sum(values.iter().map(|value| value.as_f64() * value.as_f64()))
}

pub(super) fn adam<F: Real>(step: &AdamStep<F>, parameters: &mut [F], gradient: &[F], [first, second]: [&mut [F]; 2]) {
    for (((p, g), m), v) in parameters.iter_mut().zip(gradient).zip(first).zip(second) {
        let mut g = *g * step.scale;
        if step.decoupled {
            *p *= step.keep;
        } else {
            g += step.decay * *p;
        }
        *m = step.first[0] * *m + step.first[1] * g;
        *v = step.second[0] * *v + step.second[1] * g * g;
        *p -= step.rate * *m / (v.sqrt() / step.root + step.eps);
    }
}

/// In f64, whatever `F` is. 1 − a² is 4e/(1 + e)², e = exp(−2|u|), which does not cancel.
pub(super) fn squash<F: Real>(epsilon: f64, inputs: &SquashInputs<'_, F>, out: SquashOutputs<'_, F>) {
    let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
    let exact = epsilon == 0.0;
    for (i, log_prob) in out.log_prob.iter_mut().enumerate() {
        let (log_sigma, noise) = (inputs.log_sigma[i], inputs.noise[i].as_f64());
        let moved = log_sigma.exp() * noise;
        let u = inputs.mean[i].as_f64() + moved;
        let e = (-2.0 * u.abs()).exp();
        let (a, slope) = (u.tanh(), 4.0 * e / (1.0 + e).powi(2));
        let log_jacobian = if exact { log_slope(u) } else { (slope + epsilon).ln() };
        let by_pre = if exact { 2.0 * a } else { 2.0 * a * slope / (slope + epsilon) };
        *log_prob = -0.5 * noise * noise - log_sigma - half_log_tau - log_jacobian;
        out.pre_squash[i] = F::of(u);
        out.action[i] = F::of(a);
        out.by_pre[i] = F::of(by_pre);
        out.slope[i] = F::of(slope);
        out.moved[i] = F::of(moved);
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn as_f64(self) -> f64 {
        self
    }
    fn as_f32(self) -> f32 {
        self as f32
    }
    fn tanh_of_sums(rows: &mut [Self], bias: &[Self]) {
        tanh_of_sums(rows, bias);
    }
    fn relu_of_sums(rows: &mut [Self], bias: &[Self]) {
        relu_of_sums(rows, bias);
    }
    fn activate_all(f: Activation, values: &mut [Self]) {
        activate_all(f, values);
    }
    fn times_slope(f: Activation, d: &mut [Self], z: &[Self], y: &[Self]) {
        times_slope(f, d, z, y);
    }
    fn times_tanh_slope(d: &mut [Self], y: &[Self], bias: &[Self]) {
        times_tanh_slope(d, y, bias);
    }
    fn add_rows(rows: &[Self], sum: &mut [Self]) {
        add_rows(rows, sum);
    }
    fn product(add: bool, a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, c: ArrayViewMut2<'_, Self>) {
        product(add, a, b, c);
    }
    fn gae(
        window: &FlatWindow<'_, Self>,
        gamma: Self,
        decay: Self,
        advantages: ArrayViewMut2<'_, Self>,
        returns: ArrayViewMut2<'_, Self>,
    ) {
        gae(window, gamma, decay, advantages, returns);
    }
    fn squares(values: &[Self]) -> f64 {
        squares(values)
    }
    fn adam(step: &AdamStep<Self>, parameters: &mut [Self], gradient: &[Self], moments: [&mut [Self]; 2]) {
        adam(step, parameters, gradient, moments);
    }
    fn squash(epsilon: f64, inputs: &SquashInputs<'_, Self>, out: SquashOutputs<'_, Self>) {
        squash(epsilon, inputs, out);
    }
    fn take(len: usize) -> Vec<Self> {
        vec![0.0; len]
    }
    fn give(_room: Vec<Self>) {}

    fn sum_ranks(collective: &dyn Collective, values: &mut [Self]) -> Result<()> {
        collective.sum_f64(values)
    }
}
