//! Gradient clipping, Adam and RMSProp.

use super::Real;
use super::real::AdamStep;
use super::reduce_moments::reduce_norm;
use crate::config::{AdamEps, ClipFormula, Config, GradClip, Optimizer};
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, ArrayView1};
use std::ops::Range;

/// The optimiser's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamSettings {
    /// Adam, AdamW or RMSProp.
    pub optimizer: Optimizer,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added outside the root.
    pub eps: f64,
    /// Before or after the correction of the second moment.
    pub eps_placement: AdamEps,
    /// Weight decay.
    pub weight_decay: f64,
    /// Limit of the gradient's norm.
    pub max_grad_norm: Option<f64>,
    /// One norm, or one of `value` and one of the rest.
    pub grad_clip: GradClip,
    /// The factor of a clipped gradient.
    pub clip_formula: ClipFormula,
    /// The value network's own layers, [`ParamLayout::own_range`](crate::policy::ParamLayout::own_range); empty where nothing tells them apart.
    pub value: Range<usize>,
    /// Their learning rate in units of the others'.
    pub value_rate: f64,
    /// α of RMSProp.
    pub rmsprop_alpha: f64,
    /// ε of RMSProp, outside the root.
    pub rmsprop_eps: f64,
}

impl AdamSettings {
    /// The settings of `config`, for parameters whose elements `value` are the critic's own.
    pub fn new(config: &Config, value: Range<usize>) -> Self {
        Self {
            optimizer: config.optimizer,
            beta1: config.adam_beta1,
            beta2: config.adam_beta2,
            eps: config.adam_eps,
            eps_placement: config.adam_eps_placement,
            weight_decay: config.weight_decay,
            max_grad_norm: config.max_grad_norm,
            grad_clip: config.grad_clip,
            clip_formula: config.grad_clip_formula,
            value,
            value_rate: config.value_rate_factor(),
            rmsprop_alpha: config.rmsprop_alpha,
            rmsprop_eps: config.rmsprop_eps,
        }
    }
}

impl AdamSettings {
    /// Step number `step` of Adam, from 1. In f64, as powers of β lose digits near 1; these are constants of the step.
    fn adam_step<F: Real>(&self, step: u32, scale: F, lr: f64) -> AdamStep<F> {
        let t = f64::from(step);
        let (first, second) = (1.0 - self.beta1.powf(t), (1.0 - self.beta2.powf(t)).sqrt());
        let (rate, root) = match self.eps_placement {
            AdamEps::Outside => (lr / first, second),
            AdamEps::Baselines => (lr * second / first, 1.0),
        };
        AdamStep {
            scale,
            decoupled: self.optimizer == Optimizer::AdamW,
            decay: F::of(self.weight_decay),
            keep: F::of(1.0 - lr * self.weight_decay),
            first: [F::of(self.beta1), F::of(1.0 - self.beta1)],
            second: [F::of(self.beta2), F::of(1.0 - self.beta2)],
            rate: F::of(rate),
            root: F::of(root),
            eps: F::of(self.eps),
        }
    }
}

/// Moments and step count; RMSProp leaves the first moments at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam<F> {
    /// First moments m.
    pub exp_avg: Vec<F>,
    /// Second moments v.
    pub exp_avg_sq: Vec<F>,
    /// Steps taken, t.
    pub step: u32,
}

/// The largest norm after clipping with which the optimiser steps, 2⁶³: its squares, and so the second moments, are within f32.
pub const LARGEST: f64 = 9_223_372_036_854_775_808.0;

/// Norm of the gradient before clipping, and whether the step was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stepped<F> {
    /// √Σ g², the true one wherever it is within `F`, whatever the squares are.
    pub grad_norm: F,
    /// False if the norm was NaN or infinite, or above [`LARGEST`] after clipping: nothing was changed then.
    pub stepped: bool,
}

impl<F: Real> Adam<F> {
    /// Moments and step at 0.
    pub fn new(parameters: usize) -> Self {
        Self { exp_avg: vec![F::zero(); parameters], exp_avg_sq: vec![F::zero(); parameters], step: 0 }
    }

    /// That both moments have the length of what they are of.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if not.
    pub fn validate(&self, parameters: usize) -> Result<()> {
        check_shape("exp_avg", &[self.exp_avg.len()], &[parameters])?;
        check_shape("exp_avg_sq", &[self.exp_avg_sq.len()], &[parameters])
    }

    /// One step of Adam (Kingma and Ba 2015, algorithm 1), AdamW (Loshchilov and Hutter 2019, algorithm 2) or RMSProp
    /// (Tieleman and Hinton 2012), with clipping before it:
    ///
    /// ```text
    /// g ← g · min(1, max_grad_norm / (‖g‖ + 1e-6))      or max_grad_norm / max(‖g‖, max_grad_norm); ‖·‖ of each group
    /// Adam, RMSProp: g ← g + weight_decay · p        AdamW: p ← p (1 − lr · weight_decay)
    /// Adam(W):  m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²
    ///           p ← p − lr / (1 − β₁^t) · m / (√v / √(1 − β₂^t) + ε)
    ///           p ← p − lr √(1 − β₂^t) / (1 − β₁^t) · m / (√v + ε)      with [`AdamEps::Baselines`]
    /// RMSProp:  v ← α v + (1 − α) g²;    p ← p − lr · g / (√v + ε)
    /// lr: `lr`, in `settings.value` times `value_rate`
    /// ```
    ///
    /// A gradient whose norm is not finite, or above [`LARGEST`] after clipping, changes nothing.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the lengths differ.
    pub fn step(
        &mut self,
        settings: &AdamSettings,
        lr: f64,
        parameters: &mut [F],
        gradient: &[F],
    ) -> Result<Stepped<F>> {
        self.step_within(0..self.exp_avg.len(), settings, lr, parameters, gradient)
    }

