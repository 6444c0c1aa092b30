//! Gradient clipping, Adam and RMSProp.

use super::Real;
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
        let len = self.exp_avg.len();
        check_shape("parameters", &[parameters.len()], &[len])?;
        check_shape("gradient", &[gradient.len()], &[len])?;
        check_shape("exp_avg_sq", &[self.exp_avg_sq.len()], &[len])?;
        let outside = || Error::shape("range", &[range.start, range.end], &[0, len]);
        let gradient = gradient.get(range.clone()).ok_or_else(outside)?;
        let parameters = parameters.get_mut(range.clone()).ok_or_else(outside)?;
        let norm = reduce_norm(ArrayView1::from(gradient));
        let refused = Ok(Stepped { grad_norm: norm, stepped: false });
        if !norm.is_finite() {
            return refused;
        }
        let limited = |norm: F| match settings.max_grad_norm {
            None => F::one(),
            Some(max) => clip_scale(settings.clip_formula, norm, F::of(max)),
        };
        let of_value = |i: usize| settings.value.contains(&(range.start + i));
        let norm_where = |inside: bool| {
            let part = gradient.iter().enumerate().filter(|(i, _)| of_value(*i) == inside).map(|(_, g)| *g);
            reduce_norm(part.collect::<Array1<F>>().view())
        };
        // Norms of the groups: one is both where they are clipped together.
        let (own, of_critic) = match settings.grad_clip {
            GradClip::Joint => (norm, norm),
            GradClip::Separate => (norm_where(false), norm_where(true)),
        };
        let (scale, value_scale) = (limited(own), limited(of_critic));
        // A factor below f32's normal numbers may be 0 on a device.
        let least = F::of(f64::from(f32::MIN_POSITIVE));
        let fits = own * scale < F::of(LARGEST) && of_critic * value_scale < F::of(LARGEST);
        if !(fits && scale >= least && value_scale >= least) {
            return refused;
        }
        self.step = self.step.saturating_add(1);
        // The factor and the learning rate of element i.
        let of_element = |i: usize| if of_value(i) { (value_scale, lr * settings.value_rate) } else { (scale, lr) };
        let decay = F::of(settings.weight_decay);
        let moments = self.exp_avg[range.clone()].iter_mut().zip(&mut self.exp_avg_sq[range.clone()]);
        let elements = parameters.iter_mut().zip(gradient).zip(moments).enumerate();
        if settings.optimizer == Optimizer::RmsProp {
            let (alpha, rest) = (F::of(settings.rmsprop_alpha), F::of(1.0 - settings.rmsprop_alpha));
            let eps = F::of(settings.rmsprop_eps);
            for (i, ((p, g), (_, v))) in elements {
                let (scale, lr) = of_element(i);
                let g = *g * scale + decay * *p;
                *v = alpha * *v + rest * g * g;
                *p -= F::of(lr) * g / (v.sqrt() + eps);
            }
            return Ok(Stepped { grad_norm: norm, stepped: true });
        }
        // In f64, as powers of β lose digits near 1; these are constants of the step.
        let t = f64::from(self.step);
        let (first, second) = (1.0 - settings.beta1.powf(t), (1.0 - settings.beta2.powf(t)).sqrt());
        let root = F::of(second);
        let (beta1, rest1) = (F::of(settings.beta1), F::of(1.0 - settings.beta1));
        let (beta2, rest2) = (F::of(settings.beta2), F::of(1.0 - settings.beta2));
        let eps = F::of(settings.eps);
        for (i, ((p, g), (m, v))) in elements {
            let (scale, lr) = of_element(i);
            let mut g = *g * scale;
            if settings.optimizer == Optimizer::AdamW {
                *p *= F::of(1.0 - lr * settings.weight_decay);
            } else {
                g += decay * *p;
            }
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *p -= match settings.eps_placement {
                AdamEps::Outside => F::of(lr / first) * *m / (v.sqrt() / root + eps),
                AdamEps::Baselines => F::of(lr * second / first) * *m / (v.sqrt() + eps),
            };
        }
        Ok(Stepped { grad_norm: norm, stepped: true })
    }
}

