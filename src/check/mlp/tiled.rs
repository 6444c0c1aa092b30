//! Dense layers in large tiles: every tile there is, two layers in one dispatch.
//!
//! The second layer is a part of the first, its outputs from `skip` on, so that any mix-up of the two shows.

use super::layer::{Layer, PLAIN, kept_words, matrix, slice_rows, takes_part, through_slope, tolerance};
use super::tiled_weight::backward_weight_case;
use super::tiles::{label, picked, skip};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::support::{Guarded, Random};
use crate::check::work::Work;
use crate::gpu::Slot;
use crate::kernels::tile::Tile;
use crate::kernels::{
    mlp_backward_input, mlp_backward_input_tiled, mlp_backward_weight_tiled, mlp_forward, mlp_forward_tiled,
};
use crate::policy::Activation;
use crate::reference::mlp::activate;
use ndarray::{Array2, s};

fn forward_case(c: Layer, tile: Option<Tile>, apart: bool) -> Case {
    let Layer { rows, inputs, outputs, input_activation, activation, extra, slack } = c;
    let shape = c.shape() + &label(tile) + if apart { ", apart" } else { "" };
    let tolerance = tolerance(inputs, &[input_activation, activation]);
    Case::new(mlp_forward_tiled::DEF.name, shape, tolerance, async move |gpu, report| {
        let mut random = Random::new((rows * 7 + inputs * 5 + outputs) as u64);
        let (bias_at, extra_at) = (slack + outputs * inputs + slack, 3 * slack + outputs * inputs + outputs);
        let parameters = random.normals(extra_at + extra, 0.7);
        let (input_stride, output_stride) = (c.input_stride(), outputs + extra + slack);
        let x = c.input(&mut random, 1.5);
        let (parameter_buffer, input) =
            (Guarded::holding(gpu, "parameters", &parameters)?, Guarded::holding(gpu, "input", &x)?);
        let len = rows * output_stride;
        let output = Guarded::output(gpu, "output", slack + if apart { len } else { 2 * len })?;
        let output_b = Guarded::output(gpu, "output_b", if apart { slack + len } else { 1 })?;
        let a = mlp_forward::Params {
            rows: rows as u32,
            inputs: inputs as u32,
            outputs: outputs as u32,
            weight: slack as u32,
            bias: bias_at as u32,
            input_offset: slack as u32,
            input_stride: input_stride as u32,
            output_offset: slack as u32,
            output_stride: output_stride as u32,
            extra: extra as u32,
            extra_offset: extra_at as u32,
            ..Default::default()
        };
        let skip = skip(c);
        let start_b = if apart { slack } else { slack + len };
        let b = mlp_forward::Params {
            outputs: (outputs - skip) as u32,
            weight: (slack + skip * inputs) as u32,
            bias: (bias_at + skip) as u32,
            output_offset: start_b as u32,
            extra: 0,
            ..a
        };
        let io = mlp_forward_tiled::Io {
            parameters: parameter_buffer.io(),
            weights: &parameter_buffer.io().cast(),
            input: &input.io().cast(),
            output: output.io(),
            output_b: output_b.io(),
        };
        let params = mlp_forward_tiled::Params::pair(&a, Some(&b), apart);
        let tile = picked(gpu, tile, [rows, outputs + extra], [rows, outputs - skip]);
        let calls = mlp_forward_tiled::bind(gpu, tile, input_activation, activation, &[params], &io)?;
        report.run(gpu, &calls, Slot::default())?;

        let weight = matrix(&parameters, outputs, inputs, slack, inputs);
        let bias = matrix(&parameters, 1, outputs, bias_at, outputs);
        let hidden = matrix(&x, rows, inputs, slack, input_stride).mapv(|z| activate(input_activation, z));
        let want = (hidden.dot(&weight.t()) + &bias).mapv(|z| activate(activation, z));
        let sizes = hidden.mapv(f64::abs).dot(&weight.mapv(f64::abs).t()) + bias.mapv(f64::abs);
        let got = output.read(gpu, report).await?;
        let second = output_b.read(gpu, report).await?;
        let second = if apart { &second } else { &got };
        for r in 0..rows {
            let (row, rest) = got[slack + r * output_stride..][..output_stride].split_at(outputs);
            report.floats(&format!("output row {r}"), row, &want.row(r).to_vec(), |j| sizes[[r, j]]);
            report.exact("output (copies)", &rest[..extra], &parameters[extra_at..]);
            report.untouched("output (between rows)", rest[extra..].iter().enumerate());
            let (row, rest) = second[start_b + r * output_stride..][..output_stride].split_at(outputs - skip);
            let part = want.slice(s![r, skip..]).to_vec();
            report.floats(&format!("second output row {r}"), row, &part, |j| sizes[[r, j + skip]]);
            report.untouched("second output (between rows)", rest.iter().enumerate());
        }
        report.untouched("output (before)", got[..slack].iter().enumerate());
        Ok(())
    })
}

