//! A ring of transitions as off-policy algorithms replay it.

use super::Real;
use super::td_target::{NStep, Ring};
use crate::data::check_shape;
use crate::error::{Error, Result};
use crate::rng::{Draw, below, block};
use ndarray::{Array2, Array3, ArrayView1, ArrayView2, Axis};

/// T places of N environments' transitions.
#[derive(Debug, Clone)]
pub struct Replay<F> {
    /// `[T, N, obs_dim]`.
    pub obs: Array3<F>,
    /// Words, `[T, N, action_words]`.
    pub actions: Array3<u32>,
    /// `[T, N]`.
    pub rewards: Array2<F>,
    /// The real next observation, also at an end, `[T, N, obs_dim]`.
    pub next_obs: Array3<F>,
    /// `[T, N]`.
    pub terminated: Array2<u32>,
    /// `[T, N]`.
    pub truncated: Array2<u32>,
    /// The place that is written next.
    pub next_write: usize,
    /// Places that are used.
    pub stored: usize,
}

/// One step of N environments.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a, F> {
    /// `[N, obs_dim]`.
    pub obs: ArrayView2<'a, F>,
    /// `[N, action_words]`.
    pub actions: ArrayView2<'a, u32>,
    /// `[N]`.
    pub rewards: ArrayView1<'a, F>,
    /// The real next observation, also at an end, `[N, obs_dim]`.
    pub next_obs: ArrayView2<'a, F>,
    /// `[N]`.
    pub terminated: ArrayView1<'a, u32>,
    /// `[N]`.
    pub truncated: ArrayView1<'a, u32>,
}

/// A transition that was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn<F> {
    /// Its place.
    pub start: usize,
    /// Its environment.
    pub env: usize,
    /// What n steps from there come to.
    pub sum: NStep<F>,
}

impl<F: Real> Replay<F> {
    /// A ring of `[places, envs]` without a transition.
    pub fn new([places, envs]: [usize; 2], obs_dim: usize, action_words: usize) -> Self {
        Self {
            obs: Array3::zeros([places, envs, obs_dim]),
            actions: Array3::zeros([places, envs, action_words]),
            rewards: Array2::zeros([places, envs]),
            next_obs: Array3::zeros([places, envs, obs_dim]),
            terminated: Array2::zeros([places, envs]),
            truncated: Array2::zeros([places, envs]),
            next_write: 0,
            stored: 0,
        }
    }

    /// Writes a step over the oldest one, once all places are used.
    ///
    /// # Errors
    /// [`Error::Shape`] if it does not fit; [`Error::Config`] if there is no place. Nothing has changed then.
    pub fn store(&mut self, step: &Step<'_, F>) -> Result<()> {
        let (places, envs, obs_dim) = self.obs.dim();
        if places == 0 {
            return Err(Error::config("buffer_size", "is 0, must be at least 1"));
        }
        let words = self.actions.dim().2;
        check_shape("obs", step.obs.shape(), &[envs, obs_dim])?;
        check_shape("next_obs", step.next_obs.shape(), &[envs, obs_dim])?;
        check_shape("actions", step.actions.shape(), &[envs, words])?;
        check_shape("rewards", &[step.rewards.len()], &[envs])?;
        check_shape("terminated", &[step.terminated.len()], &[envs])?;
        check_shape("truncated", &[step.truncated.len()], &[envs])?;
        let place = self.next_write;
        self.obs.index_axis_mut(Axis(0), place).assign(&step.obs);
        self.next_obs.index_axis_mut(Axis(0), place).assign(&step.next_obs);
        self.actions.index_axis_mut(Axis(0), place).assign(&step.actions);
        self.rewards.row_mut(place).assign(&step.rewards);
        self.terminated.row_mut(place).assign(&step.terminated);
        self.truncated.row_mut(place).assign(&step.truncated);
        self.next_write = (place + 1) % places;
        self.stored = (self.stored + 1).min(places);
        Ok(())
    }

    /// What row `row` of gradient step `step` draws: one of the stored transitions, uniformly, by [`Draw::Replay`].
    ///
    /// # Errors
    /// [`Error::Config`] if none is stored, or as [`Ring::n_step`].
    pub fn draw(&self, seed: u64, step: u64, row: u32, n_steps: usize, gamma: F) -> Result<Drawn<F>> {
        let envs = self.rewards.ncols();
        let stored = u32::try_from(self.stored * envs).unwrap_or(u32::MAX);
        if stored == 0 {
            return Err(Error::config("learning_starts", "a batch was drawn before anything was stored"));
        }
        let drawn = below(block(seed, Draw::Replay, row, 0, step), stored) as usize;
        let (start, env) = (drawn / envs, drawn % envs);
        let ring = Ring {
            rewards: self.rewards.view(),
            terminated: self.terminated.view(),
            truncated: self.truncated.view(),
            next_write: self.next_write,
            stored: self.stored,
        };
        Ok(Drawn { start, env, sum: ring.n_step(start, env, n_steps, gamma)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn step(ring: &mut Replay<f64>, number: f64) {
        let (obs, next) = (array![[number], [number + 0.5]], array![[number + 1.0], [number + 1.5]]);
        let (actions, rewards, flags) = (array![[7], [8]], array![number, -number], array![0, 0]);
        let step = Step {
            obs: obs.view(),
            actions: actions.view(),
            rewards: rewards.view(),
            next_obs: next.view(),
            terminated: flags.view(),
            truncated: flags.view(),
        };
        ring.store(&step).unwrap();
    }

    #[test]
    fn the_oldest_is_written_over() {
        let mut ring = Replay::new([3, 2], 1, 1);
        assert!(ring.draw(1, 0, 0, 1, 0.9).is_err());
        for number in 1..=4 {
            step(&mut ring, number.into());
        }
        assert_eq!((ring.next_write, ring.stored), (1, 3));
        assert_eq!(ring.rewards.column(0), array![4.0, 2.0, 3.0]);
        assert_eq!(ring.next_obs.index_axis(Axis(0), 0).column(0), array![5.0, 5.5]);
    }

    /// Each transition as often as the others: 6,000 draws of 6 have a deviation of 29 about 1,000.
    #[test]
    fn draws_are_uniform_over_what_is_there() {
        let mut ring = Replay::new([7, 2], 1, 1);
        for number in 0..3 {
            step(&mut ring, number.into());
        }
        let mut counts = [0; 6];
        for row in 0..6000 {
            let drawn = ring.draw(5, 9, row, 1, 0.9).unwrap();
            counts[drawn.start * 2 + drawn.env] += 1;
        }
        assert!(counts.iter().all(|count| (850..=1150).contains(count)), "{counts:?}");
        let at = |seed, step| (0..50).map(|row| ring.draw(seed, step, row, 1, 0.9).unwrap()).collect::<Vec<_>>();
        assert!(at(5, 9) != at(5, 10) && at(5, 9) != at(6, 9));
    }
}
