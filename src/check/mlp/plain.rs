//! Dense layers: forward, and backward to input and to weight.

use super::layer::{Layer, PLAIN, kept_words, matrix, slice_rows, through_slope, tolerance};
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::support::{Guarded, Random};
use crate::check::work::Work;
use crate::gpu::Slot;
use crate::kernels::{mlp_backward_input, mlp_backward_weight, mlp_forward};
use crate::policy::Activation;
use crate::reference::mlp::{Dense, Mlp, activate};
use ndarray::{Array1, Array2, s};

fn forward_case(c: Layer) -> Case {
    let Layer { rows, inputs, outputs, input_activation, activation, extra, slack } = c;
    let tolerance = tolerance(inputs, &[input_activation, activation]);
    Case::new(mlp_forward::DEF.name, c.shape(), tolerance, async move |gpu, report| {
        let mut random = Random::new((rows * 7 + inputs * 5 + outputs) as u64);
        // A weight, a gap, a bias, a gap, copies.
        let (bias_at, extra_at) = (slack + outputs * inputs + slack, 3 * slack + outputs * inputs + outputs);
        let parameters = random.normals(extra_at + extra, 0.7);
        let (input_stride, output_stride) = (inputs + slack, outputs + extra + slack);
        let x = random.normals(slack + rows * input_stride, 1.5);
        let buffers = (Guarded::holding(gpu, "parameters", &parameters)?, Guarded::holding(gpu, "input", &x)?);
        let output = Guarded::output(gpu, "output", slack + rows * output_stride)?;
        let mut p = mlp_forward::Params::default();
        (p.rows, p.inputs, p.outputs, p.extra) = (rows as u32, inputs as u32, outputs as u32, extra as u32);
        (p.weight, p.bias, p.extra_offset) = (slack as u32, bias_at as u32, extra_at as u32);
        (p.input_offset, p.input_stride) = (slack as u32, input_stride as u32);
        (p.output_offset, p.output_stride) = (slack as u32, output_stride as u32);
        let io = mlp_forward::Io { parameters: buffers.0.io(), input: buffers.1.io(), output: output.io() };
        let calls = mlp_forward::bind(gpu, input_activation, activation, &[p], &io)?;
        report.run(gpu, &calls, Slot::default())?;

        let weight = matrix(&parameters, outputs, inputs, slack, inputs);
        let bias: Array1<f64> = parameters[bias_at..bias_at + outputs].iter().map(|b| f64::from(*b)).collect();
        let hidden = matrix(&x, rows, inputs, slack, input_stride).mapv(|z| activate(input_activation, z));
        let layers = vec![Dense { weight: weight.view(), bias: bias.view() }];
        let tape = Mlp { layers, activation, activate_output: true }.forward(hidden.view())?;
        let sizes = hidden.mapv(f64::abs).dot(&weight.mapv(f64::abs).t()) + bias.mapv(f64::abs);
        let got = output.read(gpu, report).await?;
        let copies = &parameters[extra_at..];
        for r in 0..rows {
            let (row, rest) = got[slack + r * output_stride..][..output_stride].split_at(outputs);
            report.floats(&format!("output row {r}"), row, &tape.output().row(r).to_vec(), |j| sizes[[r, j]]);
            report.exact("output (copies)", &rest[..extra], copies);
            report.untouched("output (between rows)", rest[extra..].iter().enumerate());
        }
        report.untouched("output (before)", got[..slack].iter().enumerate());
        Ok(())
    })
}

