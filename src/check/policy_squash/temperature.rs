//! Steps of SAC's temperature.

use crate::check::accuracy::{Known, exact, roundings};
use crate::check::case::Case;
use crate::check::support::{EPS, Guarded, Random, Report, schedule, wide};
use crate::config::{AdamEps, ClipFormula, GradClip, Optimizer};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{optim_adam, optim_temperature};
use crate::reference::optim::{Adam, AdamSettings};
use crate::reference::sac_update::temperature_gradient;
use ndarray::Array1;

const BEFORE: usize = 2;
const ALPHA_AT: usize = 3;
const RATE: f32 = 0.01;
/// In units of the schedule's.
const SHARE: f32 = 0.5;

/// `broken`: a log-probability of the second step is not finite.
pub(super) fn case(rows: usize, steps: usize, broken: bool) -> Case {
    let bad = if broken { ", one not finite" } else { "" };
    // A lane's sum, six levels, the factor; root and division of a step and its four roundings.
    let tolerance = 2.0 * (roundings(rows.div_ceil(64) + 6) + 2.0 * EPS) + EPS * (12.0 + 6.0 * steps as f64);
    let reason =
        "a mean has the roundings of a lane's sum and of a tree, a step those of Adam; scale: sizes of the terms";
    Case::new(optim_temperature::DEF.name, format!("{rows} rows, {steps} steps{bad}"), (tolerance, reason), {
        async move |gpu, report| run(gpu, report, [rows, steps], broken).await
    })
}

fn settings() -> AdamSettings {
    AdamSettings {
        optimizer: Optimizer::Adam,
        beta1: 0.9_f32.into(),
        beta2: 0.999_f32.into(),
        eps: 1e-8_f32.into(),
        weight_decay: 0.0,
        max_grad_norm: None,
        rmsprop_alpha: 0.99,
        rmsprop_eps: 1e-5,
        eps_placement: AdamEps::Outside,
        grad_clip: GradClip::Joint,
        clip_formula: ClipFormula::Torch,
        value: 0..0,
        value_rate: 1.0,
    }
}

struct Device {
    logp: Guarded<f32>,
    bias_correction: Buffer<[f32; 2]>,
    state: [Guarded<f32>; 3],
    steps: Guarded<u32>,
    statistics: Guarded<[f32; 4]>,
}

impl Device {
    fn step(&self, gpu: &Gpu, report: &Report, logp: &[f32], index: usize) -> Result<()> {
        gpu.write(self.logp.io(), BEFORE as u64, logp)?;
        let (beta1, beta2) = (0.9_f32, 0.999_f32);
        let p = optim_temperature::Params {
            rows: logp.len() as u32,
            logp_offset: BEFORE as u32,
            alpha_at: ALPHA_AT as u32,
            steps_at: 1,
            statistics_at: index as u32,
            target_entropy: -2.0,
            rate: SHARE,
            beta1,
            one_minus_beta1: (1.0 - f64::from(beta1)) as f32,
            beta2,
            one_minus_beta2: (1.0 - f64::from(beta2)) as f32,
            eps: 1e-8,
            ..Default::default()
        };
        let [parameters, exp_avg, exp_avg_sq] = [0, 1, 2].map(|i: usize| self.state[i].io());
        let io = optim_temperature::Io {
            logp: self.logp.io(),
            bias_correction: &self.bias_correction,
            parameters,
            exp_avg,
            exp_avg_sq,
            steps: self.steps.io(),
            statistics: self.statistics.io(),
        };
        let (ring, slot) = schedule(gpu, &PerUpdate { learning_rate: RATE, ..PerUpdate::default() })?;
        report.run(gpu, &optim_temperature::bind(gpu, &[p], &io, &ring)?, slot)
    }
}

async fn run(gpu: &Gpu, report: &Report, [rows, steps]: [usize; 2], broken: bool) -> Result<()> {
    let mut random = Random::new((rows + steps) as u64);
    let settings = settings();
    let initial = [7.0, 7.0, 7.0, -1.25_f32];
    let state = |label| Guarded::updated(gpu, label, &[7.0, 7.0, 7.0, 0.0_f32]);
    let device = Device {
        logp: Guarded::updated(gpu, "logp", &vec![f32::NAN; BEFORE + rows])?,
        bias_correction: gpu
            .upload("bias_correction", &optim_adam::bias_corrections(settings.beta1, settings.beta2)?)?,
        state: [Guarded::updated(gpu, "parameters", &initial)?, state("exp_avg")?, state("exp_avg_sq")?],
        steps: Guarded::updated(gpu, "steps", &[5, 0])?,
        statistics: Guarded::output(gpu, "statistics", steps)?,
    };
    let mut adam = Adam::<f64>::new(1);
    let mut log_alpha = vec![f64::from(initial[ALPHA_AT])];
    let (mut want, mut sizes) = (Vec::new(), Vec::new());
    let (mut first, mut second) = (0.0, 0.0);
    for step in 0..steps {
        let mut logp = random.normals(rows, 2.0);
        let bad = broken && step == 1;
        if bad {
            logp[rows / 2] = f32::NAN;
        }
        device.step(gpu, report, &logp, step)?;
        if bad {
            continue;
        }
        let own = Array1::from(wide(&logp));
        let g = temperature_gradient(&own, -2.0);
        let size = 2.0 + own.mapv(f64::abs).sum() / rows as f64;
        let alpha: Known = exact(log_alpha[0]).give(tolerance_of(step)).exp();
        want.push((step, [alpha.value, log_alpha[0] * g, g, own.sum() / rows as f64]));
        sizes.push([alpha.error / EPS, log_alpha[0].abs() * size + g.abs(), size, size]);
        let lr = f64::from(RATE) * f64::from(SHARE);
        adam.step(&settings, lr, &mut log_alpha, &[g])?;
        first = settings.beta1 * first + (1.0 - settings.beta1) * size;
        second = settings.beta2 * second + (1.0 - settings.beta2) * size * size;
    }
    let [p, m, v] = &device.state;
    let (p, m, v) = (p.read(gpu, report).await?, m.read(gpu, report).await?, v.read(gpu, report).await?);
    report.exact(
        "what lies before log α",
        &[&p[..ALPHA_AT], &m[..ALPHA_AT], &v[..ALPHA_AT]],
        &[&[7.0; ALPHA_AT][..]; 3],
    );
    // A step is the rate times a quotient; terms of its moments may cancel down to it.
    let moved = f64::from(RATE * SHARE) * steps as f64 * (first / adam.exp_avg_sq[0].sqrt()).max(1.0);
    report.floats("parameters", &p[ALPHA_AT..], &log_alpha, |_| log_alpha[0].abs() + 4.0 * moved);
    report.floats("exp_avg", &m[ALPHA_AT..], &adam.exp_avg, |_| first);
    report.floats("exp_avg_sq", &v[ALPHA_AT..], &adam.exp_avg_sq, |_| second);
    let taken = if broken { steps - 1 } else { steps } as u32;
    report.exact("steps", &device.steps.read(gpu, report).await?, &[5, taken]);
    let statistics = device.statistics.read(gpu, report).await?;
    for ((step, want), sizes) in want.iter().zip(&sizes) {
        report.floats(&format!("statistics {step}"), &statistics[*step], want, |i| sizes[i]);
    }
    Ok(())
}

/// How far log α, which stays below 2, may be off after so many steps: each is rounded once, and moves it by some RATE.
fn tolerance_of(steps: usize) -> f64 {
    EPS * (2.0 + steps as f64 * (2.0 + 64.0 * f64::from(RATE)))
}
