//! Gradient clipping and Adam, alone and over several steps.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random, Report, schedule, wide};
use super::work::Work;
use crate::config::{AdamEps, ClipFormula, GradClip, Optimizer};
use crate::error::Result;
use crate::gpu::{Gpu, Schedule, Slot};
use crate::kernels::loss_statistics::TRACE_WIDTH;
use crate::kernels::{optim_adam, optim_clip, optim_rmsprop};
use crate::reference::optim::{Adam, AdamSettings, clip_scale};
use crate::reference::reduce_moments::reduce_norm;
use ndarray::Array1;

/// Roundings of a norm: four squares a lane, a tree of 6 levels, the partial sums; half of them survive the root.
fn norm_tolerance(count: usize) -> f64 {
    EPS * (0.5 * (4.0 + 6.0 + (count as f64 / 256.0 / 64.0).ceil() + 6.0) + 8.0)
}

/// RMSProp's.
const ALPHA: f32 = 0.99;

/// Words of the control buffer.
const STEP: usize = 1;
const SCALE: usize = 2;
const SCALE_VALUE: usize = 7;
const TAKEN: usize = 4;
const SKIPPED: usize = 5;
/// Columns of the trace.
const NORM: usize = 11;
const STEPPED: usize = 12;

#[derive(Clone, Copy, PartialEq)]
enum Bad {
    No,
    Nan,
    Infinity,
    /// Squares overflow, the norm does not: nothing is wrong.
    Large,
    /// The norm overflows, too.
    Huge,
    /// The update stopped before.
    Stopped,
}

fn gradient(random: &mut Random, count: usize, bad: Bad) -> Vec<f32> {
    let mut gradient = random.normals(count, 0.3);
    let last = count - 1;
    match bad {
        Bad::Nan => gradient[last] = f32::NAN,
        Bad::Infinity => gradient[count / 2] = f32::NEG_INFINITY,
        Bad::Large => (gradient[last], gradient[count / 2]) = (6e19, -5e30),
        Bad::Huge => (gradient[last], gradient[count / 2]) = (3e38, 3e38),
        Bad::No | Bad::Stopped => {}
    }
    gradient
}

/// Where the critic's own elements are taken to lie: across the borders of partial sums where there are some.
const fn value_range(count: usize) -> std::ops::Range<usize> {
    count / 3..count - count / 5
}

fn clip_case(count: usize, max_grad_norm: f32, bad: Bad, why: &str) -> Case {
    clip_case_of(count, max_grad_norm, bad, why, GradClip::Joint, ClipFormula::Torch)
}

