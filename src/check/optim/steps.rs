//! Steps of the optimisers, one after another.

use super::clip::{Bad, gradient, norm_tolerance, value_range};
use super::device::{ALPHA, Device, Steps};
use crate::check::case::Case;
use crate::check::support::{EPS, Random, Report, wide};
use crate::config::{AdamEps, ClipFormula, GradClip, Optimizer};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::{optim_adam, optim_rmsprop};
use crate::reference::optim::{Adam, AdamSettings, clip_scale};
use crate::reference::reduce_moments::reduce_norm;
use ndarray::Array1;

pub(super) const USUAL: Steps = Steps {
    count: 65,
    steps: 5,
    optimizer: Optimizer::Adam,
    weight_decay: 0.0,
    max_grad_norm: 0.5,
    eps: 1e-5,
    bad_step: None,
    taken: 0,
    grad_clip: GradClip::Joint,
    formula: ClipFormula::Torch,
    eps_placement: AdamEps::Outside,
    value_rate: 1.0,
};

pub(super) fn adam_case(c: Steps) -> Case {
    let Steps { count, steps, optimizer, weight_decay, max_grad_norm, bad_step, taken, .. } = c;
    let mut shape =
        format!("{count} numbers, {steps} steps, {optimizer:?}, decay {weight_decay}, limit {max_grad_norm}");
    if let Some(step) = bad_step {
        shape += &format!(", step {step} not finite");
    }
    if taken > 0 {
        shape += &format!(", from step {taken}");
    }
    if c.grad_clip == GradClip::Separate {
        shape += ", clipped apart";
    }
    if c.formula == ClipFormula::Tensorflow {
        shape += ", TensorFlow's factor";
    }
    if c.eps_placement == AdamEps::Baselines {
        shape += ", baselines' ε";
    }
    if c.value_rate != 1.0 {
        shape += &format!(", critic's rate × {}", c.value_rate);
    }
    // A root and a division of 3 ulp each besides the roundings of a step.
    let tolerance = EPS * (16.0 + 6.0 * steps as f64) + if max_grad_norm > 0.0 { norm_tolerance(count) } else { 0.0 };
    let reason = "per step: moments and parameters rounded, root and division of 3 ulp; the clip's factor has the norm's error; \
                  scale: parameter + steps × learning rate, and the moments' own size";
    let kernel = if optimizer == Optimizer::RmsProp { optim_rmsprop::DEF.name } else { optim_adam::DEF.name };
    Case::new(kernel, shape, (tolerance, reason), async move |gpu, report| run(gpu, report, c).await)
}

fn settings(c: &Steps) -> AdamSettings {
    AdamSettings {
        optimizer: c.optimizer,
        beta1: 0.9_f32.into(),
        beta2: 0.999_f32.into(),
        eps: c.eps.into(),
        weight_decay: c.weight_decay.into(),
        max_grad_norm: (c.max_grad_norm > 0.0).then_some(c.max_grad_norm.into()),
        rmsprop_alpha: ALPHA.into(),
        rmsprop_eps: c.eps.into(),
        eps_placement: c.eps_placement,
        grad_clip: c.grad_clip,
        clip_formula: c.formula,
        value: value_range(c.count),
        value_rate: c.value_rate.into(),
    }
}

/// The sizes of both moments: sums of the absolute terms.
struct Sizes {
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Sizes {
    /// A step with `own` from the parameters `before`.
    fn step(&mut self, c: &Steps, settings: &AdamSettings, own: &[f32], before: &[f64]) {
        let range = value_range(c.count);
        let limit = |inside: bool| {
            let apart = c.grad_clip == GradClip::Separate;
            let part = wide(own).into_iter().enumerate().filter(|(j, _)| !apart || range.contains(j) == inside);
            let norm = reduce_norm(part.map(|(_, g)| g).collect::<Array1<f64>>().view());
            settings.max_grad_norm.map_or(1.0, |max| clip_scale(settings.clip_formula, norm, max))
        };
        // An empty range has no elements that ask for its factor.
        let limits = [limit(false), limit(range.contains(&range.start))];
        let rmsprop = c.optimizer == Optimizer::RmsProp;
        let second = if rmsprop { settings.rmsprop_alpha } else { settings.beta2 };
        for i in 0..c.count {
            let decay = if c.optimizer != Optimizer::AdamW { f64::from(c.weight_decay) } else { 0.0 };
            // A step's own first moment has the factor in it; the bound only needs its size.
            let g = limits[usize::from(range.contains(&i))] * f64::from(own[i]).abs() + decay * before[i].abs();
            self.first[i] = settings.beta1 * self.first[i] + (1.0 - settings.beta1) * g;
            self.second[i] = second * self.second[i] + (1.0 - second) * g * g;
        }
    }
}

async fn run(gpu: &Gpu, report: &Report, c: Steps) -> Result<()> {
    let Steps { count, steps, bad_step, .. } = c;
    let mut random = Random::new((count + steps) as u64);
    let lr = 0.01_f32;
    let initial = random.normals(count, 1.0);
    let settings = settings(&c);
    let device = Device::new(gpu, &c, &initial, &settings)?;
    let mut adam = Adam::<f64>::new(count);
    adam.step = c.taken;
    let mut parameters = wide(&initial);
    let mut sizes = Sizes { first: vec![0.0; count], second: vec![0.0; count] };
    for step in 0..steps {
        let bad = if bad_step == Some(step) { Bad::Nan } else { Bad::No };
        let own = gradient(&mut random, count, bad);
        let before = device.read(gpu, report).await?;
        device.step(gpu, report, &own, lr)?;
        let before_step = parameters.clone();
        if adam.step(&settings, lr.into(), &mut parameters, &wide(&own))?.stepped {
            sizes.step(&c, &settings, &own, &before_step);
            continue;
        }
        let after = device.read(gpu, report).await?;
        for (i, name) in ["parameters", "exp_avg", "exp_avg_sq"].iter().enumerate() {
            report.exact(&format!("{name} (step refused)"), &after[i], &before[i]);
        }
    }
    let [p, m, v] = device.read(gpu, report).await?;
    let moved = steps as f64 * f64::from(lr);
    // Where terms of the first moment cancel, so do their errors' share in the step; 4 bounds |terms| / √v.
    report.floats("parameters", &p, &parameters, |i| parameters[i].abs() + 4.0 * moved);
    report.floats("exp_avg", &m, &adam.exp_avg, |i| sizes.first[i]);
    report.floats("exp_avg_sq", &v, &adam.exp_avg_sq, |i| sizes.second[i]);
    report.exact("optimizer_step", &device.optimizer_step.read(gpu, report).await?, &[adam.step]);
    Ok(())
}
