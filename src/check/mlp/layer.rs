//! A dense layer of a case, and what its kernels are compared with.

use crate::check::accuracy::FUNCTION;
use crate::check::size::Size;
use crate::check::support::{EPS, Random};
use crate::kernels::mlp_backward_weight;
use crate::kernels::tile::Tile;
use crate::policy::Activation;
use crate::reference::mlp::{activate, derivative};
use ndarray::Array2;

const REASON: &str = "one rounding per term of a sum in order (each term: product and addition); an activation adds 24, of part math's \
                      polynomials and a device's exp (3 + 2|x| ulp); \
                      scale: the sum of |terms|";

pub(in crate::check) fn tolerance(terms: usize, functions: &[Activation]) -> (f64, &'static str) {
    let curved = functions.iter().any(|f| !matches!(f, Activation::Identity | Activation::Relu));
    (EPS * (terms as f64 + 2.0) + if curved { FUNCTION } else { 0.0 }, REASON)
}

/// `[rows, columns]` with row r at offset + r · stride.
pub(in crate::check) fn matrix(data: &[f32], rows: usize, columns: usize, offset: usize, stride: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(r, c)| f64::from(data[offset + r * stride + c]))
}

#[derive(Clone, Copy)]
pub(in crate::check) struct Layer {
    pub(in crate::check) rows: usize,
    pub(in crate::check) inputs: usize,
    pub(in crate::check) outputs: usize,
    pub(in crate::check) input_activation: Activation,
    pub(in crate::check) activation: Activation,
    /// Copied parameters after the outputs.
    pub(in crate::check) extra: usize,
    /// Elements of offset and of slack between rows, everywhere.
    pub(in crate::check) slack: usize,
}

pub(in crate::check) const PLAIN: Layer = Layer {
    rows: 1,
    inputs: 1,
    outputs: 1,
    input_activation: Activation::Identity,
    activation: Activation::Identity,
    extra: 0,
    slack: 0,
};

impl Layer {
    /// Of that size, without activations.
    pub(in crate::check) fn at(s: &Size) -> Self {
        Self { rows: s.rows, inputs: s.layer.0, outputs: s.layer.1, ..PLAIN }
    }

    /// What follows a layer of that size: nothing where it feeds a head.
    pub(in crate::check) fn activation(s: &Size) -> Activation {
        if s.last { Activation::Identity } else { Activation::Tanh }
    }

    /// Elements from one row of the input to the next: with a slack of 4, which gives offsets that are multiples of four, one, too, so
    /// that rows begin at vectors whatever their width.
    pub(in crate::check) fn input_stride(self) -> usize {
        let stride = self.inputs + self.slack;
        if self.slack == 4 { stride.next_multiple_of(4) } else { stride }
    }

    /// The input, and before and between its rows what must not count.
    pub(in crate::check) fn input(self, random: &mut Random, deviation: f32) -> Vec<f32> {
        let stride = self.input_stride();
        let mut x = random.normals(self.slack + self.rows * stride, deviation);
        x[..self.slack].fill(f32::NAN);
        x[self.slack..].chunks_mut(stride.max(1)).for_each(|row| row[self.inputs..].fill(f32::NAN));
        x
    }

    pub(in crate::check) fn shape(&self) -> String {
        let Self { rows, inputs, outputs, input_activation, activation, extra, slack } = self;
        let mut text = format!("{rows} × {inputs} → {outputs}");
        for (label, function) in [("of", input_activation), ("then", activation)] {
            if *function != Activation::Identity {
                text += &format!(", {label} {function:?}");
            }
        }
        for (label, count) in [("copies", extra), ("slack", slack)] {
            if *count > 0 {
                text += &format!(", {count} {label}");
            }
        }
        text
    }
}

/// Preactivation and output of which a forward pass keeps one.
pub(in crate::check) fn kept(f: Activation, word: f32) -> (f64, f64) {
    let kept = f64::from(word);
    match f {
        _ if f.keeps_preactivation() => (kept, activate(f, kept)),
        Activation::Elu if kept <= 0.0 => (kept.ln_1p(), kept),
        _ => (kept, kept),
    }
}

/// What a forward pass kept of `count` hidden numbers.
pub(super) fn kept_words(random: &mut Random, count: usize, f: Activation) -> Vec<f32> {
    let keep = |z: f32| if f.keeps_preactivation() { z } else { activate(f, f64::from(z)) as f32 };
    random.normals(count, 1.5).into_iter().map(keep).collect()
}

/// Gradients by the preactivation, from those by the output, in f64.
pub(super) fn through_slope(sums: &Array2<f64>, f: Activation, words: &[f32]) -> Vec<f64> {
    let slope = |word: f32| {
        let (z, y) = kept(f, word);
        derivative(f, z, y)
    };
    sums.iter().zip(words).map(|(sum, word)| sum * slope(*word)).collect()
}

/// Rows of a slice of partial gradients where a layer is all that there is.
pub(in crate::check) fn slice_rows(s: &Size) -> usize {
    let (inputs, outputs) = s.layer;
    mlp_backward_weight::slice_rows(s.rows as u32, (inputs * outputs + outputs) as u64) as usize
}

/// Whether a user's check takes this tile in every product. The walk over a tile is one text for all of them, so the other
/// widths are in one product only: each is a pipeline more to compile.
pub(super) fn takes_part(tile: Tile) -> bool {
    tile.staged || [1, 8, 64].contains(&tile.column_lanes)
}
