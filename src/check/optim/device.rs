//! The buffers and calls of a clip and a step.

use super::clip::value_range;
use crate::check::support::{Guarded, Report, schedule};
use crate::config::{AdamEps, ClipFormula, GradClip, Optimizer};
use crate::error::Result;
use crate::gpu::{Buffer, Gpu};
use crate::kernels::loss_statistics::TRACE_WIDTH;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{optim_adam, optim_clip, optim_rmsprop};
use crate::reference::optim::AdamSettings;

/// RMSProp's.
pub(super) const ALPHA: f32 = 0.99;

#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub count: usize,
    pub steps: usize,
    pub optimizer: Optimizer,
    pub weight_decay: f32,
    pub max_grad_norm: f32,
    pub eps: f32,
    /// The step whose gradient is not finite.
    pub bad_step: Option<usize>,
    /// Steps that were taken before.
    pub taken: u32,
    pub grad_clip: GradClip,
    pub formula: ClipFormula,
    pub eps_placement: AdamEps,
    /// Learning rate of the critic's own elements in units of the others'.
    pub value_rate: f32,
}

/// The buffers of clip and Adam.
pub(super) struct Device {
    c: Steps,
    gradient: Guarded<f32>,
    bias_correction: Buffer<[f32; 2]>,
    norm_partials: Guarded<[f32; 4]>,
    control: Guarded<u32>,
    pub optimizer_step: Guarded<u32>,
    trace: Guarded<f32>,
    state: [Guarded<f32>; 3],
}

impl Device {
    pub fn new(gpu: &Gpu, c: &Steps, parameters: &[f32], settings: &AdamSettings) -> Result<Self> {
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

    pub fn step(&self, gpu: &Gpu, report: &Report, gradient: &[f32], lr: f32) -> Result<()> {
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
        let (ring, slot) = schedule(gpu, &PerUpdate { learning_rate: lr, ..PerUpdate::default() })?;
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

    pub async fn read(&self, gpu: &Gpu, report: &Report) -> Result<[Vec<f32>; 3]> {
        let [p, m, v] = &self.state;
        Ok([p.read(gpu, report).await?, m.read(gpu, report).await?, v.read(gpu, report).await?])
    }
}
