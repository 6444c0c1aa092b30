//! From observations to partial gradients in one dispatch.
//!
//! How well every number of the chain is known is carried along with it, as a standard deviation: roundings of a sum, those of the
//! activations and of the loss, and what was there before times weights and slopes. They are independent of each other, so they
//! add up by their squares; bounds by |weights| would allow for a missing row.

use super::accuracy::FUNCTION;
use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::head::{CLAMP, beta, deviating, masked_choices, name};
use super::loss::{Bounds, CLIP, ENT_COEF, GROUP, Loss, Minibatch, Room, SUMS, VF_COEF, usual};
use super::mlp::fused::STEEPEST;
use super::size::Size;
use super::support::{EPS, Guarded, Random, Report, schedule, wide};
use super::work::Work;
use crate::config::ValueLoss;
use crate::error::Result;
use crate::gpu::{Gpu, Schedule};
use crate::kernels::batch_clean::INVALID_LOGP;
use crate::kernels::loss_ppo::VALUE_UNIT;
use crate::kernels::{loss_ppo_fused, mlp_backward_weight};
use crate::policy::{Activation, Head, LayerRange, Network, PolicySpec};
use crate::reference::mlp::{activate, derivative};
use ndarray::{Array1, Array2, Axis, s};

/// Of standard deviations.
const TOLERANCE: f64 = 8.0 * EPS;

const REASON: &str = "8 standard deviations; scale: roundings of every sum (the root of its length), what activations and the loss's own formulas are known to, carried forward and back by weights and slopes, in units of 2⁻²⁴";

#[derive(Clone)]
struct Fused {
    spec: PolicySpec,
    loss: Loss,
    slice_rows: usize,
}

/// A network forward: what each layer but the last gets and the result, how well that is known, and preactivations.
struct Pass {
    layers: Vec<LayerRange>,
    inputs: Vec<[Array2<f64>; 2]>,
    /// Of the hidden layers.
    arguments: Vec<[Array2<f64>; 2]>,
    result: [Array2<f64>; 2],
}

fn squares(x: &Array2<f64>) -> Array2<f64> {
    x * x
}

/// √(A² B²): what independent deviations of `a` are worth after a product with `b`.
fn carried(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    squares(a).dot(&squares(b)).mapv(f64::sqrt)
}

fn forward(spec: &PolicySpec, flat: &[f64], obs: &Array2<f64>, network: Network) -> Pass {
    let layers = spec.layout().layers(network).to_vec();
    let (mut x, mut room) = (obs.clone(), Array2::zeros(obs.dim()));
    let (mut inputs, mut arguments) = (Vec::new(), Vec::new());
    for (index, range) in layers.iter().enumerate() {
        let w =
            Array2::from_shape_fn((range.inputs, range.outputs), |(i, o)| flat[range.weight + o * range.inputs + i]);
        let bias = Array1::from_shape_fn(range.outputs, |o| flat[range.bias + o]);
        let own = (x.mapv(f64::abs).dot(&w.mapv(f64::abs)) + bias.mapv(f64::abs))
            * (EPS * (range.inputs as f64 + 2.0).sqrt());
        let z_room = carried(&room, &w) + own;
        let z = x.dot(&w) + &bias;
        inputs.push([x, room]);
        if index + 1 == layers.len() {
            return Pass { layers, inputs, arguments, result: [z, z_room] };
        }
        x = z.mapv(|z| activate(spec.activation, z));
        room = &z_room * STEEPEST + z.mapv(|z| FUNCTION * z.abs().max(1e-3));
        arguments.push([z, z_room]);
    }
    // A network has a last layer.
    Pass { layers, inputs, arguments, result: [x, room] }
}

