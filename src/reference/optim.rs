//! Gradient clipping, Adam and RMSProp.

use super::Real;
use super::reduce_moments::reduce_norm;
use crate::data::check_shape;
use crate::{Error, Optimizer, PpoConfig, Result};
use ndarray::ArrayView1;
use std::ops::Range;

/// Adam's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamSettings {
    /// Adam, AdamW or RMSProp.
    pub optimizer: Optimizer,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added outside the root.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Limit of the joint gradient norm.
    pub max_grad_norm: Option<f64>,
    /// α of RMSProp.
    pub rmsprop_alpha: f64,
    /// ε of RMSProp, outside the root.
    pub rmsprop_eps: f64,
}

impl From<&PpoConfig> for AdamSettings {
    fn from(config: &PpoConfig) -> Self {
        Self {
            optimizer: config.optimizer,
            beta1: config.adam_beta1,
            beta2: config.adam_beta2,
            eps: config.adam_eps,
            weight_decay: config.weight_decay,
            max_grad_norm: config.max_grad_norm,
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

/// Norm of the gradient before clipping, and whether the step was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stepped<F> {
    /// √Σ g².
    pub grad_norm: F,
    /// False if the norm was NaN or infinite: nothing was changed then.
    pub stepped: bool,
}

impl<F: Real> Adam<F> {
    /// Moments and step at 0.
    pub fn new(parameters: usize) -> Self {
        Self { exp_avg: vec![F::zero(); parameters], exp_avg_sq: vec![F::zero(); parameters], step: 0 }
    }

    /// One step of Adam (Kingma and Ba 2015, algorithm 1), AdamW (Loshchilov and Hutter 2019, algorithm 2) or RMSProp
    /// (Tieleman and Hinton 2012), with PyTorch's placement of ε and clipping by the joint norm before it:
    ///
    /// ```text
    /// g ← g · min(1, max_grad_norm / (‖g‖ + 1e-6))
    /// Adam, RMSProp: g ← g + weight_decay · p        AdamW: p ← p (1 − lr · weight_decay)
    /// Adam(W):  m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²
    ///           p ← p − lr / (1 − β₁^t) · m / (√v / √(1 − β₂^t) + ε)
    /// RMSProp:  v ← α v + (1 − α) g²;    p ← p − lr · g / (√v + ε)
    /// ```
    ///
    /// A gradient whose norm is not finite changes nothing.
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

    /// [`step`](Self::step) of the elements `range` alone; the norm is theirs.
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
        if !norm.is_finite() {
            return Ok(Stepped { grad_norm: norm, stepped: false });
        }
        self.step = self.step.saturating_add(1);
        let scale = settings.max_grad_norm.map_or(F::one(), |max| clip_scale(norm, F::of(max)));
        let decay = F::of(settings.weight_decay);
        let moments = self.exp_avg[range.clone()].iter_mut().zip(&mut self.exp_avg_sq[range]);
        let elements = parameters.iter_mut().zip(gradient).zip(moments);
        if settings.optimizer == Optimizer::RmsProp {
            let (alpha, rest) = (F::of(settings.rmsprop_alpha), F::of(1.0 - settings.rmsprop_alpha));
            let (lr, eps) = (F::of(lr), F::of(settings.rmsprop_eps));
            for ((p, g), (_, v)) in elements {
                let g = *g * scale + decay * *p;
                *v = alpha * *v + rest * g * g;
                *p -= lr * g / (v.sqrt() + eps);
            }
            return Ok(Stepped { grad_norm: norm, stepped: true });
        }
        // In f64, as powers of β lose digits near 1; these are constants of the step.
        let t = f64::from(self.step);
        let step_size = F::of(lr / (1.0 - settings.beta1.powf(t)));
        let root = F::of((1.0 - settings.beta2.powf(t)).sqrt());
        let (beta1, rest1) = (F::of(settings.beta1), F::of(1.0 - settings.beta1));
        let (beta2, rest2) = (F::of(settings.beta2), F::of(1.0 - settings.beta2));
        let eps = F::of(settings.eps);
        let shrink = F::of(1.0 - lr * settings.weight_decay);
        for ((p, g), (m, v)) in elements {
            let mut g = *g * scale;
            if settings.optimizer == Optimizer::AdamW {
                *p *= shrink;
            } else {
                g += decay * *p;
            }
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *p -= step_size * *m / (v.sqrt() / root + eps);
        }
        Ok(Stepped { grad_norm: norm, stepped: true })
    }
}

/// min(1, max / (norm + 1e-6)), as PyTorch's `clip_grad_norm_`.
pub fn clip_scale<F: Real>(norm: F, max: F) -> F {
    (max / (norm + F::of(1e-6))).min(F::one())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps by hand, with clipping and decay; then a step of a part.
    #[test]
    fn rmsprop_is_pytorchs_formula() {
        let config = PpoConfig { weight_decay: 0.1, max_grad_norm: Some(0.5), rmsprop_alpha: 0.9, ..PpoConfig::a2c() };
        let settings = AdamSettings::from(&config);
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
        let settings = AdamSettings::from(&PpoConfig::cleanrl());
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

    #[test]
    fn the_first_step_is_the_learning_rate() {
        let settings = AdamSettings { eps: 0.0, max_grad_norm: None, ..AdamSettings::from(&PpoConfig::cleanrl()) };
        let mut parameters = vec![1.0_f64, 1.0];
        Adam::new(2).step(&settings, 0.1, &mut parameters, &[1e-3, -1e3]).unwrap();
        assert!((parameters[0] - 0.9).abs() < 1e-12 && (parameters[1] - 1.1).abs() < 1e-12);
    }
}