    /// What [`step`](Self::step) would say of `gradient`, without taking it.
    pub fn would_step(settings: &AdamSettings, gradient: &[F]) -> Stepped<F> {
        let grad_norm = reduce_norm(ArrayView1::from(gradient));
        Stepped { grad_norm, stepped: clip_scales(settings, 0, gradient, grad_norm).is_some() }
    }

    /// [`step`](Self::step) of the elements `range` alone; the norms are theirs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the lengths differ or the range is not inside them.
    pub fn step_within(
        &mut self,
        range: Range<usize>,
        settings: &AdamSettings,
        lr: f64,
        parameters: &mut [F],
        gradient: &[F],
    ) -> Result<Stepped<F>> {
        self.step_of_norm(range, settings, lr, parameters, gradient, None)
    }

    /// [`step_within`](Self::step_within), with the norm of the gradient in that range if it is known.
    pub(super) fn step_of_norm(
        &mut self,
        range: Range<usize>,
        settings: &AdamSettings,
        lr: f64,
        parameters: &mut [F],
        gradient: &[F],
        norm: Option<F>,
    ) -> Result<Stepped<F>> {
        let len = self.exp_avg.len();
        check_shape("parameters", &[parameters.len()], &[len])?;
        check_shape("gradient", &[gradient.len()], &[len])?;
        check_shape("exp_avg_sq", &[self.exp_avg_sq.len()], &[len])?;
        let outside = || Error::shape("range", &[range.start, range.end], &[0, len]);
        let gradient = gradient.get(range.clone()).ok_or_else(outside)?;
        let parameters = parameters.get_mut(range.clone()).ok_or_else(outside)?;
        let norm = norm.unwrap_or_else(|| reduce_norm(ArrayView1::from(gradient)));
        let Some((scale, value_scale)) = clip_scales(settings, range.start, gradient, norm) else {
            return Ok(Stepped { grad_norm: norm, stepped: false });
        };
        self.step = self.step.saturating_add(1);
        let (first, second) = (&mut self.exp_avg[range.clone()], &mut self.exp_avg_sq[range.clone()]);
        // What comes before the value range, that, and what comes after it, each with one factor and one learning rate.
        let within = |i: usize| i.clamp(range.start, range.end) - range.start;
        let (begin, end) = (within(settings.value.start), within(settings.value.end));
        let of_value = (value_scale, lr * settings.value_rate);
        for (part, (scale, lr)) in [(0..begin, (scale, lr)), (begin..end, of_value), (end..range.len(), (scale, lr))] {
            let own = (&mut parameters[part.clone()], &gradient[part.clone()]);
            let moments = [&mut first[part.clone()], &mut second[part]];
            if settings.optimizer == Optimizer::RmsProp {
                rms_prop(settings, (scale, lr), own, moments);
            } else {
                F::adam(&settings.adam_step(self.step, scale, lr), own.0, own.1, moments);
            }
        }
        Ok(Stepped { grad_norm: norm, stepped: true })
    }
}

/// RMSProp of neighbours in memory, which have one factor and one learning rate.
fn rms_prop<F: Real>(
    settings: &AdamSettings,
    (scale, lr): (F, f64),
    (parameters, gradient): (&mut [F], &[F]),
    [_, second]: [&mut [F]; 2],
) {
    let (alpha, rest) = (F::of(settings.rmsprop_alpha), F::of(1.0 - settings.rmsprop_alpha));
    let (eps, decay) = (F::of(settings.rmsprop_eps), F::of(settings.weight_decay));
    for ((p, g), v) in parameters.iter_mut().zip(gradient).zip(second) {
        let g = *g * scale + decay * *p;
        *v = alpha * *v + rest * g * g;
        *p -= F::of(lr) * g / (v.sqrt() + eps);
    }
}

/// The factors that clip a gradient, whose first element is `start` of all, outside of the value range and inside of it. `None` where no step
/// may be taken: the norm is not finite, or above [`LARGEST`] after clipping.
fn clip_scales<F: Real>(settings: &AdamSettings, start: usize, gradient: &[F], norm: F) -> Option<(F, F)> {
    let limited = |norm: F| match settings.max_grad_norm {
        None => F::one(),
        Some(max) => clip_scale(settings.clip_formula, norm, F::of(max)),
    };
    let norm_where = |inside: bool| {
        let of_value = |i: usize| settings.value.contains(&(start + i));
        let part = gradient.iter().enumerate().filter(|(i, _)| of_value(*i) == inside).map(|(_, g)| *g);
        reduce_norm(part.collect::<Array1<F>>().view())
    };
    if !norm.is_finite() {
        return None;
    }
    // Norms of the groups: one is both where they are clipped together.
    let (own, of_critic) = match settings.grad_clip {
        GradClip::Joint => (norm, norm),
        GradClip::Separate => (norm_where(false), norm_where(true)),
    };
    let (scale, value_scale) = (limited(own), limited(of_critic));
    // A factor below f32's normal numbers may be 0 on a device.
    let least = F::of(f64::from(f32::MIN_POSITIVE));
    let fits = own * scale < F::of(LARGEST) && of_critic * value_scale < F::of(LARGEST);
    (fits && scale >= least && value_scale >= least).then_some((scale, value_scale))
}

/// The factor that brings a gradient of this norm to at most `max`, see [`ClipFormula`].
pub fn clip_scale<F: Real>(formula: ClipFormula, norm: F, max: F) -> F {
    match formula {
        ClipFormula::Torch => (max / (norm + F::of(1e-6))).min(F::one()),
        ClipFormula::Tensorflow => max / norm.max(max),
    }
}

#[cfg(test)]
mod tests;
