//! Tangents of dense layers.

use super::layer::{Layer, PLAIN, kept, kept_words, matrix, takes_part, tolerance};
use super::tiles::label;
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::support::{Guarded, Random};
use crate::check::work::Work;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Slot};
use crate::kernels::tile::Tile;
use crate::kernels::{mlp_jvp, mlp_jvp_tiled};
use crate::policy::Activation;
use crate::reference::mlp::{Dense, Mlp, activate, derivative};
use ndarray::{Array1, Array2};

fn bind(
    gpu: &Gpu,
    c: Layer,
    p: mlp_jvp::Params,
    io: &mlp_jvp::Io<'_>,
    tile: Option<Option<Tile>>,
) -> Result<Vec<Call>> {
    let Some(tile) = tile else {
        return mlp_jvp::bind(gpu, c.input_activation, c.activation, &[p], io);
    };
    let io = mlp_jvp_tiled::Io {
        weights: &io.parameters.cast(),
        tangent: io.tangent,
        weight_tangents: &io.tangent.cast(),
        input: &io.input.cast(),
        input_tangent: &io.input_tangent.cast(),
        kept: io.kept,
        output_tangent: io.output_tangent,
    };
    let tile = tile.unwrap_or_else(|| Tile::pick(gpu, &[[c.rows as u32, (c.outputs + c.extra) as u32]]));
    mlp_jvp_tiled::bind(gpu, tile, c.input_activation, c.activation, &[p.into()], &io)
}

/// `first`: the input has no tangent. `tile`: of which kernel, and in which tile of it; `Some(None)` is the one picked.
fn case(c: Layer, first: bool, tile: Option<Option<Tile>>) -> Case {
    let Layer { rows, inputs, outputs, input_activation, activation, extra, slack } = c;
    let shape = c.shape() + if first { ", first layer" } else { "" } + &label(tile.flatten());
    let kernel = if tile.is_some() { mlp_jvp_tiled::DEF.name } else { mlp_jvp::DEF.name };
    let tolerance = tolerance(2 * inputs + 1, &[input_activation, activation]);
    Case::new(kernel, shape, tolerance, async move |gpu, report| {
        let mut random = Random::new((rows * 7 + inputs * 5 + outputs * 3) as u64);
        // A weight, a gap, a bias, a gap, copies.
        let (bias_at, extra_at) = (slack + outputs * inputs + slack, 3 * slack + outputs * inputs + outputs);
        let parameters = random.normals(extra_at + extra, 0.7);
        let tangent = random.normals(extra_at + extra, 0.7);
        let (input_stride, output_stride) = (c.input_stride(), outputs + extra + slack);
        let x = c.input(&mut random, 1.5);
        let dx = random.normals(rows * inputs, 1.0);
        let words = kept_words(&mut random, rows * outputs, activation);
        let input = Guarded::holding(gpu, "input", &x)?;
        let buffers = (
            Guarded::holding(gpu, "parameters", &parameters)?,
            Guarded::holding(gpu, "tangent", &tangent)?,
            Guarded::holding(gpu, "input_tangent", &dx)?,
            Guarded::holding(gpu, "kept", &words)?,
        );
        let output = Guarded::output(gpu, "output_tangent", rows * output_stride)?;
        let mut p = mlp_jvp::Params::default();
        (p.rows, p.inputs, p.outputs, p.extra) = (rows as u32, inputs as u32, outputs as u32, extra as u32);
        (p.weight, p.bias, p.extra_offset) = (slack as u32, bias_at as u32, extra_at as u32);
        (p.input_offset, p.input_stride) = (slack as u32, input_stride as u32);
        (p.with_input_tangent, p.output_stride) = (u32::from(!first), output_stride as u32);
        let io = mlp_jvp::Io {
            parameters: buffers.0.io(),
            tangent: buffers.1.io(),
            input: input.io(),
            // What is not read may be anything.
            input_tangent: if first { input.io() } else { buffers.2.io() },
            kept: if activation == Activation::Identity { input.io() } else { buffers.3.io() },
            output_tangent: output.io(),
        };
        let calls = bind(gpu, c, p, &io, tile)?;
        report.run(gpu, &calls, Slot::default())?;

        let (weight, d_weight) =
            (matrix(&parameters, outputs, inputs, slack, inputs), matrix(&tangent, outputs, inputs, slack, inputs));
        let d_bias: Array1<f64> = tangent[bias_at..bias_at + outputs].iter().map(|b| f64::from(*b)).collect();
        let hidden = matrix(&x, rows, inputs, slack, input_stride).mapv(|z| activate(input_activation, z));
        let d_hidden = matrix(&dx, rows, inputs, 0, inputs) * f64::from(u8::from(!first));
        // Along the parameters, and along the input: a linear map's derivative is itself.
        let none = Array1::zeros(outputs);
        let layers = vec![Dense { weight: weight.view(), bias: none.view() }];
        let net = Mlp { layers, activation: Activation::Identity, activate_output: false };
        let change = [Dense { weight: d_weight.view(), bias: d_bias.view() }];
        let sums = net.jvp(&net.forward(hidden.view())?, &change)? + net.forward(d_hidden.view())?.output();
        let want = Array2::from_shape_fn((rows, outputs), |(r, j)| {
            let (z, y) = kept(activation, words[r * outputs + j]);
            sums[[r, j]] * derivative(activation, z, y)
        });
        let sizes = hidden.mapv(f64::abs).dot(&d_weight.mapv(f64::abs).t())
            + d_hidden.mapv(f64::abs).dot(&weight.mapv(f64::abs).t())
            + d_bias.mapv(f64::abs);
        let got = output.read(gpu, report).await?;
        for r in 0..rows {
            let (row, rest) = got[r * output_stride..][..output_stride].split_at(outputs);
            report.floats(&format!("output_tangent row {r}"), row, &want.row(r).to_vec(), |j| sizes[[r, j]]);
            report.exact("output_tangent (copies)", &rest[..extra], &tangent[extra_at..]);
            report.untouched("output_tangent (between rows)", rest[extra..].iter().enumerate());
        }
        Ok(())
    })
}

