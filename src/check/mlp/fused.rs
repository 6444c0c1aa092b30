//! Whole networks in one dispatch.

use crate::check::accuracy::FUNCTION;
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::size::Size;
use crate::check::support::{EPS, Guarded, Random, wide};
use crate::check::work::Work;
use crate::gpu::Slot;
use crate::kernels::mlp_forward_fused;
use crate::policy::{Activation, Branch, Head, PolicySpec};
use crate::reference::mlp::activate;
use ndarray::{Array1, Array2, ArrayView2};

const REASON: &str = "one rounding of the result; scale: one rounding per term of every sum and 24 per activation, carried \
                      through the later layers by |weights|, in units of 2⁻²⁴";

/// Of networks with more than a hundred inputs.
const WIDE: &str = "bounds are carried by |weights|, as if all roundings had one sign: over a hundred inputs and two layers, some \
                    hundred times what the sums themselves grow by";

/// Slope of an activation is at most that: GELU's 1.13.
pub(in crate::check) const STEEPEST: f64 = 1.13;

/// A dense layer of `network` on rows `h` that are known up to `room`: what comes out, and how well that is known.
fn layer(
    flat: &[f64],
    range: &crate::policy::LayerRange,
    activation: Activation,
    h: ArrayView2<'_, f64>,
    room: ArrayView2<'_, f64>,
) -> (Array2<f64>, Array2<f64>) {
    let (inputs, outputs) = (range.inputs, range.outputs);
    let weight = Array2::from_shape_fn((outputs, inputs), |(o, i)| flat[range.weight + o * inputs + i]);
    let bias = Array1::from_shape_fn(outputs, |o| flat[range.bias + o]);
    let size = h.mapv(f64::abs).dot(&weight.mapv(f64::abs).t()) + bias.mapv(f64::abs);
    let own = size * (EPS * (inputs as f64 + 2.0));
    let room = room.dot(&weight.mapv(f64::abs).t()) + own;
    let z = h.dot(&weight.t()) + &bias;
    if activation == Activation::Identity {
        return (z, room);
    }
    let room = room * STEEPEST + z.mapv(|z| FUNCTION * z.abs().max(1e-3));
    (z.mapv(|z| activate(activation, z)), room)
}

/// The branch called `output` with all that is before it, on rows `obs`, and how well f32 knows them.
pub(in crate::check) fn chain(
    spec: &PolicySpec,
    parameters: &[f32],
    obs: ArrayView2<'_, f64>,
    output: &str,
) -> (Array2<f64>, Array2<f64>) {
    let (flat, layout) = (wide(parameters), spec.layout());
    let (mut h, mut room) = (obs.to_owned(), Array2::zeros(obs.raw_dim()));
    let layers = layout.path(output);
    for (index, range) in layers.iter().enumerate() {
        let f = if index + 1 == layers.len() { Activation::Identity } else { spec.activation };
        (h, room) = layer(&flat, range, f, h.view(), room.view());
    }
    (h, room)
}