fn clip_case_of(
    count: usize,
    max_grad_norm: f32,
    bad: Bad,
    why: &str,
    grad_clip: GradClip,
    formula: ClipFormula,
) -> Case {
    let mut shape = format!("{count} numbers, limit {max_grad_norm}{why}");
    if (grad_clip, formula) != (GradClip::Joint, ClipFormula::Torch) {
        shape += &format!(", {grad_clip:?}, {formula:?}");
    }
    let reason =
        "four squares a lane and 6 levels of the tree, the partial sums likewise, halved by the root; scale: the norm";
    Case::new(optim_clip::DEF.name, shape, (norm_tolerance(count), reason), move |gpu, report| {
        let data = gradient(&mut Random::new(count as u64), count, bad);
        let index = 1_usize;
        let initial = [u32::from(bad == Bad::Stopped) * 2, 7, 7, 3, 4, 5, 0, 0];
        let width = TRACE_WIDTH as usize;
        let groups = optim_clip::groups(count as u32) as usize;
        let buffers = (
            Guarded::holding(gpu, "gradient", &data)?,
            Guarded::<[f32; 4]>::output(gpu, "norm_partials", groups)?,
            Guarded::updated(gpu, "control", &initial)?,
            Guarded::updated(gpu, "optimizer_step", &[41_u32])?,
            Guarded::<f32>::output(gpu, "trace", (index + 2) * width)?,
        );
        let mut p = optim_clip::Params::default();
        (p.count, p.index, p.max_grad_norm) = (count as u32, index as u32, max_grad_norm);
        p.formula = optim_clip::formula(formula);
        let apart = if grad_clip == GradClip::Separate { value_range(count) } else { 0..0 };
        (p.value_begin, p.value_end) = (apart.start as u32, apart.end as u32);
        let io = optim_clip::Io {
            gradient: buffers.0.io(),
            norm_partials: buffers.1.io(),
            control: buffers.2.io(),
            optimizer_step: buffers.3.io(),
            trace: buffers.4.io(),
        };
        report.run(gpu, &optim_clip::bind(gpu, &[p], &io)?, Slot::default())?;
        buffers.1.read(gpu, report)?;
        let control = buffers.2.read(gpu, report)?;
        let trace = buffers.4.read(gpu, report)?;
        let step = buffers.3.read(gpu, report)?;
        let mut want = initial;
        let row = index * width;
        if [Bad::No, Bad::Large].contains(&bad) {
            let limit = f64::from(max_grad_norm);
            let norm_of = |inside: bool| {
                let part = wide(&data).into_iter().enumerate().filter(|(i, _)| apart.contains(i) == inside);
                reduce_norm(part.map(|(_, g)| g).collect::<Array1<f64>>().view())
            };
            let scale = |norm: f64| match formula {
                _ if limit <= 0.0 => 1.0,
                ClipFormula::Torch => (limit / (norm + 1e-6)).min(1.0),
                ClipFormula::Tensorflow => limit / norm.max(limit),
            };
            let norm = reduce_norm(Array1::from(wide(&data)).view());
            let got = [trace[row + NORM], f32::from_bits(control[SCALE]), f32::from_bits(control[SCALE_VALUE])];
            let wanted = [norm, scale(norm_of(false)), scale(norm_of(true))];
            report.floats("norm, both factors", &got, &wanted, |_| 1e-30);
            report.exact("stepped", &trace[row + STEPPED..=row + STEPPED], &[1.0]);
            (want[STEP], want[TAKEN]) = (1, initial[TAKEN] + 1);
            let mine = [row + NORM, row + STEPPED];
            report.untouched("trace", trace.iter().enumerate().filter(|(i, _)| !mine.contains(i)));
        } else {
            want[STEP] = 0;
            want[SKIPPED] += u32::from(bad != Bad::Stopped);
            report.untouched("trace", trace.iter().enumerate());
        }
        // The factors were compared above, or count for nothing.
        (want[SCALE], want[SCALE_VALUE]) = (control[SCALE], control[SCALE_VALUE]);
        report.exact("control", &control, &want);
        report.exact("optimizer_step", &step, &[41 + u32::from([Bad::No, Bad::Large].contains(&bad))]);
        Ok(())
    })
}

#[derive(Clone, Copy)]
struct Steps {
    count: usize,
    steps: usize,
    optimizer: Optimizer,
    weight_decay: f32,
    max_grad_norm: f32,
    eps: f32,
    /// The step whose gradient is not finite.
    bad_step: Option<usize>,
    /// Steps that were taken before.
    taken: u32,
    grad_clip: GradClip,
    formula: ClipFormula,
    eps_placement: AdamEps,
    /// Learning rate of the critic's own elements in units of the others'.
    value_rate: f32,
}

