//! The critics of DDPG, TD3 and SAC: one or two, each with its target.

use super::Real;
use super::flat_mlp::{FlatMlp, by_input};
use super::mlp::{Mlp, Tape, give};
use super::optim::{Adam, Stepped};
use super::row_blocks::{each, each_of};
use super::td_target::polyak;
use crate::data::check_shape;
use crate::error::{Error, Result};
use ndarray::{Array1, Array2, ArrayView2, Axis};

/// Products of numbers that take as long as one parameter's share of a pass over all of them.
pub(super) const PASS: usize = 64;

/// One critic or two, of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Critics<F> {
    /// Numbers of each.
    pub online: Vec<Vec<F>>,
    /// Numbers of each one's target.
    pub targets: Vec<Vec<F>>,
    /// Moments of each.
    pub adam: Vec<Adam<F>>,
}

/// What a step of the critics saw, before it changed anything.
#[derive(Debug, Clone)]
pub struct CriticStats<F> {
    /// Q of the stored actions, `[critics, B]`.
    pub q_values: Array2<F>,
    /// y, `[B]`.
    pub targets: Array1<F>,
    /// Of all critics together.
    pub loss: F,
    /// Of each critic.
    pub gradients: Vec<Vec<F>>,
    /// Norm of each one's before clipping, and whether its step was taken.
    pub stepped: Vec<Stepped<F>>,
}

impl<F: Real> Critics<F> {
    /// That there are as many targets and moments as critics, all of `network`'s size, so that no step ends half way.
    ///
    /// # Errors
    /// [`Error::Shape`] naming what does not fit, [`Error::Config`] without a critic.
    pub fn validate(&self, network: &FlatMlp) -> Result<()> {
        if self.online.is_empty() {
            return Err(Error::config("critics", "are none, must be at least one"));
        }
        check_shape("targets", &[self.targets.len()], &[self.online.len()])?;
        check_shape("adam", &[self.adam.len()], &[self.online.len()])?;
        let all = self.online.iter().zip(&self.targets).zip(&self.adam);
        all.into_iter().try_for_each(|((online, target), adam)| {
            check_shape("critic", &[online.len()], &[network.len()])?;
            check_shape("target", &[target.len()], &[network.len()])?;
            adam.validate(network.len())
        })
    }

    /// The least of the targets' values of `seen` `[rows, inputs]`, `[rows]` (clipped double Q-learning).
    ///
    /// # Errors
    /// [`Error::Shape`] if `seen` has not the critics' width, [`Error::Config`] without a critic.
    pub fn least_of_targets(&self, network: &FlatMlp, seen: ArrayView2<'_, F>) -> Result<Array1<F>> {
        let values = each_of(network.len() * seen.nrows(), self.targets.len(), |index| {
            let tape = network.with(&self.targets[index])?.forward(seen)?;
            let values = tape.output().column(0).to_owned();
            tape.give();
            Ok(values)
        })?;
        Ok(least_of(&values)?.0)
    }

    /// All targets follow by τ.
    ///
    /// # Errors
    /// [`Error::Shape`] if a target has another length than its critic.
    pub fn follow(&mut self, tau: F) -> Result<()> {
        check_shape("targets", &[self.targets.len()], &[self.online.len()])?;
        let size = self.online.first().map_or(0, |online| online.len().saturating_mul(PASS));
        let pairs: Vec<_> = self.targets.iter_mut().zip(&self.online).collect();
        each(size, pairs, |(target, online)| polyak(target, online, tau)).map(|_| ())
    }