/// The factor that brings a gradient of this norm to at most `max`, see [`ClipFormula`].
pub fn clip_scale<F: Real>(formula: ClipFormula, norm: F, max: F) -> F {
    match formula {
        ClipFormula::Torch => (max / (norm + F::of(1e-6))).min(F::one()),
        ClipFormula::Tensorflow => max / norm.max(max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps by hand, with clipping and decay; then a step of a part.
    #[test]
    fn rmsprop_is_pytorchs_formula() {
        let config = Config { weight_decay: 0.1, max_grad_norm: Some(0.5), rmsprop_alpha: 0.9, ..Config::a2c() };
        let settings = AdamSettings::new(&config, 0..0);
        let (mut state, mut p) = (Adam::new(2), vec![1.0, -2.0]);
        let (mut v, mut want) = ([0.0; 2], [1.0, -2.0]);
        for g in [[3.0, 4.0], [0.1, -0.2_f64]] {
            state.step(&settings, 0.01, &mut p, &g).unwrap();
            let scale = (0.5 / (g[0].hypot(g[1]) + 1e-6)).min(1.0);
            for i in 0..2 {
                let g = g[i] * scale + 0.1 * want[i];
                v[i] = 0.9 * v[i] + (1.0 - 0.9) * g * g;
                want[i] -= 0.01 * g / (v[i].sqrt() + 1e-5);
            }
            for i in 0..2 {
                assert!((p[i] - want[i]).abs() < 1e-15 && (state.exp_avg_sq[i] - v[i]).abs() < 1e-15);
            }
        }
        let before = (p[0], state.exp_avg_sq[0]);
        let step = state.step_within(1..2, &settings, 0.01, &mut p, &[f64::NAN, 1.0]).unwrap();
        assert!(step.stepped && step.grad_norm == 1.0 && p[1] != want[1]);
        assert_eq!((p[0], state.exp_avg_sq[0]), before);
        assert!(state.step_within(1..3, &settings, 0.01, &mut p, &[0.0, 1.0]).is_err());
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let settings = AdamSettings::new(&Config::cleanrl(), 0..0);
        let mut adam = Adam::new(2);
        let mut parameters = vec![1.0_f32, 2.0];
        adam.step(&settings, 0.1, &mut parameters, &[0.5, -0.5]).unwrap();
        let before = (adam.clone(), parameters.clone());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!adam.step(&settings, 0.1, &mut parameters, &[0.5, bad]).unwrap().stepped);
            assert_eq!((adam.clone(), parameters.clone()), before);
        }
        assert!(adam.step(&settings, 0.1, &mut parameters, &[0.5]).is_err());
    }

    /// Squares end at 1.8e19 in f32; norms are known up to 3.4e38.
    #[test]
    fn a_large_gradient_is_clipped_as_in_f64() {
        let gradient = [3e30_f32, -4e30, 1e3, 0.0];
        for grad_clip in [GradClip::Joint, GradClip::Separate] {
            let settings = AdamSettings { grad_clip, ..AdamSettings::new(&Config::cleanrl(), 1..3) };
            let (mut adam, mut p) = (Adam::new(4), vec![0.0_f32; 4]);
            let step = adam.step(&settings, 0.1, &mut p, &gradient).unwrap();
            assert!(step.stepped && (step.grad_norm / 5e30 - 1.0).abs() < 1e-6, "{step:?}");
            let (mut wide, mut want) = (Adam::new(4), vec![0.0_f64; 4]);
            wide.step(&settings, 0.1, &mut want, &gradient.map(f64::from)).unwrap();
            for i in 0..4 {
                assert!((f64::from(p[i]) - want[i]).abs() < 1e-6 && adam.exp_avg_sq[i].is_finite(), "{p:?} {want:?}");
            }
            // Without clipping its squares would not be within f32.
            let free = AdamSettings { max_grad_norm: None, ..settings };
            let before = (adam.clone(), p.clone());
            let step = adam.step(&free, 0.1, &mut p, &gradient).unwrap();
            assert!(!step.stepped && (step.grad_norm / 5e30 - 1.0).abs() < 1e-6);
            assert_eq!((adam, p), before);
        }
    }

    #[test]
    fn the_first_step_is_the_learning_rate() {
        let settings = AdamSettings { eps: 0.0, max_grad_norm: None, ..AdamSettings::new(&Config::cleanrl(), 0..0) };
        let mut parameters = vec![1.0_f64, 1.0];
        Adam::new(2).step(&settings, 0.1, &mut parameters, &[1e-3, -1e3]).unwrap();
        assert!((parameters[0] - 0.9).abs() < 1e-12 && (parameters[1] - 1.1).abs() < 1e-12);
    }

    /// Expected numbers by hand: groups of 2 and 3 elements with their own norms and rates.
    #[test]
    fn actor_and_critic_may_be_clipped_and_paced_apart() {
        let config = Config {
            grad_clip: GradClip::Separate,
            value_learning_rate: Some(1e-3),
            learning_rate: 2.5e-4,
            ..Config::cleanrl()
        };
        let gradient = [0.3, 0.4, 3.0, 0.0, 4.0_f64];
        for (formula, factors) in
            [(ClipFormula::Torch, [0.5 / (0.5 + 1e-6), 0.5 / (5.0 + 1e-6)]), (ClipFormula::Tensorflow, [1.0, 0.1])]
        {
            let settings = AdamSettings { clip_formula: formula, ..AdamSettings::new(&config, 2..5) };
            let (mut adam, mut p) = (Adam::new(5), vec![0.0; 5]);
            let step = adam.step(&settings, 2.5e-4, &mut p, &gradient).unwrap();
            assert!((step.grad_norm - 25.25_f64.sqrt()).abs() < 1e-15, "the joint norm is reported");
            for i in 0..5 {
                let (factor, lr) = if i < 2 { (factors[0], 2.5e-4) } else { (factors[1], 1e-3) };
                let g = gradient[i] * factor;
                assert!((adam.exp_avg[i] - (1.0 - 0.9) * g).abs() < 1e-16, "{formula:?} {i}");
                // At t = 1 both corrections cancel the decays: lr · g / (|g| + ε).
                let want = -lr * g / (g.abs() + 1e-5);
                assert!((p[i] - want).abs() < 1e-12, "{formula:?} {i}: {} not {want}", p[i]);
            }
            // The critic alone: its own norm either way.
            let mut p = vec![0.0; 5];
            let step = Adam::new(5).step_within(2..5, &settings, 1.0, &mut p, &gradient).unwrap();
            assert!((step.grad_norm - 5.0).abs() < 1e-15 && p[..2] == [0.0; 2] && p[2] < 0.0);
        }
        let joint = AdamSettings::new(&Config::cleanrl(), 2..5);
        let mut adam = Adam::new(5);
        adam.step(&joint, 2.5e-4, &mut [0.0; 5], &gradient).unwrap();
        let factor = 0.5 / (25.25_f64.sqrt() + 1e-6);
        assert!((adam.exp_avg[0] - (1.0 - 0.9) * 0.3 * factor).abs() < 1e-16);
    }

    /// TensorFlow's placement is PyTorch's with ε / √(1 − β₂ᵗ): at t = 1 31.6 times as much.
    #[test]
    fn baselines_epsilon_is_larger_at_first() {
        let (beta1, beta2, eps, lr) = (0.9_f64, 0.999_f64, 1e-5, 0.01);
        let outside = AdamSettings { max_grad_norm: None, ..AdamSettings::new(&Config::cleanrl(), 0..0) };
        let hat = AdamSettings { eps_placement: AdamEps::Baselines, ..outside.clone() };
        let gradients = [2e-5, -3e-6, 1e-4_f64];
        let (mut adam, mut p) = (Adam::new(1), vec![0.0]);
        let (mut m, mut v, mut want) = (0.0, 0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            adam.step(&hat, lr, &mut p, &[g]).unwrap();
            m = beta1 * m + (1.0 - beta1) * g;
            v = beta2 * v + (1.0 - beta2) * g * g;
            want -= lr * (1.0 - beta2.powi(t)).sqrt() / (1.0 - beta1.powi(t)) * m / (v.sqrt() + eps);
            assert!((p[0] - want).abs() <= 1e-13 * lr, "{t}: {} not {want}", p[0]);
            // Its effective ε, seen from the other formula.
            let effective = eps / (1.0 - beta2.powi(t)).sqrt();
            if t == 1 {
                assert!((effective / eps - 0.001_f64.powf(-0.5)).abs() < 1e-9 && effective / eps > 31.6);
                let mut other = vec![0.0];
                let same = AdamSettings { eps: effective, ..outside.clone() };
                Adam::new(1).step(&same, lr, &mut other, &[g]).unwrap();
                assert!((other[0] - p[0]).abs() <= 1e-13 * lr);
                let mut usual = vec![0.0];
                Adam::new(1).step(&outside, lr, &mut usual, &[g]).unwrap();
                assert!(usual[0] / p[0] > 10.0, "{} against {}", usual[0], p[0]);
            }
        }
    }
}