/// Adds a slice's gradient of one network to `want` and how well that is known to `room`, from the rows `range` of `d`.
fn backward(spec: &PolicySpec, flat: &[f64], pass: &Pass, d: [Array2<f64>; 2], rows: &[usize], out: &mut [[f64; 2]]) {
    let [mut d, mut d_room] = d;
    for (index, range) in pass.layers.iter().enumerate().rev() {
        let (inputs, outputs) = (range.inputs, range.outputs);
        let [x, x_room] = pass.inputs[index].each_ref().map(|x| x.select(Axis(0), rows));
        let terms = EPS * (rows.len() as f64 + 2.0).sqrt();
        let transposed = d.t().to_owned();
        let own = transposed.mapv(f64::abs).dot(&x.mapv(f64::abs)) * terms;
        let weight = transposed.dot(&x);
        let weight_room = own + carried(&d_room.t().to_owned(), &x) + carried(&transposed, &x_room);
        let bias = d.sum_axis(Axis(0));
        let bias_room = d.mapv(f64::abs).sum_axis(Axis(0)) * terms + squares(&d_room).sum_axis(Axis(0)).mapv(f64::sqrt);
        for o in 0..outputs {
            for i in 0..inputs {
                out[range.weight + o * inputs + i] = [weight[[o, i]], weight_room[[o, i]]];
            }
            out[range.bias + o] = [bias[o], bias_room[o]];
        }
        if index == 0 {
            return;
        }
        let w = Array2::from_shape_fn((outputs, inputs), |(o, i)| flat[range.weight + o * inputs + i]);
        let sums = d.dot(&w);
        let own = d.mapv(f64::abs).dot(&w.mapv(f64::abs)) * (EPS * (outputs as f64 + 2.0).sqrt());
        let sums_room = carried(&d_room, &w) + own;
        let [z, z_room] = pass.arguments[index - 1].each_ref().map(|z| z.select(Axis(0), rows));
        let slope = Array2::from_shape_fn(z.dim(), |at| derivative(spec.activation, z[at], x[at]));
        // Slopes change by at most twice what their argument does, and have a few roundings of their own.
        d_room = sums_room * STEEPEST + &sums.mapv(f64::abs) * &(z_room * 2.0 + 8.0 * EPS);
        d = sums * slope;
    }
}

