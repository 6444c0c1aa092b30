//! The gradient through an actor's actions.

use super::sample::{HIGH, LOW, limited, raw, settings, table};
use super::support::REASON;
use crate::check::accuracy::{Known, exact, rounded};
use crate::check::case::Case;
use crate::check::support::{EPS, Guarded, Random, Report};
use crate::error::Result;
use crate::gpu::{Gpu, Slot};
use crate::kernels::loss_q::Temperature;
use crate::kernels::policy_squash_backward;
use ndarray::{Array1, Array2, s};

#[derive(Clone, Copy)]
pub(super) struct Backward {
    pub rows: usize,
    pub dims: usize,
    pub critics: usize,
    pub deterministic: bool,
    pub temperature: Temperature,
    pub epsilon: f32,
    pub spread: f32,
    /// What limits log σ: tanh, or a clamp.
    pub tanh: bool,
}

const BEFORE: usize = 3;
const LOG_ALPHA: f32 = -0.8;
pub(super) const ALPHA_AT: u32 = 1;

pub(super) fn case(c: Backward) -> Case {
    let Backward { rows, dims, critics, deterministic, temperature, epsilon, spread, tanh } = c;
    let what = match (deterministic, tanh) {
        (true, _) => "tanh alone",
        (false, false) => "sample",
        (false, true) => "sample, log σ by tanh",
    };
    let shape =
        format!("{rows} rows of {dims}, {critics} critics, {what}, {temperature:?}, ε {epsilon}, means {spread}");
    Case::new(policy_squash_backward::DEF.name, shape, REASON, async move |gpu, report| run(gpu, report, c).await)
}

/// The kernel's inputs.
struct Inputs {
    outputs: Vec<f32>,
    noise: Vec<f32>,
    d_actions: Vec<f32>,
    stride: usize,
    critic_stride: usize,
}

impl Inputs {
    fn new(c: &Backward) -> Self {
        let Backward { rows, dims, critics, .. } = *c;
        let mut random = Random::new((rows * 17 + dims) as u64);
        let before = || vec![f32::NAN; BEFORE];
        let own = if c.deterministic {
            random.normals(rows * dims, c.spread)
        } else {
            raw(&mut random, rows, dims, c.spread)
        };
        let (stride, critic_stride) = (dims + 5, rows * (dims + 5) + 1);
        Self {
            outputs: [before(), own].concat(),
            noise: [before(), random.normals(rows * dims, 1.0)].concat(),
            // About as large as w, which is 1 / rows.
            d_actions: random.normals(BEFORE + critics * critic_stride, 1.0 / rows as f32),
            stride,
            critic_stride,
        }
    }

    fn d_action(&self, c: &Backward, r: usize, d: usize) -> Known {
        let at =
            |critic: usize| exact(self.d_actions[BEFORE + critic * self.critic_stride + r * self.stride + d].into());
        (1..c.critics).fold(at(0), |sum, critic| sum + at(critic))
    }
}

async fn run(gpu: &Gpu, report: &Report, c: Backward) -> Result<()> {
    let Backward { rows, dims, deterministic, temperature, epsilon, tanh, .. } = c;
    let inputs = Inputs::new(&c);
    let width = if deterministic { dims } else { 2 * dims };
    let b = (
        Guarded::holding(gpu, "outputs", &inputs.outputs)?,
        Guarded::holding(gpu, "noise", &inputs.noise)?,
        Guarded::holding(gpu, "d_actions", &inputs.d_actions)?,
        Guarded::holding(gpu, "parameters", &[f32::NAN, LOG_ALPHA])?,
        Guarded::<f32>::output(gpu, "d_outputs", rows * width)?,
    );
    let p = policy_squash_backward::Params {
        rows: rows as u32,
        dims: dims as u32,
        outputs_offset: BEFORE as u32,
        noise_offset: BEFORE as u32,
        d_offset: BEFORE as u32,
        d_stride: inputs.stride as u32,
        critics: c.critics as u32,
        critic_stride: inputs.critic_stride as u32,
        deterministic: deterministic.into(),
        temperature: temperature.code(),
        alpha_at: temperature.place(),
        alpha: temperature.fixed(),
        inverse_rows: 0.0,
        log_std_min: LOW,
        log_std_max: HIGH,
        epsilon,
        log_std_tanh: tanh.into(),
        ..Default::default()
    };
    let io = policy_squash_backward::Io {
        outputs: b.0.io(),
        noise: b.1.io(),
        d_actions: b.2.io(),
        parameters: b.3.io(),
        d_outputs: b.4.io(),
    };
    report.run(gpu, &policy_squash_backward::bind(gpu, &[p], &io)?, Slot::default())?;
    let got = b.4.read(gpu, report).await?;
    let raw = table(&inputs.outputs[BEFORE..], rows)?;
    let d_action = Array2::from_shape_fn((rows, dims), |(r, d)| inputs.d_action(&c, r, d).value);
    if deterministic {
        let want: Vec<f64> = raw.iter().zip(&d_action).map(|(x, d)| (1.0 - x.tanh().powi(2)) * d).collect();
        let known = |i: usize| exact(raw[[i / dims, i % dims]]).tanh_slope() * inputs.d_action(&c, i / dims, i % dims);
        report.floats("d_outputs", &got, &want, |i| known(i).error / EPS);
        return Ok(());
    }
    let alpha = match temperature {
        Temperature::None => Known::zero(),
        Temperature::Fixed(alpha) => exact(alpha.into()),
        Temperature::Tuned(_) => exact(LOG_ALPHA.into()).exp(),
    };
    let w = alpha * rounded(1.0 / rows as f64);
    let noise = table(&inputs.noise[BEFORE..], rows)?;
    let sample = settings(epsilon, tanh).sample(raw.slice(s![.., ..dims]), raw.slice(s![.., dims..]), noise.view())?;
    let weights = Array1::from_elem(rows, alpha.value / rows as f64);
    let (by_mean, by_log_std) = sample.gradient(weights.view(), d_action.view())?;
    let (mut want, mut bounds) = (vec![0.0; rows * width], vec![0.0; rows * width]);
    for r in 0..rows {
        for d in 0..dims {
            let l = raw[[r, dims + d]];
            let (log_std, log_std_slope) = limited(l, tanh);
            let moved = log_std.exp() * exact(noise[[r, d]]);
            let u = exact(raw[[r, d]]) + moved;
            let slope = u.tanh_slope();
            let share = if epsilon == 0.0 { exact(1.0) } else { slope / (slope + exact(epsilon.into())) };
            let d_u = u.tanh().times(2.0) * share * w + slope * inputs.d_action(&c, r, d);
            let (of_mean, of_log_std) = (r * width + d, r * width + dims + d);
            (want[of_mean], bounds[of_mean]) = (by_mean[[r, d]], d_u.error);
            let error = ((d_u * moved - w) * log_std_slope).error;
            (want[of_log_std], bounds[of_log_std]) = (by_log_std[[r, d]], error);
        }
    }
    report.floats("d_outputs", &got, &want, |i| bounds[i] / EPS);
    Ok(())
}