fn backward_input_case(c: Layer, tile: Option<Tile>, accumulate: bool) -> Case {
    let Layer { rows, inputs, outputs, activation, slack, .. } = c;
    let shape = c.shape() + &label(tile) + if accumulate { ", added" } else { "" };
    Case::new(
        mlp_backward_input_tiled::DEF.name,
        shape,
        tolerance(outputs + 1, &[activation]),
        async move |gpu, report| {
            let mut random = Random::new((rows * 3 + inputs * 5 + outputs) as u64);
            let parameters = random.normals(slack + outputs * inputs, 0.7);
            let stride = outputs + slack;
            let d_output = random.normals(slack + rows * stride, 1.0);
            let before = random.normals(2 * rows * inputs, 1.0);
            let words = kept_words(&mut random, 2 * rows * inputs, activation);
            let buffers = (
                Guarded::holding(gpu, "parameters", &parameters)?,
                Guarded::holding(gpu, "d_output", &d_output)?,
                Guarded::holding(gpu, "kept", &words)?,
                Guarded::holding(gpu, "d_output_b", &d_output)?,
            );
            let d_input = if accumulate {
                Guarded::updated(gpu, "d_input", &before)?
            } else {
                Guarded::output(gpu, "d_input", 2 * rows * inputs)?
            };
            let layer = mlp_backward_input::Params {
                rows: rows as u32,
                inputs: inputs as u32,
                outputs: outputs as u32,
                weight: slack as u32,
                d_output_stride: stride as u32,
                accumulate: accumulate.into(),
                ..Default::default()
            };
            let a = mlp_backward_input_tiled::Job { layer, d_output_offset: slack as u32, ..Default::default() };
            let skip = skip(c);
            let b = mlp_backward_input_tiled::Job {
                layer: mlp_backward_input::Params {
                    outputs: (outputs - skip) as u32,
                    weight: (slack + skip * inputs) as u32,
                    ..layer
                },
                d_output_offset: (slack + skip) as u32,
                kept_offset: (rows * inputs) as u32,
                d_input_offset: (rows * inputs) as u32,
            };
            let io = mlp_backward_input_tiled::Io {
                weights: &buffers.0.io().cast(),
                d_output: &buffers.1.io().cast(),
                d_output_b: &buffers.3.io().cast(),
                kept: buffers.2.io(),
                d_input: d_input.io(),
            };
            let params = mlp_backward_input_tiled::Params::pair(&a, Some(&b));
            let tile = picked(gpu, tile, [rows, inputs], [rows, inputs]);
            let calls = mlp_backward_input_tiled::bind(gpu, tile, activation, &[params], &io)?;
            report.run(gpu, &calls, Slot::default())?;

            let weight = matrix(&parameters, outputs, inputs, slack, inputs);
            let d_y = matrix(&d_output, rows, outputs, slack, stride);
            let got = d_input.read(gpu, report).await?;
            for (name, start, from) in [("d_input", 0, 0), ("second d_input", rows * inputs, skip)] {
                let there = matrix(&before, rows, inputs, start, inputs) * f64::from(u8::from(accumulate));
                let (d, w) = (d_y.slice(s![.., from..]), weight.slice(s![from.., ..]));
                let sums: Array2<f64> = d.dot(&w) + &there;
                let sizes = d.mapv(f64::abs).dot(&w.mapv(f64::abs)) + there.mapv(f64::abs);
                let want = through_slope(&sums, activation, &words[start..]);
                let sizes: Vec<f64> = sizes.iter().copied().collect();
                report.floats(name, &got[start..start + rows * inputs], &want, |i| sizes[i]);
            }
            Ok(())
        },
    )
}

// As of the plain kernels, for the layer and its second half; the operand that the two have in common is counted once.

/// Outputs of the layer and of its half.
fn both(s: &Size) -> f64 {
    let outputs = s.layer.1;
    outputs as f64 + (outputs as f64 - (outputs / 2) as f64)
}

fn input_work(s: &Size) -> Work {
    let ((n, i, o), both) = (s.product(), both(s));
    Work::rows(s.rows, 2.0 * n * i * both, 4.0 * (n * (both + 4.0 * i) + i * o))
}

