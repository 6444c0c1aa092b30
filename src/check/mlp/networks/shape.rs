//! Networks of one shape, and where their numbers lie.

use crate::check::mlp::layer::matrix;
use crate::check::support::wide;
use crate::kernels::mlp_forward_networks::{MOST, kept_elements};
use crate::policy::Activation;
use ndarray::{Array1, Array2};

pub(super) const REASON: &str = "one rounding of the result; scale: one rounding per term of every sum and 24 per activation, carried \
                      through the later layers by |weights|, in units of 2⁻²⁴";

/// Elements before everything, and between the rows of the input.
pub(super) const SLACK: usize = 3;

#[derive(Clone, Copy)]
pub(super) struct Networks {
    pub(super) rows: usize,
    pub(super) widths: &'static [usize],
    pub(super) count: usize,
    pub(super) activation: Activation,
}

impl Networks {
    pub(super) fn label(&self) -> String {
        let Self { rows, widths, count, activation } = self;
        format!(
            "{count} × {rows} × {} {activation:?}",
            widths.iter().map(usize::to_string).collect::<Vec<_>>().join("-")
        )
    }

    pub(super) fn inputs(&self) -> usize {
        self.widths[0]
    }

    pub(super) fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    pub(super) fn depth(&self) -> usize {
        self.widths.len() - 1
    }

    /// The table of layers, a gap behind each bias, and how many parameters a network has.
    pub(super) fn layers(&self) -> ([[u32; 4]; MOST], usize) {
        let (mut table, mut at) = ([[0; 4]; MOST], 1);
        for (entry, pair) in table.iter_mut().zip(self.widths.windows(2)) {
            *entry = [pair[0], pair[1], at, at + pair[0] * pair[1]].map(|n| n as u32);
            at += (pair[0] + 1) * pair[1] + 1;
        }
        (table, at)
    }

    pub(super) fn kept(&self) -> usize {
        kept_elements(&self.layers().0[..self.depth()], self.rows as u32) as usize
    }

    /// After layer `index`.
    pub(super) fn activation(&self, index: usize) -> Activation {
        if index + 1 == self.depth() { Activation::Identity } else { self.activation }
    }

    pub(super) fn weight(&self, parameters: &[f32], network: usize, index: usize) -> (Array2<f64>, Array1<f64>) {
        let (table, len) = self.layers();
        let [inputs, outputs, weight, bias] = table[index].map(|n| n as usize);
        let own = &parameters[network * len..];
        (matrix(own, outputs, inputs, weight, inputs), wide(&own[bias..bias + outputs]).into())
    }
}