fn adam_case(c: Steps) -> Case {
    let Steps { count, steps, optimizer, weight_decay, max_grad_norm, eps, bad_step, taken, .. } = c;
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
    Case::new(kernel, shape, (tolerance, reason), move |gpu, report| {
        let mut random = Random::new((count + steps) as u64);
        let lr = 0.01_f32;
        let (beta1, beta2) = (0.9_f32, 0.999_f32);
        let initial = random.normals(count, 1.0);
        let settings = AdamSettings {
            optimizer,
            beta1: beta1.into(),
            beta2: beta2.into(),
            eps: eps.into(),
            weight_decay: weight_decay.into(),
            max_grad_norm: (max_grad_norm > 0.0).then_some(max_grad_norm.into()),
            rmsprop_alpha: ALPHA.into(),
            rmsprop_eps: eps.into(),
            eps_placement: c.eps_placement,
            grad_clip: c.grad_clip,
            clip_formula: c.formula,
            value: value_range(count),
            value_rate: c.value_rate.into(),
        };
        let second = if optimizer == Optimizer::RmsProp { settings.rmsprop_alpha } else { settings.beta2 };
        let device = Device::new(gpu, &c, &initial, &settings)?;
        let mut adam = Adam::<f64>::new(count);
        adam.step = taken;
        let mut parameters = wide(&initial);
        // Sums of the absolute terms of both moments.
        let mut sizes = (vec![0.0; count], vec![0.0; count]);
        for step in 0..steps {
            let bad = if bad_step == Some(step) { Bad::Nan } else { Bad::No };
            let own = gradient(&mut random, count, bad);
            let before = device.read(gpu, report)?;
            device.step(gpu, report, &own, lr)?;
            let before_step = parameters.clone();
            let stepped = adam.step(&settings, lr.into(), &mut parameters, &wide(&own))?;
            if !stepped.stepped {
                let after = device.read(gpu, report)?;
                for (name, before, after) in [("parameters", 0, 0), ("exp_avg", 1, 1), ("exp_avg_sq", 2, 2)]
                    .map(|(n, i, j)| (n, &before[i], &after[j]))
                {
                    report.exact(&format!("{name} (step refused)"), after, before);
                }
                continue;
            }
            let limit = |i: usize| {
                let inside = value_range(count).contains(&i);
                let apart = c.grad_clip == GradClip::Separate;
                let part = wide(&own).into_iter().enumerate();
                let part = part.filter(|(j, _)| !apart || value_range(count).contains(j) == inside);
                let norm = reduce_norm(part.map(|(_, g)| g).collect::<Array1<f64>>().view());
                settings.max_grad_norm.map_or(1.0, |max| clip_scale(settings.clip_formula, norm, max))
            };
            let limits = [limit(value_range(count).end), limit(value_range(count).start)];
            for i in 0..count {
                let decay = if optimizer != Optimizer::AdamW { f64::from(weight_decay) } else { 0.0 };
                // A step's own first moment has the factor in it; the bound only needs its size.
                let g = limits[usize::from(value_range(count).contains(&i))] * f64::from(own[i]).abs()
                    + decay * before_step[i].abs();
                sizes.0[i] = settings.beta1 * sizes.0[i] + (1.0 - settings.beta1) * g;
                sizes.1[i] = second * sizes.1[i] + (1.0 - second) * g * g;
            }
        }
        let [p, m, v] = device.read(gpu, report)?;
        let moved = steps as f64 * f64::from(lr);
        // Where terms of the first moment cancel, so do their errors' share in the step; 4 bounds |terms| / √v.
        report.floats("parameters", &p, &parameters, |i| parameters[i].abs() + 4.0 * moved);
        report.floats("exp_avg", &m, &adam.exp_avg, |i| sizes.0[i]);
        report.floats("exp_avg_sq", &v, &adam.exp_avg_sq, |i| sizes.1[i]);
        report.exact("optimizer_step", &device.optimizer_step.read(gpu, report)?, &[adam.step]);
        Ok(())
    })
}

/// The buffers of clip and Adam.
struct Device {
    c: Steps,
    gradient: Guarded<f32>,
    bias_correction: crate::gpu::Buffer<[f32; 2]>,
    norm_partials: Guarded<[f32; 4]>,
    control: Guarded<u32>,
    optimizer_step: Guarded<u32>,
    trace: Guarded<f32>,
    state: [Guarded<f32>; 3],
}

impl Device {
    fn new(gpu: &Gpu, c: &Steps, parameters: &[f32], settings: &AdamSettings) -> Result<Self> {
        let count = c.count;
        let table = optim_adam::bias_corrections(settings.beta1, settings.beta2)?;
        Ok(Self {
            c: *c,
            gradient: Guarded::holding(gpu, "gradient", &vec![0.0; count])?,
            // Its length is that of the table, so there is no room for guards; it is only read.
            bias_correction: gpu.upload("bias_correction", &table)?,
            norm_partials: Guarded::output(gpu, "norm_partials", optim_clip::groups(count as u32) as usize)?,
            control: Guarded::updated(gpu, "control", &[0; 8])?,
            optimizer_step: Guarded::updated(gpu, "optimizer_step", &[c.taken])?,
            trace: Guarded::output(gpu, "trace", TRACE_WIDTH as usize)?,
            state: [
                Guarded::updated(gpu, "parameters", parameters)?,
                Guarded::updated(gpu, "exp_avg", &vec![0.0; count])?,
                Guarded::updated(gpu, "exp_avg_sq", &vec![0.0; count])?,
            ],
        })
    }