fn weight_work(s: &Size) -> Work {
    let ((n, i, _), both, slices) = (s.product(), both(s), s.rows.div_ceil(slice_rows(s)) as f64);
    Work::rows(s.rows, 2.0 * n * i * both, 4.0 * (n * (i + both) + slices * (i * both + both)))
}

fn forward_work(s: &Size) -> Work {
    let ((n, i, o), both) = (s.product(), both(s));
    Work::rows(s.rows, 2.0 * n * i * both, 4.0 * (n * (i + both) + i * o + o))
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &mlp_backward_input_tiled::DEF,
            about: "`mlp_backward_input` of two networks in one dispatch, in tiles of 64 × 64",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(backward_input_case(Layer { activation: Activation::Tanh, ..Layer::at(s) }, None, false)),
            sweep: Sweep::LaterLayers,
            timed: Timed::Last,
            work: input_work,
        },
        Entry {
            def: &mlp_backward_weight_tiled::DEF,
            about: "`mlp_backward_weight` likewise, `log_std` included",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(backward_weight_case(Layer::at(s), slice_rows(s), None)),
            sweep: Sweep::Layers,
            timed: Timed::Last,
            work: weight_work,
        },
        Entry {
            def: &mlp_forward_tiled::DEF,
            about: "`mlp_forward` likewise",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(forward_case(Layer { activation: Layer::activation(s), ..Layer::at(s) }, None, false)),
            sweep: Sweep::Layers,
            timed: Timed::Last,
            work: forward_work,
        },
    ],
};

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let direct = |column_lanes| Tile { staged: false, column_lanes };
    // The plain kernels' sizes and some with more than one tile.
    let sizes = [
        (1, 1, 1),
        (63, 4, 2),
        (64, 64, 64),
        (65, 33, 31),
        (31, 2, 65),
        (32, 32, 32),
        (33, 65, 1),
        (67, 1, 33),
        (128, 17, 64),
        (1, 127, 3),
        (130, 68, 132),
    ];
    for (rows, inputs, outputs) in sizes {
        let c = Layer { rows, inputs, outputs, ..PLAIN };
        let quick = (rows, inputs) == (64, 64);
        for tile in [Tile::STAGED, direct(8)].map(Some) {
            cases.push(forward_case(Layer { activation: Activation::Tanh, ..c }, tile, false).quick(quick));
            cases.push(forward_case(Layer { extra: 3, slack: 2, ..c }, tile, true));
            cases.push(backward_input_case(Layer { activation: Activation::Tanh, ..c }, tile, false).quick(quick));
            cases.push(backward_input_case(Layer { slack: 3, ..c }, tile, true));
            cases.push(backward_weight_case(c, 256, tile).quick(quick));
            cases.push(backward_weight_case(Layer { slack: 3, extra: 2, ..c }, 29, tile));
        }
    }
    for (tile, often) in Tile::all().map(|tile| (Some(tile), takes_part(tile))) {
        let c = Layer { rows: 66, inputs: 20, outputs: 72, slack: 4, ..PLAIN };
        cases.push(forward_case(c, tile, true).quick(true));
        cases.push(backward_input_case(c, tile, false).quick(often));
        cases.push(backward_weight_case(c, 32, tile).quick(often));
        // Rows that begin at vectors and end within one.
        let c = Layer { rows: 66, inputs: 21, outputs: 72, slack: 4, ..PLAIN };
        cases.push(forward_case(c, tile, false).quick(often));
        cases.push(backward_weight_case(c, 32, tile).quick(often));
        let c = Layer { rows: 66, inputs: 21, outputs: 73, slack: 1, extra: 70, ..PLAIN };
        cases.push(forward_case(c, tile, false));
        cases.push(backward_input_case(c, tile, false));
        cases.push(backward_weight_case(c, 32, tile));
    }
    for activation in Activation::ALL {
        for tile in [Tile::STAGED, direct(4)].map(Some) {
            let c = Layer { rows: 33, inputs: 13, outputs: 37, slack: 1, ..PLAIN };
            // Both tiles have the same functions, so a user's check takes each in one: a driver compiles half as many.
            let quick = (tile == Some(Tile::STAGED)) == (activation.code() % 2 == 0);
            cases.push(forward_case(Layer { activation, input_activation: activation, ..c }, tile, false).quick(quick));
            cases.push(backward_input_case(Layer { activation, ..c }, tile, activation.code() % 2 == 0).quick(quick));
            cases.push(backward_weight_case(Layer { input_activation: activation, ..c }, 256, tile).quick(quick));
        }
    }
    cases
}