fn run(gpu: &Gpu, report: &Report, c: &Fused) -> Result<()> {
    let Fused { spec, loss, slice_rows } = c;
    let (rows, offset) = (loss.rows, loss.row_offset);
    let mut random = Random::new((rows * 10 + spec.obs_dim) as u64);
    let layout = spec.layout();
    let mut parameters = random.normals(layout.len(), 1.0);
    for range in Network::ALL.iter().flat_map(|network| layout.layers(*network)) {
        let scale = (range.inputs as f32).sqrt().recip();
        parameters[range.weight..range.weight + range.inputs * range.outputs].iter_mut().for_each(|w| *w *= scale);
    }
    if let Some(at) = layout.log_std() {
        parameters[at..at + spec.head.free_parameters()].iter_mut().for_each(|l| *l *= 0.3);
    }
    let mut x = random.normals((offset + rows) * spec.obs_dim, 1.0);
    let (flat, obs) = (
        wide(&parameters),
        Array2::from_shape_fn((rows, spec.obs_dim), |(r, i)| f64::from(x[(offset + r) * spec.obs_dim + i])),
    );
    let (policy, value) = (forward(spec, &flat, &obs, Network::Policy), forward(spec, &flat, &obs, Network::Value));
    let (raw, width) = (spec.head.raw_outputs(), spec.head.width());
    let free = |i: usize| parameters[layout.log_std().unwrap_or(0) + i - raw];
    let dist = (0..rows * width).map(|i| (i / width, i % width));
    let dist = dist.map(|(r, i)| if i < raw { policy.result[0][[r, i]] as f32 } else { free(i) }).collect();
    let values = value.result[0].iter().map(|v| *v as f32).collect();
    let inputs = loss.inputs_at(random, dist, values)?;
    let m = Minibatch::new(loss, &inputs)?;

    let mut samples = inputs.samples.clone();
    let counted = loss.counted(0..rows);
    let weight = if loss.padded { rows as f32 / counted.len() as f32 } else { 1.0 };
    let valid_sample = if loss.padded { samples.len() as u32 } else { 0 };
    samples.push([weight, f32::NAN, f32::NAN, f32::NAN]);
    for row in (0..rows).filter(|row| !counted.contains(row)) {
        samples[offset + row][0] = INVALID_LOGP;
    }
    // Rows of which the policy's part is not finite, and the critic's.
    let mut broken = [Vec::new(), Vec::new()];
    for row in (0..rows).step_by(5).filter(|_| loss.broken) {
        match row % 4 {
            0 => x[(offset + row) * spec.obs_dim] = f32::NAN,
            1 => samples[offset + row][1] = f32::NAN,
            2 => samples[offset + row][0] = f32::NEG_INFINITY,
            _ => samples[offset + row][2] = f32::INFINITY,
        }
        if row % 4 != 3 {
            broken[0].push(row)
        }
        if row % 4 == 0 || row % 4 == 3 {
            broken[1].push(row)
        }
    }
    let buffers = (
        Guarded::holding(gpu, "parameters", &parameters)?,
        Guarded::holding(gpu, "obs", &x)?,
        Guarded::holding(gpu, "actions", &inputs.words)?,
        Guarded::holding(gpu, "samples", &samples)?,
    );
    let (count, slices, groups) = (layout.len(), rows.div_ceil(*slice_rows), rows.div_ceil(GROUP));
    let partials = Guarded::output(gpu, "partials", slices * count)?;
    let loss_partials = Guarded::output(gpu, "loss_partials", groups * 20)?;
    let clip_coef_vf = m.config.value_limit_at(0.0) as f32;
    let (ring, slot) =
        schedule(gpu, &Schedule { clip_coef: CLIP, clip_coef_vf, ent_coef: ENT_COEF, ..Schedule::default() })?;
    let p = loss_ppo_fused::Params {
        rows: rows as u32,
        row_offset: offset as u32,
        slice_rows: *slice_rows as u32,
        value_loss: loss.value_loss.code(),
        dual_clip: loss.dual_clip.unwrap_or(0.0),
        vf_loss_scale: 0.5,
        vf_coef: VF_COEF,
        surrogate: loss.surrogate,
        valid_sample,
        ..Default::default()
    };
    let io = loss_ppo_fused::Io {
        parameters: buffers.0.io(),
        obs: buffers.1.io(),
        actions: buffers.2.io(),
        samples: buffers.3.io(),
        partials: partials.io(),
        loss_partials: loss_partials.io(),
    };
    report.run(gpu, &loss_ppo_fused::bind(gpu, spec, &layout, &[p], &io, &ring)?, slot)?;
    let (got, terms) = (partials.read(gpu, report)?, loss_partials.read(gpu, report)?);

    let mut bits = vec![0.0; groups * 8];
    for (rows, place) in broken.iter().zip([0, 4]) {
        for row in rows {
            bits[row / GROUP * 8 + place + row % GROUP / 16] += f32::from(1_u16 << (row % 16));
        }
    }
    report.exact("loss_partials (rows that are not finite)", &terms[groups * 12..], &bits);
    if loss.broken {
        return Ok(());
    }
    let whole = m.oracle(&counted)?;
    let weight = f64::from(weight);
    // How well the loss's input is known, and a rounding of what the oracle got; copies of parameters are exact.
    let known = |pass: &Pass, r: usize, i: usize| pass.result[1][[r, i]] + EPS * pass.result[0][[r, i]].abs();
    let room = Room {
        dist: Array2::from_shape_fn((rows, width), |(r, i)| if i < raw { known(&policy, r, i) } else { 0.0 }),
        values: (0..rows).map(|r| known(&value, r, 0)).collect(),
    };
    let bounds = Bounds::new(&m, rows, Some(&room))?;
    for slice in 0..slices {
        let mut want = vec![[0.0; 2]; count];
        let range = slice * slice_rows..rows.min((slice + 1) * slice_rows);
        let own: Vec<usize> = (0..counted.len()).filter(|place| range.contains(&counted[*place])).collect();
        let own_rows: Vec<usize> = own.iter().map(|place| counted[*place]).collect();
        let d_dist = whole.d_dist.select(Axis(0), &own);
        let d_room = Array2::from_shape_fn(d_dist.dim(), |(r, i)| weight * bounds.d_dist[own_rows[r] * width + i]);
        if let Some(at) = layout.log_std() {
            for i in raw..width {
                let terms = d_dist.column(i).mapv(f64::abs).sum() * EPS * (own.len() as f64 + 2.0).sqrt();
                let room = d_room.column(i).mapv(|d| d * d).sum().sqrt();
                want[at + i - raw] = [d_dist.column(i).sum(), room + terms];
            }
        }
        let heads = [d_dist.slice(s![.., ..raw]).to_owned(), d_room.slice(s![.., ..raw]).to_owned()];
        backward(spec, &flat, &policy, heads, &own_rows, &mut want);
        let d_values = Array2::from_shape_fn((own.len(), 1), |(r, _)| whole.d_values[own[r]]);
        let d_room = Array2::from_shape_fn((own.len(), 1), |(r, _)| weight * bounds.d_values[own_rows[r]]);
        backward(spec, &flat, &value, [d_values, d_room], &own_rows, &mut want);
        let [sums, room] = [0, 1].map(|k| want.iter().map(|pair| pair[k]).collect::<Vec<f64>>());
        report.floats(&format!("partials of slice {slice}"), &got[slice * count..][..count], &sums, |i| room[i] / EPS);
    }
    for group in 0..groups {
        let range = loss.counted(group * GROUP..rows.min((group + 1) * GROUP));
        let stats = m.oracle(&range)?.stats;
        let sums = [
            stats.policy_loss,
            stats.value_loss,
            stats.entropy,
            stats.old_approx_kl,
            stats.approx_kl_k2,
            stats.approx_kl,
            stats.clipfrac,
            // A count.
            1.0 / weight,
        ]
        .map(|mean| mean * range.len() as f64 * weight);
        let mut got = terms[group * 12..][..8].to_vec();
        got[1] *= VALUE_UNIT;
        for (i, name) in SUMS.iter().enumerate() {
            let size = range.iter().map(|row| weight * bounds.in_sum(*row, i)).sum::<f64>() / EPS;
            report.floats(name, &got[i..=i], &sums[i..=i], |_| size);
        }
        let extremes = [stats.ratio_min, stats.ratio_max];
        let most = range.iter().map(|row| bounds.ratio[*row]).fold(0.0, f64::max);
        report.floats("loss_partials (ratios)", &terms[group * 12 + 8..][..2], &extremes, |i| extremes[i] * most / EPS);
        report.exact("loss_partials (hits, nothing)", &terms[group * 12 + 10..][..2], &[stats.head_hits as f32, 0.0]);
    }
    Ok(())
}

