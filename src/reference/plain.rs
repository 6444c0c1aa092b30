//! What is done with many numbers at once, as the formulas have it: one after the other, on one thread, in any precision. It is what the
//! oracle in `f64` does, and what a test holds [`fast`](super::fast) to. Products of matrices alone are a library's: ndarray's, by the crate
//! `matrixmultiply`, which uses the CPU's vector instructions.

use super::activation::{activate, derivative};
use super::real::{FlatWindow, Real};
use crate::policy::Activation;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

pub(super) fn tanh_of_sums<F: Real>(rows: &mut [F], bias: &[F]) {
    for row in rows.chunks_exact_mut(bias.len().max(1)) {
        row.iter_mut().zip(bias).for_each(|(y, bias)| *y = (*y + *bias).tanh());
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
    fn take(len: usize) -> Vec<Self> {
        vec![0.0; len]
    }
    fn give(_room: Vec<Self>) {}
}
