//! Forward.

use super::shape::{Networks, REASON, SLACK};
use crate::check::accuracy::FUNCTION;
use crate::check::case::Case;
use crate::check::mlp::fused::STEEPEST;
use crate::check::mlp::layer::matrix;
use crate::check::support::{EPS, Guarded, Random, Report};
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::mlp_forward_networks::{self, MOST, NOT_KEPT};
use crate::policy::Activation;
use crate::reference::mlp::activate;
use ndarray::Array2;

pub(super) fn case(c: Networks) -> Case {
    let run = async move |gpu: &Gpu, report: &Report| run(gpu, report, &c).await;
    Case::new(mlp_forward_networks::DEF.name, c.label(), (EPS, REASON), run)
}

async fn run(gpu: &Gpu, report: &Report, c: &Networks) -> Result<()> {
    let Networks { rows, count, activation, .. } = *c;
    let (layers, len) = c.layers();
    let mut random = Random::new((rows + 3 * c.inputs()) as u64);
    let parameters = random.normals(count * len, 0.3);
    let stride = c.inputs() + SLACK;
    // The last network sees what the first does, and keeps nothing.
    let x = random.normals(SLACK + count * rows * stride, 1.5);
    let place = |network: usize| SLACK + if network + 1 == count { 0 } else { network * rows * stride };
    let keeps = |network: usize| network + 1 < count || count == 1;
    let (outputs, kept) = (rows * c.outputs(), c.kept());
    let b = (
        Guarded::holding(gpu, "parameters", &parameters)?,
        Guarded::holding(gpu, "input", &x)?,
        Guarded::<f32>::output(gpu, "output", SLACK + count * outputs)?,
        Guarded::<f32>::output(gpu, "kept", SLACK + count * kept)?,
    );
    let mut networks = [[0; 4]; MOST];
    for (network, entry) in networks.iter_mut().take(count).enumerate() {
        let of_kept = if keeps(network) { (SLACK + network * kept) as u32 } else { NOT_KEPT };
        let [first, input, output] = [network * len, place(network), SLACK + network * outputs].map(|n| n as u32);
        *entry = [first, input, output, of_kept];
    }
    let p = mlp_forward_networks::Params {
        layers,
        networks,
        rows: rows as u32,
        depth: c.depth() as u32,
        input_stride: stride as u32,
        count: count as u32,
        ..Default::default()
    };
    let io = mlp_forward_networks::Io { parameters: b.0.io(), input: b.1.io(), output: b.2.io(), kept: b.3.io() };
    report.run(gpu, &mlp_forward_networks::bind(gpu, activation, &[p], &io)?, Slot::default())?;
    let (output, all) = (b.2.read(gpu, report).await?, b.3.read(gpu, report).await?);
    report.untouched("output (before)", output[..SLACK].iter().enumerate());
    report.untouched("kept (before)", all[..SLACK].iter().enumerate());
    for network in 0..count {
        let own = &all[SLACK + network * kept..][..kept];
        if !keeps(network) {
            report.untouched("kept", own.iter().enumerate());
        }
        let h = matrix(&x, rows, c.inputs(), place(network), stride);
        let output = &output[SLACK + network * outputs..][..outputs];
        compare(report, c, (&parameters, network), h, [output, if keeps(network) { own } else { &[] }]);
    }
    Ok(())
}

/// All layers of a network; what it keeps is not looked at if there is none of it.
fn compare(
    report: &Report,
    c: &Networks,
    (parameters, network): (&[f32], usize),
    mut h: Array2<f64>,
    [output, own]: [&[f32]; 2],
) {
    let (mut room, mut at) = (Array2::<f64>::zeros(h.dim()), 0);
    for index in 0..c.depth() {
        let (weight, bias) = c.weight(parameters, network, index);
        let sizes = weight.mapv(f64::abs);
        let size = h.mapv(f64::abs).dot(&sizes.t()) + bias.mapv(f64::abs);
        let z = h.dot(&weight.t()) + &bias;
        let of_z = room.dot(&sizes.t()) + size * (EPS * (weight.ncols() as f64 + 2.0));
        let f = c.activation(index);
        let curved = !matches!(f, Activation::Identity | Activation::Relu);
        let y = z.mapv(|z| activate(f, z));
        let own_error = |z: f64| if curved { FUNCTION * z.abs().max(1e-3) } else { 0.0 };
        let of_y = if curved { &of_z * STEEPEST } else { of_z.clone() } + z.mapv(own_error);
        let (name, got) = if index + 1 == c.depth() {
            ("output", output)
        } else {
            ("kept", own.get(at..at + z.len()).unwrap_or_default())
        };
        let by_sum = f.keeps_preactivation();
        let (want, bound) = if by_sum { (&z, &of_z) } else { (&y, &of_y) };
        if !own.is_empty() || index + 1 == c.depth() {
            let bound: Vec<f64> = bound.iter().map(|bound| bound / EPS).collect();
            report.floats(name, got, &want.iter().copied().collect::<Vec<_>>(), |i| bound[i]);
        }
        at += z.len();
        (h, room) = (y, of_y);
    }
}
