//! Gradient clipping and Adam.

use super::Real;
use super::reduce_moments::reduce_norm;
use crate::data::check_shape;
use crate::{Optimizer, PpoConfig, Result};
use ndarray::ArrayView1;

/// Adam's settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamSettings {
    /// Adam or AdamW.
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
        }
    }
}

/// Adam's moments and step count.
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

    /// One step of Adam (Kingma and Ba 2015, algorithm 1) or AdamW (Loshchilov and Hutter 2019, algorithm 2), with
    /// PyTorch's placement of ε and clipping by the joint norm before it:
    ///
    /// ```text
    /// g ← g · min(1, max_grad_norm / (‖g‖ + 1e-6))
    /// Adam: g ← g + weight_decay · p        AdamW: p ← p (1 − lr · weight_decay)
    /// m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²
    /// p ← p − lr / (1 − β₁^t) · m / (√v / √(1 − β₂^t) + ε)
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
        let len = self.exp_avg.len();
        check_shape("parameters", &[parameters.len()], &[len])?;
        check_shape("gradient", &[gradient.len()], &[len])?;
        check_shape("exp_avg_sq", &[self.exp_avg_sq.len()], &[len])?;
        let norm = reduce_norm(ArrayView1::from(gradient));
        if !norm.is_finite() {
            return Ok(Stepped { grad_norm: norm, stepped: false });
        }
        self.step = self.step.saturating_add(1);
        let scale = settings.max_grad_norm.map_or(F::one(), |max| clip_scale(norm, F::of(max)));
        // In f64, as powers of β lose digits near 1; these are constants of the step.
        let t = f64::from(self.step);
        let step_size = F::of(lr / (1.0 - settings.beta1.powf(t)));
        let root = F::of((1.0 - settings.beta2.powf(t)).sqrt());
        let (beta1, rest1) = (F::of(settings.beta1), F::of(1.0 - settings.beta1));
        let (beta2, rest2) = (F::of(settings.beta2), F::of(1.0 - settings.beta2));
        let (eps, decay) = (F::of(settings.eps), F::of(settings.weight_decay));
        let shrink = F::of(1.0 - lr * settings.weight_decay);
        let moments = self.exp_avg.iter_mut().zip(&mut self.exp_avg_sq);
        for ((p, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let mut g = *g * scale;
            match settings.optimizer {
                Optimizer::Adam => g += decay * *p,
                Optimizer::AdamW => *p *= shrink,
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