    fn step(&self, gpu: &Gpu, report: &Report, gradient: &[f32], lr: f32) -> Result<()> {
        gpu.write(self.gradient.io(), 0, gradient)?;
        let mut clip = optim_clip::Params::default();
        (clip.count, clip.max_grad_norm) = (self.c.count as u32, self.c.max_grad_norm);
        clip.formula = optim_clip::formula(self.c.formula);
        let value = value_range(self.c.count);
        let (value_begin, value_end) = (value.start as u32, value.end as u32);
        let value_scale = u32::from(self.c.grad_clip == GradClip::Separate);
        if value_scale == 1 {
            (clip.value_begin, clip.value_end) = (value_begin, value_end);
        }
        let value_rate = self.c.value_rate;
        let io = optim_clip::Io {
            gradient: self.gradient.io(),
            norm_partials: self.norm_partials.io(),
            control: self.control.io(),
            optimizer_step: self.optimizer_step.io(),
            trace: self.trace.io(),
        };
        let mut calls = optim_clip::bind(gpu, &[clip], &io)?;
        let (beta1, beta2) = (0.9_f32, 0.999_f32);
        let adam = optim_adam::Params {
            count: self.c.count as u32,
            decoupled: u32::from(self.c.optimizer == Optimizer::AdamW),
            weight_decay: self.c.weight_decay,
            eps: self.c.eps,
            hat_eps: u32::from(self.c.eps_placement == AdamEps::Baselines),
            value_begin,
            value_end,
            value_scale,
            value_rate,
            beta1,
            beta2,
            one_minus_beta1: (1.0 - f64::from(beta1)) as f32,
            one_minus_beta2: (1.0 - f64::from(beta2)) as f32,
            ..Default::default()
        };
        let io = optim_adam::Io {
            gradient: self.gradient.io(),
            bias_correction: &self.bias_correction,
            control: self.control.io(),
            optimizer_step: self.optimizer_step.io(),
            parameters: self.state[0].io(),
            exp_avg: self.state[1].io(),
            exp_avg_sq: self.state[2].io(),
        };
        let (ring, slot) = schedule(gpu, &Schedule { learning_rate: lr, ..Schedule::default() })?;
        if self.c.optimizer == Optimizer::RmsProp {
            let rmsprop = optim_rmsprop::Params {
                count: self.c.count as u32,
                weight_decay: self.c.weight_decay,
                alpha: ALPHA,
                one_minus_alpha: (1.0 - f64::from(ALPHA)) as f32,
                eps: self.c.eps,
                value_begin,
                value_end,
                value_scale,
                value_rate,
                ..Default::default()
            };
            let io = optim_rmsprop::Io {
                gradient: self.gradient.io(),
                control: self.control.io(),
                parameters: self.state[0].io(),
                exp_avg_sq: self.state[2].io(),
            };
            calls.extend(optim_rmsprop::bind(gpu, &[rmsprop], &io, &ring)?);
        } else {
            calls.extend(optim_adam::bind(gpu, &[adam], &io, &ring)?);
        }
        report.run(gpu, &calls, slot)
    }

    fn read(&self, gpu: &Gpu, report: &Report) -> Result<[Vec<f32>; 3]> {
        let [p, m, v] = &self.state;
        Ok([p.read(gpu, report)?, m.read(gpu, report)?, v.read(gpu, report)?])
    }
}

