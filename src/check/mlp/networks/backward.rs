//! Backward.

use super::shape::{Networks, REASON, SLACK};
use crate::check::accuracy::FUNCTION;
use crate::check::case::Case;
use crate::check::mlp::fused::STEEPEST;
use crate::check::mlp::layer::{kept_words, matrix, through_slope};
use crate::check::support::{EPS, Guarded, Random, Report};
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::mlp_backward_networks;
use crate::kernels::mlp_forward_networks::{MOST, NOT_KEPT};
use crate::policy::Activation;
use ndarray::{Array2, s};

/// `first`: the first column of the input whose gradient is computed.
pub(super) fn case(c: Networks, first: usize) -> Case {
    let run = async move |gpu: &Gpu, report: &Report| run(gpu, report, &c, first).await;
    Case::new(mlp_backward_networks::DEF.name, format!("{}, input from {first}", c.label()), (EPS, REASON), run)
}

async fn run(gpu: &Gpu, report: &Report, c: &Networks, first: usize) -> Result<()> {
    let Networks { rows, count, activation, .. } = *c;
    let (layers, len) = c.layers();
    let mut random = Random::new((rows + 5 * c.inputs()) as u64);
    let parameters = random.normals(count * len, 0.3);
    let (outputs, kept, width) = (rows * c.outputs(), c.kept(), c.inputs() - first);
    let d_output = random.normals(SLACK + count * outputs, 1.0);
    let words = [vec![f32::NAN; SLACK], kept_words(&mut random, count * kept, activation)].concat();
    // The last of several has no gradient by its input.
    let wanted = |network: usize| network + 1 < count || count == 1;
    let b = (
        Guarded::holding(gpu, "parameters", &parameters)?,
        Guarded::holding(gpu, "d_output", &d_output)?,
        Guarded::holding(gpu, "kept", &words)?,
        Guarded::<f32>::output(gpu, "d_kept", SLACK + count * kept)?,
        Guarded::<f32>::output(gpu, "d_input", SLACK + count * rows * width)?,
    );
    let mut networks = [[0; 4]; MOST];
    for (network, entry) in networks.iter_mut().take(count).enumerate() {
        let of_input = if wanted(network) { (SLACK + network * rows * width) as u32 } else { NOT_KEPT };
        let [own, d_output, kept] =
            [network * len, SLACK + network * outputs, SLACK + network * kept].map(|n| n as u32);
        *entry = [own, d_output, kept, of_input];
    }
    let p = mlp_backward_networks::Params {
        layers,
        networks,
        rows: rows as u32,
        depth: c.depth() as u32,
        input_first: first as u32,
        count: count as u32,
        ..Default::default()
    };
    let io = mlp_backward_networks::Io {
        parameters: b.0.io(),
        d_output: b.1.io(),
        kept: b.2.io(),
        d_kept: b.3.io(),
        d_input: b.4.io(),
    };
    report.run(gpu, &mlp_backward_networks::bind(gpu, activation, &[p], &io)?, Slot::default())?;
    let (d_kept, d_input) = (b.3.read(gpu, report).await?, b.4.read(gpu, report).await?);
    report.untouched("d_kept (before)", d_kept[..SLACK].iter().enumerate());
    report.untouched("d_input (before)", d_input[..SLACK].iter().enumerate());
    for network in 0..count {
        let d = matrix(&d_output, rows, c.outputs(), SLACK + network * outputs, c.outputs());
        let places = SLACK + network * kept..SLACK + (network + 1) * kept;
        let own = &d_input[SLACK + network * rows * width..][..rows * width];
        if !wanted(network) {
            report.untouched("d_input", own.iter().enumerate());
        }
        let d_input = wanted(network).then_some((own, first));
        compare(report, c, (&parameters, network), d, (&words[places.clone()], &d_kept[places]), d_input);
    }
    Ok(())
}

/// All layers of a network, from what it kept.
fn compare(
    report: &Report,
    c: &Networks,
    (parameters, network): (&[f32], usize),
    mut d: Array2<f64>,
    (words, d_kept): (&[f32], &[f32]),
    d_input: Option<(&[f32], usize)>,
) {
    let activation = c.activation;
    let (mut room, mut end) = (Array2::<f64>::zeros(d.dim()), words.len());
    for index in (0..c.depth()).rev() {
        let (weight, _) = c.weight(parameters, network, index);
        let sizes = weight.mapv(f64::abs);
        let size = d.mapv(f64::abs).dot(&sizes);
        let mut of_sum = room.dot(&sizes) + &size * (EPS * (weight.nrows() as f64 + 2.0));
        let mut sum = d.dot(&weight);
        if index == 0 {
            let Some((own, first)) = d_input else { continue };
            let want: Vec<f64> = sum.slice(s![.., first..]).iter().copied().collect();
            let bounds: Vec<f64> = of_sum.slice(s![.., first..]).iter().map(|bound| bound / EPS).collect();
            report.floats("d_input", own, &want, |i| bounds[i]);
            continue;
        }
        let at = end - sum.len();
        let own = &words[at..end];
        let curved = !matches!(activation, Activation::Identity | Activation::Relu);
        let of_slope = if curved { FUNCTION } else { EPS };
        of_sum = of_sum * STEEPEST + &size * of_slope;
        let want = through_slope(&sum, activation, own);
        sum = Array2::from_shape_fn(sum.dim(), |(r, i)| want[r * weight.ncols() + i]);
        let bounds: Vec<f64> = of_sum.iter().map(|bound| bound / EPS).collect();
        report.floats("d_kept", &d_kept[at..end], &want, |i| bounds[i]);
        end = at;
        (d, room) = (sum, of_sum);
    }
}
