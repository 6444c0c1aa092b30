//! Partial gradients of weights in large tiles.

use super::layer::{Layer, matrix, tolerance};
use super::tiles::{label, picked, skip};
use crate::check::case::Case;
use crate::check::support::{Guarded, Random, Report};
use crate::gpu::Slot;
use crate::kernels::tile::Tile;
use crate::kernels::{mlp_backward_weight, mlp_backward_weight_tiled};
use crate::reference::mlp::activate;
use ndarray::{Array2, ArrayView2, s};
use std::ops::Range;

pub(super) fn backward_weight_case(c: Layer, slice_rows: usize, tile: Option<Tile>) -> Case {
    let Layer { rows, inputs, outputs, input_activation, extra, slack, .. } = c;
    let shape = format!("{}, slices of {slice_rows}{}", c.shape(), label(tile));
    let tolerance = tolerance(slice_rows.min(rows), &[input_activation]);
    Case::new(mlp_backward_weight_tiled::DEF.name, shape, tolerance, async move |gpu, report| {
        let mut random = Random::new((rows * 3 + inputs * 11 + outputs) as u64);
        let (input_stride, d_stride) = (c.input_stride(), outputs + extra + 2 * slack);
        let x = c.input(&mut random, 1.2);
        let d_output = random.normals(slack + rows * d_stride, 1.0);
        let slices = rows.div_ceil(slice_rows);
        // Gaps between what the layers write: the first's weight, bias and extra sums, the second's weight and bias.
        let skip = skip(c);
        let part = outputs - skip;
        let mut end = 0;
        let places = [outputs * inputs, outputs, extra, part * inputs, part].map(|len| {
            let start = end + slack;
            end = start + len;
            start..end
        });
        let stride = end + slack;
        let buffers = (
            Guarded::holding(gpu, "d_output", &d_output)?,
            Guarded::holding(gpu, "input", &x)?,
            Guarded::holding(gpu, "d_output_b", &d_output)?,
        );
        let partials = Guarded::output(gpu, "partials", slices * stride)?;
        let a = mlp_backward_weight::Params {
            rows: rows as u32,
            inputs: inputs as u32,
            outputs: outputs as u32,
            weight: places[0].start as u32,
            bias: places[1].start as u32,
            input_offset: slack as u32,
            input_stride: input_stride as u32,
            d_output_offset: slack as u32,
            d_output_stride: d_stride as u32,
            slice_rows: slice_rows as u32,
            partial_stride: stride as u32,
            ..Default::default()
        };
        let sums = mlp_backward_weight::Params { outputs: extra as u32, bias: places[2].start as u32, ..a };
        let b = mlp_backward_weight::Params {
            outputs: part as u32,
            weight: places[3].start as u32,
            bias: places[4].start as u32,
            d_output_offset: (slack + skip) as u32,
            ..a
        };
        let io = mlp_backward_weight_tiled::Io {
            d_output: &buffers.0.io().cast(),
            d_output_b: &buffers.2.io().cast(),
            input: &buffers.1.io().cast(),
            partials: partials.io(),
        };
        let params = mlp_backward_weight_tiled::Params::pair(&a, Some(&b), Some(&sums));
        let tile = picked(gpu, tile, [outputs, inputs], [part, inputs]);
        let calls = mlp_backward_weight_tiled::bind(gpu, tile, input_activation, &[params], &io)?;
        report.run(gpu, &calls, Slot::default())?;

        let hidden = matrix(&x, rows, inputs, slack, input_stride).mapv(|z| activate(input_activation, z));
        let d_y = matrix(&d_output, rows, outputs + extra, slack, d_stride);
        let got = partials.read(gpu, report).await?;
        for (index, own) in got.chunks(stride).enumerate() {
            let range = index * slice_rows..rows.min((index + 1) * slice_rows);
            compare(report, c, &places, own, hidden.slice(s![range.clone(), ..]), d_y.slice(s![range, ..]));
        }
        Ok(())
    })
}

/// What a slice of rows gave, in the places where the layers write: `own` from the inputs `h` and the gradients `d` of the outputs.
fn compare(
    report: &Report,
    c: Layer,
    places: &[Range<usize>; 5],
    own: &[f32],
    h: ArrayView2<'_, f64>,
    d: ArrayView2<'_, f64>,
) {
    let (Layer { outputs, extra, .. }, skip) = (c, skip(c));
    let flat = |m: Array2<f64>| m.iter().copied().collect::<Vec<f64>>();
    let weights = |d: Array2<f64>, h: Array2<f64>| flat(d.t().dot(&h));
    let (size_d, size_h) = (d.mapv(f64::abs), h.mapv(f64::abs));
    let bias = d.sum_axis(ndarray::Axis(0)).to_vec();
    let bias_sizes = size_d.sum_axis(ndarray::Axis(0)).to_vec();
    for (place, columns) in [(0, 0..outputs), (3, skip..outputs)] {
        let pick = |m: &Array2<f64>| m.slice(s![.., columns.clone()]).to_owned();
        let want = weights(pick(&d.to_owned()), h.to_owned());
        let sizes = weights(pick(&size_d), size_h.clone());
        report.floats("partials (weight)", &own[places[place].clone()], &want, |i| sizes[i]);
    }
    for (place, columns) in [(1, 0..outputs), (2, outputs..outputs + extra), (4, skip..outputs)] {
        let first = columns.start;
        report.floats("partials (bias)", &own[places[place].clone()], &bias[columns], |i| bias_sizes[first + i]);
    }
    let mine = |i: usize| places.iter().any(|place| place.contains(&i));
    report.untouched("partials", own.iter().enumerate().filter(|(i, _)| !mine(*i)));
}