const USUAL: Steps = Steps {
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

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &optim_adam::DEF,
            about: "a step of Adam or AdamW",
            oracle: oracle!(optim::Adam),
            at_size: |s| Some(adam_case(Steps { count: s.parameters, steps: 1, ..USUAL })),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::parameters(s, 15.0, 28.0),
        },
        Entry {
            def: &optim_clip::DEF,
            about: "the gradient's norm, its clip factor, and the permission to step",
            oracle: oracle!(optim::clip_scale),
            at_size: |s| Some(clip_case(s.parameters, 0.5, Bad::No, "")),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::parameters(s, 2.0, 4.0),
        },
        Entry {
            def: &optim_rmsprop::DEF,
            about: "a step of RMSProp",
            oracle: oracle!(optim::Adam),
            at_size: |s| {
                Some(adam_case(Steps { count: s.parameters, steps: 1, optimizer: Optimizer::RmsProp, ..USUAL }))
            },
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::parameters(s, 9.0, 20.0),
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for count in [1, 63, 64, 65, 255, 256, 257, 4096, 300_007] {
        cases.push(clip_case(count, 0.5, Bad::No, "").quick(count == 300_007));
    }
    cases.push(clip_case(1009, 0.0, Bad::No, " (off)"));
    cases.push(clip_case(1009, 1e6, Bad::No, " (not reached)"));
    for (bad, why) in [
        (Bad::Nan, ", a NaN"),
        (Bad::Infinity, ", an infinity"),
        (Bad::Large, ", squares that overflow"),
        (Bad::Huge, ", a norm that overflows"),
        (Bad::Stopped, ", after an early stop"),
    ] {
        cases.push(clip_case(5000, 0.5, bad, why).quick(bad == Bad::Nan));
        cases.push(clip_case(if bad == Bad::Huge { 3 } else { 1 }, 0.5, bad, why));
    }
    cases.push(clip_case_of(
        5000,
        0.5,
        Bad::Large,
        ", squares that overflow",
        GradClip::Separate,
        ClipFormula::Tensorflow,
    ));
    for (grad_clip, formula) in [
        (GradClip::Separate, ClipFormula::Torch),
        (GradClip::Joint, ClipFormula::Tensorflow),
        (GradClip::Separate, ClipFormula::Tensorflow),
    ] {
        for count in [1, 65, 12_289] {
            let case = clip_case_of(count, 0.5, Bad::No, "", grad_clip, formula);
            cases.push(case.quick(count == 12_289 && grad_clip == GradClip::Separate));
        }
        cases.push(clip_case_of(1009, 1e6, Bad::No, " (not reached)", grad_clip, formula));
        cases.push(clip_case_of(1009, 0.0, Bad::No, " (off)", grad_clip, formula));
        cases.push(clip_case_of(5000, 0.5, Bad::Nan, ", a NaN", grad_clip, formula));
        cases.push(clip_case_of(5000, 0.5, Bad::Huge, ", a norm that overflows", grad_clip, formula));
    }
    let apart = Steps { grad_clip: GradClip::Separate, ..USUAL };
    for count in [1, 63, 64, 65, 10_007] {
        cases.push(adam_case(Steps { count, ..USUAL }).quick(count == 10_007));
    }
    for c in [
        Steps { max_grad_norm: 0.0, eps: 1e-8, ..USUAL },
        Steps { optimizer: Optimizer::AdamW, weight_decay: 0.1, ..USUAL },
        Steps { weight_decay: 0.01, max_grad_norm: 0.0, ..USUAL },
        Steps { steps: 20, ..USUAL },
        // Beyond the table of bias corrections, which ends where they are 1.
        Steps { taken: 20_000, ..USUAL },
        Steps { bad_step: Some(2), ..USUAL },
        Steps { optimizer: Optimizer::RmsProp, ..USUAL },
        Steps { optimizer: Optimizer::RmsProp, bad_step: Some(1), weight_decay: 0.1, count: 1000, ..USUAL },
        Steps { bad_step: Some(0), optimizer: Optimizer::AdamW, weight_decay: 0.1, ..USUAL },
        Steps { eps_placement: AdamEps::Baselines, max_grad_norm: 0.0, ..USUAL },
        Steps { eps_placement: AdamEps::Baselines, formula: ClipFormula::Tensorflow, taken: 20_000, ..USUAL },
        Steps { count: 5003, value_rate: 3.3, ..apart },
        Steps { optimizer: Optimizer::AdamW, weight_decay: 0.1, value_rate: 0.25, ..apart },
        Steps { formula: ClipFormula::Tensorflow, eps_placement: AdamEps::Baselines, ..apart },
        Steps { optimizer: Optimizer::RmsProp, value_rate: 3.3, ..apart },
        Steps { optimizer: Optimizer::RmsProp, value_rate: 0.5, ..USUAL },
    ] {
        cases.push(adam_case(c).quick(c.bad_step.is_some()));
    }
    cases
}