fn fused_case(c: Fused) -> Case {
    let Fused { spec, loss, slice_rows } = &c;
    let sizes = |network| spec.sizes(network).iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
    let shape = format!(
        "{} × {} {:?}, {}, critic {}, {:?}{}, slices of {slice_rows}{}{}",
        loss.rows,
        sizes(Network::Policy),
        spec.activation,
        name(&spec.head),
        sizes(Network::Value),
        loss.value_loss,
        ["", ", unclipped", ", no ratio"][loss.surrogate as usize % 3],
        if loss.padded { ", every third row does not count" } else { "" },
        if loss.broken { ", not finite" } else { "" },
    );
    Case::new(loss_ppo_fused::DEF.name, shape, (TOLERANCE, REASON), move |gpu, report| run(gpu, report, &c))
}

/// One minibatch of two networks of 64-64; observations and heads that are too wide for the kernel give none.
fn sized(rows: usize, obs_dim: usize, head: &Head) -> Option<Case> {
    let spec = PolicySpec::separate(obs_dim, &[64, 64], Activation::Tanh, head.clone());
    let slice_rows = mlp_backward_weight::slice_rows(rows as u32, spec.layout().len() as u64) as usize;
    let loss = usual(head.clone(), rows);
    loss_ppo_fused::fits(&spec).then(|| fused_case(Fused { spec, loss, slice_rows }))
}

