//! The critics' step of DDPG, TD3 and SAC, from the gradients of all rows or of parts of them.

use super::Real;
use super::critics::{CriticStats, Critics, PASS, critic_loss};
use super::flat_mlp::{FlatMlp, added, by_numbers};
use super::optim::{Adam, AdamSettings};
use super::row_blocks::{each, each_of};
use crate::data::check_shape;
use crate::error::Result;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, s};

/// What some rows of a batch say of the critics.
pub(super) struct CriticRows<F> {
    /// y, `[rows]`.
    targets: Array1<F>,
    /// Of each critic, `[rows]`.
    values: Vec<Array1<F>>,
    /// These rows' share of each critic's loss.
    losses: Vec<F>,
    /// Of that share, by each critic's numbers.
    gradients: Vec<Vec<F>>,
}

impl<F: Real> Critics<F> {
    /// The share of the rows `seen`, of a batch of `all`, in `scale · mean (Q(seen) − y)²` of each critic. Of critics with an output for each choice,
    /// Q of row r is the one that `actions` names, which is there; without them, the only one.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if arrays do not fit.
    pub(super) fn of_rows(
        &self,
        network: &FlatMlp,
        seen: ArrayView2<'_, F>,
        actions: Option<ArrayView1<'_, u32>>,
        targets: Array1<F>,
        (scale, all): (F, usize),
    ) -> Result<CriticRows<F>> {
        check_shape("targets", &[targets.len()], &[seen.nrows()])?;
        let share = scale * (F::count(seen.nrows()) / F::count(all));
        let of_one = |index: usize| {
            let (q, tape) = self.pass(network, index, seen)?;
            let output = tape.output();
            let named = |r: usize| actions.map_or(0, |actions| actions[r] as usize);
            let values: Array1<F> = output.rows().into_iter().enumerate().map(|(r, row)| row[named(r)]).collect();
            let (loss, slopes) = critic_loss(&values, &targets, share)?;
            let mut cotangent = Array2::zeros(output.dim());
            slopes.iter().enumerate().for_each(|(r, slope)| cotangent[[r, named(r)]] = *slope);
            let gradient = by_numbers(&q, &tape, cotangent.view())?;
            tape.give();
            Ok((values, (loss, gradient)))
        };
        let of_each = each_of(network.len() * seen.nrows(), self.online.len(), of_one)?;
        let (values, rest): (_, Vec<_>) = of_each.into_iter().unzip();
        let (losses, gradients) = rest.into_iter().unzip();
        Ok(CriticRows { targets, values, losses, gradients })
    }

    /// One step of the optimiser of each critic, by the rows of all `parts` of a batch; of none if it refuses the gradient of one.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the moments do not fit. Some critics may have stepped then: who calls puts the state back.
    pub(super) fn step(
        &mut self,
        settings: &AdamSettings,
        lr: f64,
        parts: Vec<CriticRows<F>>,
    ) -> Result<CriticStats<F>> {
        let count = self.online.len();
        check_shape("adam", &[self.adam.len()], &[count])?;
        let rows = parts.iter().map(|part| part.targets.len()).sum();
        let (mut q_values, mut targets) = (Array2::zeros((count, rows)), Array1::zeros(rows));
        let (mut loss, mut start) = (F::zero(), 0);
        let mut of_each = vec![Vec::with_capacity(parts.len()); count];
        for part in parts {
            let end = start + part.targets.len();
            targets.slice_mut(s![start..end]).assign(&part.targets);
            for (index, values) in part.values.iter().enumerate() {
                q_values.slice_mut(s![index, start..end]).assign(values);
            }
            part.losses.into_iter().for_each(|own| loss += own);
            of_each.iter_mut().zip(part.gradients).for_each(|(all, own)| all.push(own));
            start = end;
        }
        let size = self.online.first().map_or(0, |online| online.len().saturating_mul(PASS));
        let summed = each(size, of_each, |parts| {
            let gradient = added(parts);
            let would = Adam::would_step(settings, &gradient);
            Ok((gradient, would))
        })?;
        let (gradients, mut stepped): (Vec<_>, Vec<_>) = summed.into_iter().unzip();
        // All or none, so that they stay at the same step of their optimiser.
        if stepped.iter().any(|one| !one.stepped) {
            stepped.iter_mut().for_each(|one| one.stepped = false);
            return Ok(CriticStats { q_values, targets, loss, gradients, stepped });
        }
        let of_each = self.online.iter_mut().zip(&mut self.adam).zip(gradients.iter().zip(&stepped)).collect();
        each(size, of_each, |((parameters, adam), (gradient, would))| {
            adam.step_of_norm(0..gradient.len(), settings, lr, parameters, gradient, Some(would.grad_norm))
        })?;
        Ok(CriticStats { q_values, targets, loss, gradients, stepped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// The first critic's gradient is within what the optimiser takes, the second's beyond.
    #[test]
    fn a_gradient_that_is_refused_stops_both() {
        let network = FlatMlp::new(vec![1, 1], crate::policy::Activation::Identity).unwrap();
        let settings = AdamSettings::new(&crate::config::Config::sac_sb3(), 0..0);
        let online = vec![vec![1.0, 0.0], vec![1e20, 0.0]];
        let adam = vec![Adam::new(2), Adam::new(2)];
        let mut critics = Critics { targets: online.clone(), online, adam };
        let before = critics.clone();
        let step = |critics: &mut Critics<f64>| {
            let rows = critics.of_rows(&network, array![[1.0]].view(), None, array![0.0], (1.0, 1)).unwrap();
            critics.step(&settings, 0.1, vec![rows]).unwrap()
        };
        let stats = step(&mut critics);
        assert!(stats.stepped.iter().all(|one| !one.stepped) && stats.stepped[1].grad_norm > 1e20);
        assert_eq!(critics, before);
        critics.online[1][0] = 2.0;
        assert!(step(&mut critics).stepped.iter().all(|one| one.stepped) && critics.adam[1].step == 1);
    }

    /// Of whole numbers and a power of two of rows, so that every order of summation gives the same.
    #[test]
    fn parts_of_the_rows_make_the_step_of_all() {
        let network = FlatMlp::new(vec![2, 1], crate::policy::Activation::Identity).unwrap();
        let settings = AdamSettings::new(&crate::config::Config::sac_sb3(), 0..0);
        let online = vec![vec![1.0, 2.0, 3.0], vec![-1.0, 0.0, 2.0]];
        let sound = Critics { targets: online.clone(), online, adam: vec![Adam::new(3), Adam::new(3)] };
        let seen = Array2::from_shape_fn((8, 2), |(r, c)| ((3 * r + 5 * c) % 7) as f64 - 3.0);
        let y = Array1::from_shape_fn(8, |r| (r % 3) as f64);
        let run = |ends: &[usize]| {
            let mut critics = sound.clone();
            let parts = ends.windows(2).map(|ends| {
                let (seen, y) = (seen.slice(s![ends[0]..ends[1], ..]), y.slice(s![ends[0]..ends[1]]).to_owned());
                critics.of_rows(&network, seen, None, y, (0.5, 8)).unwrap()
            });
            let parts = parts.collect();
            let stats = critics.step(&settings, 0.1, parts).unwrap();
            (critics, stats)
        };
        let ((all, of_all), (halves, of_halves)) = (run(&[0, 8]), run(&[0, 4, 8]));
        assert_eq!(all, halves);
        assert!(all != sound);
        assert_eq!((of_all.q_values, of_all.targets), (of_halves.q_values, of_halves.targets));
        assert_eq!((of_all.loss, of_all.gradients), (of_halves.loss, of_halves.gradients));
    }
}