fn backward_input_case(c: Layer, accumulate: bool) -> Case {
    let Layer { rows, inputs, outputs, activation, slack, .. } = c;
    let shape = c.shape() + if accumulate { ", added" } else { "" };
    Case::new(mlp_backward_input::DEF.name, shape, tolerance(outputs + 1, &[activation]), async move |gpu, report| {
        let mut random = Random::new((rows * 3 + inputs * 5 + outputs) as u64);
        let parameters = random.normals(slack + outputs * inputs, 0.7);
        let stride = outputs + slack;
        let d_output = random.normals(rows * stride, 1.0);
        let before = random.normals(rows * inputs, 1.0);
        let words = kept_words(&mut random, rows * inputs, activation);
        let buffers = (
            Guarded::holding(gpu, "parameters", &parameters)?,
            Guarded::holding(gpu, "d_output", &d_output)?,
            Guarded::holding(gpu, "kept", &words)?,
        );
        let d_input = if accumulate {
            Guarded::updated(gpu, "d_input", &before)?
        } else {
            Guarded::output(gpu, "d_input", rows * inputs)?
        };
        let mut p = mlp_backward_input::Params::default();
        (p.rows, p.inputs, p.outputs) = (rows as u32, inputs as u32, outputs as u32);
        (p.weight, p.d_output_stride, p.accumulate) = (slack as u32, stride as u32, accumulate.into());
        let io = mlp_backward_input::Io {
            parameters: buffers.0.io(),
            d_output: buffers.1.io(),
            kept: buffers.2.io(),
            d_input: d_input.io(),
        };
        report.run(gpu, &mlp_backward_input::bind(gpu, activation, &[p], &io)?, Slot::default())?;

        let weight = matrix(&parameters, outputs, inputs, slack, inputs);
        let d_y = matrix(&d_output, rows, outputs, 0, stride);
        let there = matrix(&before, rows, inputs, 0, inputs) * f64::from(u8::from(accumulate));
        let bias = Array1::zeros(outputs);
        let layers = vec![Dense { weight: weight.view(), bias: bias.view() }];
        let net = Mlp { layers, activation: Activation::Identity, activate_output: false };
        let tape = net.forward(Array2::zeros((rows, inputs)).view())?;
        let sums = net.backward(&tape, d_y.view())?.input + &there;
        let sizes = d_y.mapv(f64::abs).dot(&weight.mapv(f64::abs)) + there.mapv(f64::abs);
        let want = through_slope(&sums, activation, &words);
        let sizes: Vec<f64> = sizes.iter().copied().collect();
        report.floats("d_input", &d_input.read(gpu, report).await?, &want, |i| sizes[i]);
        Ok(())
    })
}

fn backward_weight_case(c: Layer, slice_rows: usize) -> Case {
    let Layer { rows, inputs, outputs, input_activation, slack, .. } = c;
    let shape = format!("{}, slices of {slice_rows}", c.shape());
    let tolerance = tolerance(slice_rows.min(rows), &[input_activation]);
    Case::new(mlp_backward_weight::DEF.name, shape, tolerance, async move |gpu, report| {
        let mut random = Random::new((rows * 3 + inputs * 11 + outputs) as u64);
        let (input_stride, d_stride) = (inputs + slack, outputs + 2 * slack);
        let x = random.normals((slack + rows * input_stride).max(1), 1.2);
        let d_output = random.normals(slack + rows * d_stride, 1.0);
        let slices = rows.div_ceil(slice_rows);
        // Before the weight, between weight and bias and after the bias lies what other layers write.
        let bias = 2 * slack + outputs * inputs;
        let stride = bias + outputs + slack;
        let buffers = (Guarded::holding(gpu, "d_output", &d_output)?, Guarded::holding(gpu, "input", &x)?);
        let partials = Guarded::output(gpu, "partials", slices * stride)?;
        let mut p = mlp_backward_weight::Params::default();
        (p.rows, p.inputs, p.outputs) = (rows as u32, inputs as u32, outputs as u32);
        (p.weight, p.bias, p.partial_stride) = (slack as u32, bias as u32, stride as u32);
        (p.input_offset, p.input_stride) = (slack as u32, input_stride as u32);
        (p.d_output_offset, p.d_output_stride) = (slack as u32, d_stride as u32);
        p.slice_rows = slice_rows as u32;
        let io = mlp_backward_weight::Io { d_output: buffers.0.io(), input: buffers.1.io(), partials: partials.io() };
        let calls = mlp_backward_weight::bind(gpu, input_activation, &[p], &io)?;
        report.run(gpu, &calls, Slot::default())?;

        let hidden = matrix(&x, rows, inputs, slack, input_stride).mapv(|z| activate(input_activation, z));
        let d_y = matrix(&d_output, rows, outputs, slack, d_stride);
        let got = partials.read(gpu, report).await?;
        for (index, own) in got.chunks(stride).enumerate() {
            let range = index * slice_rows..rows.min((index + 1) * slice_rows);
            let (h, d) = (hidden.slice(s![range.clone(), ..]), d_y.slice(s![range.clone(), ..]));
            let (weight, none) = (Array2::zeros((outputs, inputs)), Array1::zeros(outputs));
            let layers = vec![Dense { weight: weight.view(), bias: none.view() }];
            let net = Mlp { layers, activation: Activation::Identity, activate_output: false };
            let gradient = net.backward(&net.forward(h)?, d)?;
            let (weight, bias_sum) = &gradient.layers[0];
            let flat: Vec<f64> = weight.iter().copied().collect();
            let sizes: Vec<f64> = d.mapv(f64::abs).t().dot(&h.mapv(f64::abs)).iter().copied().collect();
            let columns: Vec<f64> = d.mapv(f64::abs).sum_axis(ndarray::Axis(0)).to_vec();
            report.floats("partials (weight)", &own[slack..slack + outputs * inputs], &flat, |i| sizes[i]);
            report.floats("partials (bias)", &own[bias..bias + outputs], &bias_sum.to_vec(), |i| columns[i]);
            let mine = |i: usize| (slack..bias - slack).contains(&i) || (bias..bias + outputs).contains(&i);
            report.untouched("partials", own.iter().enumerate().filter(|(i, _)| !mine(*i)));
        }
        Ok(())
    })
}

