//! What `f32` does differently from `f64`, for speed: products by a library, tanh and its relatives without the C library's calls, loops
//! with the widest instructions that the CPU has, long vectors on several threads, and arrays whose memory is kept. Each function is that of [`plain`](super::plain) of the
//! same name: with the same bits where it adds and multiplies in the same order, else within units of the last place.

mod activation;
mod columns;
mod optim;
mod product;
#[cfg(not(target_arch = "wasm32"))]
mod product_faer;
pub(crate) mod scratch;
mod squash;
mod sums;

#[cfg(test)]
mod tests;

use super::real::{AdamStep, FlatWindow, Real, SquashInputs, SquashOutputs};
use crate::collective::Collective;
use crate::error::Result;
use crate::policy::Activation;
use ndarray::{ArrayView2, ArrayViewMut2};

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
    fn as_f32(self) -> f32 {
        self
    }
    fn tanh_of_sums(rows: &mut [Self], bias: &[Self]) {
        activation::tanh_of_sums(rows, bias);
    }
    fn relu_of_sums(rows: &mut [Self], bias: &[Self]) {
        activation::relu_of_sums(rows, bias);
    }
    fn activate_all(f: Activation, values: &mut [Self]) {
        activation::activate_all(f, values);
    }
    fn times_slope(f: Activation, d: &mut [Self], z: &[Self], y: &[Self]) {
        activation::times_slope(f, d, z, y);
    }
    fn times_tanh_slope(d: &mut [Self], y: &[Self], bias: &[Self]) {
        sums::times_tanh_slope(d, y, bias);
    }
    fn add_rows(rows: &[Self], sum: &mut [Self]) {
        sums::add_rows(rows, sum);
    }
    fn product(add: bool, a: ArrayView2<'_, Self>, b: ArrayView2<'_, Self>, c: ArrayViewMut2<'_, Self>) {
        product::product(add, a, b, c);
    }
    fn gae(
        window: &FlatWindow<'_, Self>,
        gamma: Self,
        decay: Self,
        advantages: ArrayViewMut2<'_, Self>,
        returns: ArrayViewMut2<'_, Self>,
    ) {
        columns::gae(window, gamma, decay, advantages, returns);
    }
    fn squares(values: &[Self]) -> f64 {
        optim::squares(values)
    }
    fn adam(step: &AdamStep<Self>, parameters: &mut [Self], gradient: &[Self], moments: [&mut [Self]; 2]) {
        optim::adam(step, parameters, gradient, moments);
    }
    fn squash(epsilon: f64, inputs: &SquashInputs<'_, Self>, out: SquashOutputs<'_, Self>) {
        squash::squash(epsilon, inputs, out);
    }
    fn take(len: usize) -> Vec<Self> {
        scratch::take(len)
    }
    fn give(room: Vec<Self>) {
        scratch::give(room);
    }

    fn sum_ranks(collective: &dyn Collective, values: &mut [Self]) -> Result<()> {
        collective.sum_f32(values)
    }
}