fn forward_case(shape: &str, spec: PolicySpec, rows: usize, wanted: &'static [&'static str]) -> Case {
    let label = format!("{rows} × {shape}, {}", if wanted.len() > 1 { "both" } else { wanted[0] });
    Case::new(mlp_forward_fused::DEF.name, label, (EPS, REASON), async move |gpu, report| {
        let mut random = Random::new((rows * 3 + spec.obs_dim()) as u64);
        let layout = spec.layout();
        let parameters = random.normals(layout.len(), 0.3);
        let (slack, obs_dim) = (3, spec.obs_dim());
        let stride = obs_dim + slack;
        let x = random.normals(slack + rows * stride, 1.5);
        let buffers = (Guarded::holding(gpu, "parameters", &parameters)?, Guarded::holding(gpu, "obs", &x)?);
        let width = spec.head.width();
        let head_outputs = Guarded::output(gpu, "head_outputs", rows * width)?;
        let values = Guarded::output(gpu, "values", slack + rows)?;
        let params = mlp_forward_fused::Params {
            rows: rows as u32,
            obs_offset: slack as u32,
            obs_stride: stride as u32,
            value_offset: slack as u32,
            ..mlp_forward_fused::Params::new(&spec, &layout, wanted)
        };
        let io = mlp_forward_fused::Io {
            parameters: buffers.0.io(),
            obs: buffers.1.io(),
            head_outputs: head_outputs.io(),
            values: values.io(),
        };
        report.run(gpu, &mlp_forward_fused::bind(gpu, &spec, &[params], &io)?, Slot::default())?;

        let start = Array2::from_shape_fn((rows, obs_dim), |(r, c)| f64::from(x[slack + r * stride + c]));
        let chain = |output| chain(&spec, &parameters, start.view(), output);
        let (got, got_values) = (head_outputs.read(gpu, report).await?, values.read(gpu, report).await?);
        if wanted.contains(&Branch::POLICY) {
            let (want, room) = chain(Branch::POLICY);
            let raw = want.ncols();
            let free = layout.log_std().map_or(&[][..], |at| &parameters[at..at + width - raw]);
            for r in 0..rows {
                let (outputs, copies) = got[r * width..(r + 1) * width].split_at(raw);
                let name = format!("head_outputs row {r}");
                report.floats(&name, outputs, &want.row(r).to_vec(), |j| room[[r, j]] / EPS);
                report.exact("head_outputs (copies)", copies, free);
            }
        } else {
            report.untouched("head_outputs", got.iter().enumerate());
        }
        report.untouched("values (before)", got_values[..slack].iter().enumerate());
        if wanted.contains(&Branch::VALUE) {
            let (want, room) = chain(Branch::VALUE);
            report.floats("values", &got_values[slack..], &want.column(0).to_vec(), |r| room[[r, 0]] / EPS);
        } else {
            report.untouched("values", got_values.iter().enumerate());
        }
        Ok(())
    })
}

/// Both networks, with two hidden layers of 64.
fn sized(rows: usize, obs_dim: usize, head: &Head) -> Case {
    let spec = PolicySpec::separate(obs_dim, &[64, 64], Activation::Tanh, head.clone());
    forward_case(&format!("{obs_dim}-64-64-{} tanh", head.raw_outputs()), spec, rows, &Branch::OUTPUTS)
}

fn work(s: &Size) -> Work {
    let (n, d, width) = (s.rows as f64, s.obs_dim as f64, s.head.width() as f64);
    let weights = 2.0 * (d * 64.0 + 64.0 * 64.0) + 64.0 * (width + 1.0);
    Work::rows(s.rows, 2.0 * n * weights, 4.0 * (n * (d + width + 1.0) + weights))
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &mlp_forward_fused::DEF,
        about: "actor and critic with all their layers, to distribution rows and values, up to 128 wide",
        oracle: oracle!(mlp::Mlp),
        at_size: |s| Some(sized(s.rows, s.obs_dim, &s.head)),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work,
    }],
};

fn cases() -> Vec<Case> {
    const BOTH: &[&str] = &Branch::OUTPUTS;
    let tanh = |obs, hidden: &[usize], head| PolicySpec::separate(obs, hidden, Activation::Tanh, head);
    let mut cases = vec![
        forward_case("4-64-64-2 tanh", tanh(4, &[64, 64], Head::categorical(2)), 65, BOTH).quick(true),
        forward_case("17-64-64-6 tanh, Gaussian", tanh(17, &[64, 64], Head::gaussian(6)), 31, BOTH).quick(true),
        forward_case("5-128-127-3 tanh", tanh(5, &[128, 127], Head::categorical(3)), 33, BOTH).quick(true),
        forward_case("260-66-5-128 tanh", tanh(260, &[66, 5], Head::categorical(128)), 17, BOTH).loose(WIDE),
        forward_case("1-1-2 tanh", tanh(1, &[1], Head::categorical(2)), 1, BOTH),
        forward_case("128-3 tanh, no hidden layer", tanh(128, &[], Head::categorical(3)), 16, BOTH),
        forward_case("129-64-64-2 tanh", tanh(129, &[64, 64], Head::categorical(2)), 15, &[Branch::POLICY]).loose(WIDE),
        forward_case("130-64-65-2 tanh", tanh(130, &[64, 65], Head::categorical(2)), 40, &[Branch::VALUE]).loose(WIDE),
    ];
    for activation in Activation::ALL {
        let spec = PolicySpec::mlp(7, &[33], &[70, 9], &[], activation, Head::gaussian(3));
        cases.push(forward_case(&format!("7-(33)-70-9-3 {activation:?}"), spec, 21, BOTH).quick(true));
    }
    cases
}