/// Along the parameters, and along the input where it has a tangent.
fn work(s: &Size) -> Work {
    let ((n, i, o), products) = (s.product(), if s.first { 1.0 } else { 2.0 });
    Work::rows(s.rows, 2.0 * products * n * i * o, 4.0 * (n * (products * i + 2.0 * o) + 2.0 * (i * o + o)))
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &mlp_jvp::DEF,
            about: "the tangent of a dense layer along a change of the parameters",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(case(Layer { activation: Layer::activation(s), ..Layer::at(s) }, s.first, None)),
            sweep: Sweep::Layers,
            timed: Timed::Last,
            work,
        },
        Entry {
            def: &mlp_jvp_tiled::DEF,
            about: "`mlp_jvp` in tiles of 64 × 64",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(case(Layer { activation: Layer::activation(s), ..Layer::at(s) }, s.first, Some(None))),
            sweep: Sweep::Layers,
            timed: Timed::Last,
            work,
        },
    ],
};

fn cases() -> Vec<Case> {
    let sizes = [(1, 1, 1), (63, 4, 2), (64, 64, 64), (65, 33, 31), (31, 2, 65), (33, 65, 1), (67, 1, 33), (1, 127, 3)];
    let mut cases = Vec::new();
    let direct = |column_lanes| Some(Some(Tile { staged: false, column_lanes }));
    for tile in [None, Some(Some(Tile::STAGED)), direct(8)] {
        for (rows, inputs, outputs) in sizes {
            let c = Layer { rows, inputs, outputs, ..PLAIN };
            let curved = Layer { activation: Activation::Tanh, ..c };
            cases.push(case(curved, false, tile).quick((rows, inputs) == (64, 64)));
            cases.push(case(Layer { slack: 2, ..curved }, true, tile).quick((rows, inputs) == (63, 4)));
            cases.push(case(Layer { extra: 3, slack: 2, ..c }, false, tile));
        }
        for activation in Activation::ALL {
            let c = Layer { rows: 33, inputs: 13, outputs: 37, slack: 1, ..PLAIN };
            // As in mlp_tiled.
            let quick = tile.is_none() || (tile == Some(Some(Tile::STAGED))) == (activation.code() % 2 == 0);
            cases.push(case(Layer { activation, input_activation: activation, ..c }, false, tile).quick(quick));
        }
    }
    for tile in Tile::all() {
        cases.push(
            case(Layer { rows: 66, inputs: 20, outputs: 72, slack: 4, ..PLAIN }, false, Some(Some(tile)))
                .quick(takes_part(tile)),
        );
        for (outputs, slack, extra) in [(72, 4, 0), (73, 1, 9)] {
            cases.push(case(Layer { rows: 66, inputs: 21, outputs, slack, extra, ..PLAIN }, false, Some(Some(tile))));
        }
    }
    cases
}