/// Two networks of 64-64, forward, by inputs and by weights; loss and head as in loss_ppo.
fn work(s: &Size) -> Work {
    let (n, d, p) = (s.rows as f64, s.obs_dim as f64, s.parameters as f64);
    let (width, words) = (s.head.width() as f64, s.head.action_words() as f64);
    let weights = 2.0 * (d * 64.0 + 64.0 * 64.0) + 64.0 * (width + 1.0);
    let inputs = 2.0 * 64.0 * 64.0 + 64.0 * (width + 1.0);
    let bytes = 4.0 * n * (d + words + 4.0) + 4.0 * p * (1.0 + s.slices as f64);
    Work::rows(s.rows, n * (2.0 * (2.0 * weights + inputs) + 16.0 * width + 40.0), bytes)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &loss_ppo_fused::DEF,
        about: "a minibatch from observations to partial gradients of all parameters, for separate networks up to 64 wide",
        oracle: oracle!(ppo_update::minibatch_gradient),
        at_size: |s| sized(s.rows, s.obs_dim, &s.head),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work,
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let case = |obs, hidden: &[usize], activation, head: Head, rows, slice_rows| Fused {
        spec: PolicySpec::separate(obs, hidden, activation, head.clone()),
        loss: usual(head, rows),
        slice_rows,
    };
    let cartpole = case(4, &[64, 64], Activation::Tanh, Head::categorical(2), 131, 64);
    let cheetah = case(17, &[64, 64], Activation::Tanh, Head::gaussian(6), 200, 128);
    let mut cases = vec![fused_case(cartpole.clone()).quick(true), fused_case(cheetah.clone()).quick(true)];
    for rows in [1, 15, 16, 17, 63, 64, 65] {
        cases.push(fused_case(case(5, &[33, 18], Activation::Tanh, Head::gaussian(2), rows, 64)));
    }
    for value_loss in [ValueLoss::ClipMax, ValueLoss::Huber { delta: 1.2 }] {
        let loss = Loss { value_loss, dual_clip: Some(3.0), row_offset: 67, padded: true, ..cartpole.loss.clone() };
        cases.push(fused_case(Fused { loss, ..cartpole.clone() }));
        let loss = Loss { value_loss, broken: true, ..cheetah.loss.clone() };
        cases.push(fused_case(Fused { loss, ..cheetah.clone() }).quick(true));
    }
    for surrogate in [1, 2] {
        cases.push(fused_case(Fused { loss: Loss { surrogate, ..cheetah.loss.clone() }, ..cheetah.clone() }));
    }
    for activation in Activation::ALL {
        cases.push(fused_case(case(7, &[9, 34], activation, Head::categorical(3), 50, 64)));
    }
    let heads =
        [Head::bernoulli(5), beta(3), masked_choices(&[3, 20, 2]), deviating(2, true, CLAMP), Head::gaussian(16)];
    for head in heads {
        let many = head.raw_outputs() == 16;
        let case = fused_case(case(32, &[20], Activation::Tanh, head, 70, 64));
        let sum = "16 means, each known to 8 deviations after two layers, add up by their sizes in one log-probability and so in its ratio";
        cases.push(if many { case.loose(sum) } else { case });
    }
    let mut unequal = case(1, &[1], Activation::Tanh, Head::categorical(1), 40, 64);
    unequal.spec.value_hidden = vec![64, 63];
    cases.push(fused_case(unequal));
    cases
}
