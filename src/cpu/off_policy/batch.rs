//! Batches that are drawn from the ring, and a gradient step's noise.

use crate::error::Result;
use crate::policy::Head;
use crate::reference::Real;
use crate::reference::exploration::update_noise;
use crate::reference::replay::Replay;
use crate::reference::transitions::Transitions;
use ndarray::{Array1, Array2, Array3};

/// A batch of B transitions with their actions. Its arrays are filled anew for each step.
#[derive(Debug, Clone)]
pub(super) struct Batch<F> {
    /// `[B, obs_dim]`, and what followed them.
    pub obs: Array2<F>,
    pub next_obs: Array2<F>,
    /// `[B]`.
    pub rewards: Array1<F>,
    pub terminated: Array1<u32>,
    pub discounts: Array1<F>,
    /// `[B]`, where actions are choices.
    pub indices: Array1<u32>,
    /// `[B, dims]` in [−1, 1], where they are floats.
    pub floats: Array2<F>,
}

impl<F: Real> Batch<F> {
    /// Room for `rows` transitions.
    pub fn new(rows: usize, obs_dim: usize, head: &Head) -> Self {
        let dims = if head.is_discrete() { 0 } else { head.action_dims() };
        Self {
            obs: Array2::zeros((rows, obs_dim)),
            next_obs: Array2::zeros((rows, obs_dim)),
            rewards: Array1::zeros(rows),
            terminated: Array1::zeros(rows),
            discounts: Array1::zeros(rows),
            indices: Array1::zeros(if head.is_discrete() { rows } else { 0 }),
            floats: Array2::zeros((rows, dims)),
        }
    }

    /// The rows of gradient step `step`.
    ///
    /// # Errors
    /// As [`Replay::draw`].
    pub fn draw(&mut self, ring: &Replay<F>, seed: u64, step: u64, n_steps: usize, gamma: f64) -> Result<()> {
        let (_, envs, obs_dim) = ring.obs.dim();
        let words = ring.actions.dim().2;
        // Two passes: where the rows lie is known before the first is read, and rows of a long memory are slow to come.
        let drawn = (0..self.rewards.len()).map(|row| {
            // A batch's rows are within u32: `Config::validate`.
            ring.draw(seed, step, row as u32, n_steps, F::of(gamma))
        });
        let drawn = drawn.collect::<Result<Vec<_>>>()?;
        for (row, drawn) in drawn.iter().enumerate() {
            self.rewards[row] = drawn.sum.reward;
            self.terminated[row] = drawn.sum.terminated.into();
            self.discounts[row] = drawn.sum.discount;
        }
        let starts = || drawn.iter().map(|drawn| drawn.start * envs + drawn.env);
        let lasts = drawn.iter().map(|drawn| drawn.sum.last * envs + drawn.env);
        copy_rows(&mut self.obs, &ring.obs, obs_dim, starts());
        copy_rows(&mut self.next_obs, &ring.next_obs, obs_dim, lasts);
        let Some(stored) = ring.actions.as_slice() else { return Ok(()) };
        for (index, at) in self.indices.iter_mut().zip(starts()) {
            *index = stored[at * words];
        }
        for (mut floats, at) in self.floats.outer_iter_mut().zip(starts()) {
            let own = &stored[at * words..(at + 1) * words];
            floats.iter_mut().zip(own).for_each(|(float, word)| *float = F::of(f64::from(f32::from_bits(*word))));
        }
        Ok(())
    }

    /// B.
    pub fn rows(&self) -> usize {
        self.rewards.len()
    }

    /// As the reference takes it.
    pub fn transitions(&self) -> Transitions<'_, F> {
        Transitions {
            obs: self.obs.view(),
            next_obs: self.next_obs.view(),
            rewards: self.rewards.view(),
            terminated: self.terminated.view(),
            discounts: self.discounts.view(),
        }
    }
}

/// The rows `places` of what is stored, one after the other.
fn copy_rows<F: Real>(to: &mut Array2<F>, stored: &Array3<F>, width: usize, places: impl Iterator<Item = usize>) {
    // Both lie without gaps, as they were made.
    let (Some(to), Some(stored)) = (to.as_slice_mut(), stored.as_slice()) else { return };
    for (row, at) in to.chunks_exact_mut(width.max(1)).zip(places) {
        row.copy_from_slice(&stored[at * width..(at + 1) * width]);
    }
}

/// Standard normals of a gradient step, `[B, dims]` each or empty.
#[derive(Debug, Clone)]
pub(super) struct Noise<F> {
    /// For actions at the next observations.
    pub next: Array2<F>,
    /// For actions at the observations.
    pub own: Array2<F>,
}

impl<F: Real> Noise<F> {
    /// Room for `rows` rows of `dims` numbers; `own` is empty unless `both`.
    pub fn new(rows: usize, dims: usize, both: bool) -> Self {
        let own = if both { rows } else { 0 };
        Self { next: Array2::zeros((rows, dims)), own: Array2::zeros((own, dims)) }
    }

    /// The draws of gradient step `step`: row r of the next observations has index r, own rows come after them.
    pub fn draw(&mut self, seed: u64, step: u64) {
        let first = self.next.nrows();
        update_noise(self.next.view_mut(), 0, seed, step);
        update_noise(self.own.view_mut(), first, seed, step);
    }
}