    /// The least of the critics' values of `seen`, `[rows]`, and the gradient of Σ w · least by `seen`: through the least alone, the
    /// first of equals.
    ///
    /// # Errors
    /// As [`least_of_targets`](Self::least_of_targets).
    pub fn least_and_gradient(
        &self,
        network: &FlatMlp,
        seen: ArrayView2<'_, F>,
        w: F,
    ) -> Result<(Array1<F>, Array2<F>)> {
        let size = network.len() * seen.nrows();
        let passes = each_of(size, self.online.len(), |index| self.pass(network, index, seen))?;
        let values: Vec<_> = passes.iter().map(|(_, tape)| tape.output().column(0).to_owned()).collect();
        let (least, which) = least_of(&values)?;
        let gradients = each_of(size, passes.len(), |index| {
            let ours = which.mapv(|which| if which == index { w } else { F::zero() });
            by_input(&passes[index].0, &passes[index].1, ours.insert_axis(Axis(1)).view())
        })?;
        passes.into_iter().for_each(|(_, tape)| tape.give());
        let mut by_seen = Array2::zeros(seen.dim());
        for gradient in gradients {
            by_seen += &gradient;
            give(gradient);
        }
        Ok((least, by_seen))
    }

    /// A critic and its forward pass.
    pub(super) fn pass(
        &self,
        network: &FlatMlp,
        index: usize,
        seen: ArrayView2<'_, F>,
    ) -> Result<(Mlp<'_, F>, Tape<F>)> {
        let q = network.with(&self.online[index])?;
        let tape = q.forward(seen)?;
        Ok((q, tape))
    }
}

/// The least of several critics' values of each row, and which one has it, the first of equals.
///
/// # Errors
/// [`Error::Config`] without a critic, [`Error::Shape`] if they have not as many rows.
pub fn least_of<F: Real>(values: &[Array1<F>]) -> Result<(Array1<F>, Array1<usize>)> {
    let first = values.first().ok_or_else(|| Error::config("critics", "are none, must be at least one"))?;
    let mut least = first.clone();
    let mut which = Array1::zeros(least.len());
    for (index, values) in values.iter().enumerate().skip(1) {
        check_shape("values", &[values.len()], &[least.len()])?;
        for (r, value) in values.iter().enumerate() {
            // A value that is no number is the least, so that it is not lost.
            if *value < least[r] || value.is_nan() {
                (least[r], which[r]) = (*value, index);
            }
        }
    }
    Ok((least, which))
}

/// The loss `scale` · mean (`values` − `targets`)² of one critic, and its gradient by the values, `[rows]`.
///
/// # Errors
/// [`Error::Shape`] if the lengths differ.
pub fn critic_loss<F: Real>(values: &Array1<F>, targets: &Array1<F>, scale: F) -> Result<(F, Array1<F>)> {
    check_shape("targets", &[targets.len()], &[values.len()])?;
    let rows = F::count(values.len());
    let d = values - targets;
    let loss = scale * d.mapv(|d| d * d).sum() / rows;
    Ok((loss, d.mapv(|d| scale * F::of(2.0) * d / rows)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_first_of_equals_is_the_least() {
        let (least, which) = least_of(&[array![1.0, 5.0, 2.0], array![1.0, 4.0, 3.0]]).unwrap();
        assert_eq!((least, which), (array![1.0, 4.0, 2.0], array![0, 1, 0]));
        for values in [[array![f64::NAN], array![1.0]], [array![1.0], array![f64::NAN]]] {
            assert!(least_of(&values).unwrap().0[0].is_nan());
        }
        assert!(least_of::<f64>(&[]).is_err() && least_of(&[array![1.0], array![1.0, 2.0]]).is_err());
    }

    #[test]
    fn a_critics_gradient_is_that_of_its_loss() {
        let (values, targets) = (array![1.0_f64, -2.0], array![0.5, 1.0]);
        let (loss, by_values) = critic_loss(&values, &targets, 0.5).unwrap();
        assert_eq!(loss, 0.5 * (0.25 + 9.0) / 2.0);
        for i in 0..2 {
            let mut moved = values.clone();
            moved[i] += 1e-6;
            let change = (critic_loss(&moved, &targets, 0.5).unwrap().0 - loss) / 1e-6;
            assert!((change - by_values[i]).abs() < 1e-5, "{i}: {change}");
        }
        assert!(critic_loss(&values, &array![1.0], 0.5).is_err());
    }
}
