//! The table of cases.

use super::shape::Networks;
use super::{backward, forward};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::work::Work;
use crate::kernels::{mlp_backward_networks, mlp_forward_networks};
use crate::policy::Activation;

/// Networks with wide layers.
const WIDE: &str = "bounds are carried by |weights|, as if all roundings had one sign: over a hundred terms a sum, each layer makes \
                    them some ten times what they are";

fn sized(s: &Size) -> Networks {
    let widths: &'static [usize] = if s.obs_dim > 64 { &[114, 64, 64, 1] } else { &[23, 64, 64, 1] };
    Networks { rows: s.rows, widths, count: 2, activation: Activation::Relu }
}

fn work(s: &Size) -> Work {
    let c = sized(s);
    let weights: usize = c.widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let numbers: usize = c.widths.iter().sum();
    let n = 2.0 * s.rows as f64;
    Work::rows(s.rows, 2.0 * n * weights as f64, 4.0 * (n * numbers as f64 + 2.0 * weights as f64))
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &mlp_forward_networks::DEF,
            about: "several networks of one shape with all their layers, up to 512 wide, keeping what a backward pass needs",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(forward::case(sized(s))),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work,
        },
        Entry {
            def: &mlp_backward_networks::DEF,
            about: "gradients of such networks by their hidden layers and by columns of their inputs",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(backward::case(sized(s), 17)),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work,
        },
    ],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, widths, count, activation, first) in [
        (1, &[1, 1][..], 1, Activation::Tanh, 0),
        (3, &[5, 3, 2], 2, Activation::Relu, 4),
        (4, &[7, 65, 64, 63, 1], 4, Activation::Relu, 3),
        (9, &[23, 17, 33, 1], 6, Activation::Tanh, 17),
        (5, &[3, 2, 4, 2, 4, 2, 3], 3, Activation::Elu, 1),
        (6, &[9, 70, 2], 2, Activation::Silu, 0),
        (7, &[9, 11, 8, 2], 3, Activation::GeluTanh, 8),
        (7, &[4, 11, 2], 2, Activation::GeluErf, 2),
    ] {
        let c = Networks { rows, widths, count, activation };
        cases.push(forward::case(c).quick(rows == 9));
        cases.push(backward::case(c, first).quick(rows == 9));
    }
    let c = Networks { rows: 2, widths: &[511, 512, 257, 1], count: 2, activation: Activation::Relu };
    cases.push(forward::case(c).loose(WIDE));
    cases.push(backward::case(c, 500).loose(WIDE));
    cases
}