// 2 operations per multiply-add; both operands, and the kept layer where a slope is taken.

fn input_work(s: &Size) -> Work {
    let (n, i, o) = s.product();
    Work::rows(s.rows, 2.0 * n * i * o, 4.0 * (n * (o + 2.0 * i) + i * o))
}

fn weight_work(s: &Size) -> Work {
    let ((n, i, o), slices) = (s.product(), s.rows.div_ceil(slice_rows(s)) as f64);
    Work::rows(s.rows, 2.0 * n * i * o, 4.0 * (n * (i + o) + slices * (i * o + o)))
}

fn forward_work(s: &Size) -> Work {
    let (n, i, o) = s.product();
    Work::rows(s.rows, 2.0 * n * i * o, 4.0 * (n * (i + o) + i * o + o))
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &mlp_backward_input::DEF,
            about: "the gradient of a dense layer's input",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(backward_input_case(Layer { activation: Activation::Tanh, ..Layer::at(s) }, false)),
            sweep: Sweep::LaterLayers,
            timed: Timed::Last,
            work: input_work,
        },
        Entry {
            def: &mlp_backward_weight::DEF,
            about: "partial gradients of a dense layer's weight and bias",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(backward_weight_case(Layer::at(s), slice_rows(s))),
            sweep: Sweep::Layers,
            timed: Timed::Last,
            work: weight_work,
        },
        Entry {
            def: &mlp_forward::DEF,
            about: "a dense layer with its activation",
            oracle: oracle!(mlp::Mlp),
            at_size: |s| Some(forward_case(Layer { activation: Layer::activation(s), ..Layer::at(s) })),
            sweep: Sweep::Layers,
            timed: Timed::Last,
            work: forward_work,
        },
    ],
};

fn cases() -> Vec<Case> {
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
    ];
    let mut cases = Vec::new();
    for (rows, inputs, outputs) in sizes {
        let c = Layer { rows, inputs, outputs, ..PLAIN };
        let quick = (rows, inputs) == (64, 64);
        cases.push(forward_case(Layer { activation: Activation::Tanh, ..c }).quick(quick));
        cases.push(forward_case(Layer { extra: 3, slack: 2, ..c }));
        cases.push(backward_input_case(Layer { activation: Activation::Tanh, ..c }, false).quick(quick));
        cases.push(backward_input_case(Layer { slack: 3, ..c }, true));
        cases.push(backward_weight_case(c, 256).quick(quick));
        cases.push(backward_weight_case(Layer { slack: 3, ..c }, 29));
    }
    for activation in Activation::ALL {
        let c = Layer { rows: 33, inputs: 13, outputs: 37, slack: 1, ..PLAIN };
        cases.push(forward_case(Layer { activation, ..c }).quick(true));
        cases.push(backward_input_case(Layer { activation, ..c }, activation.code() % 2 == 0).quick(true));
        let c = Layer { input_activation: activation, ..c };
        if activation != Activation::Identity {
            cases.push(forward_case(c));
        }
        cases.push(backward_weight_case(c, 256).quick(true));
    }
    for (rows, slice_rows) in [(257, 256), (600, 256), (600, 599), (63, 1)] {
        cases.push(backward_weight_case(Layer { rows, inputs: 5, outputs: 3, ..PLAIN }, slice_rows));
        // Bias only: the gradient of a free log_std.
        cases.push(backward_weight_case(Layer { rows, inputs: 0, outputs: 6, slack: 1, ..PLAIN }, slice_rows));
    }
    cases
}
