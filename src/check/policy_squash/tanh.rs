//! Actions of a deterministic actor, with noise.

use super::support::{REASON, STEP_OFFSET, counters, drawn, to_env};
use crate::check::accuracy::{Known, exact};
use crate::check::case::Case;
use crate::check::support::{EPS, Guarded, Random, Report, schedule};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::policy_squash::Source;
use crate::kernels::policy_tanh;
use crate::reference::td3_update::noisy_actions;
use ndarray::Array2;

#[derive(Clone, Copy)]
pub(super) struct Noisy {
    pub rows: usize,
    pub dims: usize,
    pub source: Source,
    pub sigma: f32,
    pub clip: f32,
}

const BEFORE: usize = 2;

pub(super) fn case(c: Noisy) -> Case {
    let Noisy { rows, dims, source, sigma, clip } = c;
    let shape = format!("{rows} rows of {dims}, {source:?}, {sigma} within {clip:e}");
    Case::new(policy_tanh::DEF.name, shape, REASON, async move |gpu, report| run(gpu, report, c).await)
}

async fn run(gpu: &Gpu, report: &Report, c: Noisy) -> Result<()> {
    let Noisy { rows, dims, source, sigma, clip } = c;
    let mut random = Random::new((rows * 13 + dims) as u64);
    let (count, stride) = (rows * dims, dims + 3);
    let outputs = random.normals(BEFORE + count, 1.5);
    let given = random.normals(count, 1.0);
    let bounds: Vec<[f32; 2]> = (0..dims).map(|d| [-2.0, 1.0 + d as f32]).collect();
    let noise = if source == Source::Given {
        Guarded::holding(gpu, "noise", &given)?
    } else {
        Guarded::output(gpu, "noise", count)?
    };
    let b = (
        Guarded::holding(gpu, "outputs", &outputs)?,
        Guarded::holding(gpu, "bounds", &bounds)?,
        Guarded::<f32>::output(gpu, "actions", BEFORE + rows * stride)?,
        Guarded::<f32>::output(gpu, "env_actions", count)?,
    );
    let p = policy_tanh::Params {
        rows: rows as u32,
        dims: dims as u32,
        outputs_offset: BEFORE as u32,
        actions_offset: BEFORE as u32,
        actions_stride: stride as u32,
        source: source.code(),
        step_offset: STEP_OFFSET,
        to_env: 1,
        sigma,
        noise_clip: clip,
        ..Default::default()
    };
    let io = policy_tanh::Io {
        outputs: b.0.io(),
        bounds: b.1.io(),
        noise: noise.io(),
        actions: b.2.io(),
        env_actions: b.3.io(),
    };
    let (ring, slot) = schedule(gpu, &counters())?;
    report.run(gpu, &policy_tanh::bind(gpu, &[p], &io, &ring)?, slot)?;

    let z = |i: usize| if source == Source::Given { exact(given[i].into()) } else { drawn(source, i / dims, i % dims) };
    let all: Vec<Known> = (0..count).map(z).collect();
    let values = |known: &[Known]| known.iter().map(|known| known.value).collect::<Vec<_>>();
    report.floats("noise", &noise.read(gpu, report).await?, &values(&all), |i| all[i].error / EPS);
    let shape = (rows, dims);
    let raw = Array2::from_shape_fn(shape, |(r, d)| f64::from(outputs[BEFORE + r * dims + d]));
    let drawn = Array2::from_shape_fn(shape, |(r, d)| all[r * dims + d].value);
    let want: Vec<f64> = if source == Source::Uniform {
        values(&all)
    } else {
        noisy_actions(raw.view(), drawn.view(), sigma.into(), clip.into())?.into_iter().collect()
    };
    let known: Vec<Known> = (0..count)
        .map(|i| {
            if source == Source::Uniform {
                return all[i];
            }
            // A limit does not make an error larger.
            let moved = (exact(sigma.into()) * all[i]).clamp(-f64::from(clip), clip.into());
            (exact(outputs[BEFORE + i].into()).tanh() + moved).clamp(-1.0, 1.0)
        })
        .collect();
    let got = b.2.read(gpu, report).await?;
    report.untouched("actions (before the first)", got[..BEFORE].iter().enumerate());
    let rows_of = got[BEFORE..].chunks(stride);
    let own: Vec<f32> = rows_of.clone().flat_map(|row| row[..dims].iter().copied()).collect();
    report.floats("actions", &own, &want, |i| known[i].error / EPS);
    rows_of.for_each(|row| report.untouched("actions (between rows)", row[dims..].iter().enumerate()));
    let to_envs: Vec<Known> =
        (0..count).map(|i| to_env(Known { value: want[i], ..known[i] }, bounds[i % dims])).collect();
    report.floats("env_actions", &b.3.read(gpu, report).await?, &values(&to_envs), |i| to_envs[i].error / EPS);
    Ok(())
}
